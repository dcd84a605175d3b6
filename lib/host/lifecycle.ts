import { type Place, placeOf } from "../config/place.ts";
import { isEnabled } from "../config/services.ts";
import type { Config } from "../config/table.ts";
import { faultsOf } from "./service/check.ts";
import { type Clock, within } from "./clock.ts";
import { LossError, messageOf, StartError } from "./errors.ts";
import { type Door, FileShares } from "./files/file-shares.ts";
import { Ids } from "./ids.ts";
import { Log } from "./log.ts";
import { busy, placesOf } from "./service/places.ts";
import { type Host, openedBy, type Operator, type Running, type Services } from "./service.ts";

/** @throws StartError when its file cannot be written */
function openLog(...given: ConstructorParameters<typeof Log>): Log {
  try {
    return new Log(...given);
  } catch (error) {
    throw new StartError([{ key: "logger.log_file_path", message: messageOf(error) }]);
  }
}

/** A service as its connections take files: through all its places. */
function doorOf<C extends object>(config: C, name: string, services: Services<C>): Door {
  const main = placeOf(config as never, name);
  const all = placesOf(services, config, name).map(({ limits }) => limits.clients);
  const maxClients = all.includes(0) ? 0 : all.reduce((sum, clients) => sum + clients, 0);
  const besides = services[name]?.files?.(config) ?? 0;
  return { name, maxClients, isMain: main.portKey === "port", besides };
}

/** The error of a start, and those of the services not tried yet whose ports are in use. */
function withBusyPorts(error: unknown, untried: readonly Place[]): unknown {
  if (!(error instanceof StartError) || error.faults.length > 0) return error;
  const others = untried.flatMap((place) => busy(place)?.message ?? []);
  return others.length === 0 ? error : new StartError([error.message, ...others].join("\n"));
}

/** All services that run, as one: they start together or not at all. */
export class Program<C extends object> {
  readonly running = new Map<string, Running>();
  readonly #reloads: { name: string; apply: (config: C) => void }[] = [];
  /** The service that is being started. */
  #starting = "";
  readonly #clock: Clock;
  readonly #host: Host<C>;
  #draining = false;
  /** Resolves when the start has ended, well or not. */
  #started: Promise<unknown> = Promise.resolve();
  #config!: C;
  #services: Services<C> = {};
  readonly #files = new FileShares([]);

