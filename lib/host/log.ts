import { join } from "node:path";
import { type ConsolaInstance, createConsola } from "consola/core";
import { compileFormat, type LineFormat } from "../config/line-format.ts";
import { compileDateFormat } from "../config/strftime.ts";
import type { Clock } from "./clock.ts";
import { contentAsJson, oneLine, printable, prune } from "./content.ts";
import { RotatingFile } from "./rotate.ts";
import { writeStdout } from "./stdout.ts";

export type Level = "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

/** The `[logger]` section. */
export interface LogSettings {
  /** The least level that is logged. */
  log_level: Level;
  enable_console_log: boolean;
  /** In the style of printf, ANSI codes allowed; "" is the built-in format. */
  console_log_format: string;
  enable_file_log: boolean;
  /** Whether the file holds JSON lines rather than `log_format`. */
  enable_json_log: boolean;
  /** Folder of the log files. */
  log_file_path: string;
  log_format: string;
  /** Bytes. */
  max_file_size: number;
  backup_count: number;
  /** In the style of strftime. */
  date_format: string;
  /** Fields of a relayed line that are logged: null for the line whole, [] for no content at all. */
  log_keys: readonly string[] | null;
}

/** What the log has done so far. */
export interface LogStats {
  /** Bytes written to files. */
  bytes_written: number;
  /** Lines that never reached the file. */
  lines_lost: number;
  rotations: number;
  /** Why the file cannot be written at present, or null. */
  failing: string | null;
}

const RANK = {
  DEBUG: 10,
  INFO: 20,
  WARNING: 30,
  ERROR: 40,
  CRITICAL: 50,
} as const;
export const LEVELS = Object.keys(RANK) as Level[];
const CONSOLA_TYPE = {
  DEBUG: "debug",
  INFO: "info",
  WARNING: "warn",
  ERROR: "error",
  CRITICAL: "fatal",
} as const;
const LEVEL_OF_TYPE: Readonly<Record<string, Level>> = {
  debug: "DEBUG",
  info: "INFO",
  warn: "WARNING",
  error: "ERROR",
  fatal: "CRITICAL",
};
/** consola's level that lets all through: ours decides. */
const CONSOLA_EVERYTHING = 999;
const COLOUR: Readonly<Record<string, number>> = {
  DEBUG: 90,
  INFO: 36,
  WARNING: 33,
  ERROR: 31,
  CRITICAL: 41,
};

const FLUSH_MS = 50;
/** Relayed lines shown on the console in one second; the rest is summed up. */
const SHOWN_PER_SECOND = 20;
const TAIL_LINES = 200;
/** Characters of a relayed line that the console shows; the file has it whole. */
const SHOWN_CHARACTERS = 500;

/** The built-in console format: `2026-01-02 03:04:05.678 INFO     message`. */
function prettyFormat(colours: boolean): LineFormat {
  if (!colours) return (asctime, level, message) => `${asctime} ${level.padEnd(8)} ${message}`;
  return (asctime, level, message) =>
    `\x1b[2m${asctime}\x1b[0m \x1b[${COLOUR[level]}m${level.padEnd(8)}\x1b[0m ${message}`;
}

/** Stands for the message where what surrounds it is made; no message holds it. */
const MESSAGE = "\0";
/** Characters of records that are gathered before they go to the file, at the next flush at the latest. */
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

/** Whether a format writes a message of any length as it is, and once. */
function takesAsIs(format: LineFormat): boolean {
  const around = format("", "INFO", MESSAGE).split(MESSAGE);
  const long = "x".repeat(1000);
  return around.length === 2 && around.join(long) === format("", "INFO", long);
}

function shortened(text: string): string {
  const more = text.length - SHOWN_CHARACTERS;
  if (more <= 0) return text;
  return `${text.slice(0, SHOWN_CHARACTERS).toWellFormed()} ... and ${more} more characters`;
}

/**
 * The log of the process: events and relayed lines, to the console and to a
 * rotating file. Nothing here waits for the console or the disk.
 */
export class Log {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #print: (text: string) => void;
  readonly #colours: boolean;
  readonly #consola: ConsolaInstance;
  readonly #counters = { bytes: 0, linesLost: 0, rotations: 0 };
  readonly #tail: string[] = [];
  #events = 0;
  readonly #jobs: (() => void)[];
  readonly #closing = new Set<Promise<void>>();
  #settings!: LogSettings;
  #least = 0;
  #file: RotatingFile | null = null;
  #stamp!: (ms: number) => string;
  #fileFormat!: LineFormat;
  #consoleFormat!: LineFormat;
  /** Relayed lines since the console's second began. */
  #second = 0;
  /** Records that have not gone to the file yet, and what surrounds them at present. */
  #gathered = "";
  #frame = { wall: -1, before: "", after: "" };
  /** Whether the file's format takes a message as it is, without width or precision. */
  #plainFormat = false;

