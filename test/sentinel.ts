import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { turn } from "./kit.ts";
import { freePort } from "./ports.ts";
import type { RoomServer } from "./room-server.ts";

/** The sentinel's name of the server. */
export const NAME = "mymaster";

/** One sentinel, whose word is enough, beside the server that it watches. */
export class Sentinel {
  readonly port: number;
  readonly #child: Bun.Subprocess;

  private constructor(port: number, child: Bun.Subprocess) {
    this.port = port;
    this.#child = child;
  }

  /** @param password of the sentinel and of the server; empty for none */
  static async start(program: string, server: RoomServer, password = ""): Promise<Sentinel> {
    const port = await freePort();
    const file = join(server.folder, `sentinel-${port}.conf`);
    const lines = [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${server.folder}`,
      `sentinel monitor ${NAME} 127.0.0.1 ${server.port} 1`,
      `sentinel down-after-milliseconds ${NAME} 1000`,
      `sentinel failover-timeout ${NAME} 3000`,
      ...(password === ""
        ? []
        : [`requirepass ${password}`, `sentinel auth-pass ${NAME} ${password}`]),
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    const child = Bun.spawn([program, file, "--sentinel"], {
      stdin: "ignore",
      stdout: "ignore",
    });
    const sentinel = new Sentinel(port, child);
    await eventually(() => sentinel.ask(password, "PING").then(Boolean));
    return sentinel;
  }

  get at(): string {
    return `127.0.0.1:${this.port}`;
  }

  async ask(password: string, command: string, ...args: string[]): Promise<unknown> {
    const url = `redis://${password === "" ? "" : `:${password}@`}${this.at}`;
    const client = new Bun.RedisClient(url, { autoReconnect: false });
    client.onclose = () => {};
    try {
      return await client.send(command, args);
    } finally {
      client.close();
    }
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

/** Asks until the answer is yes; a connection that breaks over it is no answer. */
export async function eventually(asked: () => Promise<boolean>): Promise<void> {
  while (!(await asked().catch(() => false))) await turn();
}
