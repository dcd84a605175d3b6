import { isLoopback } from "../config/loopback.ts";
import type { Place } from "../config/place.ts";
import type { Clock } from "../host/clock.ts";
import type { FileShares } from "../host/files/file-shares.ts";
import type { Log } from "../host/log.ts";
import { Access } from "./admission/access.ts";
import { CLOSE_REASONS, type CloseReason } from "./client.ts";
import { type Inside, InsideAlone } from "./admission/inside.ts";
import { TurnedAway } from "./admission/turned-away.ts";

/** The notices for clients that are turned away: one line each, with its newline, or nothing. */
export interface TurnedAwayNotices {
  readonly limit: string;
  readonly perAddress: string;
  readonly denied: string;
}

/** The reason that a client is turned away, and its notice. */
export interface Refused {
  readonly reason: CloseReason;
  /** One line for the client, with its newline, or nothing. */
  readonly notice: string;
  /** The log's words, where those of the reason do not say enough. */
  readonly cause?: string;
}

/** The reason that somebody is turned away, as the log tells it. */
export type Why = Omit<Refused, "notice">;

/** The notices of a service that has no words of its own. */
export const TURNED_AWAY: TurnedAwayNotices = {
  limit: "Warning: The server has too many clients. Please try again later.\n",
  perAddress: "Warning: There are too many clients from your address.\n",
  denied: "Warning: Your address may not connect to this server.\n",
};

/** The parts of the host that admission needs. */
export interface AdmissionHost {
  readonly clock: Clock;
  readonly log: Pick<Log, "warning">;
  readonly files: Pick<FileShares, "share">;
}

/** The parts of admission that threads which share a door have in common. */
export interface Doorkeeping {
  readonly inside: Inside;
  /** Threads at the door. */
  readonly threads: number;
  readonly turnedAway: TurnedAway;
}

/** The log's line about those who were turned away from a service for one reason. */
export function turnedAwayText(
  service: string,
  reason: string,
  clients: number,
  last: string,
): string {
  const who = clients === 1 ? last : `${clients} clients in the last minute, the last ${last}`;
  return `${service}: turned away ${who}: ${reason}`;
}

/**
 * Decides who may come in by one door: its access lists, its limits in all and
 * per address; and logs those who may not.
 */
export class Admission {
  readonly #notices: TurnedAwayNotices;
  readonly #log: Pick<Log, "warning">;
  readonly #files: Pick<FileShares, "share">;
  readonly #inside: Inside;
  readonly #threads: number;
  readonly #turnedAway: TurnedAway;
  #place: Place;
  #access: Access;

