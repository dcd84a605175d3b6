import type { Socket } from "bun";
import type { Clock } from "../host/clock.ts";
import type { Log } from "../host/log.ts";
import { clientPage } from "../host/client-page.ts";
import type { ClientPage, ClientQuery } from "../host/service.ts";
import { Closes } from "../host/stats.ts";
import { CLIENT_COLUMNS, CLOSE_REASONS, type Client, type CloseReason, Hold } from "./client.ts";
import { fileLimit } from "./file-limit.ts";

/** What newcomers are told that are turned away: one line each, with its newline, or nothing. */
export interface TurnedAwayNotices {
  readonly limit: string;
  readonly perAddress: string;
  readonly denied: string;
}

/** What a service does with its clients. */
export interface Protocol<C extends Client> {
  readonly turnedAway?: TurnedAwayNotices;
  /** The state of a newcomer. */
  create(socket: Socket<unknown>, ip: string, port: number, now: number): C;
  /** Why a newcomer is turned away, or null. */
  refuses?(ip: string, port: number): Refused | null;
  /** Greets a newcomer; it is served once this resolves, unless it was closed meanwhile. */
  greet?(client: C): Promise<void> | undefined;
  /** The client is served from now on. */
  opened?(client: C): void;
  /** Bytes came; never called for a client that is held or closing. */
  received(client: C, chunk: Buffer): void;
  /** The client is read again, or, with `all`, never will be: what was put off while serving it is due. */
  resumed?(client: C, all: boolean): void;
  /** The client sent its FIN; a last unterminated line counts. */
  ended(client: C): void;
  /** Whether a client that has sent its FIN is served on; the service closes it once it is owed nothing more. */
  readonly finishes?: boolean;
  /** Its socket takes bytes again; `client.outbox` has been flushed as far as it goes. */
  drained?(client: C): void;
  /** The client is dead; every index must forget it. `wasOpen` is false for one that was still being greeted. */
  closed?(client: C, wasOpen: boolean): void;
}

export interface Refused {
  readonly reason: CloseReason;
  /** One line for the client, with its newline. */
  readonly notice: string;
}

/** How long a closed client may take to read its notice and close its side. */
const LINGER_MS = 1000;

/** How many closed clients may linger at once; beyond that they are cut. */
export function maxLingering(): number {
  return Math.min(512, fileLimit() >> 3);
}

/**
 * The clients of one door: each gets one birth and one death with a reason, and
 * the trouble of one never reaches another.
 */
export class Lives<C extends Client> {
  /** All clients that have been born and have not died. */
  readonly clients = new Set<C>();
  readonly closes = new Closes(CLOSE_REASONS);
  readonly #protocol: Protocol<C>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lingering = new Set<C>();
  readonly #perAddress = new Map<string, number>();
  #draining = false;
  #quiet: (() => void) | null = null;

  constructor(protocol: Protocol<C>, clock: Clock, log: Log) {
    this.#protocol = protocol;
    this.#clock = clock;
    this.#log = log;
  }

  /** How many clients one address has. */
  from(ip: string): number {
    return this.#perAddress.get(ip) ?? 0;
  }

  /** A newcomer is one of ours from now on, and served once it has been greeted. */
  born(client: C): void {
    this.clients.add(client);
    this.#perAddress.set(client.ip, this.from(client.ip) + 1);
    const greeting = this.#guarded(client, () => this.#protocol.greet?.(client));
    if (!greeting) {
      this.#open(client);
      return;
    }
    client.hold(Hold.greeting);
    greeting.then(
      () => this.#open(client),
      (error) => this.failed(client, error),
    );
  }

  /** A newcomer is sent away with a notice and never becomes a client. */
  refuse(client: C, { reason, notice }: Refused): void {
    client.state = "closing";
    client.reason = reason;
    client.send(notice);
    this.#linger(client, LINGER_MS);
  }

