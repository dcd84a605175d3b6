import * as fs from "node:fs";
import type { Config } from "../../../config/table.ts";
import { reasonOf } from "../../../config/reason.ts";
import { type Disk, isFailure } from "../../../host/disk.ts";
import { StartError } from "../../../host/errors.ts";
import { type Lock, lockFile } from "../../../host/lock.ts";
import type { Host, Table } from "../../../host/service.ts";
import { Chained, hashKeyIn, headOf } from "../chain.ts";
import { Columns, JsonLines } from "../columns.ts";
import { lastLine } from "./read/last-line.ts";
import { Marks } from "./marks.ts";
import { OldFiles, type OldFileSettings } from "./old-files.ts";
import type { WriterSettings } from "./options.ts";
import { LogWriter } from "./writer.ts";

/** Milliseconds between two looks at the size of the marks. */
const LOOK_MS = 10_000;

/** The log of a collector with all that lies beside it: the marks, the rotated files, and a lock. */
export class CollectedLog {
  readonly writer: LogWriter;
  readonly marks: Marks;
  readonly #host: Pick<Host<Config>, "clock" | "log">;
  readonly #disk: Disk;
  readonly #path: string;
  readonly #lock: Lock;
  readonly #oldFiles: OldFiles;
  readonly #stopLooking: () => void;
  /** The hash of the line before the first one of the file; null without a chain. */
  #headBefore: string | null = null;
  #settings: WriterSettings;
  #oldFileSettings: OldFileSettings;
  #marksFail = false;

  /** @throws StartError when its files cannot be used, or another process has them */
  constructor(config: Config, host: Pick<Host<Config>, "clock" | "log">, disk: Disk = fs) {
    const { path } = config.collector;
    this.#host = host;
    this.#disk = disk;
    this.#path = path;
    this.#settings = writerSettings(config);
    this.#oldFileSettings = oldFileSettings(config);
    this.#lock = lockFile(disk, path);
    try {
      [this.writer, this.marks] = this.#open(config);
      this.#oldFiles = new OldFiles(path, {
        disk,
        clock: host.clock,
        settings: () => this.#oldFileSettings,
        tell: (message, level) => this.#tell(message, level),
      });
    } catch (error) {
      this.#lock.release();
      if (error instanceof StartError) throw error;
      throw new StartError(`cannot use ${path}: ${reasonOf(error)}`);
    }
    this.#stopLooking = host.clock.every(LOOK_MS, () => this.#shorten());
  }

  /** Takes other settings, and looks at once whether the file was moved. */
  configure(next: Config): void {
    this.#settings = writerSettings(next);
    this.#oldFileSettings = oldFileSettings(next);
    this.writer.reopen();
  }

  /** The end of the chain of hashes, as far as it is on disk; null without a chain, or an entry. */
  get head(): { readonly entry: number; readonly hash: string } | null {
    if (this.#headBefore === null) return null;
    const { durable, endingOnDisk } = this.writer;
    if (durable === 0) return null;
    const hash = endingOnDisk.length > 0 ? headOf(endingOnDisk) : this.#headBefore;
    return { entry: durable - 1, hash };
  }

  tables(): readonly Table[] {
    if (this.#headBefore === null) return [];
    const { head } = this;
    return [
      {
        name: "chain",
        about:
          "The hash of the last line on disk: noted down elsewhere, it proves later that the log up to it is whole.",
        columns: [{ name: "entry", unit: "" }],
        rows: head === null ? [] : [[head.hash, head.entry]],
        more: 0,
        partial: false,
      },
    ];
  }

  /** Writes what waits, for at most `deadlineMs` milliseconds. @returns the number of entries that were not written */
  async close(deadlineMs: number): Promise<number> {
    this.#stopLooking();
    await this.#oldFiles.close();
    const lost = await this.writer.close(deadlineMs);
    this.marks.close();
    this.#lock.release();
    return lost;
  }

  #open(config: Config): [LogWriter, Marks] {
    const { format, widths, extra_fields, hash_chain, hash_key_file, durability } =
      config.collector;
    const found = lastLine(this.#disk, this.#path);
    if (found.torn > 0) {
      const where = found.isTornKept ? `went to ${this.#path}.torn` : "are gone, for want of room";
      this.#tell(`${found.torn} bytes of a line that was cut short ${where}`, "WARNING");
    }
    const marks = new Marks(this.#disk, `${this.#path}.marks`, found.next);
    const isJson = format === "json";
    const lines = isJson ? new JsonLines() : new Columns(widths, extra_fields);
    const before = marks.hash || headOf(found.ending);
    const form = hash_chain ? new Chained(lines, hashKeyIn(hash_key_file), before, isJson) : lines;
    if (hash_chain) this.#headBefore = before;
    const writer: LogWriter = new LogWriter(this.#path, marks.next, {
      disk: this.#disk,
      clock: this.#host.clock,
      form,
      durability,
      settings: () => this.#settings,
      tell: (message, level) => this.#tell(message, level),
      beforeWrite: () => marks.write(),
      syncNotes: () => marks.sync(),
      begun: (next, ending) => {
        // Without an ending the chain itself knows, unless it has gone on meanwhile.
        const known = form instanceof Chained && next === writer.next ? form.head : "";
        const hash = ending.length > 0 ? headOf(ending) : known;
        if (hash !== "" && hash_chain) this.#headBefore = hash;
        marks.begun(next, hash);
      },
    });
    return [writer, marks];
  }

  #shorten(): void {
    try {
      this.marks.shorten();
      this.#marksFail = false;
    } catch (error) {
      if (!isFailure(error)) throw error;
      if (!this.#marksFail) {
        this.#tell(`cannot write ${this.#path}.marks anew: ${reasonOf(error)}`, "WARNING");
      }
      this.#marksFail = true;
    }
  }

  #tell(message: string, level: "ERROR" | "WARNING" | "INFO"): void {
    const { log } = this.#host;
    const tell = { ERROR: log.error, WARNING: log.warning, INFO: log.info }[level];
    tell.call(log, `collector: ${message}`);
  }
}

function writerSettings({ collector: own }: Config): WriterSettings {
  return {
    batchSize: own.initial_batch_size,
    mostEntries: own.buffer_size,
    mostBytes: own.buffer_bytes,
    retries: own.max_retries,
    retryDelayMs: own.retry_delay_ms,
    maxFileBytes: own.max_file_bytes,
    backups: own.backup_count,
  };
}

function oldFileSettings({ collector: own }: Config): OldFileSettings {
  return {
    compresses: own.compress === "zstd",
    days: own.retention_days,
    mostBytes: own.max_total_bytes,
  };
}
