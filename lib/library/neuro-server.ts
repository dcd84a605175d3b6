import { load, problemText } from "../config/load.ts";
import { nearest } from "../config/nearest.ts";
import { placeOf } from "../config/place.ts";
import { type Config, settings } from "../config/table.ts";
import { type Clock, systemClock } from "../host/clock.ts";
import { FileShares } from "../host/files/file-shares.ts";
import { onSignals } from "../host/lifecycle.ts";
import type { Log } from "../host/log.ts";
import { type Address, openedBy } from "../host/service.ts";
import {
  ActionRefused,
  type Brain,
  type Choice,
  type ForceRequest,
  type Playing,
} from "../services/neuro/brains/brain.ts";
import type { ActionOutcome } from "../services/neuro/protocol.ts";
import type { NeuroServing } from "../services/neuro/server.ts";
import { ConfigError } from "./embedded.ts";
import { createLog } from "./web-server.ts";

export interface NeuroServerOptions {
  /** Who plays, where `chooseForceAction` is not overridden; else the brain that the settings name. */
  brain?: Brain;
  /** Settings, as in the section `[neuro]` of a configuration. */
  settings?: Readonly<Record<string, unknown>>;
  log?: Log;
  /** Where time comes from; the system's clock when not given. */
  clock?: Clock;
  /** Milliseconds that a stop may take; 5000 when not given. */
  drainMs?: number;
}

/** Files of a certificate chain and its key. */
export interface NeuroTls {
  cert: string;
  key: string;
}

/** A server of the Neuro API in a program of one's own: subclassed, or given a brain. */
export class NeuroServer {
  /** Resolves with the address once games can connect; rejects when `run` does. */
  readonly listening: Promise<Address>;
  readonly #options: NeuroServerOptions;
  readonly #listening = Promise.withResolvers<Address>();
  readonly #stop = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #serving: NeuroServing | null = null;
  #hasBegun = false;

  constructor(options: NeuroServerOptions = {}) {
    this.#options = options;
    this.listening = this.#listening.promise;
    // A caller may wait for `run` alone, which rejects too: this one must not go unhandled.
    this.listening.catch(() => {});
  }

  /**
   * Serves games until `stop()`, SIGINT or SIGTERM; a second signal ends the process.
   * @throws ConfigError when the settings have problems
   * @throws StartError when it cannot listen
   */
  async run(
    host = "127.0.0.1",
    port = 8000,
    { tls = { cert: "", key: "" } }: { tls?: NeuroTls } = {},
  ): Promise<void> {
    if (this.#hasBegun) throw new Error("a server is run once");
    this.#hasBegun = true;
    try {
      await this.#serve({ host, port, tls });
    } catch (error) {
      this.#listening.reject(error);
      throw error;
    } finally {
      this.#ended.resolve();
    }
  }

  /** Lets no game in any more, and ends all connections; resolves when that is done. */
  async stop(): Promise<void> {
    this.#stop.resolve();
    if (this.#hasBegun) await this.#ended.promise;
  }

  async #serve(own: { host: string; port: number; tls: NeuroTls }): Promise<void> {
    const { clock = systemClock, drainMs = 5000 } = this.#options;
    const config = this.#config(own);
    const ownLog = this.#options.log ? null : createLog("neuro");
    const log = this.#options.log ?? (ownLog as Log);
    const files = new FileShares([{ name: "neuro", maxClients: 0, isMain: true }]);
    let lastId = 0;
    const host = { clock, log, files, nextId: () => ++lastId };
    const place = placeOf(config, "neuro");
    const ignoreSignals = onSignals({
      stop: () => this.#stop.resolve(),
      cut: () => process.exit(1),
    });
    try {
      const { startNeuro } = await import("../services/neuro/neuro.ts");
      const { serving } = await startNeuro(config, place, host, this.#brain());
      await this.#serveUntilStopped(serving, log, drainMs);
    } finally {
      ignoreSignals();
      await ownLog?.close();
    }
  }

  async #serveUntilStopped(serving: NeuroServing, log: Log, drainMs: number): Promise<void> {
    this.#serving = serving;
    const [address] = serving.addresses as readonly [Address];
    serving.started();
    log.info(`listening on ${openedBy(address)}`);
    this.#listening.resolve(address);
    await this.#stop.promise;
    await serving.drain(drainMs);
    log.info("stopped");
  }

  #config(own: object): Config {
    const { settings: given = {} } = this.#options;
    const loaded = load(settings, {
      object: { version: "rust", neuro: { ...given, ...own, enabled: true } },
    });
    const known = settings.neuro.entries;
    const unknown = Object.keys(given).filter((key) => !Object.hasOwn(known, key));
    const problems = [
      ...unknown.map((key) => {
        const meant = nearest(key, Object.keys(known));
        return `neuro.${key}: unknown${meant ? `; did you mean ${meant}?` : ""}`;
      }),
      ...loaded.problems.map(problemText),
    ];
    if (problems.length > 0) throw new ConfigError(problems);
    return loaded.config;
  }

  /** Whoever plays; null for the brain that the settings name. */
  #brain(): Brain | null {
    if (this.chooseForceAction === NeuroServer.prototype.chooseForceAction) {
      return this.#options.brain ?? null;
    }
    return {
      name: this.constructor.name,
      addContext: (...given) => this.addContext(...given),
      chooseForceAction: (...given) => this.chooseForceAction(...given),
    };
  }

  // --- who plays

  /** Something has entered the context of a game. Override it together with `chooseForceAction`. */
  addContext(
    _game: string,
    _message: string,
    _replyIfNotBusy: boolean,
    _playing: Playing,
  ): string | void | Promise<string | void> {}

  /** Chooses one of the actions of a force. Override it, or give a brain as an option. */
  chooseForceAction(
    _game: string,
    _force: ForceRequest,
    _playing: Playing,
  ): Choice | Promise<Choice> {
    throw new Error("nobody plays: override chooseForceAction");
  }

  // --- what a program may do

  /** The games that are here. */
  get games(): readonly Playing[] {
    return [...(this.#serving?.games ?? [])];
  }

  /**
   * Sends an action that no force asked for, checked against its schema, and waits for its result.
   * @throws ActionRefused when it is not to be sent
   */
  async sendAction(game: string, name: string, data?: object | string): Promise<ActionOutcome> {
    const [newest] = this.#named(game).toReversed();
    if (newest === undefined) throw new ActionRefused(`there is no game ${game}`);
    return newest.submitAction(name, data);
  }

  /** Asks games to register their actions again: those of a name, or all. */
  reregisterAll(game?: string): void {
    for (const one of this.#named(game)) one.sendReregisterAll();
  }

  /** Asks games to save and leave: those of a name, or all. Not every game understands it. */
  requestShutdown(how: "graceful" | "immediate", game?: string): void {
    for (const one of this.#named(game)) {
      if (how === "graceful") one.sendShutdownGraceful(true);
      else one.sendShutdownImmediate();
    }
  }

  #named(game: string | undefined): readonly Playing[] {
    return this.games.filter(({ name }) => game === undefined || name === game);
  }
}
