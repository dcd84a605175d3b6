import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { frame, hello, messageOf, record, Sender } from "./collector-suite.ts";
import { turn, until } from "./kit.ts";
import { Random } from "./random.ts";

const CHILD = new URL("fixtures/collector-child.ts", import.meta.url).pathname;
/** Small, so that most rounds rotate. */
const MOST_BYTES = 20_000;
const ROUNDS = 50;

/** Starts a collector. @returns its port, and what kills it */
async function start(path: string): Promise<{ port: number; kill(): Promise<void> }> {
  const child = Bun.spawn([process.execPath, CHILD, path, `${MOST_BYTES}`], { stdout: "pipe" });
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error("it has ended");
    text += new TextDecoder().decode(value);
  }
  return {
    port: Number(text),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** All lines, those of the oldest file first; the last start has left no gap in the row. */
function linesOf(path: string): string[] {
  const texts = [readFileSync(path, "utf8")];
  for (let age = 0; existsSync(`${path}.${age}`); age++) {
    texts.unshift(readFileSync(`${path}.${age}`, "utf8"));
  }
  return texts.join("").split("\n").slice(0, -1);
}

/** A client that sends again what it was not told is kept. */
class Resending {
  readonly name: string;
  /** Records that it was told are kept, over all connections. */
  kept = 0;
  sent = 0;
  #first = 0;
  #sender: Sender | null = null;

  constructor(name: string) {
    this.name = name;
  }

  connect(port: number): void {
    this.#first = this.sent = this.kept;
    this.#sender = new Sender(port);
    this.#sender.send(
      frame(hello({ acks: true, clientId: this.name, firstSeq: BigInt(this.#first) })),
    );
  }

  send(count: number): void {
    const records = [...Array(count).keys()].map(() =>
      record({ message: `${this.name} ${this.sent++}` }),
    );
    this.#sender?.send(...records);
  }

  hear(): void {
    this.kept = this.#first + (this.#sender?.acknowledged.at(-1) ?? 0);
  }

  end(): void {
    this.hear();
    this.#sender?.end();
  }
}

test(`what was acknowledged is in the file once and in order, when the server is killed ${ROUNDS} times`, async () => {
  const path = join(mkdtempSync(join(tmpdir(), "collector-crash-")), "_main.log");
  const random = new Random(7);
  const clients = ["one", "two", "three"].map((name) => new Resending(name));
  for (let round = 0; round < ROUNDS; round++) {
    const server = await start(path);
    for (const client of clients) client.connect(server.port);
    // The kill comes in the middle of what is sent, after so many acknowledgements as chance will have it.
    const before = clients.map(({ kept }) => kept);
    const wanted = random.whole(0, 300);
    // Without rest, so that it is killed in a storm.
    while (!clients.some(({ kept }, at) => kept - (before[at] as number) >= wanted)) {
      for (const client of clients) client.send(random.whole(1, 20));
      await turn();
      for (const client of clients) client.hear();
    }
    await server.kill();
    for (const client of clients) client.end();
  }
  const last = await start(path);
  for (const client of clients) {
    client.connect(last.port);
    client.send(1);
    const { sent } = client;
    await until(() => (client.hear(), client.kept >= sent));
  }
  await last.kill();
  const lines = linesOf(path);
  const wrong = lines.findIndex((line, number) => !line.startsWith(`${number} `));
  const around = wrong < 0 ? [] : lines.slice(Math.max(0, wrong - 1), wrong + 2);
  expect({ wrong, around, files: readdirSync(dirname(path)) }).toMatchObject({ wrong: -1 });
  for (const { name, kept } of clients) {
    const own = lines.map((line) => messageOf(line)).filter((text) => text.startsWith(`${name} `));
    expect(own).toEqual([...Array(own.length).keys()].map((n) => `${name} ${n}`));
    expect(own.length).toBeGreaterThanOrEqual(kept);
  }
}, 300_000);
