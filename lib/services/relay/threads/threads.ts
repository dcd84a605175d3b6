import { placeOf } from "../../../config/place.ts";
import type { Config } from "../../../config/table.ts";
import { within } from "../../../host/clock.ts";
import { clientsOfParts } from "../../../host/service/client-page.ts";
import { type Panel, Refused } from "../../../host/service/panel.ts";
import { busy } from "../../../host/service/places.ts";
import type {
  Address,
  ClientMore,
  ClientPage,
  ClientQuery,
  Health,
  Host,
  Problem,
  Running,
  Table,
} from "../../../host/service.ts";
import { tlsOptions } from "../../../host/files/tls-files.ts";
import { errorOf } from "../../../host/system/workers.ts";
import { turnedAwayText } from "../../../net/admission.ts";
import { type DoorMemory, doorMemory } from "../../../net/admission/inside-threads.ts";
import { TurnedAway } from "../../../net/admission/turned-away.ts";
import { Bars } from "../bars.ts";
import { DECLARED } from "../declared.ts";
import type { Road } from "../order/batch.ts";
import { Arrival } from "../order/threads/arrival.ts";
import { Hub } from "../order/threads/hub.ts";
import { framed } from "../panel/panel.ts";
import { Traffic } from "../traffic.ts";
import { mergedState } from "./merged.ts";
import type { FromThread, Questions, ThreadStart, Told } from "./messages.ts";
import { Numbers } from "./numbers.ts";
import { Thread } from "./thread.ts";

/** Milliseconds that an operator waits for a thread. */
const ANSWER_MS = 3000;
/** Milliseconds after the deadline of a drain at which threads are cut. */
const GRACE_MS = 1000;
/** Milliseconds between two counts of the clients on other nodes, for the threads. */
const COUNT_MS = 250;

/** The relay over several threads: each serves a part of the clients, and all of them are in one room. */
export class Threads implements Running {
  readonly declared = DECLARED;
  readonly panel: Panel;
  readonly quarantine: Bars;
  addresses: readonly Address[] = [];
  readonly #host: Host<Config>;
  readonly #traffic: Traffic;
  readonly #hub: Hub;
  readonly #door: DoorMemory;
  readonly #elsewhere = new SharedArrayBuffer(4);
  readonly #turnedAway: TurnedAway;
  readonly #threads: readonly Thread[];
  readonly #numbers: Numbers;
  #stopSweeping: () => void;
  readonly #stopCounting: () => void;
  #config: Config;
  #tls: ThreadStart["tls"];
  #draining = false;

