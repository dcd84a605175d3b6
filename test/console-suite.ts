import { afterEach } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { services } from "../index.ts";
import { placeOf } from "../lib/config/place.ts";
import { type Config, settings } from "../lib/config/table.ts";
import type { Host } from "../lib/host/service.ts";
import { ConsoleBrain } from "../lib/services/neuro/brains/console/console.ts";
import type { Listener, Terminal } from "../lib/services/neuro/brains/console/terminal.ts";
import { startNeuro as begin } from "../lib/services/neuro/neuro.ts";
import type { NeuroServing } from "../lib/services/neuro/server.ts";
import { until } from "./kit.ts";
import { dialGame, startNeuro, type TestGame } from "./neuro-suite.ts";

/** Standard input and output in the test's hands. */
export class Paper implements Terminal {
  readonly isLive = false;
  typed = "";
  readonly lines: string[] = [];
  prompted = "";
  #listener: Listener | null = null;
  #seen = 0;

  open(listener: Listener): Terminal {
    this.#listener = listener;
    return this;
  }

  print(lines: readonly string[]): void {
    this.lines.push(...lines);
  }

  prompt(text: string): void {
    this.prompted = text;
  }

  close(): void {
    this.#listener = null;
  }

  // --- what the person does

  async type(...lines: string[]): Promise<void> {
    for (const line of lines) await this.#listener?.line(line);
  }

  end(): void {
    this.#listener?.ended();
  }

  complete(text: string): readonly string[] {
    return this.#listener?.complete(text) ?? [];
  }

  /** What has been printed since this was called last. */
  news(): readonly string[] {
    const news = this.lines.slice(this.#seen);
    this.#seen = this.lines.length;
    return news;
  }

  /** Waits for a line that holds this, among the news. */
  async sees(text: string): Promise<string> {
    const found = () => this.lines.findIndex((line, i) => i >= this.#seen && line.includes(text));
    await until(() => found() >= 0);
    const at = found();
    this.#seen = at + 1;
    return this.lines[at] as string;
  }
}

/** The Neuro service, played by a console on paper, with a clock that is moved by hand. */
export async function startConsole(section: object = {}) {
  const paper = new Paper();
  const neuro = async (config: Config, host: Host<Config>) => {
    let serving!: NeuroServing;
    const { clock, log } = host;
    const parts = { clock, log, settings: () => config.neuro, stage: () => serving };
    const brain = new ConsoleBrain(parts, (listener) => paper.open(listener));
    ({ serving } = await begin(config, placeOf(config, "neuro"), host, brain));
    return serving;
  };
  const table = { services: { ...services, neuro }, settings };
  return { server: await startNeuro(section, { table }), paper };
}

const program = join(import.meta.dir, "..", "index.ts");
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

// oxlint-disable-next-line no-control-regex -- these are what a terminal takes as orders.
const ORDER = /\x1b\[[?\d;]*[A-Za-z]/g;

interface ProcessOptions {
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Words of a shell that run the program, instead of the program. */
  readonly shell?: string;
  readonly args?: readonly string[];
}

/** `neuro` as a process of its own: in a pseudo-terminal, or with pipes. */
export class ConsoleProcess {
  readonly child: Bun.Subprocess;
  raw = "";
  #seen = 0;
  #news = Promise.withResolvers<void>();
  #port = 0;
  readonly #output: Promise<void>;

  private constructor(isTerminal: boolean, { columns = 100, env = {}, args = [] }: ProcessOptions) {
    const cwd = mkdtempSync(join(tmpdir(), "summoner-console-"));
    endings.push(() => rmSync(cwd, { recursive: true }));
    const { NO_COLOR: _, ...inherited } = process.env;
    const decoder = new TextDecoder();
    const hear = (bytes: Uint8Array) => {
      this.raw += decoder.decode(bytes, { stream: true });
      this.#news.resolve();
    };
    const cmd = [process.execPath, program, "neuro", "--port", "0", ...args];
    const options = { cwd, env: { ...inherited, TERM: "xterm-256color", ...env } };
    this.child = isTerminal
      ? Bun.spawn(cmd, {
          ...options,
          terminal: { cols: columns, rows: 50, data: (_, bytes) => hear(bytes) },
        })
      : Bun.spawn(cmd, { ...options, stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    const { stdout } = this.child;
    this.#output = (async () => {
      if (stdout instanceof ReadableStream) for await (const bytes of stdout) hear(bytes);
    })();
    void Promise.all([this.child.exited, this.#output]).then(() => this.#news.resolve());
    endings.push(async () => {
      this.child.kill("SIGKILL");
      await this.child.exited;
    });
  }

  static async inTerminal(options: ProcessOptions = {}): Promise<ConsoleProcess> {
    return new ConsoleProcess(true, options).#ready();
  }

  static async inPipe(options: ProcessOptions = {}): Promise<ConsoleProcess> {
    return new ConsoleProcess(false, options).#ready();
  }

  async #ready(): Promise<this> {
    this.#port = Number((await this.sees(/is ready on ws:\/\/127\.0\.0\.1:(\d+)/))[1]);
    return this;
  }

  /** All that was shown, without orders to the terminal. */
  get shown(): string {
    return this.raw.replace(ORDER, "");
  }

  /** Waits for a text after the last one that was waited for. */
  async sees(text: string | RegExp): Promise<RegExpExecArray> {
    const pattern = new RegExp(typeof text === "string" ? RegExp.escape(text) : text, "g");
    for (;;) {
      this.#news = Promise.withResolvers();
      const over = this.child.exitCode !== null;
      pattern.lastIndex = this.#seen;
      const found = pattern.exec(this.shown);
      if (found) {
        this.#seen = pattern.lastIndex;
        return found;
      }
      if (over) throw new Error(`it ended without showing ${text}:\n${this.shown}`);
      await this.#news.promise;
    }
  }

  type(text: string): void {
    const { terminal, stdin } = this.child;
    if (terminal) terminal.write(text);
    else if (typeof stdin === "object") {
      stdin.write(text);
      stdin.flush();
    }
  }

  /** Ends its standard input. */
  async endInput(): Promise<void> {
    const { stdin } = this.child;
    if (typeof stdin === "object") await stdin.end();
  }

  /** A game that has said startup and has registered these actions, as the console has shown. */
  async enter(name: string, actions: readonly (string | object)[] = ["a", "b"]): Promise<TestGame> {
    const game = await dialGame(this.#port, name);
    endings.push(() => game.close());
    game.send("startup");
    await game.next();
    game.register(...actions);
    await this.sees(new RegExp(`\\[\\d+ ${RegExp.escape(name)}\\] can now: `));
    return game;
  }

  async ends(): Promise<number> {
    const code = await this.child.exited;
    await this.#output;
    return code;
  }
}
