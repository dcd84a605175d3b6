import type { HttpOrigins } from "./http-origin.ts";

/** How many hosts are remembered as good; the same few come with every request. */
const MAX_REMEMBERED = 64;
/** The longest name of a host there is, with a port. */
const MAX_LENGTH = 255 + 6;
/** A host with a port or without, as RFC 3986 writes them. */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?$/i;

/** Judges what requests name as their host, and completes those that name none. */
export class HostNames {
  readonly #good = new Set<string>();
  /** What the last URL that named one began with, its slash included. */
  #lastGood = " ";
  readonly #origins: HttpOrigins;
  readonly #own: () => { readonly scheme: string; readonly host: string };

  /** @param own what stands in the URL of a request that names no host */
  constructor(origins: HttpOrigins, own: () => { readonly scheme: string; readonly host: string }) {
    this.#origins = origins;
    this.#own = own;
  }

  /**
   * A request, with a whole URL where it has none; null when its Host, or what CONNECT asks for, is no host, or two.
   * @param url its own
   * @param isProbe whether a second Host may go unseen: to read headers takes a tenth of such a request's time
   */
  whole(given: Request, url: string, isProbe: boolean): Request | null {
    if (isWhole(url)) {
      const isOne = this.#isOfGood(url);
      return isOne && (isProbe || this.#isGood(given.headers.get("host") ?? "")) ? given : null;
    }
    const host = given.headers.get("host") ?? "";
    if (host !== "" && !this.#isGood(host)) return null;
    const { scheme, host: own } = this.#own();
    // CONNECT asks for a host and a port.
    const rest = url.startsWith("/") ? (host || own) + url : url;
    const whole = URL.parse(`${scheme}://${rest}`);
    if (whole === null) return null;
    const request = new Request(whole.href, given);
    this.#origins.standIn(request, given);
    return request;
  }

  /** Whether a URL names a host rightly. */
  #isOfGood(url: string): boolean {
    if (url.startsWith(this.#lastGood)) return true;
    const start = url.indexOf("//") + 2;
    const end = url.indexOf("/", start);
    if (!this.#isGood(url.slice(start, end))) return false;
    this.#lastGood = url.slice(0, end + 1);
    return true;
  }

  /** Whether a text names one host. Bun joins several Host headers, as `a, b`. */
  #isGood(host: string): boolean {
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
function isWhole(url: string): boolean {
  return url.startsWith("http://") || url.startsWith("https://");
}

/** The path of a request's URL with its query; of CONNECT, the host and port. */
export function targetOf(url: string): string {
  return isWhole(url) ? url.slice(url.indexOf("/", "https://".length)) : url;
}