  constructor(clock: Clock, log: Log, operator: Operator) {
    this.#clock = clock;
    const isDraining = () => this.#draining;
    const ids = new Ids();
    this.#host = {
      clock,
      log,
      operator,
      ids,
      nextId: () => ids.next(),
      files: this.#files,
      services: this.running,
      get draining() {
        return isDraining();
      },
      onReload: (apply) => this.#reloads.push({ name: this.#starting, apply }),
    };
  }

  /** The configuration in force. */
  get config(): C {
    return this.#config;
  }

  /**
   * Starts services one after the other, until a drain begins.
   * @throws StartError when one cannot start; those that had started are stopped again
   */
  start(services: Services<C>, config: C): Promise<void> {
    const started = this.#start(services, config);
    this.#started = started.catch(() => {});
    return started;
  }

  async #start(services: Services<C>, config: C): Promise<void> {
    this.#config = config;
    this.#services = services;
    const wanted = Object.entries(services).filter(([name]) => isEnabled(config, name));
    this.#files.shareOut(wanted.map(([name]) => doorOf(config, name, services)));
    const { trouble } = this.#files;
    if (trouble) this.#host.log.warning(trouble.message);
    try {
      for (const [name, service] of wanted) {
        this.#starting = name;
        const started = await service(config, this.#host);
        if (this.#draining) return void (await started.drain(0));
        this.running.set(name, started);
      }
      for (const service of this.running.values()) {
        if (this.#draining) return;
        await service.started?.();
      }
    } catch (error) {
      await this.#drain(0);
      const at = wanted.findIndex(([name]) => name === this.#starting);
      throw withBusyPorts(
        error,
        wanted.slice(at + 1).flatMap(([other]) => placesOf(this.#services, config, other)),
      );
    }
  }

  /** Hands a new configuration to every service. @returns one line for each service that keeps its old settings, with the reason */
  reload(config: C): string[] {
    this.#config = config;
    this.#files.shareOut(
      [...this.running.keys()].map((name) => doorOf(config, name, this.#services)),
    );
    const failures: string[] = [];
    for (const { name, apply } of this.#reloads) {
      try {
        apply(config);
      } catch (error) {
        const why = messageOf(error).replaceAll("\n", "; ");
        failures.push(`${why}; the settings of the ${name} stay as they were`);
      }
    }
    return failures;
  }

  /**
   * Drains all services within `deadlineMs`: together, and then those that drain
   * last. A service that is still being started is waited for as long.
   * @returns what they have lost, in sentences
   */
  async drain(deadlineMs: number): Promise<readonly string[]> {
    const end = this.#clock.now() + deadlineMs;
    const losses = await this.#drain(deadlineMs);
    await within(this.#clock, Math.max(0, end - this.#clock.now()), this.#started);
    return losses;
  }

  async #drain(deadlineMs: number): Promise<readonly string[]> {
    this.#draining = true;
    const end = this.#clock.now() + deadlineMs;
    const all = [...this.running.values()];
    const losses: string[] = [];
    const drainOne = (service: Running, leftMs: number) =>
      service.drain(leftMs).catch((error) => {
        if (!(error instanceof LossError)) throw error;
        losses.push(error.message);
      });
    for (const last of [false, true]) {
      const some = all.filter(({ drainsLast = false }) => drainsLast === last);
      const left = Math.max(0, end - this.#clock.now());
      await Promise.all(some.map((service) => drainOne(service, left)));
    }
    this.running.clear();
    return losses;
  }
}

/** One line for each address of each service. */
function readyLines(running: ReadonlyMap<string, Running>): string[] {
  return [...running].flatMap(([name, { addresses }]) =>
    addresses.map((address) => {
      const door = address.door === undefined ? "" : ` (${address.door})`;
      return `${name} is ready on ${openedBy(address)}${door}`;
    }),
  );
}

/** The differences between the program itself and a program that embeds it. */
export interface ServeOptions<C extends object> {
  readonly services: Services<C>;
  readonly config: C;
  readonly clock: Clock;
  /** Takes whole lines for the console; standard output when not given. */
  readonly print?: ((text: string) => void) | undefined;
  /** Full path of the file that the settings come from; null where there is none. */
  readonly source: string | null;
  /** Warnings that the log begins with. */
  readonly remarks: readonly string[];
  /** The drain begins when its promise resolves, with the reason. */
  readonly stop: PromiseWithResolvers<string>;
  /** Listens to signals until the services have ended. @returns a function that ends it */
  signals(actions: SignalActions): () => void;
  /** Reads the settings again and applies them. @returns the outcome, in a sentence */
  reload(program: Program<C>, log: Log): { readonly ok: boolean; readonly outcome: string };
  /** Called when the log is open, before any service is started. */
  opened?(log: Log): void;
  /** Called when all services run; `lines` has their addresses. */
  ready(lines: readonly string[], program: Program<C>): void;
  /** Called when the drain begins, with its reason. */
  draining?(why: string, program: Program<C>, log: Log): void;
}

/**
 * Runs services from the first line of the log to the last: starts them, waits
 * for `stop`, drains them.
 * @throws StartError with every fault that shows before anything is started, or
 * when a service cannot start or the log cannot be written; LossError when
 * something that was accepted could not be kept
 */
export async function serve<C extends Pick<Config, "name" | "logger" | "drain_ms">>(
  options: ServeOptions<C>,
): Promise<void> {
  const { services, config, clock, stop } = options;
  const ready = Promise.withResolvers<() => void>();
  let log: Log | null = null;
  const ignoreSignals = options.signals({
    stop: stop.resolve,
    cut() {
      log?.warning("cut by a second signal");
      log?.closeSync();
      process.exit(1);
    },
    reload: () => void ready.promise.then((reload) => reload()),
  });
  try {
    // It may have to ask for addresses of names.
    const faults = await Promise.race([faultsOf(services, config), stop.promise]);
    if (typeof faults === "string") return;
    if (faults.length > 0) throw new StartError(faults);
    log = openLog(config.name, config.logger, clock, options.print);
    await serveWith(log, options, ready.resolve);
  } finally {
    ignoreSignals();
    await log?.close();
  }
}

/** @param isReady called when all services run, with what reads the settings again */
async function serveWith<C extends Pick<Config, "name" | "logger" | "drain_ms">>(
  log: Log,
  options: ServeOptions<C>,
  isReady: (reload: () => void) => void,
): Promise<void> {
  const { stop } = options;
  const reload = () => options.reload(program, log);
  const program: Program<C> = new Program(options.clock, log, {
    reload,
    drain: stop.resolve,
    source: options.source,
  });
  for (const remark of options.remarks) log.warning(remark);
  options.opened?.(log);
  const started = program.start(options.services, options.config);
  const stoppedBefore = await Promise.race([started, stop.promise]);
  if (stoppedBefore === undefined) {
    const lines = readyLines(program.running);
    for (const line of lines) log.info(line);
    options.ready(lines, program);
    isReady(reload);
  }
  const why = await stop.promise;
  options.draining?.(why, program, log);
  const losses = await program.drain(program.config.drain_ms);
  for (const loss of losses) log.error(loss);
  if (losses.length > 0) throw new LossError(losses.join("\n"));
  await log.close("Server exited cleanly.");
}

/** The answers of the process to signals. */
export interface SignalActions {
  /** SIGINT, SIGTERM, and SIGHUP when the terminal has gone. Called once. */
  stop(signal: NodeJS.Signals): void;
  /** A second signal to stop. */
  cut(): void;
  /** SIGHUP without a terminal; when not given, nobody listens to SIGHUP. */
  reload?(): void;
}

/** Listens to signals. @returns a function that ends it */
export function onSignals(actions: SignalActions): () => void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return actions.cut();
    stopping = true;
    actions.stop(signal);
  };
  const underTerminal = process.stdin.isTTY === true;
  const hangUp = (signal: NodeJS.Signals) => {
    if (underTerminal) stop(signal);
    else if (!stopping) actions.reload?.();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  if (actions.reload) process.on("SIGHUP", hangUp);
  return () => {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
    process.off("SIGHUP", hangUp);
  };
}
