import { type Path, SEPARATOR, unfit } from "../keys/path.ts";
import type { Paging } from "../keys/scan.ts";
import type { Refusal } from "../refusal.ts";
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
