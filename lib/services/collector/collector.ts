import * as fs from "node:fs";
import { dirname } from "node:path";
import type { Place } from "../../config/place.ts";
import type { Config } from "../../config/table.ts";
import { reasonOf } from "../../config/reason.ts";
import { count } from "../../host/count.ts";
import { clientPage } from "../../host/client-page.ts";
import { fileTrouble, folderTrouble } from "../../host/folder.ts";
import { lockFile } from "../../host/lock.ts";
import { type Fault, LossError, StartError } from "../../host/errors.ts";
import type {
  Address,
  ClientPage,
  ClientQuery,
  Health,
  Host,
  Problem,
  Running,
  Table,
} from "../../host/service.ts";
import { counter, type Declared, gauge, headline } from "../../host/stats.ts";
import { CLIENT_COLUMNS } from "../../net/client.ts";
import { CLIENT_STATS, CLOSE_STATS } from "../../net/clients.ts";
import { clientTroubles } from "../../net/troubles.ts";
import { Columns, JsonLines, type LineForm } from "./columns.ts";
import { Chained, hashKeyIn, headOf } from "./chain.ts";
import type { Door, DoorName } from "./doors/door.ts";
import { GrpcDoor } from "./doors/grpc.ts";
import { HttpDoor } from "./doors/http.ts";
import { declaredOf, numbersOf, tableOf } from "./doors/numbers.ts";
import { doorPlace, openDoors } from "./doors/places.ts";
import { LinesDoor } from "./doors/lines.ts";
import { SyslogDoor } from "./doors/syslog.ts";
import { TcpDoor } from "./doors/tcp.ts";
import { TokenGuard, tokenFaults } from "./doors/token-guard.ts";
import { lastLine } from "./file/last-line.ts";
import type { WriterSettings } from "./file/options.ts";
import { OldFiles, type OldFileSettings } from "./file/old-files.ts";
import { Marks } from "./file/marks.ts";
import { LogWriter } from "./file/writer.ts";
import { Intake } from "./intake.ts";

/** The numbers of the collector, besides those of its clients. */
const DECLARED: Declared = {
  ...CLIENT_STATS,
  records: headline(counter("records", "Entries that were taken, from all doors.")),
  written: counter("records", "Entries that are written to the file."),
  pending: headline(gauge("records", "Entries that wait for the disk.")),
  pending_bytes: gauge("bytes", "Bytes of lines that wait for the disk or for being synced."),
  written_bytes: counter("bytes", "Bytes of lines that were written."),
  again: counter("records", "Records that clients sent again, and that were written once."),
  kept_whole: counter(
    "records",
    "Records that were not understood, and are kept as they came, as the message.",
  ),
  refused: counter("messages", "Messages that were refused, at all doors."),
  rotations: counter("files", "Times that a new file was begun because one was full."),
  syncs: counter("syncs", "Times that the file was synced."),
  blocked: gauge("", "1 while the disk takes no lines, else 0."),
  blocked_seconds: counter("seconds", "Seconds in which the disk took no lines."),
  ...CLOSE_STATS,
};

/** Milliseconds that a stop waits for a blocked disk at most. */
const LAST_TRIES_MS = 5000;
/** Bytes that may wait for a client before it counts as slow. */
const SLOW = 2 ** 20;
/** Milliseconds between two looks at the file of the marks. */
const LOOK_MS = 10_000;

/**
 * Starts the collector.
 * @throws StartError when it cannot listen, or its file cannot be used
 */
export async function collector(config: Config, host: Host<Config>): Promise<Running> {
  const collector = new Collector(config, host);
  try {
    await collector.listen(config);
  } catch (error) {
    await collector.drain(0);
    throw error;
  }
  return collector;
}

collector.check = (config: Config): readonly Fault[] => {
  const { path } = config.collector;
  const folder = folderTrouble(dirname(path));
  const trouble = folder === null ? fileTrouble(path, "write") : `${dirname(path)}: ${folder}`;
  return [
    ...(trouble === null ? [] : [{ key: "collector.path", message: `${path}: ${trouble}` }]),
    ...tokenFaults(config),
  ];
};

