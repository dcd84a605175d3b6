import type { StoreClient } from "../client.ts";
import { type Path, partsOf, SEPARATOR, unfit } from "../keys/path.ts";
import type { Page, Paging } from "../keys/tree/scan.ts";
import type { Refusal } from "../refusal.ts";
import type { Right } from "../roles.ts";
import { forbidden } from "./command.ts";
import * as field from "./fields.ts";

/** Shared by the actions that answer names a page at a time. */

/** Longest page. */
const MAX_LIMIT = 10_000;
const DEFAULT_LIMIT = 1000;

/** Fields of an action that answers a page of names. */
export const PAGING = {
  prefix: field.optional(field.text("What the names begin with."), "everything"),
  cursor: field.optional(field.text("Where the page before ended."), "the beginning"),
  limit: field.optional(field.whole(1, MAX_LIMIT, "Most names in the answer."), `${DEFAULT_LIMIT}`),
};

export function paging(request: { cursor?: string; limit?: number }): Paging {
  return { after: request.cursor ?? null, limit: request.limit ?? DEFAULT_LIMIT };
}

/** The refusal of a path that cannot be a namespace, or null; the root can be one. */
export function misplaced(path: Path): Refusal | null {
  return path.length === 0 ? null : unfit(path);
}

/** A name without a leading separator, which means the root. Within a namespace it keeps it, and is refused for an empty part. */
export function relative(namespace: string | undefined, name: string): string {
  const isRoot = namespace === undefined || namespace === "";
  return isRoot && name.startsWith(SEPARATOR) ? name.slice(1) : name;
}

/** A list of names that a client asks for. */
export interface Listing {
  readonly namespace: Path;
  readonly prefix: string;
  /** The one node that the client may see of it, which is listed with those below; null if it may see all. */
  readonly alone: string | null;
}

/**
 * The list that a request asks for, or its refusal. Names that begin with the
 * prefix may be anywhere in the namespace that it names; a client that may not
 * see all of that, but the node of the prefix itself, gets that node and those
 * below it.
 */
export function listing(
  client: StoreClient,
  right: Right,
  { ns, prefix = "" }: { readonly ns?: string; readonly prefix?: string },
): Listing | Refusal {
  const namespace = partsOf(ns ?? "");
  const start = relative(ns, prefix);
  const parts = start.split(SEPARATOR);
  const last = parts.pop() as string;
  const above = [...namespace, ...parts];
  const refusal = misplaced(above) ?? forbidden(client, right, above);
  if (refusal === null) return { namespace, prefix: start, alone: null };
  const node = [...above, last];
  const isOwn = last !== "" && unfit(node) === null && forbidden(client, right, node) === null;
  return isOwn ? { namespace, prefix: start + SEPARATOR, alone: start } : refusal;
}

const NOTHING: Page = { names: [], cursor: null, visited: 1 };

/**
 * A page of a list.
 * @param scan gives the names below the namespace
 * @param isListed true for a name below the namespace that a list has
 */
export function pageOf(
  { namespace, prefix, alone }: Listing,
  request: { readonly cursor?: string; readonly limit?: number; readonly reverse?: boolean },
  scan: (namespace: Path, prefix: string, paging: Paging) => Page,
  isListed: (path: Path) => boolean,
): Page {
  const { after, limit } = paging(request);
  const { reverse } = request;
  const rest = (from: string | null, most: number) =>
    scan(namespace, prefix, { after: from, limit: most, ...(reverse ? { reverse } : {}) });
  if (alone === null) return rest(after, limit);
  const isDue = isListed([...namespace, ...alone.split(SEPARATOR)]);
  if (reverse) {
    if (after === alone) return NOTHING;
    const page = rest(after, limit);
    if (page.cursor !== null || !isDue) return page;
    const { length } = page.names;
    if (length === limit) return { ...page, cursor: page.names.at(-1) as string };
    return { ...page, names: [...page.names, alone] };
  }
  if (after !== null || !isDue) return rest(after === alone ? null : after, limit);
  if (limit === 1) return { names: [alone], cursor: alone, visited: 1 };
  const page = rest(null, limit - 1);
  return { ...page, names: [alone, ...page.names] };
}
