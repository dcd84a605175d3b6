import { join } from "node:path";
import { compileFormat, type LineFormat, type Stamp } from "../../config/formats/line-format.ts";
import type { Config, Level } from "../../config/table.ts";
import type { Clock } from "../clock.ts";
import type { Fault } from "../errors.ts";
import { fileTrouble, folderTrouble } from "../files/folder.ts";
import type { TellTrouble } from "../files/file-trouble.ts";
import { type FileCounters, RotatingFile } from "../rotate.ts";

/** Stands for the message while the text around it is made; no message contains it. */
const MESSAGE = "\0";
/** Characters of records that are gathered before they go to the file; a flush sends fewer. */
const GATHERED_MAX = 16 * 1024;

/** Name of the log file for a server's name: `summoner:server` is `summoner_server.log`. */
export function logFileName(name: string): string {
  const safe = name
    .replace(/[<>:"/\\|?*.\p{Cc}]/gu, "_")
    .slice(0, 80)
    .toWellFormed();
  // Windows takes these for devices whatever follows the dot.
  return `${/^(con|prn|aux|nul|com\d|lpt\d|)$/i.test(safe) ? "_" : ""}${safe}.log`;
}

/** Every fault that keeps a log with these settings from its file. */
export function logFaults({ name, logger }: Pick<Config, "name" | "logger">): readonly Fault[] {
  if (!logger.enable_file_log) return [];
  const path = join(logger.log_file_path, logFileName(name));
  const trouble = folderTrouble(logger.log_file_path) ?? fileTrouble(path, "write");
  if (trouble === null) return [];
  return [{ key: "logger.log_file_path", message: `cannot write ${path}: ${trouble}` }];
}

interface Frame {
  readonly stamp: Stamp;
  readonly before: string;
  readonly after: string;
}

/** The log's file: lines in the format of the settings, or JSON lines. */
export class LogFile {
  readonly counters: FileCounters = { bytes: 0, linesLost: 0, rotations: 0 };
  readonly #name: string;
  readonly #clock: Clock;
  readonly #now: () => Stamp;
  readonly #onTrouble: TellTrouble;
  readonly #onReopened: (message: string) => void;
  /** Files of earlier settings that are being closed. */
  readonly #closing = new Set<Promise<void>>();
  #file: RotatingFile | null = null;
  #json = false;
  #format!: LineFormat;
  /** True if the format writes a message as it is, without width or precision. */
  #plain = false;
  /** Records that have not gone to the file yet. */
  #gathered = "";
  /** The text before and after the message of a record, kept for as long as the time stays the same. */
  #frame: Frame | null = null;

  /** @param now the time as a log line shows it */
  constructor(
    name: string,
    clock: Clock,
    now: () => Stamp,
    onTrouble: TellTrouble,
    onReopened: (message: string) => void,
  ) {
    this.#name = name;
    this.#clock = clock;
    this.#now = now;
    this.#onTrouble = onTrouble;
    this.#onReopened = onReopened;
  }

  /** True if there is a file to write to. */
  get isOpen(): boolean {
    return this.#file !== null;
  }

  /** The reason why it cannot be written at present, or null. */
  get failing(): string | null {
    return this.#file?.failing ?? null;
  }

  /**
   * Applies new settings. A new file is opened before the old one is closed.
   * @throws StartError `cannot write PATH: reason`; everything stays as it was
   */
  configure(settings: Config["logger"]): void {
    const old = this.#file;
    const next = this.#fileFor(settings);
    this.#pour();
    this.#file = next;
    this.#json = settings.enable_json_log;
    this.#format = this.#json
      ? jsonFormat(this.#name)
      : compileFormat(settings.log_format, this.#name);
    this.#plain = writesAsIs(this.#format);
    this.#frame = null;
    if (old === null || old === next) return;
    const closed: Promise<void> = old.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  /**
   * Writes one line.
   * @param text the message without control characters
   * @param json the message as JSON text
   */
  write(level: Level, text: () => string, json: () => string): void {
    if (this.#file === null) return;
    this.#pour();
    const message = this.#json ? json() : text();
    this.#file.write(`${this.#format(this.#now(), level, message)}\n`);
  }

  /** Takes one record at level INFO; many go to the file together. */
  gather(text: () => string, json: () => string): void {
    if (this.#file === null) return;
    const message = this.#json ? json() : text();
    const stamp = this.#now();
    if (this.#plain) {
      if (this.#frame?.stamp !== stamp) this.#frame = this.#frameAt(stamp);
      this.#gathered += this.#frame.before + message + this.#frame.after;
    } else this.#gathered += `${this.#format(stamp, "INFO", message)}\n`;
    if (this.#gathered.length >= GATHERED_MAX) this.#pour();
  }

  /** Starts writing what waits. */
  flush(): void {
    this.#pour();
    void this.#file?.flush();
  }

  /** Starts a new file at once if the old one was moved or removed. */
  reopen(): void {
    this.#file?.reopen();
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    await Promise.all([this.#end()?.close(), ...this.#closing]);
  }

  /** `close` for a crash exit, done when it returns. */
  closeSync(): void {
    this.#end()?.closeSync();
  }

  #end(): RotatingFile | null {
    this.#pour();
    const file = this.#file;
    this.#file = null;
    return file;
  }

  #fileFor(settings: Config["logger"]): RotatingFile | null {
    if (!settings.enable_file_log) return null;
    const path = join(settings.log_file_path, logFileName(this.#name));
    const rotation = {
      maxFileSize: settings.max_file_size,
      backupCount: settings.backup_count,
    };
    if (this.#file?.path === path) {
      this.#file.setRotation(rotation);
      return this.#file;
    }
    return new RotatingFile(path, {
      ...rotation,
      clock: this.#clock,
      counters: this.counters,
      onTrouble: this.#onTrouble,
      onReopened: () => this.#onReopened(`${path} was moved or removed; it is begun anew`),
    });
  }

  #frameAt(stamp: Stamp): Frame {
    const [before = "", after = ""] = this.#format(stamp, "INFO", MESSAGE).split(MESSAGE);
    return { stamp, before, after: `${after}\n` };
  }

  #pour(): void {
    if (this.#gathered === "") return;
    const gathered = this.#gathered;
    // The file may tell of trouble, which is logged at once.
    this.#gathered = "";
    this.#file?.write(gathered);
  }
}

function jsonFormat(name: string): LineFormat {
  const called = JSON.stringify(name);
  return ({ asctime }, level, message) =>
    `{"timestamp":${JSON.stringify(asctime)},"name":${called},"level":"${level}","message":${message}}`;
}

const NEVER: Stamp = { wall: 0, asctime: "" };

/** True if a format writes a message of any length as it is, and once. */
function writesAsIs(format: LineFormat): boolean {
  const around = format(NEVER, "INFO", MESSAGE).split(MESSAGE);
  const long = "x".repeat(1000);
  return around.length === 2 && around.join(long) === format(NEVER, "INFO", long);
}
