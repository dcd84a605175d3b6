import type { Clock } from "./clock.ts";
import type { Fault } from "./errors.ts";
import type { FileShares } from "./file-shares.ts";
import type { Log } from "./log.ts";
import type { Declared, Distribution } from "./stats.ts";

/** A client as an operator sees it. */
export interface ClientInfo {
  readonly id: number;
  readonly address: string;
  readonly state: string;
  /** Seconds since it connected. */
  readonly ageSeconds: number;
  readonly messagesIn: number;
  /** Over the last five to ten seconds. */
  readonly messagesPerSecond: number;
  /** How many of its messages were refused. */
  readonly refused: number;
  readonly refusedPerSecond: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that wait for it. */
  readonly outboxBytes: number;
}

/** Which clients of a service are wanted. */
export interface ClientQuery {
  /** Only those whose address contains this; "" for all. */
  readonly address: string;
  /** Those with equal values come by their ids, the oldest first. */
  readonly sort: keyof ClientInfo;
  readonly order: "asc" | "desc";
  readonly limit: number;
  readonly offset: number;
}

export interface ClientPage {
  /** How many match in all. */
  readonly total: number;
  readonly clients: readonly ClientInfo[];
}

export interface Health {
  readonly ok: boolean;
  /** Why not, or what it does. */
  readonly reason: string;
}

/** The largest of something that a service holds many of. */
export interface Table {
  /** `namespaces`, `channels`, ... */
  readonly name: string;
  /** One sentence for the operator. */
  readonly about: string;
  /** What the numbers of a row are. */
  readonly columns: readonly { readonly name: string; readonly unit: string }[];
  /** The largest first: a name, which a client may have chosen, and a number for each column. */
  readonly rows: readonly (readonly [name: string, ...values: number[]])[];
  /** How many there are besides. */
  readonly more: number;
  /** Not all were looked at: there are more than `more`, and some of them may be larger. */
  readonly partial: boolean;
}

/** An address a service listens on, with the real port. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** What a person opens it with, where that is more than host and port. */
  readonly url?: string;
}

/** The clients that may not come back for a while. */
export interface Quarantined {
  /** What is barred, as a key of the service's own, with the milliseconds left. */
  entries(): Iterable<[key: string, leftMs: number]>;
  /** Bars an address for so many seconds, and closes whoever is connected from there. @returns what is barred */
  impose(ip: string, seconds: number): string;
  /** Ends a quarantine by its key; false when there is none. */
  lift(key: string): boolean;
}

/** What an operator may ask of the whole program. */
export interface Operator {
  /** Reads the settings again and applies them. @returns how that went, in a sentence */
  reload(): { readonly ok: boolean; readonly outcome: string };
  /** Begins the drain, which ends the program. `why` is for the log. */
  drain(why: string): void;
  /** The full path of the file that the settings are from; null where there is none. */
  readonly source?: string | null;
}

/** What a service gets. `C` is the program's configuration. */
export interface Host<C> {
  readonly clock: Clock;
  readonly log: Log;
  /** The files that connections may take, by service. */
  readonly files: FileShares;
  /** A number for a client, never given twice in the life of the program. */
  nextId(): number;
  /** Every running service, by its name. */
  readonly services: ReadonlyMap<string, Running>;
  /** Whether the drain has begun. */
  readonly draining: boolean;
  readonly operator: Operator;
  /** `apply` gets each new configuration that a reload brings; when it throws, the service keeps the old one. */
  onReload(apply: (config: C) => void): void;
}

/** What a service owes while it runs. */
export interface Running {
  readonly addresses: readonly Address[];
  /** Every key of `stats()`, declared. */
  readonly declared: Declared;
  stats(): Readonly<Record<string, number>>;
  /** Its numbers of which more is told than their sum. */
  readonly distributions?: readonly Distribution[];
  health(): Health;
  clients(query: ClientQuery): ClientPage | Promise<ClientPage>;
  /** Closes a client with the reason `kicked`. @returns its address, or null when there is none of that id */
  kick(id: number): string | null | Promise<string | null>;
  readonly quarantine?: Quarantined;
  /** What it holds, at a cost that is bounded however much that is; asked for while somebody looks. */
  tables?(): readonly Table[];
  /** It is drained after the others, so that it can tell how they fare meanwhile. */
  readonly drainsLast?: boolean;
  /**
   * Lets nobody in any more, sends every client its notice, flushes what waits
   * for it for at most `deadlineMs` milliseconds, and closes everything.
   */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * A service: one function from the configuration to what it owes.
 * @throws StartError when it cannot start
 */
export interface Service<C> {
  (config: C, host: Host<C>): Running | Promise<Running>;
  /**
   * Every fault of what its settings name besides its place: files, folders,
   * modules. Nothing is changed by it, and nobody's code is run.
   */
  readonly check?: (config: C) => readonly Fault[];
}

/** Services by name; a service runs when the section of its name says `enabled`. */
export type Services<C> = Readonly<Record<string, Service<C>>>;

/** `127.0.0.1:8888`, `[::1]:8888`. */
export function addressText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What a person opens an address with: its URL, or host and port. */
export function openedBy({ host, port, url }: Address): string {
  return url ?? addressText(host, port);
}
