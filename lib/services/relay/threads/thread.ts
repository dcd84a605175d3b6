import type { Clock } from "../../../host/clock.ts";
import { type Fault, StartError } from "../../../host/errors.ts";
import type { Log } from "../../../host/log.ts";
import type { Address } from "../../../host/service.ts";
import { errorOf, uncaught } from "../../../host/system/workers.ts";
import { type DoorMemory, InsideThreads } from "../../../net/admission/inside-threads.ts";
import type { Branch, Hub } from "../order/threads/hub.ts";
import type { FromRoad } from "../order/threads/messages.ts";
import { Pace } from "./pace.ts";
import type { FromThread, Question, Questions, ThreadStart, Told, ToThread } from "./messages.ts";

const BEAT_MS = 1000;
/** Beats in a row that a thread may leave without an answer: once it serves, and while it loads its code. */
const [MOST_SILENT, MOST_LOADING] = [10, 60];
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/** A thread that served for this long before it died is started again after the shortest wait. */
const RAN_WELL_MS = 60_000;

/** One Worker, from its start to its death. */
interface Life {
  readonly worker: Worker;
  readonly given: ThreadStart;
  readonly endBeats: () => void;
  /** Null until it listens. */
  branch: Branch | null;
  /** The time when it first listened; clock milliseconds. */
  servingSince: number;
  /** Beats without an answer. */
  silent: number;
  told: Told | null;
  readonly pace: Pace;
  readonly asked: Map<number, (answer: any) => void>;
  readonly gone: PromiseWithResolvers<void>;
}

/** The surroundings of a thread. */
export interface ThreadParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly hub: Hub;
  readonly door: DoorMemory;
  /** What it is started with; asked for at each start. */
  start(thread: number): ThreadStart;
  /** It serves from now on; `given` is what it was started with. */
  serves(thread: Thread, given: ThreadStart): void;
  /** It tells how it fares; after its death, null. `before` is what it told last. */
  told(told: Told | null, before: Told | null): void;
  /** What it tells besides. */
  take(thread: Thread, message: FromThread): void;
}

/** A thread of the relay as the main thread sees it: it is started again when it dies or hangs. */
export class Thread {
  /** From 0; for people from 1. */
  readonly index: number;
  readonly #parts: ThreadParts;
  readonly #address = Promise.withResolvers<Address>();
  #life: Life | null = null;
  #ending = false;
  #hasServed = false;
  /** The reason of the last death; null once it listens. */
  #death: string | null = null;
  #again: { readonly due: number; readonly cancel: () => void } | null = null;
  #waitMs = 0;
  #questions = 0;
  #drained: (() => void) | null = null;
  restarts = 0;

  constructor(index: number, parts: ThreadParts) {
    this.index = index;
    this.#parts = parts;
    // Nobody waits for it after the first start.
    this.#address.promise.catch(() => {});
  }

  get name(): string {
    return `thread ${this.index + 1}`;
  }

  /** The address it listens on. @throws StartError when the first start fails */
  start(): Promise<Address> {
    this.#spawn();
    return this.#address.promise;
  }

  /** How it fares; null while it does not serve. */
  get told(): Told | null {
    return this.#life?.told ?? null;
  }

  get pace(): Pace {
    return this.#life?.pace ?? new Pace();
  }

