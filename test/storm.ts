import type { Socket } from "bun";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";

import { tmpdir } from "node:os";
import { join } from "node:path";
import { placeOf } from "../lib/config/place.ts";
import { clientLimits } from "../lib/config/sections/limits.ts";
import { flag, whole } from "../lib/config/option.ts";
import { section } from "../lib/config/section.ts";
import { type Config, settings } from "../lib/config/table.ts";
import { libc } from "../lib/host/system/libc.ts";
import type { Host, Running } from "../lib/host/service.ts";
import { Admission } from "../lib/net/admission.ts";
import { type Accepted, Client } from "../lib/net/client.ts";
import { Clients } from "../lib/net/clients.ts";
import { Listener } from "../lib/net/listen.ts";
import { Pinned, SharedBytes } from "../lib/net/outbox.ts";
import type { Protocol } from "../lib/net/protocol.ts";
import { type Sending, Sends } from "../lib/net/sends/sends.ts";
import { boot, turn } from "./kit.ts";
import { Random } from "./random.ts";

/** Characters of the number that greets a client. */
export const HELLO = 8;
const STREAM = 2 ** 20;
const MOST_OWED = 2 ** 19;

/** What all streams are cut from, twice, so that no range has to wrap around. */
export function table(): Buffer {
  const once = new Random(15).bytes(STREAM);
  return Buffer.concat([once, once]);
}

/** A client of the storm, and its place in its own stream. */
class Streamed extends Client {
  at: number;
  /** Bytes that were pushed for it. */
  readonly pinned: Pinned;

  constructor(accepted: Accepted, pinned: Pinned) {
    super(accepted, pinned);
    this.pinned = pinned;
    this.at = (accepted.id * 7919) % STREAM;
  }
}

/** Sends every client its own stream, in ranges and pieces of random sizes, and cuts some amid the sends. */
class Storm implements Running, Protocol<Streamed>, Sending<Streamed> {
  readonly declared = {};
  readonly addresses;
  readonly #clients: Clients<Streamed>;
  readonly #listener: Listener<Streamed>;
  readonly #pinned = new Pinned();
  readonly #sends: Sends<Streamed>;
  readonly #letters = table();
  readonly #shared: SharedBytes;
  readonly #random = new Random(4);
  /** Called amid the sends, after clients were cut, with the highest descriptor that is free again. */
  amid: (freed: number) => void = () => {};

