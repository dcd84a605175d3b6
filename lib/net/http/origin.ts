import type { Server } from "bun";
import { isLoopback } from "../../config/loopback.ts";
import { addressText } from "../../host/service.ts";
import { unmapped } from "../admission/access.ts";
import { type Hop, Proxies } from "./proxies.ts";

/** The origin of a request: the client that a trusted proxy names, else the peer. */
export interface Origin extends Hop {
  /** As an operator reads it; without a port if the proxy names none. */
  readonly address: string;
}

/** Finds the origin of requests. */
export class HttpOrigins {
  readonly #server: () => Server<unknown>;
  /** The request that Bun gave, by the one that stands in for it. */
  readonly #given = new WeakMap<Request, Request>();
  #proxies = new Proxies([]);

  /** @param server the one that listens at present */
  constructor(server: () => Server<unknown>) {
    this.#server = server;
  }

  /** Takes other proxies: addresses and CIDR ranges. */
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

  /** The peer of the connection: the client itself, or a proxy. */
  peerOf(request: Request): Origin {
    const found = this.#server().requestIP(this.asGiven(request));
    const ip = unmapped(found?.address ?? "");
    const port = found?.port ?? 0;
    return { ip, port, address: addressText(ip, port) };
  }

  /** True for the address of a trusted proxy, whose connections serve many clients. */
  isProxy(ip: string): boolean {
    return this.#proxies.trusts(ip);
  }

  /** True if a trusted proxy passed the request on for a client that is, or may be, on another machine. */
  isFromAfar(request: Request): boolean {
    if (!this.#proxies.any) return false;
    const peer = this.peerOf(request);
    const client = this.#proxies.clientOf(peer, request.headers);
    // A proxy that does not say for whom it asks may ask for anybody.
    return client !== null && (client === peer || !isLoopback(client.ip));
  }
}
