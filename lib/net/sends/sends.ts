import { StartError } from "../../host/errors.ts";
import type { Clock } from "../../host/clock.ts";
import type { LogLines } from "../../host/log.ts";
import type { Client } from "../client.ts";
import { type Front, noFront, Room } from "../outbox.ts";
import { RING_ENTRIES, RING_PARTS, type Ring } from "./ring.ts";
import { counts, type Io, pays, sendFaults, sending, theRing, wayText } from "./way.ts";

/** The word of a wire that is closed or full; as an error of Linux, EPERM. */
const REFUSED = -1;
const EINTR = -4;
const EBADF = -9;
const EAGAIN = -11;
const ENOMEM = -12;
const ENOBUFS = -105;
/** Errors of a send that say nothing of the connection; EBADF is of one that is closed. Each other one ends it. */
const OF_THE_MOMENT = new Set([REFUSED, EINTR, EBADF, EAGAIN, ENOMEM, ENOBUFS]);

/** In the place of a buffer that nobody shall keep. */
const NOTHING = new Uint8Array(0);

/** Bytes in which the small pieces of outboxes are gathered for one call. */
const ROOM_BYTES = 256 * 1024;

/** A service whose clients are sent what is due at the end of a turn. */
export interface Sending<C extends Client> {
  /**
   * Puts a range that was given to `Sends.range` into the client's outbox,
   * whole: its wire has not taken all of it. For those who give ranges.
   */
  keep?(client: C, bytes: Buffer, start: number, length: number): void;
  /** A client has not taken all that was due to it. */
  waits?(client: C): void;
}

/**
 * The sends of a turn. Each is noted, and all leave together: by one call of the
 * kernel, or by a write each where that is not to be had or does not pay.
 *
 * In one call a client has one entry, and its next bytes are given to the
 * kernel only when all before them are taken. So no order among entries is
 * relied on, and nothing can follow a send that was cut short.
 *
 * No byte reaches a wrong client, for these reasons together:
 * - An entry names a socket by its descriptor, and that number is read from
 *   Bun's socket anew for each entry. It is kept nowhere.
 * - Bun closes descriptors of connections only on this thread, and clears the
 *   number in its socket before any JavaScript runs again: in its `close`
 *   callback and after `end` or `terminate` it is -1 already, whatever the
 *   reason of the close. An entry with -1 reaches nobody (EBADF).
 * - From the first number that is read to the end of the call no callback runs,
 *   nothing is closed and nothing is opened: outcomes are dealt with after it.
 * - Threads of the program close only what is theirs, so a number that was
 *   right when it was read stays right.
 * - Clients with TLS or on other wires are never among the entries: their bytes
 *   do not go to the socket as they are.
 */
export class Sends<C extends Client> {
  readonly #service: Sending<C>;
  readonly #io: Io;
  readonly #clock: Pick<Clock, "now">;
  readonly #log: LogLines;
  /** The clients that are sent a range each, and the ranges. */
  readonly #ranged: C[] = [];
  readonly #bytes: Buffer[] = [];
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  /** The clients that are sent what is in their outboxes. */
  readonly #boxed = new Set<C>();
  /** The entries of the call that is being made: whose they are, and their lengths. */
  readonly #entered: C[] = [];
  readonly #entryLengths = new Float64Array(RING_ENTRIES);
  readonly #frontRanges = Array.from({ length: RING_PARTS }, noFront);
  #room: Room | null = null;
  #now = 0;

  /** @throws StartError when io_uring is wanted and cannot be had */
  constructor(
    config: Parameters<typeof sendFaults>[0],
    { clock, log }: { readonly clock: Pick<Clock, "now">; readonly log: LogLines },
    service: Sending<C>,
  ) {
    this.#io = config.net.io;
    this.#clock = clock;
    this.#log = log;
    this.#service = service;
    sending.is = true;
    const faults = sendFaults(config);
    if (faults.length > 0) throw new StartError(faults);
  }

  /** Sends a client to whom nothing else is owed a range of bytes, which must not change until they have left. */
  range(client: C, bytes: Buffer, start: number, length: number): void {
    if (!client.isPlain) {
      this.#now = this.#clock.now();
      this.#write(client, bytes, start, length);
      return;
    }
    this.#ranged.push(client);
    this.#bytes.push(bytes);
    this.#starts.push(start);
    this.#lengths.push(length);
  }

  /** Sends a client what its outbox holds. */
  outbox(client: C): void {
    if (client.isPlain && client.outbox.mayLeave) {
      this.#boxed.add(client);
      return;
    }
    this.#now = this.#clock.now();
    this.#flush(client);
  }

