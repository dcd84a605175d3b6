import { mkdtempSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./ports.ts";

/** The programs that can hold a room; tests run with each that is installed. */
export const PROGRAMS = ["redis-server", "valkey-server"].filter((name) => {
  const found = Bun.which(name) !== null;
  if (!found) console.log(`skipped: rooms on ${name}, which is not installed`);
  return found;
});

/** A server of rooms in a folder of its own. */
export class RoomServer {
  readonly folder = mkdtempSync(join(tmpdir(), "room-"));
  readonly port: number;
  readonly #program: string;
  readonly #args: readonly string[];
  #child: Bun.Subprocess | null = null;

  private constructor(program: string, port: number, args: readonly string[]) {
    this.#program = program;
    this.port = port;
    this.#args = args;
  }

  /** @param args further ones of the program, as `--appendonly yes` */
  static async start(program: string, ...args: readonly string[]): Promise<RoomServer> {
    const server = new RoomServer(program, await freePort(), args);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid as number;
  }

  /** Starts it, at first or again, with what it has kept. */
  async start(): Promise<void> {
    const own = [
      "--port",
      `${this.port}`,
      "--bind",
      "127.0.0.1",
      "--save",
      "",
      "--dir",
      this.folder,
    ];
    const child = Bun.spawn([this.#program, ...own, ...this.#args], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#child = child;
    const reader = child.stdout.getReader();
    const decoder = new TextDecoder();
    let said = "";
    while (!said.includes("Ready to accept connections")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`${this.#program} has not started:\n${said}`);
      said += decoder.decode(value, { stream: true });
    }
    // What it says later must not fill the pipe.
    void (async () => {
      while (!(await reader.read()).done);
    })();
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#child?.kill(signal);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.kill(signal);
    await this.#child?.exited;
  }

  /** Listens with TLS too. @returns the port */
  async withTls(): Promise<number> {
    const port = await freePort();
    await this.ask("CONFIG", "SET", "tls-port", `${port}`);
    return port;
  }

  /** Sends it bytes, and waits for its answer. */
  async raw(bytes: Uint8Array): Promise<void> {
    const socket = createConnection(this.port, "127.0.0.1");
    socket.write(bytes);
    await new Promise((resolve) => socket.once("data", resolve));
    socket.destroy();
  }

  /** Gives it one command. */
  async ask(command: string, ...args: string[]): Promise<unknown> {
    const client = new Bun.RedisClient(this.url, { autoReconnect: false });
    client.onclose = () => {};
    try {
      return await client.send(command, args);
    } finally {
      client.close();
    }
  }
}
