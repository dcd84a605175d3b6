import { Bugs } from "../host/bugs.ts";
import { clientPage } from "../host/service/client-page.ts";
import type { Clock } from "../host/clock.ts";
import type { LogLines } from "../host/log.ts";
import type { ClientMore, ClientPage, ClientQuery } from "../host/service.ts";
import { Closes, closes, counter, type Declared, gauge, headline } from "../host/stats.ts";
import type { Admission, Refused, Why } from "./admission.ts";
import {
  CLIENT_COLUMNS,
  CLOSE_REASONS,
  type Client,
  type ClientState,
  type CloseReason,
  GREETING,
  RESTING,
  SHARE_BYTES,
} from "./client.ts";
import { Lingering } from "./clients/linger.ts";
import { Known, withId } from "./clients/known.ts";
import { type Protocol, settle } from "./protocol.ts";
import { quiet, turn } from "./tcp/quiet.ts";
import { type Unfinished, unfinishedOf } from "./clients/unfinished.ts";
import type { Wire } from "./wire.ts";

/** Milliseconds that a drain may take at most to serve the bytes that had come before it. */
const LAST_SERVED_MS = 1000;

/** The numbers of `Clients.stats()`, except the closes. */
export const CLIENT_STATS = {
  clients: headline(gauge("clients", "Clients that are connected.")),
  accepted: counter("connections", "Connections that were accepted, served or not."),
  bytes_in: counter("bytes", "Bytes that clients sent."),
  bytes_out: counter("bytes", "Bytes that the sockets of clients took."),
} satisfies Declared;

/** The closes in `Clients.stats()`, by reason. */
export const CLOSE_STATS: Declared = closes(CLOSE_REASONS);

/** The parts of the host that clients need. */
export interface ClientsHost {
  readonly clock: Clock;
  readonly log: LogLines;
  nextId(): number;
}

/**
 * The clients of one service: each gets one birth and one death with a reason,
 * and the trouble of one never reaches another.
 */
export class Clients<C extends Client> {
  /** All clients that have been accepted and not closed. */
  readonly all = new Set<C>();
  /** Connections accepted so far, served or not. */
  accepted = 0;
  readonly #closes = new Closes(CLOSE_REASONS);
  readonly admission: Admission;
  readonly #protocol: Protocol<C>;
  readonly #host: ClientsHost;
  readonly #bugs: Bugs;
  readonly #lingering: Lingering<C>;
  /** Counts each time that bytes came or were served: while it stands still, all is quiet. */
  #events = 0;
  readonly #known = new Known();
  /** Bytes of the clients that are gone. */
  readonly #gone = { in: 0, out: 0 };
  readonly #unfinished: Unfinished<C>;
  /** Clients that have had their share of this turn. */
  readonly #resting: C[] = [];

  constructor(protocol: Protocol<C>, admission: Admission, host: ClientsHost) {
    this.#protocol = protocol;
    this.admission = admission;
    this.#host = host;
    this.#bugs = new Bugs(host, "clients");
    this.#lingering = new Lingering(host.clock, admission);
    this.#unfinished = unfinishedOf(protocol, this);
  }

  get size(): number {
    return this.all.size;
  }

  // --- accepting

  /** The refusal for a connection that may not become a client, or null. */
  refusal(ip: string, port: number): Refused | null {
    return this.#barred(ip, port) ?? this.admission.limited(ip);
  }

  /**
   * Makes a connection a client, served once it has been greeted, or turns it away with a notice.
   * @param isPlain true if the wire is TCP without TLS @param barred for a connection that nothing can let in
   * @returns the client; closing if turned away
   */
  accept(wire: Wire, ip: string, port: number, isPlain = false, barred?: Refused): C {
    const [id, now, { refusals }] = [this.#host.nextId(), this.#host.clock.now(), this.#known];
    const client = this.#protocol.create({ id, wire, isPlain, ip, port, now, refusals });
    const refused = barred ?? this.#barred(ip, port) ?? this.admission.admit(ip);
    if (refused) {
      this.turnedAway(refused, client.address);
      client.state = "closing";
      client.reason = refused.reason;
      this.#tell(client, refused.notice);
      this.#lingering.add(client);
    } else this.#begin(client);
    return client;
  }

  #barred(ip: string, port: number): Refused | null {
    return this.admission.denied(ip) ?? this.#protocol.refuses?.(ip, port) ?? null;
  }

  /** Counts a connection that never became a client, and logs it unless nobody has to know. */
  turnedAway(why: Why, who: string | null): void {
    this.#closes.count(why.reason);
    if (who !== null) this.admission.turnedAway(why, who);
  }