  /** Sends all that was noted. */
  leave(): void {
    const due = this.#ranged.length + this.#boxed.size;
    if (due === 0) return;
    this.#now = this.#clock.now();
    const ring = due < pays.from || this.#io === "writes" ? null : this.#ring();
    if (ring === null) {
      this.#rangesByWrites();
      for (const client of this.#boxed) this.#flush(client);
    } else {
      this.#rangesByRing(ring);
      this.#boxesByRing(ring);
    }
    this.#ranged.length = 0;
    this.#bytes.length = 0;
    this.#starts.length = 0;
    this.#lengths.length = 0;
    this.#boxed.clear();
  }

  #ring(): Ring | null {
    return theRing(() => this.#log.info(wayText(this.#io)));
  }

  // --- ranges

  #rangesByWrites(): void {
    for (let i = 0; i < this.#ranged.length; i++) {
      const [start, length] = [this.#starts[i] as number, this.#lengths[i] as number];
      this.#write(this.#ranged[i] as C, this.#bytes[i] as Buffer, start, length);
    }
  }

  #write(client: C, bytes: Buffer, start: number, length: number): void {
    const taken = client.wire.write(bytes, start, length);
    if (this.#took(client, taken) === length) return;
    this.#keep(client, bytes, start, length, taken);
    // Bun has seen that the socket is full, and tells when it takes bytes again.
    client.outbox.blocked = true;
    this.#service.waits?.(client);
  }

  #rangesByRing(ring: Ring): void {
    const count = this.#ranged.length;
    const { results } = ring;
    for (let from = 0; from < count; from += RING_ENTRIES) {
      const entries = Math.min(RING_ENTRIES, count - from);
      for (let i = 0; i < entries; i++) {
        const at = from + i;
        const bytes = this.#bytes[at] as Buffer;
        const start = this.#starts[at] as number;
        ring.put(i, fdOf(this.#ranged[at] as C), bytes, start, this.#lengths[at] as number);
      }
      this.#call(ring, entries);
      for (let i = 0; i < entries; i++) {
        const at = from + i;
        const client = this.#ranged[at] as C;
        const length = this.#lengths[at] as number;
        const taken = this.#took(client, results[i] as number);
        if (taken === length) continue;
        this.#keep(client, this.#bytes[at] as Buffer, this.#starts[at] as number, length, taken);
        this.#flush(client);
      }
    }
  }

  /** Puts into an outbox what a wire did not take of a range. */
  #keep(client: C, bytes: Buffer, start: number, length: number, taken: number): void {
    this.#service.keep?.(client, bytes, start, length);
    if (taken > 0) client.outbox.took(taken);
  }

  // --- outboxes

  #boxesByRing(ring: Ring): void {
    const all = [...this.#boxed];
    // All the bytes of some clients and then those of others: what reaches a client in parts makes it read as often.
    for (let from = 0; from < all.length; from += RING_ENTRIES) {
      let due = all.slice(from, from + RING_ENTRIES);
      while (due.length >= pays.from) due = this.#round(ring, due);
      for (const client of due) this.#flush(client);
    }
  }

  /** Sends each client what is at the front of its outbox. @returns the clients that took it and have more */
  #round(ring: Ring, due: readonly C[]): C[] {
    const more: C[] = [];
    const room = (this.#room ??= new Room(ROOM_BYTES));
    const entered = this.#entered;
    room.used = 0;
    for (const client of due) {
      if (!client.outbox.mayLeave) {
        this.#flush(client);
        continue;
      }
      if (entered.length === RING_ENTRIES || room.isFull) this.#fronts(ring, more);
      this.#enter(ring, client, room);
    }
    this.#fronts(ring, more);
    return more;
  }

  /** Enters what is at the front of a client's outbox: its ranges are one send. */
  #enter(ring: Ring, client: C, room: Room): void {
    const fronts = this.#frontRanges;
    const index = this.#entered.push(client) - 1;
    const count = client.outbox.fronts(fronts, room);
    const { bytes, start, length } = fronts[0] as Front;
    if (count === 1) ring.put(index, fdOf(client), bytes, start, length);
    else ring.putParts(index, fdOf(client), fronts, count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const front = fronts[i] as Front;
      sum += front.length;
      front.bytes = NOTHING;
    }
    this.#entryLengths[index] = sum;
  }

  /** Sends the fronts that have been entered. @param more gets the clients that took theirs and have more */
  #fronts(ring: Ring, more: C[]): void {
    const entered = this.#entered;
    this.#call(ring, entered.length);
    for (let i = 0; i < entered.length; i++) {
      const client = entered[i] as C;
      const taken = this.#took(client, ring.results[i] as number);
      if (taken > 0) client.outbox.took(taken);
      if (taken < (this.#entryLengths[i] as number)) this.#flush(client);
      else if (client.outbox.mayLeave) more.push(client);
      else if (client.outbox.bytes > 0) this.#service.waits?.(client);
    }
    entered.length = 0;
    if (this.#room !== null) this.#room.used = 0;
  }

  // --- one client

  #call(ring: Ring, entries: number): void {
    if (entries === 0) return;
    const worked = ring.broken === null;
    ring.send(entries);
    if (worked) counts.calls++;
    for (let i = 0; i < entries; i++) if ((ring.results[i] as number) > 0) counts.sends++;
    if (worked && ring.broken !== null)
      this.#log.warning(`sends leave by writes from now on: ${ring.broken}`);
  }

  /** Notes what a wire has taken, or that it is broken. @returns the bytes */
  #took(client: C, taken: number): number {
    if (taken <= 0) {
      if (taken < 0 && !OF_THE_MOMENT.has(taken)) client.isBroken = true;
      return 0;
    }
    client.bytesOut += taken;
    client.tookAt = this.#now;
    return taken;
  }

  /**
   * Writes what a client's outbox holds. After a send that was cut short or
   * failed this is what makes Bun look: it finds the socket full and tells when
   * it takes bytes again, or finds it broken and closes it.
   */
  #flush(client: C): void {
    const before = client.bytesOut;
    const emptied = client.flush();
    if (client.bytesOut > before) client.tookAt = this.#now;
    if (!emptied) this.#service.waits?.(client);
  }
}

/** The descriptor of a client's socket; -1, which reaches nobody, once it is closed and for every other wire. */
function fdOf({ isPlain, wire }: Client): number {
  return isPlain ? (wire.fd ?? -1) : -1;
}
