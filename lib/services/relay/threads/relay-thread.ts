/** A thread of the relay: serves a part of its clients, in one room with those of the other threads. */
import type { Config } from "../../../config/table.ts";
import { type Clock, systemClock } from "../../../host/clock.ts";
import { messageOf, StartError } from "../../../host/errors.ts";
import { Ids } from "../../../host/ids.ts";
import type { LogLines } from "../../../host/log.ts";
import type { Address, ClientQuery } from "../../../host/service.ts";
import { stackOf } from "../../../host/system/workers.ts";
import { InsideThreads } from "../../../net/admission/inside-threads.ts";
import { counts, settledWay, wayOf } from "../../../net/sends/way.ts";
import { TurnedAway } from "../../../net/admission/turned-away.ts";
import { portionOf } from "../order/portions.ts";
import { Shared } from "../order/shared.ts";
import { ThreadRoad } from "../order/threads/thread-road.ts";
import type { ToRoad } from "../order/threads/messages.ts";
import { Relay } from "../relay.ts";
import type { FromThread, LogLevel, Question, ThreadStart, Told, ToThread } from "./messages.ts";

declare const self: Worker;

/** Milliseconds between two looks at the numbers. */
const TELL_MS = 250;
/** Milliseconds between two messages about clients that were turned away for one reason. */
const TURNED_AWAY_MS = 1000;
/** Characters that may be on their way to their places in the order before the senders of this thread are held. */
const MOST_ON_THE_WAY = 4 * 1024 * 1024;

const post = (message: FromThread): void => self.postMessage(message);
const say = (level: LogLevel) => (message: string) => post({ kind: "log", level, message });

/** The log of the program. What is relayed is logged by the main thread, which knows its order. */
const log: LogLines = {
  debug: say("debug"),
  info: say("info"),
  warning: say("warning"),
  error: say("error"),
  bug: (error, context) => post({ kind: "bug", stack: stackOf(error), context }),
  takesRecords: false,
  record() {},
};

let road: ThreadRoad;
let serving: Serving;

self.addEventListener("message", ({ data }) => {
  const message = data as ToThread;
  if (typeof message === "string") return road.arrived(message);
  switch (message.kind) {
    case "start":
      start(message);
      break;
    case "beat":
      post({ kind: "alive", cpuMs: computedMs() });
      break;
    case "question":
      void serving.answer(message);
      break;
    case "reload":
      serving.reload(message);
      break;
    case "drain":
      void serving.drain(message.deadlineMs);
      break;
    default:
      road.arrived(message satisfies ToRoad);
  }
});

function start(given: ThreadStart): void {
  try {
    serving = new Serving(given);
  } catch (error) {
    const faults = error instanceof StartError ? error.faults : [];
    post({ kind: "failed", message: messageOf(error), faults });
  }
}

/** The relay of this thread. */
class Serving {
  readonly #relay: Relay;
  readonly #files: { share(): number; connections: number };
  readonly #stopTelling: () => void;
  #config: Config;
  #tls: ThreadStart["tls"];
  #share: number;
  #apply: (config: Config) => void = () => {};
  #told = "";

  /** @throws StartError when it cannot listen */
  constructor(given: ThreadStart) {
    const { thread, threads } = given;
    const clock = clockFrom(given.zero);
    this.#config = given.config;
    this.#tls = given.tls;
    this.#share = given.files;
    this.#files = { share: () => this.#share, connections: 0 };
    const ids = new Ids(given.ids);
    const inside = new InsideThreads(given.door, thread);
    const elsewhere = new Int32Array(given.elsewhere);
    road = new ThreadRoad(post, () => inside.elsewhere + Atomics.load(elsewhere, 0));
    const most = () => Math.min(MOST_ON_THE_WAY, this.#config.relay.total_outbox_bytes / threads);
    const turnedAway = new TurnedAway(
      clock,
      (reason, clients, last) => post({ kind: "turnedAway", reason, clients, last }),
      TURNED_AWAY_MS,
    );
    const host = {
      clock,
      log,
      files: this.#files,
      nextId: () => ids.next(),
      onReload: (apply: (config: Config) => void) => {
        this.#apply = apply;
      },
    };
    const shared = { inside, threads, turnedAway, tls: () => this.#tls };
    const order = new Shared(road, most, () => portionOf(this.#config.relay));
    this.#relay = new Relay(given.config, host, null, order, shared);
    post({ kind: "ready", address: this.#relay.addresses[0] as Address });
    const way = settledWay(given.config.net.io);
    // All threads have the same.
    if (way !== null && thread === 0) log.info(way);
    this.#tell();
    this.#stopTelling = clock.every(TELL_MS, () => this.#tell());
  }

  async answer({ number, of, given }: Question): Promise<void> {
    post({ kind: "answer", number, answer: await this.#answerTo(of, given) });
  }

  #answerTo(of: Question["of"], given: Question["given"]): unknown {
    const relay = this.#relay;
    switch (of) {
      case "clients":
        return relay.clients(given as ClientQuery);
      case "client":
        return relay.client(given as number);
      case "kick":
        return relay.kick(given as number);
      case "state":
        return relay.panel.views["state"]?.read({});
    }
  }

  reload({ config, tls, files }: Pick<ThreadStart, "config" | "tls" | "files">): void {
    const before = [this.#share, this.#tls] as const;
    [this.#share, this.#tls] = [files, tls];
    try {
      this.#apply(config);
      this.#config = config;
    } catch (error) {
      [this.#share, this.#tls] = before;
      post({ kind: "kept", why: messageOf(error) });
    }
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#relay.drain(deadlineMs);
    road.handOver();
    this.#stopTelling();
    this.#tell();
    post({ kind: "drained" });
  }

  /** Tells the main thread how this one fares, if that has changed. */
  #tell(): void {
    const told: Told = {
      stats: this.#relay.stats(),
      health: this.#relay.health(),
      troubles: this.#relay.troubles(),
      connections: this.#files.connections,
      way: wayOf(this.#config.net.io),
      sends: counts.sends,
      calls: counts.calls,
    };
    const text = JSON.stringify(told);
    if (text === this.#told) return;
    this.#told = text;
    post({ kind: "told", told });
  }
}

/** The clock of this thread, with the zero of the main thread's. */
function clockFrom(zero: number): Clock {
  const behind = performance.timeOrigin - zero;
  return {
    now: () => systemClock.now() + behind,
    wall: () => systemClock.wall(),
    every: (ms, job) => systemClock.every(ms, job),
    after: (ms, job) => systemClock.after(ms, job),
  };
}

/** Milliseconds that this thread has computed for. */
function computedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
