import { load, problemText, remarks } from "./config/load.ts";
import { type Config, settings } from "./config/table.ts";
import { type Clock, systemClock } from "./host/clock.ts";
import { onSignals, openLog, Program, type Services } from "./host/lifecycle.ts";
import { type Address, openedBy } from "./host/service.ts";
import type { CloseReason } from "./net/client.ts";
import type { RelayClient } from "./services/relay/client.ts";
import { Relay } from "./services/relay/relay.ts";

/** A configuration that cannot be used; `problems` has one line for each thing wrong. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** A client as the program that embeds the server sees it. */
export class Guest {
  /** `ip:port`. */
  readonly address: string;
  readonly id: number;
  /** Resolves with the reason when the client is closed. */
  readonly closed: Promise<CloseReason>;
  readonly #client: RelayClient;
  readonly #close: (notice: string) => void;

  constructor(client: RelayClient, close: (notice: string) => void) {
    this.#client = client;
    this.#close = close;
    this.address = client.address;
    this.id = client.id;
    this.closed = new Promise((resolve) => {
      client.farewell = resolve;
    });
  }

  /** Sends one line to this client alone; the newline is added. Line breaks within it become spaces. */
  send(line: string): void {
    this.#client.send(`${oneLine(line)}\n`);
  }

  /** Closes the client, after a last line if one is given. */
  close(notice = ""): void {
    this.#close(notice === "" ? "" : `${oneLine(notice)}\n`);
  }

  /** Calls `see` with each line the client sends that is relayed. */
  onLine(see: (line: string) => void): void {
    this.#client.observer = see;
  }
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, " ");
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

export interface ServerOptions {
  /** Called and awaited for each accepted client before it is served: greet it, refuse it by closing it, observe it. */
  handleClient?: (client: Guest) => void | Promise<void>;
  /** Where time comes from; the system's clock when not given. */
  clock?: Clock;
  /** Takes what would go to the console, whole lines at a time. */
  print?: (text: string) => void;
}

/** The services as a library, with the interface of the reference server. */
export class EmbeddedServer {
  /** Resolves with the addresses, the relay's first, once clients can connect. */
  readonly listening: Promise<readonly Address[]>;
  readonly name: string | undefined;
  readonly #services: Services<Config>;
  readonly #options: ServerOptions;
  readonly #listening = Promise.withResolvers<readonly Address[]>();
  readonly #stop = Promise.withResolvers<void>();
  #cut: (() => void) | null = null;
  #ignoreSignals: (() => void) | null = null;

  /**
   * @param services every service there is, by the name of its section
   * @param name the server's name in its log; the configuration's when not given
   */
  constructor(services: Services<Config>, name?: string, options: ServerOptions = {}) {
    this.#services = services;
    this.name = name;
    this.#options = options;
    this.listening = this.#listening.promise;
    // Whoever does not wait for it must not be hurt by its rejection; `run` rejects too.
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
      if (loaded.problems.length > 0) {
        throw new ConfigError(loaded.problems.map(problemText));
      }
      const { config } = loaded;
      const name = this.name ?? config.name;
      await this.#serve({ ...config, name }, remarks(loaded));
    } catch (error) {
      this.#listening.reject(error);
      throw error;
    }
  }

  /** Starts the plain backend: a broadcast without guards. */
  async runServer(host = "127.0.0.1", port = 8888): Promise<void> {
    await this.run({ config: { host, port, version: "python" } });
  }

  /** Drains and stops the server; `run` resolves when that is done. */
  shutdown(): void {
    this.#stop.resolve();
  }

  /** Makes SIGINT and SIGTERM drain the server, a second one cut it. `run` calls this. */
  setTerminationSignals(): void {
    this.#ignoreSignals ??= onSignals({
      stop: () => this.shutdown(),
      cut: () => this.#cut?.(),
    });
  }

  /** Awaited for each accepted client before it is served. Override it, or give it as an option. */
  handleClient(client: Guest): void | Promise<void> {
    return this.#options.handleClient?.(client);
  }

  async #serve(config: Config, said: readonly string[]): Promise<void> {
    const clock = this.#options.clock ?? systemClock;
    const log = openLog(config.name, config.logger, clock, this.#options.print);
    this.#cut = () => {
      log.closeSync();
      process.exit(1);
    };
    const program = new Program<Config>(clock, log, {
      reload: () => ({ ok: false, outcome: "a program that embeds the server does not reload" }),
      drain: () => this.shutdown(),
    });
    try {
      for (const remark of said) log.warning(remark);
      const greets =
        this.#options.handleClient !== undefined ||
        this.handleClient !== EmbeddedServer.prototype.handleClient;
      await program.start(
        {
          ...this.#services,
          relay: (config, host) => {
            const relay: Relay = new Relay(
              config,
              host,
              greets ? (client) => this.#greet(client, relay) : null,
            );
            return relay;
          },
        },
        config,
      );
      this.setTerminationSignals();
      for (const [name, { addresses }] of program.running) {
        for (const address of addresses) log.info(`${name} is ready on ${openedBy(address)}`);
      }
      this.#listening.resolve([...program.running.values()].flatMap((one) => one.addresses));
      await this.#stop.promise;
      await program.drain(config.drain_ms);
      await log.close("Server exited cleanly.");
    } finally {
      this.#ignoreSignals?.();
      this.#ignoreSignals = null;
      await log.close();
    }
  }

  async #greet(client: RelayClient, relay: Relay): Promise<void> {
    const guest = new Guest(client, (notice) => relay.close(client, "refused", notice));
    await this.handleClient(guest);
  }
}
