import { load, problemText, remarks, sourceOf } from "../config/load.ts";
import { type Config, settings } from "../config/table.ts";
import { type Clock, systemClock } from "../host/clock.ts";
import { pageRemarks, problemsOf } from "../host/service/check.ts";
import { onSignals, serve } from "../host/lifecycle.ts";
import type { Services } from "../host/service.ts";
import type { Address } from "../host/service.ts";

/** The configuration cannot be used; `problems` has one line for each fault. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

export interface RunOptions {
  /** Used where the configuration names no host. */
  host?: string;
  /** Used where the configuration names no port. */
  port?: number;
  /** A `summoner.toml`, or a `server.json` of the reference. */
  configPath?: string;
  /** A configuration as an object, in the form of `server.json`; it wins over `configPath`. */
  config?: Readonly<Record<string, unknown>>;
}

/** Awaited for each client before it is served: it may greet, refuse or observe it. */
export type HandleClient<C> = (client: C) => void | Promise<void>;

export interface EmbeddedOptions<C> {
  handleClient?: HandleClient<C>;
  /** The source of time; the system's clock when not given. */
  clock?: Clock;
  /** Takes the lines for the console, one or more whole ones at a time; standard output when not given. */
  print?: (text: string) => void;
}

/** The services as a library, with the interface of the reference server. `C` is a client as `handleClient` gets it. */
export class EmbeddedServer<C> {
  /** Resolves with the addresses of all services, in their order, once clients can connect. */
  readonly listening: Promise<readonly Address[]>;
  readonly name: string | undefined;
  readonly #services: (handle: HandleClient<C> | null) => Services<Config>;
  readonly #options: EmbeddedOptions<C>;
  readonly #listening = Promise.withResolvers<readonly Address[]>();
  readonly #stop = Promise.withResolvers<string>();
  /** Runs on a second signal. */
  #cut: () => void = () => process.exit(1);
  #ignoreSignals: (() => void) | null = null;

  /**
   * @param services gives every service there is; `handle` is null when the program does not handle clients
   * @param name the server's name in its log; the configuration's when not given
   */
  constructor(
    services: (handle: HandleClient<C> | null) => Services<Config>,
    name?: string,
    options: EmbeddedOptions<C> = {},
  ) {
    this.#services = services;
    this.name = name;
    this.#options = options;
    this.listening = this.#listening.promise;
    // A caller may wait for `run` alone, which rejects too: this one must not go unhandled.
    this.listening.catch(() => {});
  }

  /**
   * Starts the server and resolves when it has been drained, after `shutdown()`
   * or a signal.
   * @throws ConfigError when the configuration has problems
   * @throws StartError when it cannot listen or write its log
   */
  async run(options: RunOptions = {}): Promise<void> {
    try {
      const { host, port, configPath: file, config: object } = options;
      const given = Object.entries({ host, port }).filter(([, value]) => value !== undefined);
      const run = Object.fromEntries(given);
      const loaded = load(settings, { run, file, object });
      const services = this.#services(this.#handle());
      if (loaded.problems.length > 0) {
        throw new ConfigError((await problemsOf(loaded, services)).map(problemText));
      }
      await serve<Config>({
        services,
        config: { ...loaded.config, name: this.name ?? loaded.config.name },
        clock: this.#options.clock ?? systemClock,
        print: this.#options.print,
        source: options.config ? null : sourceOf(loaded),
        remarks: [...remarks(loaded), ...pageRemarks(services, loaded.config)],
        stop: this.#stop,
        signals: ({ cut }) => {
          this.#cut = cut;
          this.setTerminationSignals();
          return () => {};
        },
        reload: () => ({ ok: false, outcome: "a program that embeds the server does not reload" }),
        ready: (_lines, { running }) =>
          this.#listening.resolve([...running.values()].flatMap(({ addresses }) => addresses)),
      });
    } catch (error) {
      this.#listening.reject(error);
      throw error;
    } finally {
      this.#listening.reject(new Error("it was stopped before it was ready"));
      this.#ignoreSignals?.();
      this.#ignoreSignals = null;
    }
  }

  /** Starts the plain backend: a broadcast without guards. */
  async runServer(host = "127.0.0.1", port = 8888): Promise<void> {
    await this.run({ config: { host, port, version: "python" } });
  }

  /** Drains and stops the server; `run` resolves when that is done. */
  shutdown(): void {
    this.#stop.resolve("shutdown");
  }

  /** From now on SIGINT and SIGTERM drain the server, and a second one cuts it. `run` calls this. */
  setTerminationSignals(): void {
    this.#ignoreSignals ??= onSignals({
      stop: () => this.shutdown(),
      cut: () => this.#cut(),
    });
  }

  /** Awaited for each client before it is served. Override it, or give it as an option. */
  handleClient(client: C): void | Promise<void> {
    return this.#options.handleClient?.(client);
  }

  #handle(): HandleClient<C> | null {
    const handles =
      this.#options.handleClient !== undefined ||
      this.handleClient !== EmbeddedServer.prototype.handleClient;
    return handles ? (client) => this.handleClient(client) : null;
  }
}
