/** How many hosts are remembered as good; the same few come with every request. */
const MAX_REMEMBERED = 64;
/** The longest name of a host there is, with a port. */
const MAX_LENGTH = 255 + 6;
/** A host with a port or without, as RFC 3986 writes them. */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?$/i;

/** Judges what requests name as their host. */
export class HostNames {
  readonly #good = new Set<string>();

  /** Whether the Host header of a request names one host. Bun joins several of them, as `a, b`. */
  isGood(host: string): boolean {
    if (this.#good.has(host)) return true;
    if (host.length > MAX_LENGTH || !HOST.test(host) || !URL.canParse(`http://${host}/`)) {
      return false;
    }
    if (this.#good.size === MAX_REMEMBERED) this.#good.clear();
    this.#good.add(host);
    return true;
  }
}

/** The path of a request's URL with its query; "" where there is none, as for CONNECT. */
export function targetOf(url: string): string {
  // Without a host Bun gives the target alone.
  if (url.startsWith("/")) return url;
  const start = url.indexOf("/", url.indexOf("//") + 2);
  return start < 0 ? "" : url.slice(start);
}