  page(query: ClientQuery): ClientPage {
    return clientPage(this.clients, CLIENT_COLUMNS, query, this.#clock.now());
  }

  /** Closes a client by its id, as `kicked`. @returns its address, or null when there is none */
  kick(id: number, notice: string): string | null {
    for (const client of this.clients) {
      if (client.id !== id) continue;
      this.close(client, "kicked", notice);
      return client.address;
    }
    return null;
  }

  /** Ends a client: it dies at once, then its notice and what else it is owed leave within a second. */
  close(client: C, reason: CloseReason, notice = ""): void {
    if (!this.#die(client, reason)) return;
    if (notice !== "") client.send(notice);
    this.#linger(client, LINGER_MS);
  }

  /** Ends a client at once; what it has not taken is lost to it. */
  cut(client: C, reason: CloseReason): void {
    if (!this.#die(client, reason)) return;
    this.#end(client, "terminate");
  }

  /** Ends a client that does not take what it is sent: its notice leaves only if its socket takes it at once. */
  closeSlow(client: C, notice: string): void {
    if (!this.#die(client, "slow")) return;
    client.outbox.keepLine();
    client.outbox.blocked = false;
    client.send(notice);
    if (client.outbox.bytes === 0) this.#linger(client, LINGER_MS);
    else this.#end(client, "terminate");
  }

  /** Serves what came in while a client was held, in order, as far as it stays readable. */
  resume(client: C, why: Hold): void {
    client.release(why);
    this.#serveHeld(client, false);
  }

  /** Serves what everybody has sent so far, held or not; before a stop. */
  serveAll(): void {
    for (const client of this.clients) this.#serveHeld(client, true);
  }

  /** Closes everybody with `notice` and waits for the last byte or the deadline. */
  async drain(deadlineMs: number, notice: string): Promise<void> {
    this.#draining = true;
    for (const client of this.clients) {
      if (!this.#die(client, "shutdown")) continue;
      client.send(notice);
      this.#linger(client, deadlineMs);
    }
    if (this.#lingering.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#quiet = resolve;
    await promise;
  }

  /** Cuts those who have lingered long enough. */
  sweep(now: number): void {
    for (const client of this.#lingering) {
      if (now >= client.closeBy) {
        this.#end(client, client.shutDown ? "end" : "terminate");
      }
    }
  }

  // --- what the socket says

  received(client: C, chunk: Buffer): void {
    if (client.state === "closing" || client.state === "closed") return;
    client.bytesIn += chunk.length;
    if (!client.reading || client.state === "greeting" || client.held.length > 0) {
      client.held.push(chunk);
    } else {
      this.#guarded(client, () => this.#protocol.received(client, chunk));
    }
  }

  /** @param all whether to go on when the client may not be read, since nothing will come later */
  #serveHeld(client: C, all: boolean): void {
    const due = () => (client.reading || all) && client.state === "open";
    if (due()) this.#guarded(client, () => this.#protocol.resumed?.(client, all));
    while (due()) {
      const chunk = client.held.shift();
      if (chunk === undefined) return;
      this.#guarded(client, () => {
        this.#protocol.received(client, chunk);
        if (all) this.#protocol.resumed?.(client, all);
      });
    }
  }

  drained(client: C): void {
    client.outbox.blocked = false;
    const before = client.bytesOut;
    client.flush();
    if (client.bytesOut !== before) client.tookAt = this.#clock.now();
    if (client.state === "closing") this.#finish(client);
    else if (client.state === "open") {
      this.#guarded(client, () => this.#protocol.drained?.(client));
    }
  }

  ended(client: C): void {
    client.peerEnded = true;
    if (client.state === "closing") {
      this.#finish(client);
      return;
    }
    if (this.#protocol.finishes) {
      if (client.state === "open") this.#guarded(client, () => this.#protocol.ended(client));
      return;
    }
    this.#serveHeld(client, true);
    if (client.state === "open") {
      this.#guarded(client, () => this.#protocol.ended(client));
    }
    this.close(client, "eof");
  }

  /** Its socket is gone, by an error or not. */
  socketClosed(client: C, error: Error | undefined): void {
    if (client.state === "closed") return;
    if (client.state !== "closing") {
      this.#serveHeld(client, true);
      this.#die(client, error ? "reset" : "eof");
    }
    this.#forget(client);
  }

  /** A fault of ours while serving one client: it is closed, everybody else goes on. */
  failed(client: C, error: unknown): void {
    this.#log.bug(error, `serving ${client.address}`);
    this.cut(client, "bug");
  }

  #guarded<T>(client: C, serve: () => T): T | undefined {
    try {
      return serve();
    } catch (error) {
      this.failed(client, error);
      return undefined;
    }
  }

  #die(client: C, reason: CloseReason): boolean {
    if (client.state === "closing" || client.state === "closed") return false;
    const wasOpen = client.state === "open";
    client.state = "closing";
    client.reason = reason;
    client.held.length = 0;
    this.closes.count(reason);
    this.clients.delete(client);
    const others = this.from(client.ip) - 1;
    if (others === 0) this.#perAddress.delete(client.ip);
    else this.#perAddress.set(client.ip, others);
    try {
      this.#protocol.closed?.(client, wasOpen);
    } catch (error) {
      this.#log.bug(error, `closing ${client.address}`);
    }
    return true;
  }

  #linger(client: C, ms: number): void {
    if (this.#lingering.size >= maxLingering() && !this.#draining) {
      this.#end(client, "terminate");
      return;
    }
    client.closeBy = this.#clock.now() + ms;
    this.#lingering.add(client);
    // Reading goes on, unheard, so that the client's own close is noticed and
    // unread bytes do not turn our close into a reset that eats the notice.
    client.releaseAll();
    this.#finish(client);
  }

  #finish(client: C): void {
    if (client.outbox.bytes > 0 && !client.flush()) return;
    if (client.peerEnded) {
      this.#end(client, "end");
    } else if (!client.shutDown) {
      client.shutDown = true;
      client.closeBy = Math.min(client.closeBy, this.#clock.now() + LINGER_MS);
      client.socket.shutdown();
    }
  }

  #end(client: C, how: "end" | "terminate"): void {
    this.#forget(client);
    if (how === "end") client.socket.end();
    else client.socket.terminate();
  }

  #forget(client: C): void {
    client.state = "closed";
    client.outbox.clear();
    this.#lingering.delete(client);
    if (this.#lingering.size === 0) this.#quiet?.();
  }

  #open(client: C): void {
    if (client.state !== "greeting") return;
    client.state = "open";
    this.#guarded(client, () => this.#protocol.opened?.(client));
    if (client.isHeld(Hold.greeting)) this.resume(client, Hold.greeting);
  }
}