  /** @param notices for clients that are turned away @param shared where several threads share the door */
  constructor(
    place: Place,
    { clock, log, files }: AdmissionHost,
    notices: TurnedAwayNotices = TURNED_AWAY,
    shared?: Doorkeeping,
  ) {
    this.#place = place;
    this.#access = new Access(place.access);
    this.#notices = notices;
    this.#log = log;
    this.#files = files;
    this.#inside = shared?.inside ?? new InsideAlone();
    this.#threads = shared?.threads ?? 1;
    this.#turnedAway =
      shared?.turnedAway ??
      new TurnedAway(clock, (reason, clients, last) =>
        log.warning(turnedAwayText(this.#place.name, reason, clients, last)),
      );
    this.#checkFileLimit();
  }

  /** Takes other access lists and limits. Clients that are inside stay until the door asks `denied` about them. */
  configure(place: Place): void {
    this.#place = place;
    this.#access = new Access(place.access);
    this.#checkFileLimit();
  }

  /** Files that its connections may take. */
  get share(): number {
    const { name, part = 1 } = this.#place;
    return Math.max(2, Math.floor(this.#files.share(name) * part));
  }

  /** The most closed clients of this thread that may linger over their notice at once; beyond that they are cut. */
  get maxLingering(): number {
    return Math.max(1, Math.floor(this.#lingering / this.#threads));
  }

  get #lingering(): number {
    const { share } = this;
    return Math.max(1, Math.min(512, Math.max(share >> 3, Math.min(8, share >> 2))));
  }

  /** The most clients in all. */
  get maxClients(): number {
    // Bun reports no accept that fails for want of a file, and spins: stay clear of it.
    const byFiles = Math.max(1, this.share - this.#lingering);
    return Math.min(this.#place.limits.clients || byFiles, byFiles);
  }

  /** True when the lists of the place may deny somebody. */
  get selective(): boolean {
    const { allow, deny } = this.#place.access;
    return allow.length + deny.length > 0;
  }

  /** True when one more client may be too many from some address: only then a door has to ask for the address, which costs something. */
  get crowded(): boolean {
    const most = Math.min(this.maxClients, this.perAddress);
    return this.#inside.size >= most;
  }

  /** The refusal for an address that the lists deny, or null. */
  denied(ip: string): Refused | null {
    return this.#access.admits(ip) ? null : { reason: "denied", notice: this.#notices.denied };
  }

  /** The refusal when one more client from anywhere is too many, or null. */
  full(): Refused | null {
    return this.#inside.size < this.maxClients ? null : this.#full;
  }

  /** The refusal when one more client from this address is too many, or null. */
  limited(ip: string): Refused | null {
    const full = this.full();
    if (full) return full;
    return this.#inside.from(ip) < this.mostFrom(ip) ? null : this.#crowd;
  }

  /** Lets a client in, unless it is one too many. */
  admit(ip: string): Refused | null {
    const inside = this.#inside;
    inside.enter(ip);
    const full = inside.size > this.maxClients ? this.#full : null;
    const refused = full ?? (inside.from(ip) > this.mostFrom(ip) ? this.#crowd : null);
    if (refused) inside.leave(ip);
    return refused;
  }

  /** Keeps a place for a connection that is not a client yet, unless it is one too many. */
  expect(): Refused | null {
    this.#inside.wait(1);
    if (this.#inside.size <= this.maxClients) return null;
    this.#inside.wait(-1);
    return this.#full;
  }

  /** Gives back a place that was kept. */
  expected(): void {
    this.#inside.wait(-1);
  }

  get #full(): Refused {
    const { clients, keys } = this.#place.limits;
    const isSet = clients === this.maxClients && keys !== undefined;
    const cause = `too many clients ${isSet ? `(${keys.clients})` : "for its share of the open files"}`;
    return { reason: "limit", notice: this.#notices.limit, cause };
  }

  get #crowd(): Refused {
    const { keys } = this.#place.limits;
    const cause = `too many clients from its address${keys ? ` (${keys.clientsPerAddress})` : ""}`;
    return { reason: "limit", notice: this.#notices.perAddress, cause };
  }

  /** The most clients from one address that is not this machine's. */
  get perAddress(): number {
    return this.#place.limits.clientsPerAddress || Math.max(1, Math.floor(this.maxClients / 4));
  }

  /** The most clients from this address. Unless a limit is set, this machine's own addresses have none. */
  mostFrom(ip: string): number {
    const unbounded = this.#place.limits.clientsPerAddress === 0 && isLoopback(ip);
    return unbounded ? Infinity : this.perAddress;
  }

  /** A client has come in. */
  enter(ip: string): void {
    this.#inside.enter(ip);
  }

  /** A client that came in has gone. */
  leave(ip: string): void {
    this.#inside.leave(ip);
  }

  /** Logs that somebody was turned away: the first at once, the others of a minute together. */
  turnedAway({ reason, cause }: Why, who: string): void {
    this.#turnedAway.add(cause ?? CLOSE_REASONS[reason], 1, who);
  }

  /** Nobody is let in any more; logs what has not been logged yet. */
  close(): void {
    this.#turnedAway.close();
  }

  #checkFileLimit(): void {
    const { name, limits } = this.#place;
    if (limits.clients <= this.maxClients) return;
    this.#log.warning(
      `${name}: max_clients ${limits.clients} is more than its share of the open files allows; serving at most ${this.maxClients}`,
    );
  }
}
