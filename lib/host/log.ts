import { LEVEL_NUMBERS } from "../config/formats/levels.ts";
import type { Stamp } from "../config/formats/line-format.ts";
import type { Config, Level } from "../config/table.ts";
import { compileDateFormat } from "../config/formats/strftime.ts";
import type { Clock } from "./clock.ts";
import { oneLine, printable } from "./content.ts";
import { LogConsole } from "./log/console.ts";
import { LogFile } from "./log/file.ts";

/** The log's counts since it was opened, and its state. */
export interface LogStats {
  /** Bytes written to files. */
  bytes_written: number;
  /** Lines that never reached the file. */
  lines_lost: number;
  rotations: number;
  /** The reason why the file cannot be written at present, or null. */
  failing: string | null;
}

interface EventOptions {
  /** Further lines. */
  readonly stack?: readonly string[];
  /** Logged whatever the level is set to. */
  readonly always?: boolean;
  /** On the console too. */
  readonly isShown?: boolean;
}

const FLUSH_MS = 50;
const TAIL_LINES = 200;

/** The log as it is for those who write to it. */
export type LogLines = Pick<
  Log,
  "debug" | "info" | "warning" | "error" | "bug" | "record" | "takesRecords"
>;

/** The log as it is for what the console shows already. */
export type LogInFile = Pick<Log, "info" | "warning" | "record">;

/**
 * The log of the process: events, and records, which may be many a second, to
 * the console and to a rotating file. Nothing here waits for the console or the
 * disk.
 */
export class Log {
  readonly #clock: Clock;
  readonly #console: LogConsole;
  readonly #file: LogFile;
  readonly #tail: string[] = [];
  #events = 0;
  readonly #jobs: (() => void)[];
  #level: Level = "INFO";
  #stamp!: (ms: number) => string;
  /** The time as a log line shows it, made at most once a millisecond. */
  #time: Stamp = { wall: -1, asctime: "" };

  /**
   * @param name the server's name, which also names the file
   * @param print takes whole lines for the console; standard output when not given
   * @throws StartError `cannot write PATH: reason`
   */
  constructor(
    name: string,
    settings: Config["logger"],
    clock: Clock,
    print?: (text: string) => void,
  ) {
    this.#clock = clock;
    const now = () => this.#now();
    this.#console = new LogConsole(name, now, print);
    this.#file = new LogFile(
      name,
      clock,
      now,
      (message, level) => this.#trouble(message, level),
      (message) => this.info(message),
    );
    this.configure(settings);
    this.#jobs = [
      clock.every(FLUSH_MS, () => this.#file.flush()),
      clock.every(1000, () => this.#console.endSecond()),
    ];
  }

  /** The same log without its console. */
  readonly inFile: LogInFile = {
    info: (message) => this.#event("INFO", message, { isShown: false }),
    warning: (message) => this.#event("WARNING", message, { isShown: false }),
    record: (text, json) => this.#record(text, json, false),
  };

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
    this.#event("WARNING", message, { always: true });
  }

  /** Logs a fault of our own code, with its stack, at level ERROR. */
  bug(error: unknown, context: string): void {
    const text = error instanceof Error ? (error.stack ?? String(error)) : Bun.inspect(error);
    const [first, ...stack] = text.split("\n");
    this.#event("ERROR", `${context}: ${first}`, { stack });
  }

  /** True while records are logged; otherwise there is no need to make them. */
  get takesRecords(): boolean {
    return this.#logs("INFO") && (this.#file.isOpen || this.#console.enabled);
  }

  /**
   * Logs a record at level INFO. It does not count as an event, and the console
   * shows only a few a second. Each text is made only if it is needed.
   * @param json JSON for a file of JSON lines; the text as JSON when not given
   */
  record(text: () => string, json?: () => string): void {
    this.#record(text, json, true);
  }

  /**
   * Applies new settings. A new file is opened before the old one is closed.
   * @throws StartError `cannot write PATH: reason`; the settings then stay as they were
   */
  configure(settings: Config["logger"]): void {
    this.#file.configure(settings);
    this.#console.configure(settings);
    this.#level = settings.log_level;
    this.#stamp = compileDateFormat(settings.date_format);
    this.#time = { wall: -1, asctime: "" };
  }

  /** Starts a new file at once if the old one was moved or removed; without this call it takes up to a second. */
  reopen(): void {
    this.#file.reopen();
  }

  get level(): Level {
    return this.#level;
  }

  /** Changes the level until settings are next applied. */
  setLevel(level: Level): void {
    this.#level = level;
  }

  /** The last events (no records), oldest first; at most 200. */
  tail(): readonly string[] {
    return this.#tail;
  }

  /** Events so far; the last of them are in `tail()`. */
  get events(): number {
    return this.#events;
  }

  /** The reason why the file cannot be written at present, or null. */
  get failing(): string | null {
    return this.#file.failing;
  }

  stats(): LogStats {
    const { bytes, linesLost, rotations } = this.#file.counters;
    return { bytes_written: bytes, lines_lost: linesLost, rotations, failing: this.failing };
  }

  /**
   * Writes what waits and closes the file; later lines go to the console alone.
   * `lastWords` is the last line, at level INFO.
   */
  async close(lastWords?: string): Promise<void> {
    this.#console.endSecond();
    if (lastWords !== undefined) this.info(lastWords);
    this.#end();
    await this.#file.close();
  }

  /** `close` for a crash exit, done when it returns. */
  closeSync(): void {
    this.#end();
    this.#file.closeSync();
  }

  #end(): void {
    for (const stop of this.#jobs) stop();
    this.#console.endSecond();
  }

  #record(text: () => string, json = () => JSON.stringify(text()), isShown = true): void {
    if (!this.takesRecords) return;
    const shown = () => printable(text());
    this.#file.gather(shown, () => oneLine(json()));
    if (isShown && this.#console.takesRecord()) this.#console.record(shown());
  }

  #event(
    level: Level,
    message: string,
    { stack = [], always = false, isShown = true }: EventOptions = {},
  ): void {
    if (!this.#logs(level) && !always) return;
    let text = printable(message);
    for (const frame of stack) text += `\n    ${printable(frame.trim())}`;
    this.#file.write(
      level,
      () => text,
      () => oneLine(JSON.stringify([message, ...stack].join("\n"))),
    );
    if (isShown) this.#console.event(level, text);
    this.#events++;
    this.#tail.push(`${this.#now().asctime} ${level} ${text}`);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
  }

  /** Logs trouble with the file, on the console even where that is switched off. */
  #trouble(message: string, level: "ERROR" | "WARNING"): void {
    this.#event(level, message);
    if (!this.#console.enabled || !this.#logs(level)) this.#console.show(level, printable(message));
  }

  #logs(level: Level): boolean {
    return LEVEL_NUMBERS[level] >= LEVEL_NUMBERS[this.#level];
  }

  #now(): Stamp {
    const wall = this.#clock.wall();
    if (wall !== this.#time.wall) this.#time = { wall, asctime: this.#stamp(wall) };
    return this.#time;
  }
}
