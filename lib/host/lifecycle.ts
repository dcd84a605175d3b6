import { isEnabled } from "../config/services.ts";
import type { Clock } from "./clock.ts";
import { messageOf, StartError } from "./errors.ts";
import { Log } from "./log.ts";
import type { Host, Operator, Running, Service } from "./service.ts";

/** Services by name; a service runs when the section of its name says `enabled`. */
export type Services<C> = Readonly<Record<string, Service<C>>>;

/** @throws StartError when its file cannot be written */
export function openLog(...given: ConstructorParameters<typeof Log>): Log {
  try {
    return new Log(...given);
  } catch (error) {
    const message = `${messageOf(error)} (settings: logger.log_file_path)`;
    throw new StartError(message);
  }
}

/** All services that run, as one: they start together or not at all. */
export class Program<C extends object> {
  readonly running = new Map<string, Running>();
  readonly #reloads: ((config: C) => void)[] = [];
  readonly #clock: Clock;
  readonly #host: Host<C>;
  #draining = false;

  constructor(clock: Clock, log: Log, operator: Operator) {
    this.#clock = clock;
    const isDraining = () => this.#draining;
    let lastId = 0;
    this.#host = {
      clock,
      log,
      operator,
      nextId: () => ++lastId,
      services: this.running,
      get draining() {
        return isDraining();
      },
      onReload: (apply) => this.#reloads.push(apply),
    };
  }

  /** @throws StartError when one cannot start; those that had started are stopped again */
  async start(services: Services<C>, config: C): Promise<void> {
    try {
      for (const [name, service] of Object.entries(services)) {
        if (isEnabled(config, name)) this.running.set(name, await service(config, this.#host));
      }
    } catch (error) {
      await this.drain(0);
      throw error;
    }
  }

  /** Hands a new configuration to every service. @returns what could not be applied */
  reload(config: C): string[] {
    const failures: string[] = [];
    for (const apply of this.#reloads) {
      try {
        apply(config);
      } catch (error) {
        failures.push(messageOf(error));
      }
    }
    return failures;
  }

  /** Drains all services within `deadlineMs`: at once, but the observers after the others. */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    const end = this.#clock.now() + deadlineMs;
    const all = [...this.running.values()];
    for (const observers of [false, true]) {
      const some = all.filter(({ observer = false }) => observer === observers);
      const left = Math.max(0, end - this.#clock.now());
      await Promise.all(some.map((service) => service.drain(left)));
    }
    this.running.clear();
  }
}

/** What the process does when the system speaks to it. */
export interface SignalActions {
  /** SIGINT, SIGTERM, and SIGHUP when the terminal has gone. Called once. */
  stop(signal: NodeJS.Signals): void;
  /** A second signal to stop. */
  cut(): void;
  /** SIGHUP without a terminal; where it is not given, SIGHUP is left alone. */
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