collector.places = (config: Config): readonly Place[] =>
  openDoors(config)
    .filter((name) => name !== "tcp")
    .map((name) => doorPlace(config, name));

/** The numbers of clients where no door knows any. */
const NO_CLIENTS = Object.fromEntries(
  Object.keys({ ...CLIENT_STATS, ...CLOSE_STATS }).map((name) => [name, 0]),
);

class Collector implements Running {
  declared: Declared = DECLARED;
  readonly #host: Host<Config>;
  readonly #writer: LogWriter;
  readonly #marks: Marks;
  readonly #lock: number;
  readonly #stopLooking: () => void;
  readonly #intake: Intake;
  readonly #tokens: TokenGuard;
  readonly #doors: Door[] = [];
  readonly #first: number;
  #chain: Chained | null = null;
  readonly #oldFiles: OldFiles;
  #oldFileSettings: OldFileSettings;
  #settings: WriterSettings;

  constructor(config: Config, host: Host<Config>) {
    this.#host = host;
    this.#settings = writerSettings(config);
    this.#oldFileSettings = oldFileSettings(config);
    this.#tokens = new TokenGuard(config, host);
    this.#lock = lockFile(fs, config.collector.path);
    try {
      [this.#writer, this.#marks] = this.#open(config);
    } catch (error) {
      fs.closeSync(this.#lock);
      throw error;
    }
    this.#first = this.#writer.next;
    this.#intake = new Intake(this.#writer);
    this.#oldFiles = new OldFiles(config.collector.path, {
      disk: fs,
      clock: host.clock,
      settings: () => this.#oldFileSettings,
      tell: (message, level) => this.#tell(message, level),
    });
    this.#stopLooking = host.clock.every(LOOK_MS, () => {
      if (this.#writer.durable === this.#writer.next) this.#marks.allKept(this.#writer.next);
    });
    host.onReload((next) => {
      this.#tokens.configure(next);
      for (const door of this.#doors) door.configure(next);
      this.#settings = writerSettings(next);
      this.#oldFileSettings = oldFileSettings(next);
    });
  }

