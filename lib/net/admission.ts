import { isLoopback } from "../config/loopback.ts";
import type { Place } from "../config/place.ts";
import type { Clock } from "../host/clock.ts";
import type { FileShares } from "../host/file-shares.ts";
import type { Log } from "../host/log.ts";
import { Access } from "./access.ts";
import { CLOSE_REASONS, type CloseReason } from "./client.ts";

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
}

/** The notices of a service that has no words of its own. */
export const TURNED_AWAY: TurnedAwayNotices = {
  limit: "Warning: The server has too many clients. Please try again later.\n",
  perAddress: "Warning: There are too many clients from your address.\n",
  denied: "Warning: Your address may not connect to this server.\n",
};

/** Milliseconds that one log line stands for: a flood of clients that are turned away gets no line each. */
const TELL_MS = 1000;

/** The parts of the host that admission needs. */
export interface AdmissionHost {
  readonly clock: Clock;
  readonly log: Pick<Log, "warning">;
  readonly files: FileShares;
}

/**
 * Decides who may come in by one door: its access lists, its limits in all and
 * per address; and logs those who may not.
 */
export class Admission {
  /** Connections that are not clients yet, as during a TLS handshake; they count towards the limit in all. */
  pending = 0;
  readonly #notices: TurnedAwayNotices;
  readonly #clock: Clock;
  readonly #log: Pick<Log, "warning">;
  readonly #files: FileShares;
  readonly #perAddress = new Map<string, number>();
  readonly #untold = new Map<CloseReason, { count: number; last: string }>();
  #place: Place;
  #access: Access;
  #inside = 0;
  #cancelTelling: (() => void) | null = null;

  /** @param notices for clients that are turned away */
  constructor(
    place: Place,
    { clock, log, files }: AdmissionHost,
    notices: TurnedAwayNotices = TURNED_AWAY,
  ) {
    this.#place = place;
    this.#access = new Access(place.access);
    this.#notices = notices;
    this.#clock = clock;
    this.#log = log;
    this.#files = files;
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

  /** The most closed clients that may linger over their notice at once; beyond that they are cut. */
  get maxLingering(): number {
    const { share } = this;
    return Math.max(1, Math.min(512, Math.max(share >> 3, Math.min(8, share >> 2))));
  }

  /** The most clients in all. */
  get maxClients(): number {
    // Bun reports no accept that fails for want of a file, and spins: stay clear of it.
    const byFiles = Math.max(1, this.share - this.maxLingering);
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
    return this.#inside + this.pending >= most;
  }

  /** The refusal for an address that the lists deny, or null. */
  denied(ip: string): Refused | null {
    return this.#access.admits(ip) ? null : { reason: "denied", notice: this.#notices.denied };
  }

  /** The refusal when one more client from anywhere is too many, or null. */
  full(): Refused | null {
    if (this.#inside + this.pending < this.maxClients) return null;
    return { reason: "limit", notice: this.#notices.limit };
  }

  /** The refusal when one more client from this address is too many, or null. */
  limited(ip: string): Refused | null {
    const full = this.full();
    if (full) return full;
    return this.#from(ip) >= this.mostFrom(ip)
      ? { reason: "limit", notice: this.#notices.perAddress }
      : null;
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
    this.#inside++;
    this.#perAddress.set(ip, this.#from(ip) + 1);
  }

  /** A client that came in has gone. */
  leave(ip: string): void {
    this.#inside--;
    const others = this.#from(ip) - 1;
    if (others === 0) this.#perAddress.delete(ip);
    else this.#perAddress.set(ip, others);
  }

  /** Logs that somebody was turned away, together with all others of the same second. */
  turnedAway(reason: CloseReason, who: string): void {
    const count = (this.#untold.get(reason)?.count ?? 0) + 1;
    this.#untold.set(reason, { count, last: who });
    this.#cancelTelling ??= this.#clock.after(TELL_MS, () => this.#tell());
  }

  /** Nobody is let in any more; logs what has not been logged yet. */
  close(): void {
    this.#cancelTelling?.();
    this.#tell();
  }

  #tell(): void {
    this.#cancelTelling = null;
    for (const [reason, { count, last }] of this.#untold) {
      const who = count === 1 ? last : `${count} clients, the last ${last}`;
      this.#log.warning(`${this.#place.name}: turned away ${who}: ${CLOSE_REASONS[reason]}`);
    }
    this.#untold.clear();
  }

  #from(ip: string): number {
    return this.#perAddress.get(ip) ?? 0;
  }

  #checkFileLimit(): void {
    const { name, limits } = this.#place;
    if (limits.clients <= this.maxClients) return;
    this.#log.warning(
      `${name}: max_clients ${limits.clients} is more than its share of the open files allows; serving at most ${this.maxClients}`,
    );
  }
}
