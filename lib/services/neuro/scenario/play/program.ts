import { resolve } from "node:path";
import { reasonOf } from "../../../../config/reason.ts";
import type { Clock } from "../../../../host/clock.ts";
import { within } from "../../../../host/clock.ts";

/** A game that is started, as its scenario says. */
export interface ProgramOptions {
  /** The program and its arguments. */
  readonly words: readonly string[];
  readonly folder: string;
  /** Where it connects. */
  readonly url: string;
  readonly clock: Clock;
  /** Takes each line that it prints. */
  line(text: string): void;
}

/** Milliseconds that a game may take to end when it is told to. */
const PATIENCE_MS = 3000;
const LOOK_MS = 50;
const MOST_LINES = 20;
const LONGEST_LINE = 500;

/** The game, as a process that was started for a scenario. */
export class GameProgram {
  /** The last lines that it has printed. */
  readonly lines: string[] = [];
  /** Its end; null while it runs. */
  end: { readonly text: string; readonly isFailure: boolean } | null = null;
  /** Called when it has ended. */
  ended = () => {};
  readonly #clock: Clock;
  readonly #line: (text: string) => void;
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #exited: Promise<void>;
  readonly #printed: Promise<unknown>;
  readonly #kill = () => this.#signal("SIGKILL");
  /** Nothing is left of it: its number may belong to another process by now. */
  #isGone = false;

  /** @throws Error when it cannot be started */
  constructor({ words, folder, url, clock, line }: ProgramOptions) {
    const [program = "", ...more] = words;
    // Looked up here: the system's own error says nothing of what is missing.
    const path = program.includes("/") ? resolve(folder, program) : Bun.which(program);
    if (path === null) throw new Error(`there is no program ${program}`);
    this.#clock = clock;
    this.#line = line;
    try {
      this.#child = Bun.spawn([path, ...more], {
        cwd: folder,
        env: { ...process.env, NEURO_SDK_WS_URL: url },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        // In a group of its own, all that it starts ends with it.
        detached: HAS_GROUPS,
      });
    } catch (error) {
      throw new Error(`${program} cannot be started: ${reasonOf(error)}`);
    }
    // Whatever ends this process: the game does not stay behind.
    process.on("exit", this.#kill);
    this.#printed = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]);
    this.#exited = this.#child.exited.then((code) => {
      const { signalCode } = this.#child;
      const text = signalCode ? `was ended by ${signalCode}` : `has ended with code ${code}`;
      this.end = { text, isFailure: code !== 0 };
      this.#signal(0);
      this.ended();
    });
  }

  /** Waits until it has ended by itself, for a while. */
  async mayEnd(ms: number): Promise<void> {
    await within(this.#clock, ms, Promise.all([this.#exited, this.#printed]));
  }

  /** Ends it, and all that it has started. */
  async stop(): Promise<void> {
    this.#signal("SIGTERM");
    const gone = Promise.withResolvers<void>();
    const cancel = this.#clock.every(LOOK_MS, () => {
      this.#signal(0);
      if (this.end !== null && this.#isGone) gone.resolve();
    });
    await within(this.#clock, PATIENCE_MS, gone.promise);
    cancel();
    this.#signal("SIGKILL");
    await this.mayEnd(PATIENCE_MS);
    process.off("exit", this.#kill);
  }

  #signal(signal: NodeJS.Signals | 0): void {
    if (this.#isGone) return;
    const { pid } = this.#child;
    try {
      process.kill(HAS_GROUPS ? -pid : pid, signal);
    } catch {
      this.#isGone = true;
    }
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const bytes of stream) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = (lines.pop() as string).slice(0, LONGEST_LINE);
      for (const line of lines) this.#printedLine(line);
    }
    if (rest !== "") this.#printedLine(rest);
  }

  #printedLine(line: string): void {
    const text = line.slice(0, LONGEST_LINE).trimEnd();
    this.lines.push(text);
    if (this.lines.length > MOST_LINES) this.lines.shift();
    this.#line(text);
  }
}

const HAS_GROUPS = process.platform !== "win32";