  /** The reason for which nobody gets in here, or null. */
  get trouble(): string | null {
    const { health } = this.told ?? {};
    if (this.#death === null) return health === undefined || health.ok ? null : health.reason;
    const died = `${this.name} died (${this.#death})`;
    if (this.#again === null) return `${died}; starting again`;
    const seconds = Math.max(0, Math.ceil((this.#again.due - this.#parts.clock.now()) / 1000));
    return `${died}; starting again in ${seconds} s`;
  }

  /** Tells it something, if it serves. */
  tell(message: ToThread): void {
    if (this.#life?.branch) this.#life.worker.postMessage(message);
  }

  /** Asks a question. @returns null when the thread dies over it, or does not serve */
  ask<K extends keyof Questions>(of: K, given: Questions[K][0]): Promise<Questions[K][1] | null> {
    const life = this.#life;
    if (life === null || life.branch === null) return Promise.resolve(null);
    const { promise, resolve } = Promise.withResolvers<Questions[K][1] | null>();
    const number = this.#questions++;
    life.asked.set(number, resolve);
    life.worker.postMessage({ kind: "question", number, of, given } satisfies Question<K>);
    return promise;
  }

  /** Drains it, and starts it no more. Resolves when its clients are closed and it has ended. */
  async drain(deadlineMs: number): Promise<void> {
    this.#ending = true;
    this.#again?.cancel();
    this.#again = null;
    const life = this.#life;
    if (life === null) return;
    if (life.branch !== null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#drained = resolve;
      this.tell({ kind: "drain", deadlineMs });
      await promise;
    }
    this.cut();
    await life.gone.promise;
  }

  /** Ends it at once, for good. */
  cut(): void {
    this.#ending = true;
    this.#again?.cancel();
    if (this.#life !== null) this.#forget(this.#life);
  }

  #spawn(): void {
    const worker = new Worker(new URL("./relay-thread.ts", import.meta.url).href);
    const life: Life = {
      worker,
      given: this.#parts.start(this.index),
      endBeats: this.#beats(() => this.#beat(life)),
      branch: null,
      servingSince: Infinity,
      silent: 0,
      told: null,
      pace: new Pace(),
      asked: new Map(),
      gone: Promise.withResolvers(),
    };
    this.#life = life;
    worker.addEventListener("message", ({ data }) => {
      if (this.#life === life) this.#take(life, data as FromThread);
    });
    worker.addEventListener("messageerror", () => {
      if (this.#life === life) this.#die(life, "a message that cannot be read");
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      if (this.#life === life) this.#die(life, ...uncaught(event.message));
    });
    worker.addEventListener("close", (event) => {
      if (this.#life === life) this.#die(life, `exit code ${event.code}`);
      new InsideThreads(this.#parts.door, this.index).clear();
      life.gone.resolve();
    });
    worker.postMessage(life.given);
  }

  #take(life: Life, message: FromThread): void {
    if (typeof message === "string") {
      if (life.branch !== null) this.#parts.hub.take(life.branch, message);
      return;
    }
    switch (message.kind) {
      case "ready":
        life.branch = this.#parts.hub.join((to) => life.worker.postMessage(to));
        life.servingSince = this.#parts.clock.now();
        this.#hasServed = true;
        this.#death = null;
        this.#address.resolve(message.address);
        this.#parts.serves(this, life.given);
        break;
      case "failed":
        this.#fail(life, message.message, message.faults);
        break;
      case "alive":
        life.silent = 0;
        life.pace.note(this.#parts.clock.now(), life.told?.stats["lines_in"] ?? 0, message.cpuMs);
        break;
      case "told":
        this.#parts.told(message.told, life.told);
        life.told = message.told;
        break;
      case "answer":
        life.asked.get(message.number)?.(message.answer);
        life.asked.delete(message.number);
        break;
      case "drained":
        this.#drained?.();
        break;
      case "bar":
      case "lift":
      case "settled":
        if (life.branch !== null) this.#parts.hub.take(life.branch, message satisfies FromRoad);
        break;
      default:
        this.#parts.take(this, message);
    }
  }

  /** It cannot start: the first time nothing can, later it is tried again. */
  #fail(life: Life, why: string, faults: readonly Fault[]): void {
    this.#address.reject(new StartError(faults.length > 0 ? faults : why));
    this.#die(life, why);
  }

  /** Calls `job` once a period, however long this thread itself was stopped or busy. */
  #beats(job: () => void): () => void {
    let cancel = () => {};
    let ended = false;
    const next = () => {
      cancel = this.#parts.clock.after(BEAT_MS, () => {
        job();
        // The answers that have come meanwhile are read before the next one is due.
        setImmediate(() => {
          if (!ended) next();
        });
      });
    };
    next();
    return () => {
      ended = true;
      cancel();
    };
  }

  #beat(life: Life): void {
    const most = life.branch === null ? MOST_LOADING : MOST_SILENT;
    if (life.silent >= most) {
      this.#die(life, `no sign of life for ${(most * BEAT_MS) / 1000} s`);
      return;
    }
    life.silent++;
    life.worker.postMessage({ kind: "beat" } satisfies ToThread);
  }

  #die(life: Life, why: string, stack: string | null = null): void {
    const { clock, log } = this.#parts;
    const clients = life.told?.stats["clients"] ?? 0;
    this.#forget(life);
    this.#death = why;
    if (!this.#hasServed) {
      // Then nothing starts, and whoever starts it says so.
      this.#address.reject(new StartError(`relay: ${this.name} cannot start: ${why}`));
      return;
    }
    const its = clients === 1 ? "client" : `${clients} clients`;
    const lost = clients > 0 ? `, and its ${its} with it` : "";
    const died = `relay: ${this.name} died (${why})${lost}`;
    if (stack === null) log.error(died);
    else log.bug(errorOf(stack), died);
    if (this.#ending) return;
    const well = clock.now() - life.servingSince >= RAN_WELL_MS;
    this.#waitMs =
      well || this.#waitMs === 0 ? FIRST_WAIT_MS : Math.min(2 * this.#waitMs, LONGEST_WAIT_MS);
    const again = () => {
      this.#again = null;
      void life.gone.promise.then(() => {
        if (this.#ending) return;
        this.restarts++;
        log.info(`relay: ${this.name} is started again`);
        this.#spawn();
      });
    };
    this.#again = { due: clock.now() + this.#waitMs, cancel: clock.after(this.#waitMs, again) };
  }

  /** Ends a Worker. Its later messages are ignored. */
  #forget(life: Life): void {
    life.endBeats();
    this.#life = null;
    this.#parts.told(null, life.told);
    if (life.branch !== null) this.#parts.hub.leave(life.branch);
    for (const answer of life.asked.values()) answer(null);
    life.worker.terminate();
    this.#drained?.();
  }
}
