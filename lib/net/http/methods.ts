import { plain } from "./plain.ts";

/** HTTP's own methods, in the order of an `Allow` header. */
export const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
] as const;

/** The other methods that Bun takes, those of WebDAV and the like; for any further one it ends the connection itself. */
export const MORE_METHODS = [
  "CONNECT",
  "ACL",
  "BIND",
  "CHECKOUT",
  "COPY",
  "LINK",
  "LOCK",
  "M-SEARCH",
  "MERGE",
  "MKACTIVITY",
  "MKCALENDAR",
  "MKCOL",
  "MOVE",
  "NOTIFY",
  "PROPFIND",
  "PROPPATCH",
  "PURGE",
  "QUERY",
  "REBIND",
  "REPORT",
  "SEARCH",
  "SOURCE",
  "SUBSCRIBE",
  "UNBIND",
  "UNLINK",
  "UNLOCK",
  "UNSUBSCRIBE",
] as const;

export type Method = (typeof METHODS)[number] | (typeof MORE_METHODS)[number];

/**
 * Answers a request whose method its path does not have: 204 for OPTIONS, 405
 * for HTTP's other methods, 501 for the rest. `Allow` names `methods` and OPTIONS.
 */
export function unanswered(
  { method }: Request,
  methods: readonly Method[],
  headers: Readonly<Record<string, string>> = {},
): Response {
  if (isForeign(method)) return notImplemented(headers);
  const all = [...METHODS, ...MORE_METHODS];
  const allow = all.filter((one) => one === "OPTIONS" || methods.includes(one)).join(", ");
  return method === "OPTIONS"
    ? new Response(null, { status: 204, headers: { ...headers, allow } })
    : plain(405, "This method is not allowed here.", { ...headers, allow });
}

/** True for a method that is not HTTP's own. */
export function isForeign(method: string): boolean {
  return !(METHODS as readonly string[]).includes(method);
}

/** Answers a method that is not known here. */
export function notImplemented(headers: Readonly<Record<string, string>> = {}): Response {
  return plain(501, "This method is not known here.", headers);
}