  /**
   * @param name the server's name, which also names the file
   * @param print takes whole lines for the console; standard output when not given
   * @throws StartError `cannot write PATH: reason`
   */
  constructor(name: string, settings: LogSettings, clock: Clock, print?: (text: string) => void) {
    this.#name = name;
    this.#clock = clock;
    this.#print = print ?? writeStdout;
    this.#colours = print === undefined && process.stdout.isTTY && !process.env["NO_COLOR"];
    this.#consola = createConsola({
      level: CONSOLA_EVERYTHING,
      throttle: 0,
      reporters: [
        {
          log: (entry) => this.#show(LEVEL_OF_TYPE[entry.type] ?? "INFO", String(entry.args[0])),
        },
      ],
    });
    this.configure(settings);
    this.#jobs = [
      clock.every(FLUSH_MS, () => {
        this.#pour();
        void this.#file?.flush();
      }),
      clock.every(1000, () => this.#endSecond()),
    ];
  }

  debug(message: string): void {
    this.#event("DEBUG", message);
  }

  info(message: string): void {
    this.#event("INFO", message);
  }

  warning(message: string): void {
    this.#event("WARNING", message);
  }

  error(message: string): void {
    this.#event("ERROR", message);
  }

  critical(message: string): void {
    this.#event("CRITICAL", message);
  }

  /** Logs what an operator did, at level WARNING, whatever the level is set to. */
  audit(message: string): void {
    this.#event("WARNING", message, [], true);
  }

  /** Logs an error of our own making, with its stack, at level ERROR. */
  bug(error: unknown, context: string): void {
    const text = error instanceof Error ? (error.stack ?? String(error)) : Bun.inspect(error);
    const [first, ...stack] = text.split("\n");
    this.#event("ERROR", `${context}: ${first}`, stack);
  }

  /** Whether anybody is interested in relayed lines now; otherwise the relay spares itself the work. */
  get trafficWanted(): boolean {
    return this.#least <= RANK.INFO && (this.#file !== null || this.#settings.enable_console_log);
  }

  /**
   * Logs one of many, at level INFO: no event, and the console shows no more of
   * these a second than of relayed lines. `text` holds no control characters.
   */
  record(text: string): void {
    if (!this.trafficWanted) return;
    const { enable_console_log, enable_json_log } = this.#settings;
    if (this.#file !== null) {
      if (enable_json_log) this.#writeJson("INFO", JSON.stringify(text));
      else this.#gather(text);
    }
    if (enable_console_log && ++this.#second <= SHOWN_PER_SECOND) {
      this.#show("INFO", shortened(text));
    }
  }

  /** Logs one relayed line, at level INFO. `content` is as the client sent it, without its newline. */
  traffic(remoteAddress: string, content: string): void {
    if (!this.trafficWanted) return;
    const { enable_console_log, enable_json_log, log_keys } = this.#settings;
    const shown = enable_console_log && ++this.#second <= SHOWN_PER_SECOND;
    if (!shown && this.#file === null) return;
    const kept = prune(content, log_keys);
    if (this.#file !== null && enable_json_log) {
      const contentField = kept === undefined ? "" : `,"content":${contentAsJson(kept)}`;
      this.#writeJson("INFO", `{"remote_addr":${JSON.stringify(remoteAddress)}${contentField}}`);
      if (!shown) return;
    }
    const text = kept ? `${remoteAddress} ${printable(kept)}` : remoteAddress;
    if (this.#file !== null && !enable_json_log) this.#writeText("INFO", text);
    if (shown) this.#show("INFO", shortened(text));
  }

  /**
   * Applies new settings. A new file is opened before the old one is let go.
   * @throws StartError `cannot write PATH: reason`; the settings then stay as they were
   */
  configure(settings: LogSettings): void {
    const old = this.#file;
    const next = this.#fileFor(settings);
    this.#pour();
    this.#file = next;
    this.#settings = settings;
    this.#least = RANK[settings.log_level];
    this.#stamp = compileDateFormat(settings.date_format);
    this.#fileFormat = compileFormat(settings.log_format, this.#name);
    this.#plainFormat = takesAsIs(this.#fileFormat);
    this.#frame = { wall: -1, before: "", after: "" };
    this.#consoleFormat =
      settings.console_log_format === ""
        ? prettyFormat(this.#colours)
        : compileFormat(settings.console_log_format, this.#name);
    if (old === null || old === this.#file) return;
    const closed: Promise<void> = old.close().finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }

  get level(): Level {
    return LEVELS.find((level) => RANK[level] === this.#least) as Level;
  }

  /** Changes the level until settings are next applied. */
  setLevel(level: Level): void {
    this.#least = RANK[level];
  }

  /** The last events (not relayed lines), oldest first; at most 200. */
  tail(): readonly string[] {
    return this.#tail;
  }

  /** How many events there have been; the last of them are in `tail()`. */
  get events(): number {
    return this.#events;
  }

  /** Why the file cannot be written at present, or null. */
  get failing(): string | null {
    return this.#file?.failing ?? null;
  }

  stats(): LogStats {
    return {
      bytes_written: this.#counters.bytes,
      lines_lost: this.#counters.linesLost,
      rotations: this.#counters.rotations,
      failing: this.failing,
    };
  }

  /**
   * Writes what is owed and closes the file; what is logged later goes to the
   * console alone. `lastWords` are the last line of all, at level INFO.
   */
  async close(lastWords?: string): Promise<void> {
    this.#endSecond();
    if (lastWords !== undefined) this.info(lastWords);
    const file = this.#end();
    await Promise.all([file?.close(), ...this.#closing]);
  }

  /** `close` for a crash exit, done when it returns. */
  closeSync(): void {
    this.#end()?.closeSync();
  }

  #end(): RotatingFile | null {
    for (const stop of this.#jobs) stop();
    this.#endSecond();
    this.#pour();
    const file = this.#file;
    this.#file = null;
    return file;
  }

  #fileFor(settings: LogSettings): RotatingFile | null {
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
      counters: this.#counters,
      onTrouble: (message) => this.#trouble(message),
    });
  }

  #event(level: Level, message: string, stack: readonly string[] = [], always = false): void {
    if (RANK[level] < this.#least && !always) return;
    let text = printable(message);
    for (const frame of stack) text += `\n    ${printable(frame.trim())}`;
    if (this.#file !== null && this.#settings.enable_json_log) {
      this.#writeJson(level, oneLine(JSON.stringify([message, ...stack].join("\n"))));
    } else this.#writeText(level, text);
    if (this.#settings.enable_console_log) this.#consola[CONSOLA_TYPE[level]](text);
    this.#events++;
    this.#tail.push(`${this.#now()} ${level} ${text}`);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
  }

  /** A log that cannot be kept is told of on the console even where that is switched off. */
  #trouble(message: string): void {
    this.#event("ERROR", message);
    if (!this.#settings.enable_console_log || this.#least > RANK.ERROR)
      this.#show("ERROR", printable(message));
  }

  /** Adds a record to those that go to the file together: what surrounds the message is made once a millisecond. */
  #gather(text: string): void {
    const wall = this.#clock.wall();
    if (wall !== this.#frame.wall) {
      const line = this.#fileFormat(this.#stamp(wall), "INFO", MESSAGE);
      const [before = "", after = ""] = line.split(MESSAGE);
      this.#frame = { wall, before, after: `${after}\n` };
    }
    this.#gathered += this.#plainFormat
      ? this.#frame.before + text + this.#frame.after
      : `${this.#fileFormat(this.#stamp(wall), "INFO", text)}\n`;
    if (this.#gathered.length >= GATHERED_MAX) this.#pour();
  }

  #pour(): void {
    if (this.#gathered === "") return;
    this.#file?.write(this.#gathered);
    this.#gathered = "";
  }

  #writeJson(level: Level, message: string): void {
    this.#file?.write(
      `{"timestamp":${JSON.stringify(this.#now())},"name":${JSON.stringify(this.#name)},"level":"${level}","message":${message}}\n`,
    );
  }

  #writeText(level: Level, text: string): void {
    this.#pour();
    this.#file?.write(`${this.#fileFormat(this.#now(), level, text)}\n`);
  }

  #show(level: Level, text: string): void {
    this.#print(`${this.#consoleFormat(this.#now(), level, text)}\n`);
  }

  #endSecond(): void {
    const more = this.#second - SHOWN_PER_SECOND;
    this.#second = 0;
    if (more <= 0 || !this.#settings.enable_console_log) return;
    this.#show("INFO", `... and ${more.toLocaleString("en-US")} more lines in the last second`);
  }

  #now(): string {
    return this.#stamp(this.#clock.wall());
  }
}
