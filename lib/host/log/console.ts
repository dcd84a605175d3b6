import { type ConsolaInstance, createConsola } from "consola/core";
import { compileFormat, type LineFormat, type Stamp } from "../../config/formats/line-format.ts";
import type { Config, Level } from "../../config/table.ts";
import { beginning } from "../content.ts";
import { writeStdout } from "./stdout.ts";

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
/** consola's level that lets all through: the log decides. */
const CONSOLA_EVERYTHING = 999;
const COLOUR: Readonly<Record<string, number>> = {
  DEBUG: 90,
  INFO: 36,
  WARNING: 33,
  ERROR: 31,
  CRITICAL: 41,
};

/** Records shown in one second; the rest is summed up. */
const SHOWN_PER_SECOND = 20;
/** Characters of a record that are shown. */
const SHOWN_CHARACTERS = 500;

/** The log's console: every event, and a few records a second. */
export class LogConsole {
  readonly #name: string;
  readonly #now: () => Stamp;
  readonly #print: (text: string) => void;
  readonly #colours: boolean;
  readonly #consola: ConsolaInstance;
  #format!: LineFormat;
  #enabled = false;
  /** Records since the second began. */
  #records = 0;

  /**
   * @param now the time as a log line shows it
   * @param print takes whole lines; standard output when not given
   */
  constructor(name: string, now: () => Stamp, print: ((text: string) => void) | undefined) {
    this.#name = name;
    this.#now = now;
    this.#print = print ?? writeStdout;
    this.#colours = print === undefined && process.stdout.isTTY && !process.env["NO_COLOR"];
    this.#consola = createConsola({
      level: CONSOLA_EVERYTHING,
      throttle: 0,
      reporters: [
        {
          log: (entry) => this.show(LEVEL_OF_TYPE[entry.type] ?? "INFO", String(entry.args[0])),
        },
      ],
    });
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  configure({ enable_console_log, console_log_format }: Config["logger"]): void {
    this.#enabled = enable_console_log;
    const format = this.#colours ? console_log_format : Bun.stripANSI(console_log_format);
    this.#format = format === "" ? prettyFormat(this.#colours) : compileFormat(format, this.#name);
  }

  event(level: Level, text: string): void {
    if (this.#enabled) this.#consola[CONSOLA_TYPE[level]](text);
  }

  /** Counts one record. @returns true if the console shows it */
  takesRecord(): boolean {
    return this.#enabled && ++this.#records <= SHOWN_PER_SECOND;
  }

  record(text: string): void {
    this.show("INFO", beginning(text, SHOWN_CHARACTERS));
  }

  /** Sums up the records of this second that were not shown. */
  endSecond(): void {
    const more = this.#records - SHOWN_PER_SECOND;
    this.#records = 0;
    if (more <= 0 || !this.#enabled) return;
    this.show("INFO", `... and ${more.toLocaleString("en-US")} more lines in the last second`);
  }

  /** Shows a line even where the console is switched off. */
  show(level: Level, text: string): void {
    this.#print(`${this.#format(this.#now(), level, text)}\n`);
  }
}

/** The built-in format: `2026-01-02 03:04:05.678 INFO     message`. */
function prettyFormat(colours: boolean): LineFormat {
  if (!colours) return ({ asctime }, level, message) => `${asctime} ${level.padEnd(8)} ${message}`;
  return ({ asctime }, level, message) =>
    `\x1b[2m${asctime}\x1b[0m \x1b[${COLOUR[level]}m${level.padEnd(8)}\x1b[0m ${message}`;
}
