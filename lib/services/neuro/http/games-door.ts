import type { Address } from "../../../host/service.ts";
import type { HttpSettings } from "../../../net/http.ts";

/**
 * The settings of a door that games connect to. Nothing there reads a body, and
 * all requests are answered at once. A short body is let in, so that whoever
 * posts is told in words that this is for WebSockets: Bun says nothing with its 413.
 */
export const GAMES_DOOR: HttpSettings = {
  maxBodyBytes: 2 ** 16,
  requestTimeoutMs: 30_000,
  accessLog: null,
  trustedProxies: [],
};

/** An address of HTTP, with the URL that games connect to. */
export function forGames(address: Address): Address & { readonly url: string } {
  return { ...address, url: (address.url as string).replace(/^http/, "ws") };
}
