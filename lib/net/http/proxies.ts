import { type BlockList, isIP } from "node:net";
import { spelledOnce } from "../../config/cidr.ts";
import { blockList, isIn } from "../admission/access.ts";

/** The most proxies of one request that are looked at. */
const MAX_HOPS = 50;

/** An address that a proxy names; the port is 0 if it names none. */
export interface Hop {
  readonly ip: string;
  readonly port: number;
}

/** The proxies that are trusted to name the client of a request. */
export class Proxies {
  readonly #trusted: BlockList | null;

  /** @param cidrs addresses and CIDR ranges that the configuration has checked */
  constructor(cidrs: readonly string[]) {
    this.#trusted = blockList(cidrs);
  }

  /** True if there is at least one. */
  get any(): boolean {
    return this.#trusted !== null;
  }

  trusts(ip: string): boolean {
    return this.#trusted !== null && isIn(this.#trusted, ip);
  }

  /**
   * The client of a request that came from `peer`; null if no trusted proxy has
   * passed it on. The headers are read backwards, up to the first hop that is not
   * trusted or cannot be read: the client may have written all before that itself.
   * If the two headers name different clients, the peer counts as the client: the
   * proxy may set only one of them.
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

  /** Goes from the last hop backwards to the first that is not trusted. */
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

/** The elements of a `Forwarded` header (RFC 7239), split from the end: its beginning may be a client's, with a quote that never closes. */
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

/** The value of `for` in an element, without its quotes; null if there is none. */
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
  // An IPv6 address has many spellings, but has to count as one client.
  return { ip: spelledOnce(address), port: Number(port) };
}
