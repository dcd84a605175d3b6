import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOKEN_VARIABLE } from "../lib/config/sections/web.ts";
import { load } from "../lib/config/load.ts";
import { type Config, settings } from "../lib/config/table.ts";
import { ended } from "./kit.ts";

export const program = join(import.meta.dir, "..", "index.ts");
export const endings: (() => unknown)[] = [];
/** The folder of the test that runs. */
export let folder = "";

/** Gives each test of the file that calls it a new folder, and time for the processes that it starts. */
export function inFolders(): void {
  beforeEach(() => {
    folder = fresh();
  });
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
  });
}

/** A new empty folder. */
export function fresh(): string {
  const made = realpathSync(mkdtempSync(join(tmpdir(), "summoner-init-")));
  endings.push(() => rmSync(made, { recursive: true }));
  return made;
}

export const inFolder = (name: string) => join(folder, name);
export const written = (name: string) => readFileSync(inFolder(name), "utf8");
export const modeOf = (name: string) => statSync(inFolder(name)).mode & 0o777;

/** The configuration in a file of the folder, which must have no problems. */
export function configOf(name = "summoner.toml"): Config {
  const { config, problems } = load(settings, { file: inFolder(name) });
  expect(problems).toEqual([]);
  return config;
}

export function environment(more: Record<string, string> = {}) {
  const { [TOKEN_VARIABLE]: _, NO_COLOR: __, ...env } = process.env;
  return { ...env, ...more };
}

/** Runs a command without a terminal. */
export async function call(args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd: folder,
    env: environment(env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return ended(child);
}

export const yes = (...args: string[]) => call(["init", "--yes", ...args]);

/** A port of this machine on which somebody listens. */
export async function busyPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  endings.push(() => server.close());
  return (server.address() as { port: number }).port;
}

export const DOWN = "\x1b[B";
export const ENTER = "\r";
export const CTRL_C = "\x03";
/** Clears what was typed. */
export const CLEAR = "\x15";

// oxlint-disable-next-line no-control-regex -- these are what a terminal takes as orders.
const ORDER = /\x1b\[[?\d;]*[A-Za-z]/g;

/** `init` on a pseudo-terminal: waits for a question, then presses keys. */
export class Person {
  readonly child: Bun.Subprocess;
  raw = "";
  #seen = 0;
  #news = Promise.withResolvers<void>();

  constructor(args: string[] = [], { cwd = folder, cols = 100, env = {}, index = program } = {}) {
    const decoder = new TextDecoder();
    this.child = Bun.spawn([process.execPath, index, "init", ...args], {
      cwd,
      env: environment(env),
      terminal: {
        cols,
        rows: 50,
        data: (_, bytes) => {
          this.raw += decoder.decode(bytes, { stream: true });
          this.#news.resolve();
        },
      },
    });
    void this.child.exited.then(() => this.#news.resolve());
    endings.push(async () => {
      this.child.kill("SIGKILL");
      await this.child.exited;
    });
  }

  /** All that was shown, without orders to the terminal. */
  get shown(): string {
    return this.raw.replace(ORDER, "");
  }

  /** Waits until a text is shown after the last one that was waited for, wherever lines are broken. */
  async sees(text: string): Promise<void> {
    const words = text.split(" ").map((word) => word.replace(/[^\w]/g, "\\$&"));
    const pattern = new RegExp(words.join("[\\s│]+"), "g");
    for (;;) {
      this.#news = Promise.withResolvers();
      const over = this.child.exitCode !== null;
      pattern.lastIndex = this.#seen;
      if (pattern.test(this.shown)) break;
      if (over) throw new Error(`it ended without showing ${text}:\n${this.shown}`);
      await this.#news.promise;
    }
    this.#seen = pattern.lastIndex;
  }

  press(...keys: string[]): void {
    this.child.terminal?.write(keys.join(""));
  }

  /** Waits for a question and answers it. */
  async answer(question: string, ...keys: string[]): Promise<void> {
    await this.sees(`◆ ${question}`);
    this.press(...keys);
  }

  /** Takes what is marked, question after question. */
  async accept(...questions: string[]): Promise<void> {
    for (const question of questions) await this.answer(question, ENTER);
  }

  async ends(): Promise<number> {
    return await this.child.exited;
  }
}

export const PURPOSE = "What is this server for?";
export const SERVICES = "Which services should run?";
export const ADDRESSES = ["relay: host", "relay: port", "web: host", "web: port"];
export const GUARDED = "Keep these guards, or change one?";
export const CLUSTER = "One room over several machines: by which server?";
export const TLS = "TLS: what is encrypted?";
export const PAIR = "Where does the certificate come from?";
export const TOKEN = "Which token opens the admin actions?";
export const RIGHT = "Is this right?";
export const START = "Start the server now?";
/** Whatever listens on the usual ports of this machine is not in the way. */
export const FREE = ["--port", "0", "--set", "web.port=0"];

// There are no pseudo-terminals of this kind on Windows.
export const inTerminal = test.skipIf(process.platform === "win32");
