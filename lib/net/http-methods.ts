import { plain } from "./plain.ts";

/** The methods that HTTP itself has, in the order of an `Allow` header. */
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

/** The others that Bun takes, those of WebDAV and the like; it ends the connection of any that is not among them. */
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
 * Answers a request whose method nobody answers there: 204 for OPTIONS, 405
 * for the others that HTTP has, 501 for the rest. `Allow` names `methods` and OPTIONS.
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

/** Whether a method is not HTTP's own, so that where nobody answers it nothing is known of it. */
export function isForeign(method: string): boolean {
  return !(METHODS as readonly string[]).includes(method);
}

/** Answers a method that nobody knows here. */
export function notImplemented(headers: Readonly<Record<string, string>> = {}): Response {
  return plain(501, "This method is not known here.", headers);
}