  #begin(client: C): void {
    this.all.add(client);
    const greeting = this.#guarded(client, () => this.#protocol.greet?.(client));
    if (!greeting) return this.#open(client);
    client.hold(GREETING);
    greeting.then(
      () => this.#open(client),
      (error) => this.failed(client, error),
    );
  }

  #open(client: C): void {
    if (client.state !== "greeting") return;
    client.state = "open";
    this.#guarded(client, () => this.#protocol.opened?.(client));
    if (client.isHeld(GREETING)) this.resume(client, GREETING);
  }

  // --- what an operator sees and does

  page(query: ClientQuery): ClientPage {
    return clientPage(this.all, CLIENT_COLUMNS, query, this.#host.clock.now());
  }

  /** More of the client with this id, or null if there is none. */
  more(id: number): ClientMore | null {
    return this.#known.more(this.all, id, this.#host.clock.now());
  }

  /** Closes the client with this id, as `kicked`. @returns its address, or null if there is none */
  kick(id: number, notice: string): string | null {
    const client = withId(this.all, id);
    if (client !== null) this.close(client, "kicked", notice);
    return client?.address ?? null;
  }

  /** The numbers of every service that has clients. */
  stats(): Record<string, number> {
    let { in: bytesIn, out: bytesOut } = this.#gone;
    for (const client of this.all) {
      bytesIn += client.bytesIn;
      bytesOut += client.bytesOut;
    }
    return {
      clients: this.all.size,
      accepted: this.accepted,
      bytes_in: bytesIn,
      bytes_out: bytesOut,
      ...this.#closes.stats(),
    };
  }

  // --- closing

  /** Ends a client: it dies at once; the bytes owed to it and its notice may take a second to leave. */
  close(client: C, reason: CloseReason, notice = ""): void {
    if (!this.#die(client, reason)) return;
    this.#tell(client, notice);
    this.#lingering.add(client);
  }

  /** Ends a client at once; the bytes that it has not taken are lost. */
  cut(client: C, reason: CloseReason): void {
    if (!this.#die(client, reason)) return;
    this.#lingering.end(client, "terminate");
  }

  /** Ends a client that does not take its bytes: its notice leaves only if its wire takes it at once. */
  closeSlow(client: C, notice: string): void {
    if (!this.#die(client, "slow")) return;
    client.keepBegun();
    client.outbox.blocked = false;
    this.#tell(client, notice);
    if (client.flush()) this.#lingering.add(client);
    else this.#lingering.end(client, "terminate");
  }

  /**
   * Ends every client that has done nothing for `timeoutMs` milliseconds; 0 ends none.
   * @param lastActive the time at which a client last did something, in clock milliseconds; Infinity spares it
   */
  closeIdle(timeoutMs: number, notice: string, lastActive: (client: C) => number): void {
    if (timeoutMs === 0) return;
    const latest = this.#host.clock.now() - timeoutMs;
    for (const client of this.all) {
      if (lastActive(client) <= latest) this.close(client, "idle", notice);
    }
  }

  /** Ends every client whose address is denied now. */
  closeDenied(): void {
    for (const client of this.all) {
      const denied = this.admission.denied(client.ip);
      if (denied) this.close(client, denied.reason, denied.notice);
    }
  }

  /**
   * Serves the bytes that have reached this machine, for a quarter of the time
   * and for a second at most; then closes every client with `notice` and waits
   * for the last byte or the deadline.
   */
  async drain(deadlineMs: number, notice: string): Promise<void> {
    const { clock } = this.#host;
    const began = clock.now();
    const by = began + Math.min(LAST_SERVED_MS, deadlineMs / 4);
    await quiet(clock, by, () => (this.#protocol.resting ? null : this.#events));
    for (const client of this.all) this.#serveLast(client);
    // The messages that this has made for other clients leave before their notices.
    await turn();
    await settle(this.#protocol, this.all, clock, began + deadlineMs - clock.now());
    this.#lingering.unbound();
    for (const client of this.all) {
      if (!this.#die(client, "shutdown")) continue;
      this.#tell(client, notice);
      this.#lingering.add(client, began + deadlineMs - clock.now());
    }
    await this.#lingering.empty();
    this.admission.close();
    this.#bugs.close();
  }

  /** Cuts clients that have lingered long enough, and notes how fast clients send; the door calls this a few times a second. */
  sweep(now: number): void {
    this.#lingering.sweep(now);
    this.#known.look(this.all, now);
  }

  // --- what the wire says

  /** Bytes came from a client. */
  received(client: C, bytes: Buffer): void {
    this.#events++;
    if (client.state === "closing" || client.state === "closed") return;
    client.bytesIn += bytes.length;
    if (!client.reading || client.held.length > 0) client.held.push(bytes);
    else this.#serve(client, bytes);
  }

  /** The client's wire takes bytes again. */
  drained(client: C): void {
    client.outbox.blocked = false;
    const before = client.bytesOut;
    client.flush();
    if (client.bytesOut !== before) client.tookAt = this.#host.clock.now();
    if (client.state === "closing") this.#lingering.proceed(client);
    else if (client.state === "open") {
      this.#guarded(client, () => this.#protocol.drained?.(client));
    }
  }

  /** The client has sent its FIN. */
  ended(client: C): void {
    this.#events++;
    client.peerEnded = true;
    if (client.state === "closing") {
      this.#lingering.proceed(client);
      return;
    }
    if (!this.#protocol.finishes) this.#endServed(client);
    else if (client.state === "open") this.#guarded(client, () => this.#protocol.ended?.(client));
  }

  /** Ends a client that has sent its FIN, once all that came before has been served. */
  #endServed(client: C): void {
    if (client.state === "open") {
      if (client.held.length > 0 || !client.reading) return;
      this.#guarded(client, () => this.#protocol.ended?.(client));
    }
    this.close(client, "eof");
  }

  /** The client's connection is gone. */
  disconnected(client: C, reason: CloseReason): void {
    if (client.state === "closed") return;
    if (client.state !== "closing") {
      this.#serveLast(client);
      this.#die(client, reason);
    }
    this.#lingering.forget(client);
  }

  /** Our own code failed while serving one client: it is closed, all others go on. */
  failed(client: C, error: unknown): void {
    this.#bugs.add(error, `serving ${client.address}`);
    this.cut(client, "bug");
  }

  // --- serving

  /** Takes away one reason to hold a client, and serves the bytes that came meanwhile, in order, until it is held again. */
  resume(client: C, why: number): void {
    client.release(why);
    this.serveHeld(client);
  }

  /** Serves the bytes of a client that were not taken, in order, until it is held again. */
  serveHeld(client: C): void {
    while (client.reading) {
      const bytes = client.held.shift();
      if (bytes === undefined) break;
      if (!this.#serve(client, bytes)) return;
    }
    if (client.peerEnded && !this.#protocol.finishes) this.#endServed(client);
  }

  /** Serves the bytes that have come, in spite of every hold; later ones are not served. */
  #serveLast(client: C): void {
    client.finishing = true;
    this.serveHeld(client);
  }

  /** @returns true if all bytes were taken; the rest is served first next time */
  #serve(client: C, bytes: Buffer): boolean {
    this.#events++;
    let taken: number;
    try {
      taken = this.#protocol.received(client, bytes);
    } catch (error) {
      this.failed(client, error);
      return false;
    }
    this.#unfinished.took(client);
    client.shareLeft -= taken;
    if (client.shareLeft <= 0 && client.reading) this.rest(client);
    if (taken >= bytes.length) return true;
    if (client.state === "open") client.held.unshift(bytes.subarray(taken));
    return false;
  }

  /**
   * Reads no more from a client until the next turn of the event loop. Bun goes
   * on reading a socket for as long as it is full, and a fast sender keeps it so.
   */
  rest(client: C): void {
    client.shareLeft = SHARE_BYTES;
    if (client.finishing) return;
    client.hold(RESTING);
    this.#resting.push(client);
    if (this.#resting.length > 1) return;
    setImmediate(() => {
      for (const one of this.#resting.splice(0)) this.resume(one, RESTING);
    });
  }

  #guarded<T>(client: C, serve: () => T): T | undefined {
    try {
      return serve();
    } catch (error) {
      this.failed(client, error);
      return undefined;
    }
  }

  // --- the end

  #tell(client: C, notice: string): void {
    client.tell(notice + (this.#protocol.lastWords ?? ""));
  }

  #die(client: C, reason: CloseReason): boolean {
    const before: ClientState = client.state;
    if (before === "closing" || before === "closed") return false;
    client.state = "closing";
    client.reason = reason === "eof" && client.isBroken ? "reset" : reason;
    client.forget();
    this.#unfinished.count(client);
    this.#closes.count(client.reason);
    this.all.delete(client);
    this.admission.leave(client.ip);
    this.#known.forget(client);
    this.#gone.in += client.bytesIn;
    this.#gone.out += client.bytesOut;
    try {
      this.#protocol.closed?.(client, before === "open");
    } catch (error) {
      this.#bugs.add(error, `closing ${client.address}`);
    }
    return true;
  }
}
