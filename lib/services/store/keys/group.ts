import { NOT_FOUND, Refusal } from "../refusal.ts";
import type { KeySpace } from "./key-space.ts";
import { NONE } from "./tree/key-tree.ts";
import { type Path, textOf, unfit } from "./path.ts";

/** One change of a group; no path stands in a group twice. */
export type Write = { readonly path: Path } & (
  | {
      readonly kind: "set";
      readonly text: string;
      readonly ttlMs?: number | undefined;
      /** The least version that it gets. */
      readonly minVersion?: number | undefined;
    }
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
  /** Bytes of the text. */
  readonly length: number;
  /** Bytes that its record has at most. */
  readonly bytes: number;
}

/** Bytes of JSON that a unit of a name takes at most. */
const MOST_PER_UNIT = 3;
/** Bytes of a record besides the name and the value: a word, two numbers, and what separates them. */
const AROUND = 64;

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
  const name = MOST_PER_UNIT * textOf(path).length + AROUND;
  if (kind === "del" || kind === "expire") {
    if (id === NONE) return NOT_FOUND;
    const ttlMs = kind === "del" ? null : write.ttlMs;
    const expiresAt = ttlMs === null ? Infinity : now + ttlMs;
    return { write, text: null, expiresAt, length: 0, bytes: name };
  }
  if (kind === "increase") {
    const number = increased(space, id, write.by);
    if (number instanceof Refusal) return number;
    const expiresAt = id === NONE ? Infinity : space.values.expiresAt(id);
    const text = `${number}`;
    const { length } = text;
    return { write, text, number, expiresAt, length, bytes: name + length };
  }
  const { text, ttlMs } = write;
  const expiresAt = ttlMs === undefined ? Infinity : now + ttlMs;
  const length = Buffer.byteLength(text);
  return { write, text, expiresAt, length, bytes: name + length };
}
