import { meansLoopback } from "../../config/loopback.ts";
import type { HttpOrigins } from "./origin.ts";

/** The most hosts that are remembered as good; the same few come with every request. */
const MAX_REMEMBERED = 64;
/** The longest name of a host in DNS, with a port. */
const MAX_LENGTH = 255 + 6;
/** A host with a port or without (RFC 3986, 3.2.2). */
const HOST = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?$/i;

/** Checks the host that requests name, and completes requests that name none. */
export class HostNames {
  readonly #good = new Set<string>();
  /** The beginning of the last URL with a good host, up to the slash after the host. */
  #lastGood = " ";
  readonly #origins: HttpOrigins;
  readonly #own: () => { readonly scheme: string; readonly host: string };

  /** @param own the scheme, and the host for a request that names none */
  constructor(origins: HttpOrigins, own: () => { readonly scheme: string; readonly host: string }) {
    this.#origins = origins;
    this.#own = own;
  }

  /**
   * The request with a whole URL; null if its Host, or the target of CONNECT, is not exactly one host.
   * @param url as Bun gives it
   * @param isProbe true if a second Host may go unseen: reading headers would take a tenth of the request's time
   */
  whole(given: Request, url: string, isProbe: boolean): Request | null {
    if (isWhole(url)) {
      const isOne = this.#isOfGood(url);
      return isOne && (isProbe || this.#isGood(given.headers.get("host") ?? "")) ? given : null;
    }
    const host = given.headers.get("host") ?? "";
    if (host !== "" && !this.#isGood(host)) return null;
    const { scheme, host: own } = this.#own();
    // The target of CONNECT is a host and a port.
    const rest = url.startsWith("/") ? (host || own) + url : url;
    const whole = URL.parse(`${scheme}://${rest}`);
    if (whole === null) return null;
    const request = new Request(whole.href, given);
    this.#origins.standIn(request, given);
    return request;
  }

  /** True if the host in a URL is good. */
  #isOfGood(url: string): boolean {
    if (url.startsWith(this.#lastGood)) return true;
    const start = url.indexOf("//") + 2;
    const end = url.indexOf("/", start);
    if (!this.#isGood(url.slice(start, end))) return false;
    this.#lastGood = url.slice(0, end + 1);
    return true;
  }

  /** True if a text names one host. Bun joins several Host headers, as `a, b`. */
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

/** True for a whole URL. For a request that names no host, and for CONNECT, Bun gives only the target. */
function isWhole(url: string): boolean {
  return url.startsWith("http://") || url.startsWith("https://");
}

/** The path of a request's URL with its query; for CONNECT, the host and port. */
export function targetOf(url: string): string {
  return isWhole(url) ? url.slice(url.indexOf("/", "https://".length)) : url;
}

/** True if a request's host is a loopback name or address; not for a site's name that points here. */
export function namesLoopback(request: Request): boolean {
  const host = request.headers.get("host") ?? "";
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return meansLoopback(name);
}

/** True if the page of another origin made the browser ask; other programs send neither header. */
export function isOfOtherPage({ headers }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site === "cross-site" || site === "same-site") return true;
  const origin = headers.get("origin");
  const host = (headers.get("host") ?? "").toLowerCase();
  return origin !== null && origin !== `http://${host}` && origin !== `https://${host}`;
}
