import type { Server } from "bun";
import { isLoopback } from "../config/loopback.ts";
import { addressText } from "../host/service.ts";
import { unmapped } from "./access.ts";
import { type Hop, Proxies } from "./proxies.ts";

/** Where a request came from: the client that a trusted proxy tells of, else whoever is connected. */
export interface Origin extends Hop {
  /** As an operator reads it; without a port where a proxy tells none. */
  readonly address: string;
}

/** Finds where requests come from. */
export class HttpOrigins {
  readonly #server: () => Server<unknown>;
  /** What Bun gave, by the request that stands in for it. */
  readonly #given = new WeakMap<Request, Request>();
  #proxies = new Proxies([]);

  /** @param server the one that listens at present */
  constructor(server: () => Server<unknown>) {
    this.#server = server;
  }

  /** Takes other proxies. */
  trust(cidrs: readonly string[]): void {
    this.#proxies = new Proxies(cidrs);
  }

  /** Notes that a request stands in for one that Bun gave. */
  standIn(request: Request, given: Request): void {
    this.#given.set(request, given);
  }

  /** A request as Bun gave it, by which Bun knows its connection. */
  asGiven(request: Request): Request {
    return this.#given.get(request) ?? request;
  }

  of(request: Request): Origin {
    const peer = this.peerOf(request);
    const client = this.#proxies.any ? this.#proxies.clientOf(peer, request.headers) : null;
    if (client === null) return peer;
    const { ip, port } = client;
    return { ip, port, address: port === 0 ? ip : addressText(ip, port) };
  }

  /** Whoever is connected: the client itself, or a proxy. */
  peerOf(request: Request): Origin {
    const found = this.#server().requestIP(this.asGiven(request));
    const ip = unmapped(found?.address ?? "");
    const port = found?.port ?? 0;
    return { ip, port, address: addressText(ip, port) };
  }

  /** Whether an address is a proxy's, which holds the connections of many clients. */
  isProxy(ip: string): boolean {
    return this.#proxies.trusts(ip);
  }

  /** Whether a request was passed on by a trusted proxy for a client that is not on this machine, as far as can be told. */
  isFromAfar(request: Request): boolean {
    if (!this.#proxies.any) return false;
    const peer = this.peerOf(request);
    const client = this.#proxies.clientOf(peer, request.headers);
    // A proxy that does not know for whom it asks may ask for anybody.
    return client !== null && (client === peer || !isLoopback(client.ip));
  }
}