  /** @param road to the other nodes of its room; null where it has the room for itself */
  constructor(config: Config, host: Host<Config>, threads: number, road: Road | null = null) {
    const { clock, log } = host;
    this.#config = config;
    this.#host = host;
    this.#door = doorMemory(threads);
    this.#traffic = new Traffic(log, config.logger.log_keys);
    this.quarantine = new Bars(
      clock,
      log,
      () => this.#config,
      { bar: (bar) => this.#hub.bar(bar), lift: (key) => this.#hub.lift(key) },
      // The threads do that.
      () => {},
    );
    this.#hub = new Hub({
      road: road ?? new Arrival(),
      ordered: (text) => this.#traffic.addEnvelopes(text),
      barred: (bar) => this.quarantine.barred(bar),
      lifted: (key) => void this.quarantine.lifted(key),
      bars: () => this.quarantine.inForce(),
    });
    this.#turnedAway = new TurnedAway(clock, (reason, clients, last) =>
      log.warning(turnedAwayText("relay", reason, clients, last)),
    );
    const parts = {
      clock,
      log,
      hub: this.#hub,
      door: this.#door,
      start: (thread: number) => ({
        kind: "start" as const,
        config: this.#config,
        tls: this.#tls,
        thread,
        threads,
        files: host.files.share("relay"),
        ids: host.ids.shared,
        door: this.#door,
        elsewhere: this.#elsewhere,
        zero: performance.timeOrigin,
      }),
      serves: (thread: Thread, given: ThreadStart) => {
        if (given.config !== this.#config) this.#configure(thread);
      },
      told: (told: Told | null, before: Told | null) => this.#numbers.note(told, before),
      take: (thread: Thread, message: FromThread) => this.#take(thread, message),
    };
    this.#threads = Array.from({ length: threads }, (_, index) => new Thread(index, parts));
    this.#numbers = new Numbers(this.#threads, host.files);
    this.panel = framed(
      async () => {
        const told = await this.#askAll("state", null);
        if (told.length > 0) return mergedState(told);
        throw new Refused(409, "No thread of the relay answers.");
      },
      () => this.#numbers.changes(),
    );
    this.#stopSweeping = this.#sweeping();
    const elsewhere = new Int32Array(this.#elsewhere);
    this.#stopCounting = road
      ? clock.every(COUNT_MS, () => void Atomics.exchange(elsewhere, 0, road.elsewhere))
      : () => {};
    host.onReload((next) => this.#reload(next));
  }

  /** @throws StartError when the threads cannot listen */
  async start(): Promise<this> {
    try {
      const place = placeOf(this.#config, "relay");
      // The threads share their port, with whoever listens there already as well.
      const taken = busy(place);
      if (taken !== null) throw taken;
      this.#tls = tlsOptions(place);
      const [first, ...others] = this.#threads as [Thread, ...Thread[]];
      const address = await first.start();
      this.addresses = [address];
      this.#config = { ...this.#config, port: address.port };
      await Promise.all(others.map((thread) => thread.start()));
      return this;
    } catch (error) {
      for (const thread of this.#threads) thread.cut();
      this.#stopSweeping();
      this.#stopCounting();
      throw error;
    }
  }

  // --- the contract

  stats(): Record<string, number> {
    return { ...this.#numbers.stats(), quarantined: this.quarantine.size };
  }

  health(): Health {
    if (this.#draining) return { ok: false, reason: "draining" };
    const troubles = new Set(this.#threads.flatMap(({ trouble }) => trouble ?? []));
    return { ok: troubles.size === 0, reason: [...troubles].join("; ") || "listening" };
  }

  problems(): readonly Problem[] {
    return this.#numbers.problems(this.quarantine.size);
  }

  tables(): readonly Table[] {
    return this.#numbers.tables();
  }

  clients(query: ClientQuery): Promise<ClientPage> {
    const none: ClientPage = { total: 0, clients: [] };
    const parts = this.#threads.map((thread) => ({
      clients: async (asked: ClientQuery) => (await this.#ask(thread, "clients", asked)) ?? none,
    }));
    return clientsOfParts(parts, query);
  }

  async client(id: number): Promise<ClientMore | null> {
    return (await this.#askAll("client", id))[0] ?? null;
  }

  async kick(id: number): Promise<string | null> {
    return (await this.#askAll("kick", id))[0] ?? null;
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    const all = Promise.all(this.#threads.map((thread) => thread.drain(deadlineMs)));
    if ((await within(this.#host.clock, deadlineMs + GRACE_MS, all)) === null) {
      for (const thread of this.#threads) thread.cut();
    }
    this.#turnedAway.close();
    this.#stopSweeping();
    this.#stopCounting();
  }

  // --- the threads

  #ask<K extends keyof Questions>(
    thread: Thread,
    of: K,
    given: Questions[K][0],
  ): Promise<Questions[K][1] | null> {
    return within(this.#host.clock, ANSWER_MS, thread.ask(of, given));
  }

  /** Asks all threads. @returns the answers of those that have one */
  async #askAll<K extends keyof Questions>(of: K, given: Questions[K][0]) {
    const answers = await Promise.all(this.#threads.map((thread) => this.#ask(thread, of, given)));
    return answers.filter((answer) => answer !== null) as NonNullable<Questions[K][1]>[];
  }

  #take(thread: Thread, message: FromThread): void {
    if (typeof message === "string") return;
    const { log } = this.#host;
    switch (message.kind) {
      case "log":
        log[message.level](message.message);
        break;
      case "bug":
        log.bug(errorOf(message.stack), message.context);
        break;
      case "turnedAway":
        this.#turnedAway.add(message.reason, message.clients, message.last);
        break;
      case "kept":
        log.error(`relay: ${thread.name} keeps its settings: ${message.why}`);
        break;
    }
  }

  #sweeping(): () => void {
    const seconds = this.#config.hyper_parameters.quarantine_cleanup_interval_secs;
    return this.#host.clock.every(seconds * 1000, () => this.quarantine.sweep());
  }

  /** @throws StartError when TLS does not work; everything stays as it was */
  #reload(next: Config): void {
    this.#tls = tlsOptions(placeOf(next, "relay"));
    this.#config = { ...next, port: this.#config.port, version: this.#config.version };
    this.#traffic.configure(next.logger.log_keys);
    this.#stopSweeping();
    this.#stopSweeping = this.#sweeping();
    for (const thread of this.#threads) this.#configure(thread);
  }

  #configure(thread: Thread): void {
    const files = this.#host.files.share("relay");
    thread.tell({ kind: "reload", config: this.#config, tls: this.#tls, files });
  }
}
