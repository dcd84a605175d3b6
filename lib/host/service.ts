import type { Place } from "../config/place.ts";
import type { Clock } from "./clock.ts";
import type { Fault } from "./errors.ts";
import type { FileShares } from "./files/file-shares.ts";
import type { HttpPart } from "./service/http-part.ts";
import type { Ids } from "./ids.ts";
import type { Log } from "./log.ts";
import type { Panel } from "./service/panel.ts";
import type { Room } from "./service/room.ts";
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
  /** Its messages that were refused. */
  readonly refused: number;
  readonly refusedPerSecond: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes that wait for it. */
  readonly outboxBytes: number;
}

/** A question for one page of a service's clients. */
export interface ClientQuery {
  /** Only the client of this number; null or none for all. */
  readonly id?: number | null;
  /** Only clients whose address contains this; "" for all. */
  readonly address: string;
  /** Clients with equal values come by id, the oldest first. */
  readonly sort: keyof ClientInfo;
  readonly order: "asc" | "desc";
  readonly limit: number;
  readonly offset: number;
}

export interface ClientPage {
  /** Clients that match, on this page or not. */
  readonly total: number;
  readonly clients: readonly ClientInfo[];
}

/** A message of a client that was refused, with those just like it that came right after. */
export interface RefusedMessage {
  /** The time of the last of them; clock milliseconds. */
  readonly at: number;
  /** A short name for the reason, as the service's numbers have it. */
  readonly code: string;
  /** The reason; it may hold what the client has sent. */
  readonly words: string;
  readonly times: number;
}

/** How a client has fared for some seconds. */
export interface PastStep {
  /** Their end; clock milliseconds. */
  readonly at: number;
  readonly messagesPerSecond: number;
  readonly refusedPerSecond: number;
  readonly outboxBytes: number;
}

/** More of a client than its row. */
export interface ClientMore {
  /** Its last messages that were refused, the newest first. */
  readonly refusals: readonly RefusedMessage[];
  /** The last minutes as far as they are known, the oldest first. */
  readonly past: readonly PastStep[];
}

export interface Health {
  readonly ok: boolean;
  /** The trouble; without any, the present state, as `listening`. */
  readonly reason: string;
  /** True where it serves everybody in spite of the trouble: who asks whether it is ready hears that it is. */
  readonly serves?: boolean;
}

/** Something that is wrong with a service, or good to know of it, for as long as that lasts. */
export interface Problem {
  /** Tells it from the other problems of the service. */
  readonly key: string;
  /** `failing`: it does not do what it is there for; `warning`: somebody suffers by it; `note`: nobody does. */
  readonly severity: "failing" | "warning" | "note";
  /** A sentence, printable. */
  readonly text: string;
  /** The client behind it. */
  readonly client?: number;
  /** The setting behind it, as `relay.total_outbox_bytes`. */
  readonly setting?: string;
}

/** The largest of something that a service holds many of. */
export interface Table {
  /** `namespaces`, `channels`, ... */
  readonly name: string;
  /** One sentence for the operator. */
  readonly about: string;
  /** The numbers of a row, in order. */
  readonly columns: readonly { readonly name: string; readonly unit: string }[];
  /** The largest first: a name (perhaps one that a client has chosen) and a number for each column. */
  readonly rows: readonly (readonly [name: string, ...values: number[]])[];
  /** Items that have no row. */
  readonly more: number;
  /** True when not all items were looked at: there are more than `more`, and some of them may be larger. */
  readonly partial: boolean;
}

/** An address a service listens on, with the real port. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** The URL that a person opens, where host and port are not enough. */
  readonly url?: string;
  /** The name of the door there, where a service has several. */
  readonly door?: string;
}

/** Who may not come back for a while. */
export interface Barred {
  /** `10.0.0.7` for a whole address, `10.0.0.7:4000` for a port of it. */
  readonly key: string;
  /** Milliseconds until it ends, and since it began. */
  readonly leftMs: number;
  readonly sinceMs: number;
  /** In a few words, printable. */
  readonly why: string;
}

/** The clients that may not come back for a while. */
export interface Quarantined {
  /** Each quarantine, the one that began first first. */
  entries(): Iterable<Barred>;
  /** Bars an address for `seconds` seconds and closes its clients. @returns the key of the quarantine */
  impose(ip: string, seconds: number): string;
  /** Ends a quarantine. @returns false when none has this key */
  lift(key: string): boolean;
}

