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

/** Whether Bun gives a URL whole; that of a request that names no host, or of CONNECT, is the target alone. */
export function isWhole(url: string): boolean {
  return url.startsWith("http://") || url.startsWith("https://");
}

/** The path of a request's URL with its query; of CONNECT, the host and port. */
export function targetOf(url: string): string {
  return isWhole(url) ? url.slice(url.indexOf("/", "https://".length)) : url;
}
