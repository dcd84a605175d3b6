/** Standard input and output, as the console uses them. */
import type { ReadStream } from "node:tty";
import { beginning, printable } from "../../../../host/content.ts";
import { wrapStdout, writeStdout } from "../../../../host/log/stdout.ts";
import { Editor, type Typed } from "./editor.ts";
import { type Input, LineReader } from "./line-reader.ts";

/** What comes of typing. */
export interface Listener {
  /** A line; the next one comes when this one has been dealt with. */
  line(text: string): Promise<void>;
  /** The input has ended: no line comes any more. */
  ended(): void;
  /** The ends that a line so far may have. */
  complete(text: string): readonly string[];
}

/** Where the console is. */
export interface Terminal {
  /** True where a person sits at it, false in a pipe. */
  readonly isLive: boolean;
  /** What is typed at present. */
  typed: string;
  print(lines: readonly string[]): void;
  /** What stands before the line that is typed next. */
  prompt(text: string): void;
  /** Nothing is read any more, and nothing is left on the screen. */
  close(): void;
}

/** Begins to read. A pipe is read as it is; in a terminal the line that is typed stays below what is printed. */
export function openTerminal(listener: Listener): Terminal {
  const { stdin, stdout } = process;
  return stdin.isTTY && stdout.isTTY
    ? new LiveTerminal(stdin, listener)
    : new PipedTerminal(listener);
}

class PipedTerminal implements Terminal {
  readonly isLive = false;
  readonly typed = "";
  readonly #reader: LineReader;
  #prompt = "";

  constructor(listener: Listener) {
    this.#reader = new LineReader(standardInput, listener, (trouble) => this.print([trouble]));
  }

  print(lines: readonly string[]): void {
    writeStdout(lines.map((line) => `${line}\n`).join(""));
  }

  prompt(text: string): void {
    if (text !== this.#prompt && text !== "") this.print([text]);
    this.#prompt = text;
  }

  close(): void {
    this.#reader.close();
  }
}

function standardInput(): Input {
  return process.stdin;
}

/** Columns of a terminal that does not say how many it has. */
const COLUMNS = 80;

/** Columns of the terminal at present. */
export function columnsOf(): number {
  return process.stdout.columns || COLUMNS;
}

/** Columns that the line gets beside a long prompt, where there are that many. */
const LEAST_ROOM = 20;
/** What prompts end with. */
const END = "> ";
/** Characters that stay on the screen of a line that was typed. */
const MOST_ECHOED = 1000;
/** Lines that may wait for the one before. */
const MOST_WAITING = 1000;

class LiveTerminal implements Terminal {
  readonly isLive = true;
  readonly #stdin: ReadStream;
  readonly #listener: Listener;
  readonly #editor = new Editor();
  readonly #decoder = new TextDecoder();
  readonly #lines: string[] = [];
  #isTaking = false;
  #prompt = "";
  /** The first character of the line that is shown. */
  #first = 0;
  #isClosed = false;
  /** The prompt and the line as they are on the screen. */
  #drawn = "";
  readonly #restore = () => this.#raw(false);
  readonly #resized = () => this.#drawAnew();
  readonly #continued = () => {
    this.#raw(true);
    this.#drawAnew();
  };

