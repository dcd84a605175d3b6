import { NOT_FOUND, Refusal } from "../refusal.ts";
import { type KeySpace, NONE } from "./key-space.ts";
import { type Path, unfit } from "./path.ts";
import { delRecord, expireRecord, setRecord } from "./records.ts";

/** One change of a group; no path stands in a group twice. */
export type Write = { readonly path: Path } & (
  | { readonly kind: "set"; readonly text: string; readonly ttlMs?: number | undefined }
  | { readonly kind: "increase"; readonly by: number }
  | { readonly kind: "del" }
  /** With null for never. */
  | { readonly kind: "expire"; readonly ttlMs: number | null }
);

/** A version that a value must have for a group to be written; 0 is that of an absent one. */
export interface Term {
  readonly path: Path;
  readonly version: number;
  /** True if it stands for a value that must not be there. */
  readonly isAbsent?: boolean;
}

/** What a change has come to. */
export interface Changed {
  /** The version of the value that was set. */
  readonly version?: number;
  /** The number that was set. */
  readonly number?: number;
}

/** The refusal of one change, because of which none was made. */
export interface GroupRefused {
  readonly index: number;
  readonly refusal: Refusal;
}

/** A change that can be made. */
export interface Planned {
  readonly write: Write;
  /** The value to set, as JSON; null for a change that sets none. */
  readonly text: string | null;
  readonly number?: number;
  /** The time at which the value to set expires; clock milliseconds. */
  readonly expiresAt: number;
  /** Bytes that its record has at most. */
  readonly bytes: number;
}

/** The refusal of what takes an absent value, or null. @param id the value's number, or `NONE` */
export function present(space: KeySpace, id: number): Refusal | null {
  if (id === NONE) return null;
  const version = space.values.version(id);
  return new Refusal("ALREADY_EXISTS", `the key has a value, of version ${version}`);
}

/** The refusal of what takes a value of this version, or null. @param id the value's number, or `NONE` */
export function mismatch(space: KeySpace, id: number, version: number): Refusal | null {
  const actual = id === NONE ? 0 : space.values.version(id);
  if (actual === version) return null;
  const found = actual === 0 ? "there is no value" : `the version is ${actual}`;
  return new Refusal("VERSION_MISMATCH", found);
}

/** The number that an integer becomes, or the refusal. @param id the value's number; with `NONE` it counts as 0 */
export function increased(space: KeySpace, id: number, by: number): number | Refusal {
  const before = id === NONE ? 0 : Number(space.values.text(id));
  if (!Number.isInteger(before)) return new Refusal("NOT_A_NUMBER", "the value is no integer");
  const after = before + by;
  if (Number.isSafeInteger(after)) return after;
  return new Refusal("NUMBER_RANGE", "the number would leave the range of exact integers");
}

/** The change of a value as it is now, or the refusal. @param id the value's number, or `NONE` */
export function plannedOf(
  space: KeySpace,
  id: number,
  write: Write,
  now: number,
): Planned | Refusal {
  const { path, kind } = write;
  const bad = id === NONE ? unfit(path) : null;
  if (bad) return bad;
  const most = Number.MAX_SAFE_INTEGER;
  if (kind === "del" || kind === "expire") {
    if (id === NONE) return NOT_FOUND;
    const record = kind === "del" ? delRecord(path, false) : expireRecord(path, most);
    const bytes = Buffer.byteLength(record);
    const ttlMs = kind === "del" ? null : write.ttlMs;
    return { write, text: null, expiresAt: ttlMs === null ? Infinity : now + ttlMs, bytes };
  }
  if (kind === "increase") {
    const number = increased(space, id, write.by);
    if (number instanceof Refusal) return number;
    const expiresAt = id === NONE ? Infinity : space.values.expiresAt(id);
    const text = `${number}`;
    return { write, text, number, expiresAt, bytes: bytesOf(path, text) };
  }
  const { text, ttlMs } = write;
  const expiresAt = ttlMs === undefined ? Infinity : now + ttlMs;
  return { write, text, expiresAt, bytes: bytesOf(path, text) };
}

function bytesOf(path: Path, text: string): number {
  const most = Number.MAX_SAFE_INTEGER;
  return Buffer.byteLength(setRecord(path, most, most, text));
}
