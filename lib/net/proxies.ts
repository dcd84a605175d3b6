import { type BlockList, isIP } from "node:net";
import { cidrOf } from "../config/cidr.ts";
import { blockList, isIn } from "./access.ts";

/** Proxies that one request may have passed. */
const MAX_HOPS = 50;

/** An address that a proxy tells of; the port is 0 where it tells none. */
export interface Hop {
  readonly ip: string;
  readonly port: number;
}

/** The proxies that are trusted to tell for whom they pass on a request. */
export class Proxies {
  readonly #trusted: BlockList | null;

  /** @param cidrs addresses and CIDR ranges that the configuration has checked */
  constructor(cidrs: readonly string[]) {
    this.#trusted = blockList(cidrs);
  }

  /** Whether there are any. */
  get any(): boolean {
    return this.#trusted !== null;
  }

  trusts(ip: string): boolean {
    return this.#trusted !== null && isIn(this.#trusted, ip);
  }

  /**
   * The client of a request that came from `peer`; null where no trusted proxy
   * has passed it on. What cannot be read ends the way back to the client, for
   * what stands before it the client may have written itself; so does a client
   * that the two headers do not agree about, for the proxy may set only one.
   */
  clientOf(peer: Hop, headers: Headers): Hop | null {
    if (!this.trusts(peer.ip)) return null;
    const plain = headers.get("x-forwarded-for");
    const standard = headers.get("forwarded");
    if (plain === null && standard === null) return null;
    if (standard === null) return this.#walk(peer, (plain as string).split(","));
    const client = this.#walk(peer, elements(standard).map(forOf));
    if (plain === null) return client;
    return this.#walk(peer, plain.split(",")).ip === client.ip ? client : peer;
  }

  /** From the last hop backwards to the first that is not trusted. */
  #walk(peer: Hop, hops: readonly (string | null)[]): Hop {
    let client = peer;
    for (const text of hops.slice(-MAX_HOPS).toReversed()) {
      const hop = text === null ? null : hopIn(text.trim());
      if (hop === null) return client;
      client = hop;
      if (!this.trusts(hop.ip)) return client;
    }
    return client;
  }
}

/** The elements of a `Forwarded` header. They are told apart from the end: what a client began may be no header at all. */
function elements(header: string): string[] {
  const found: string[] = [];
  let isQuoted = false;
  let end = header.length;
  for (let at = header.length - 1; at >= 0; at--) {
    if (header[at] === '"') isQuoted = !isQuoted;
    else if (header[at] === "," && !isQuoted) {
      found.push(header.slice(at + 1, end));
      end = at;
    }
  }
  found.push(header.slice(0, end));
  return found.toReversed();
}

/** The client that an element tells of, without its quotes; null for none. */
function forOf(element: string): string | null {
  for (const pair of element.split(";")) {
    const equals = pair.indexOf("=");
    if (pair.slice(0, equals).trim().toLowerCase() !== "for") continue;
    const value = pair.slice(equals + 1).trim();
    return value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
  }
  return null;
}

/** Reads `10.0.0.1`, `10.0.0.1:80`, `::1`, `[::1]` and `[::1]:80`. */
function hopIn(text: string): Hop | null {
  if (isIP(text) === 6) return hop(text, "");
  const [, bracketed, plain, port = ""] =
    /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  return hop(bracketed ?? plain ?? "", port, bracketed === undefined ? 4 : 6);
}

function hop(address: string, port: string, version = 6): Hop | null {
  if (isIP(address) !== version || address.includes("%") || Number(port) > 65_535) return null;
  const { ip, family } = cidrOf(address) as { ip: string; family: string };
  // An IPv6 address has many spellings, and is to be one client.
  const one = family === "ipv6" ? new URL(`http://[${ip}]/`).hostname.slice(1, -1) : ip;
  return { ip: one, port: Number(port) };
}