  /** Opens the doors. @throws StartError when one cannot listen */
  async listen(config: Config): Promise<void> {
    const [intake, host] = [this.#intake, this.#host];
    const opening: Record<DoorName, () => Door | Promise<Door>> = {
      tcp: () => new TcpDoor(config, intake, this.#marks, host),
      grpc: () => GrpcDoor.open(config, intake, this.#tokens, host),
      http: () => new HttpDoor(config, intake, this.#tokens, host),
      syslog: () => SyslogDoor.open(config, intake, host),
      lines: () => new LinesDoor(config, intake, host),
    };
    for (const name of openDoors(config)) this.#doors.push(await opening[name]());
    this.declared = { ...DECLARED, ...declaredOf(this.#doors) };
  }

  get addresses(): readonly Address[] {
    return this.#doors.flatMap(({ addresses }) => addresses);
  }

  stats(): Record<string, number> {
    const stats: Record<string, number> = {
      records: this.#writer.next - this.#first,
      written: this.#writer.next - this.#writer.pending - this.#first,
      pending: this.#writer.pending,
      pending_bytes: this.#writer.pendingBytes,
      written_bytes: this.#writer.counts.bytes,
      again: 0,
      kept_whole: 0,
      refused: 0,
      rotations: this.#writer.counts.rotations,
      syncs: this.#writer.syncs,
      blocked: this.#writer.blocked === null ? 0 : 1,
      blocked_seconds: this.#writer.blockedMs / 1000,
    };
    for (const { counts, clients } of this.#doors) {
      const more = {
        again: counts.again,
        kept_whole: counts.keptWhole,
        refused: counts.refusedInAll,
        ...clients?.stats(),
      };
      for (const [name, value] of Object.entries(more)) stats[name] = (stats[name] ?? 0) + value;
    }
    return { ...NO_CLIENTS, ...stats, ...numbersOf(this.#doors) };
  }

  health(): Health {
    const { blocked } = this.#writer;
    if (blocked !== null) return { ok: false, reason: `nothing is written: ${blocked}` };
    const all = this.#doors.map((door) => door.health());
    return all.find(({ ok }) => !ok) ?? (all[0] as Health);
  }

  problems(): readonly Problem[] {
    const now = this.#host.clock.now();
    const each = this.#doors.flatMap(({ clients }) =>
      clientTroubles(clients?.all ?? [], now, SLOW),
    );
    return each.map((problem, i) => ({ ...problem, key: `${problem.key} ${i}` }));
  }

  clients(query: ClientQuery): ClientPage {
    const all = this.#doors.flatMap(({ clients }) => [...(clients?.all ?? [])]);
    return clientPage(all, CLIENT_COLUMNS, query, this.#host.clock.now());
  }

  kick(id: number): string | null {
    for (const { clients } of this.#doors) {
      const address = clients?.kick(id, "") ?? null;
      if (address !== null) return address;
    }
    return null;
  }

  tables(): readonly Table[] {
    if (this.#chain === null) return [tableOf(this.#doors)];
    return [
      tableOf(this.#doors),
      {
        name: "chain",
        about:
          "The hash of the last line: noted down elsewhere, it proves later that the log up to it is whole.",
        columns: [{ name: "entry", unit: "" }],
        rows: this.#writer.next === 0 ? [] : [[this.#chain.head, this.#writer.next - 1]],
        more: 0,
        partial: false,
      },
    ];
  }

  async drain(deadlineMs: number): Promise<void> {
    await Promise.all(this.#doors.map((door) => door.drain(deadlineMs)));
    this.#tokens.end();
    this.#stopLooking();
    const { blocked } = this.#writer;
    await this.#oldFiles.close();
    const lost = await this.#writer.close(LAST_TRIES_MS);
    this.#marks.close();
    fs.closeSync(this.#lock);
    if (lost > 0) {
      const why = blocked ?? "the disk did not take them in time";
      throw new LossError(`collector: ${count(lost, "record")} not written: ${why}`);
    }
  }

  #tell(message: string, level: "ERROR" | "WARNING" | "INFO"): void {
    const { log } = this.#host;
    const tell = { ERROR: log.error, WARNING: log.warning, INFO: log.info }[level];
    tell.call(log, `collector: ${message}`);
  }

  #open(config: Config): [LogWriter, Marks] {
    const { path, durability } = config.collector;
    const { log, clock } = this.#host;
    try {
      const { next, torn, ending } = lastLine(fs, path);
      if (torn > 0) {
        log.warning(`collector: ${torn} bytes of a line that was cut short went to ${path}.torn`);
      }
      const form = formOf(config, ending);
      this.#chain = form instanceof Chained ? form : null;
      const marks = new Marks(fs, `${path}.marks`, next);
      const writer = new LogWriter(path, next, {
        disk: fs,
        clock,
        form,
        durability,
        settings: () => this.#settings,
        tell: (message, level) => this.#tell(message, level),
        beforeWrite: () => marks.write(),
        syncNotes: () => marks.sync(),
      });
      return [writer, marks];
    } catch (error) {
      throw new StartError(`cannot use ${path}: ${reasonOf(error)}`);
    }
  }
}

/** @param ending the end of the last line of the log so far */
function formOf({ collector: own }: Config, ending: Buffer): LineForm {
  const isJson = own.format === "json";
  const plain = isJson ? new JsonLines() : new Columns(own.widths, own.extra_fields);
  if (!own.hash_chain) return plain;
  return new Chained(plain, hashKeyIn(own.hash_key_file), headOf(ending), isJson);
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
