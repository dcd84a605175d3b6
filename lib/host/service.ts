import type { Clock } from "./clock.ts";
import type { Log } from "./log.ts";

/** How one number of `stats()` is to be read. */
export interface StatDeclaration {
  /** A counter only grows; a gauge goes up and down. */
  readonly kind: "counter" | "gauge";
  /** `bytes`, `clients`, `lines`, `seconds`, ... */
  readonly unit: string;
  /** One sentence for the operator. */
  readonly about: string;
}

/** A client as an operator sees it. */
export interface ClientInfo {
  readonly id: number;
  readonly address: string;
  readonly state: string;
  /** Seconds since it connected. */
  readonly ageSeconds: number;
  readonly linesIn: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that wait for it. */
  readonly outboxBytes: number;
}

export interface Health {
  readonly ok: boolean;
  /** Why not, or what it does. */
  readonly reason: string;
}

/** An address a service listens on, with the real port. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a service gets. `C` is the program's configuration. */
export interface Host<C> {
  readonly clock: Clock;
  readonly log: Log;
  /** The numbers of every running service, by its name. */
  stats(): Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** `apply` gets each new configuration that SIGHUP brings; when it throws, the service keeps the old one. */
  onReload(apply: (config: C) => void): void;
}

/** What a service owes while it runs. */
export interface Running {
  readonly addresses: readonly Address[];
  /** Every key of `stats()`, declared. */
  readonly declared: Readonly<Record<string, StatDeclaration>>;
  stats(): Readonly<Record<string, number>>;
  health(): Health;
  clients(): Iterable<ClientInfo>;
  /** Closes a client with the reason `kicked`; false when there is none of that id. */
  kick(id: number): boolean;
  /**
   * Refuses newcomers, sends every client its notice, flushes what is owed for
   * at most `deadlineMs` milliseconds and closes everything.
   */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * A service: one function from the configuration to what it owes.
 * @throws StartError when it cannot start
 */
export type Service<C> = (config: C, host: Host<C>) => Running | Promise<Running>;

/** `127.0.0.1:8888`, `[::1]:8888`. */
export function addressText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