  constructor(stdin: ReadStream, listener: Listener) {
    this.#stdin = stdin;
    this.#listener = listener;
    this.#raw(true);
    stdin.on("data", this.#data);
    stdin.on("end", this.#gone);
    stdin.on("error", this.#gone);
    stdin.resume();
    process.stdout.on("resize", this.#resized);
    process.on("SIGCONT", this.#continued);
    process.on("exit", this.#restore);
    wrapStdout((text) => {
      this.#drawn = this.#shown();
      return `\r\x1b[K${text}${this.#drawn}`;
    });
  }

  get typed(): string {
    return this.#editor.text;
  }

  set typed(text: string) {
    this.#editor.text = text;
    this.#draw();
  }

  print(lines: readonly string[]): void {
    writeStdout(lines.map((line) => `${line}\n`).join(""));
  }

  prompt(text: string): void {
    if (text === this.#prompt) return;
    this.#prompt = text;
    this.#draw();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    wrapStdout(null);
    const { stdout } = process;
    stdout.off("resize", this.#resized);
    process.off("SIGCONT", this.#continued);
    process.off("exit", this.#restore);
    this.#stdin.off("data", this.#data);
    this.#stdin.off("end", this.#gone);
    this.#stdin.pause();
    this.#stdin.unref();
    writeStdout("\r\x1b[K");
    this.#raw(false);
  }

  readonly #gone = () => {
    if (!this.#isClosed) this.#listener.ended();
  };

  readonly #data = (bytes: Buffer) => {
    const text = this.#decoder.decode(bytes, { stream: true });
    const typed = this.#editor.take(text, (line) => this.#listener.complete(line));
    for (const one of typed) this.#take(one);
    this.#draw();
  };

  #take(typed: Typed): void {
    switch (typed.kind) {
      case "line":
        if (this.#lines.length < MOST_WAITING) this.#lines.push(typed.text);
        void this.#takeLines();
        break;
      case "interrupt":
        // The terminal gives no signals while it hands over single keys.
        process.kill(process.pid, "SIGINT");
        break;
      case "suspend":
        process.stdout.write("\r\x1b[K");
        this.#raw(false);
        process.kill(process.pid, "SIGTSTP");
        break;
      case "clear":
        writeStdout("\x1b[2J\x1b[H");
        break;
      case "end":
        this.print(["Ctrl-C stops the server; this console stays."]);
    }
  }

  async #takeLines(): Promise<void> {
    if (this.#isTaking) return;
    this.#isTaking = true;
    for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
      // The line stays where it was typed.
      this.print([this.#prompt + beginning(printable(line), MOST_ECHOED)]);
      await this.#listener.line(line);
    }
    this.#isTaking = false;
  }

  #raw(on: boolean): void {
    try {
      this.#stdin.setRawMode(on);
    } catch {
      // The terminal has gone.
    }
  }

  #drawAnew(): void {
    this.#drawn = "";
    this.#draw();
  }

  #draw(): void {
    const shown = this.#shown();
    if (this.#isClosed || shown === this.#drawn) return;
    this.#drawn = shown;
    process.stdout.write(`\r\x1b[K${shown}`);
  }

  /** The prompt, and as much of the line as there is room for, with the cursor in its place. */
  #shown(): string {
    const columns = columnsOf();
    const prompt = shortened(this.#prompt, Math.max(columns / 2, columns - LEAST_ROOM));
    const room = Math.max(1, columns - Bun.stringWidth(prompt) - 1);
    const { characters, cursor } = this.#editor;
    this.#first = Math.max(Math.min(this.#first, cursor), cursor - room);
    while (widthOf(characters.slice(this.#first, cursor)) > room) this.#first++;
    const line = fitting(characters.slice(this.#first, this.#first + room), room);
    const left = widthOf(line) - widthOf(line.slice(0, cursor - this.#first));
    return prompt + line.join("") + (left > 0 ? `\x1b[${left}D` : "");
  }
}

function widthOf(characters: readonly string[]): number {
  return Bun.stringWidth(characters.join(""));
}

/** A prompt that is too long, with its end: there it says that it waits. */
function shortened(prompt: string, room: number): string {
  if (Bun.stringWidth(prompt) <= room) return prompt;
  const end = prompt.slice(-END.length) === END ? END : "";
  return fitting([...prompt], room - END.length).join("") + end;
}

/** As many of the first characters as there is room for. */
function fitting(characters: readonly string[], room: number): readonly string[] {
  let width = 0;
  const end = characters.findIndex((one) => (width += Bun.stringWidth(one)) > room);
  return end < 0 ? characters : characters.slice(0, end);
}
