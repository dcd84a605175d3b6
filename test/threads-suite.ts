import { afterAll, afterEach, beforeAll } from "bun:test";
import { THREADS_SHARE_PORTS } from "../lib/config/sections/relay.ts";
import { systemClock } from "../lib/host/clock.ts";
import {
  boot,
  type Booted,
  type BootOptions,
  dial,
  type Overrides,
  type Peer,
  until,
} from "./kit.ts";

/** True where a relay can have several threads. */
export const threadsHere = THREADS_SHARE_PORTS;
if (!threadsHere) console.log("skipped: relays of several threads, which cannot share a port here");

/** Every Worker of these tests, in the order of their starts. */
const workers: Worker[] = [];
/** The module with which the next Worker begins, in place of its own; null for its own. */
export const next: { module: URL | null } = { module: null };
const Plain = Worker;
const Known = class extends Plain {
  constructor(...[own, ...options]: ConstructorParameters<typeof Plain>) {
    super(next.module ?? own, ...options);
    next.module = null;
    workers.push(this);
  }
};

const peers: Peer[] = [];
const started: Booted[] = [];

/** Lets the tests of a file reach the Workers of what they start, and ends all of it after each of them. */
export function withThreads(): void {
  beforeAll(() => {
    globalThis.Worker = Known;
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.end();
    for (const server of started.splice(0)) await server.stop();
    workers.length = 0;
  });
  afterAll(() => {
    globalThis.Worker = Plain;
  });
}

/** A relay of several threads. Its clock is the system's, as those of the threads are. */
export class ThreadedRelay {
  readonly server: Booted;
  readonly #own: readonly Worker[];

  constructor(server: Booted, own: readonly Worker[]) {
    this.server = server;
    this.#own = own;
  }

  /** The Worker of a thread at its first start. */
  worker(thread: number): Worker {
    return this.#own[thread] as Worker;
  }

  /** A number of the relay. */
  count(name: string): number {
    return this.server.stats()[name] as number;
  }

  /** The clients of each thread, as last told. */
  spread(): number[] {
    const [table] = this.server.running("relay").tables?.() ?? [];
    return table?.rows.map(([, clients]) => clients as number) ?? [];
  }

  /** Connects a client. @returns it, and the thread that serves it */
  async enter(from?: string): Promise<{ peer: Peer; thread: number }> {
    const before = this.spread();
    const peer = await dial(this.server.port("relay"), from);
    peers.push(peer);
    const thread = () => this.spread().findIndex((clients, i) => clients > (before[i] as number));
    await until(() => thread() >= 0);
    return { peer, thread: thread() };
  }

  /** Connects clients until each thread has at least so many. @returns those of each thread */
  async fill(least: number): Promise<Peer[][]> {
    const all = this.spread().map((): Peer[] => []);
    while (all.some((some) => some.length < least)) {
      const { peer, thread } = await this.enter();
      all[thread]?.push(peer);
    }
    return all;
  }
}

/** Starts a relay with threads, and perhaps other services. */
export async function threaded(
  threads: number,
  overrides: Overrides = {},
  { names = ["relay"], ...options }: BootOptions & { names?: readonly string[] } = {},
): Promise<ThreadedRelay> {
  const before = workers.length;
  const hyper = {
    worker_threads: threads,
    rate_limit_msgs_per_minute: 1_000_000,
    ...(overrides["hyper_parameters"] as object),
  };
  const server = await boot(
    names,
    { ...overrides, hyper_parameters: hyper },
    { clock: systemClock, ...options },
  );
  started.push(server);
  return new ThreadedRelay(server, workers.slice(before));
}

/** The lines among those that a client has heard which none of these clients have sent. */
export function heardBut(peer: Peer, ...senders: readonly Peer[]): string[] {
  return peer.lines.filter((line) => !senders.some(({ address }) => line.includes(`"${address}"`)));
}