/** The orders that an operator can give to the whole program. */
export interface Operator {
  /** Reads the settings again and applies them. @returns the outcome, in a sentence */
  reload(): { readonly ok: boolean; readonly outcome: string };
  /** Begins the drain, which ends the program. `why` is for the log. */
  drain(why: string): void;
  /** Full path of the file that the settings come from; null where there is none. */
  readonly source?: string | null;
}

/** The program's side of a service. `C` is the program's configuration. */
export interface Host<C> {
  readonly clock: Clock;
  readonly log: Log;
  /** The files that connections may take, by service. */
  readonly files: FileShares;
  /** A number for a client, never given twice in the life of the program. */
  nextId(): number;
  /** The numbers themselves, for a service with threads of its own. */
  readonly ids: Ids;
  /** Every running service, by its name. */
  readonly services: ReadonlyMap<string, Running>;
  /** True once the drain has begun. */
  readonly draining: boolean;
  readonly operator: Operator;
  /** `apply` gets each new configuration that a reload brings; when it throws, the service keeps the old one. */
  onReload(apply: (config: C) => void): void;
}

/** A running service, as the program and its operator see it. */
export interface Running {
  readonly addresses: readonly Address[];
  /** Every key of `stats()`, declared. */
  readonly declared: Declared;
  stats(): Readonly<Record<string, number>>;
  /** Its numbers that are shown as histograms. */
  readonly distributions?: readonly Distribution[];
  health(): Health;
  clients(query: ClientQuery): ClientPage | Promise<ClientPage>;
  /** More of the client of this id, for an operator who looks at it; null when there is none. */
  client?(id: number): ClientMore | null | Promise<ClientMore | null>;
  /** Closes a client with the reason `kicked`. @returns its address, or null when there is none of that id */
  kick(id: number): string | null | Promise<string | null>;
  readonly quarantine?: Quarantined | undefined;
  /** The room that it shares with other programs; undefined when it shares none. */
  readonly room?: Room | undefined;
  /** What is wrong besides its health. Asked for once a second, so it costs a moment at most. */
  problems?(): readonly Problem[];
  /** The largest of the things it holds, at a bounded cost; asked for only while an operator looks. */
  tables?(): readonly Table[];
  /** What it shows on the operator's page besides its numbers; the same object for as long as it runs. */
  readonly panel?: Panel | undefined;
  /** Paths of the HTTP service that it answers itself; undefined while there are none. */
  readonly http?: HttpPart | undefined;
  /**
   * Called once all services have started: from now on it may do work of its own.
   * @throws StartError when it turns out only now that it cannot
   */
  started?(): void | Promise<void>;
  /** True for a service that is drained after the others, so that it can show their drain. */
  readonly drainsLast?: boolean;
  /**
   * Refuses new connections, sends every client its notice, flushes the
   * outboxes for at most `deadlineMs` milliseconds, and closes everything.
   * Rejects with a `LossError` when something that was accepted is not kept.
   */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * A service: a function that starts it.
 * @throws StartError when it cannot start
 */
export interface Service<C> {
  (config: C, host: Host<C>): Running | Promise<Running>;
  /**
   * Finds every fault in the files, folders and modules that its settings name;
   * its place is checked elsewhere. Changes nothing and runs no module.
   */
  readonly check?: (config: C) => readonly Fault[];
  /** For a service that needs somebody at the operator's page: what for, as `neuro.brain: a person plays`; null when it does not. */
  readonly needsPage?: (config: C) => string | null;
  /** For the service that serves the operator's page: what is lacking before anybody may act there; null when nothing is. */
  readonly pageLacks?: (config: C) => string | null;
  /** Files that it keeps open besides those of its connections, where they are many. */
  readonly files?: (config: C) => number;
  /** The places it listens at, where that is not the one of its section alone. */
  readonly places?: (config: C) => readonly Place[];
}

/** Services by name; a service runs when the section of its name says `enabled`. */
export type Services<C> = Readonly<Record<string, Service<C>>>;

/** `127.0.0.1:8888`, `[::1]:8888`. */
export function addressText(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The text that a person opens an address with: its URL, or host and port. */
export function openedBy({ host, port, url }: Address): string {
  return url ?? addressText(host, port);
}