  constructor(config: Config, host: Host<Config>) {
    const place = placeOf(config, "storm");
    this.#sends = new Sends(config, host, this);
    this.#clients = new Clients(this, new Admission(place, host), host);
    this.#listener = new Listener(place, this.#clients, host);
    this.addresses = [this.#listener.address];
    this.#shared = new SharedBytes(this.#letters, this.#letters.length, this.#pinned);
    // One reference of its own: the table is never let go.
    this.#shared.refs = 1;
  }

  create(accepted: Accepted): Streamed {
    return new Streamed(accepted, this.#pinned);
  }

  opened(client: Streamed): void {
    client.send(client.id.toString(16).padStart(HELLO, "0"));
  }

  received(_: Streamed, bytes: Buffer): number {
    return bytes.length;
  }

  keep(client: Streamed, _: Buffer, start: number, length: number): void {
    client.outbox.push(this.#shared, start, start + length);
  }

  /** One turn: something for everybody, and the end for a few. */
  turn(): void {
    const random = this.#random;
    const cut: Streamed[] = [];
    for (const client of this.#clients.all) {
      if (client.outbox.bytes > MOST_OWED) continue;
      const dice = random.whole(0, 999);
      const sizes = [20, 200, dice < 200 ? 60_000 : 2000, dice < 20 ? 300_000 : 20];
      const length = random.whole(1, sizes[dice % 4] as number);
      if (client.outbox.bytes === 0 && dice % 8 < 5) {
        this.#sends.range(client, this.#letters, client.at, length);
        client.at = (client.at + length) % STREAM;
      } else {
        for (let left = dice % 5; left >= 0; left--) this.#push(client, random.whole(0, length));
        this.#sends.outbox(client);
      }
      if (random.whole(0, 199) === 0) cut.push(client);
    }
    const freed = Math.max(-1, ...cut.map(({ wire }) => wire.fd ?? -1));
    for (const client of cut) {
      if (random.whole(0, 1) === 0) this.#clients.cut(client, "kicked");
      else client.wire.end();
    }
    if (freed >= 0) this.amid(freed);
    this.#sends.leave();
  }

  #push(client: Streamed, length: number): void {
    client.outbox.push(this.#shared, client.at, client.at + length);
    client.at = (client.at + length) % STREAM;
  }

  stats(): Record<string, number> {
    return { ...this.#clients.stats() };
  }

  health() {
    return this.#listener.health();
  }

  clients(query: Parameters<Running["clients"]>[0]) {
    return this.#clients.page(query);
  }

  kick(id: number) {
    return this.#clients.kick(id, "");
  }

  drain(deadlineMs: number): Promise<void> {
    return this.#listener.drain(deadlineMs, "");
  }
}

const stormSection = section("A storm.", {
  enabled: flag(false, "Whether it runs."),
  port: whole(8899, [0, 65535], "Its port."),
  ...clientLimits("clients", "clients"),
});

/** The outcome of a storm, as its clients tell it. */
export interface Told {
  readonly bytes: number;
  readonly connections: number;
  readonly resets: number;
  /** The first bytes that were not as they should be. */
  readonly wrong: readonly string[];
  /** Bytes in files that nobody wrote to. */
  readonly inFiles: number;
  /** Times that descriptors of clients became a file's or another connection's amid the sends. */
  readonly others: number;
  readonly signals: number;
  /** Bytes at connections to another door, which sends nothing. */
  readonly elsewhere: number;
}

/** A server of the storm, and what sends a turn of it. */
export async function stormy(io: Config["net"]["io"]) {
  let made!: Storm;
  const service = (config: Config, host: Host<Config>) => (made = new Storm(config, host));
  const server = await boot(
    "storm",
    { net: { io }, storm: {} },
    { table: { services: { storm: service }, settings: { ...settings, storm: stormSection } } },
  );
  return { server, made };
}

/**
 * A server whose clients connect, stall and vanish while it sends and cuts some
 * of them amid the sends; their descriptors go at once to files, and to another
 * connection. Signals come amid the sends too. Every byte that anybody gets is
 * checked.
 */
export async function storm(
  io: Config["net"]["io"],
  {
    clients = 200,
    seed = 1,
    goesOn,
  }: { clients?: number; seed?: number; goesOn(others: number): boolean },
): Promise<Told> {
  const { server, made } = await stormy(io);
  const folder = mkdtempSync(join(tmpdir(), "storm-"));
  const elsewhere = await silentDoor();
  let others = 0;
  let files = 0;
  let signals = 0;
  const taken: number[] = [];
  const file = () => {
    const fd = openSync(join(folder, `${files++}`), "a");
    // Its own bytes, so that it is known to be open for writing.
    writeSync(fd, "own");
    return fd;
  };
  made.amid = (freed) => {
    const open = others % 2 === 0 ? file : elsewhere.again;
    do taken.push(open());
    while ((taken.at(-1) as number) < freed);
    others++;
  };
  const signalled = () => void signals++;
  process.on("SIGUSR2", signalled);
  const program = join(import.meta.dir, "fixtures", "storm-clients.ts");
  const child = Bun.spawn(
    [process.execPath, program, `${server.port()}`, `${clients}`, `${seed}`],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  while (goesOn(others)) {
    made.turn();
    for (const fd of taken.splice(0)) closeSync(fd);
    await turn();
  }
  await child.stdin.end();
  const told = JSON.parse(await new Response(child.stdout).text());
  process.off("SIGUSR2", signalled);
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  const inFiles = sizes.reduce((sum, size) => sum + size - "own".length, 0);
  rmSync(folder, { recursive: true });
  await server.stop();
  return { ...told, inFiles, others, signals, elsewhere: elsewhere.end() };
}

/** A door that sends nothing, and one caller of it: what that gets was meant for others. */
async function silentDoor() {
  let bytes = 0;
  const accepted = Promise.withResolvers<Socket>();
  const door = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => accepted.resolve(socket), data() {} },
  });
  const caller = await Bun.connect({
    hostname: "127.0.0.1",
    port: door.port,
    socket: {
      data(_, chunk) {
        bytes += chunk.length;
      },
    },
  });
  const { fd } = (await accepted.promise) as { readonly fd?: number };
  if (fd === undefined) throw new Error("the socket has no descriptor");
  return {
    /** One more descriptor of the connection: it gets the lowest number that is free. */
    again: () => libc().dup(fd),
    end() {
      caller.terminate();
      door.stop(true);
      return bytes;
    },
  };
}
