import type { Journal } from "../journal/journal.ts";
import { pathOf, textOf } from "../keys/path.ts";
import { DISK_FAILING, DISK_FULL, Refusal } from "../refusal.ts";

/** Actions that read the keys they name, and no others. */
const EXACT = new Set(["GET", "EXISTS", "TTL", "MGET"]);

/** The refusal of what would show a change that may not be on disk. */
export const NOT_KEPT = new Refusal(
  "DISK_FAILING",
  "the server's disk fails: the last change there may not be on it",
);

/**
 * The refusal of a request while the disk fails; null where it needs nothing
 * that may not be kept. Changes are refused, and so is what would show one that
 * nobody has been told of yet.
 */
export function inDoubt(
  action: string,
  right: string | null,
  request: Readonly<Record<string, unknown>>,
  journal: Pick<Journal, "doubts" | "failing">,
): Refusal | null {
  const { doubts } = journal;
  if (doubts === null || (right !== "read" && right !== "write")) return null;
  if (right === "write") return journal.failing ? DISK_FAILING : DISK_FULL;
  if (doubts.isEmpty) return null;
  if (!EXACT.has(action)) return NOT_KEPT;
  const { ns, key, keys = [key] } = request as { ns?: string; key: string; keys?: string[] };
  return keys.some((one) => doubts.has(textOf(pathOf(ns, one)))) ? NOT_KEPT : null;
}
