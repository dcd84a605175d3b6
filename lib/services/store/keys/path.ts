import { Refusal } from "../refusal.ts";

/** Parts of a key from the outermost: `users^42^name` is `["users", "42", "name"]`. */
export type Path = readonly string[];

/** Separates the parts of a key, as in MUMPS. */
export const SEPARATOR = "^";
/** Longest part of a key, in bytes of UTF-8. */
export const MAX_PART_BYTES = 256;
/** Most parts a key may have. */
export const MAX_DEPTH = 32;
/** The namespace that clients can only read. */
export const SYSTEM = "sys";

const ROOT: Path = [];

// Control characters would let a key of one client garble the terminal of another.
// oxlint-disable-next-line no-control-regex
const UNFIT = /[\u0000-\u001f\u007f-\u009f]/;

/** The parts of a text, unchecked: `^users^42` and `users^42` are the same. */
export function partsOf(text: string): Path {
  if (text === "" || text === SEPARATOR) return ROOT;
  const inner = text.charCodeAt(0) === 94 ? text.slice(1) : text;
  return inner.includes(SEPARATOR) ? inner.split(SEPARATOR) : [inner];
}

/** The parts of a key in a namespace, unchecked. */
export function pathOf(namespace: string | undefined, key: string): Path {
  if (namespace === undefined || namespace === "") return partsOf(key);
  // An empty key, and `^a`, which could mean two keys, keep an empty part, for which they are refused.
  const isWhole = key !== "" && !key.startsWith(SEPARATOR);
  return [...partsOf(namespace), ...(isWhole ? partsOf(key) : ["", key])];
}

export function textOf(path: Path): string {
  return path.length === 1 ? (path[0] as string) : path.join(SEPARATOR);
}

/** The refusal of a path that cannot name a key, or null. The bounds are `MAX_PART_BYTES` and `MAX_DEPTH`. */
export function unfit(path: Path): Refusal | null {
  if (path.length === 0) return new Refusal("BAD_KEY", "empty");
  if (path.length > MAX_DEPTH) {
    return new Refusal("BAD_KEY", `more than ${MAX_DEPTH} parts`);
  }
  for (const part of path) {
    if (part === "") return new Refusal("BAD_KEY", "an empty part");
    // A character of a string is three bytes at most.
    if (part.length > MAX_PART_BYTES / 3 && Buffer.byteLength(part) > MAX_PART_BYTES) {
      return new Refusal("BAD_KEY", `a part of more than ${MAX_PART_BYTES} bytes`);
    }
    if (UNFIT.test(part)) return new Refusal("BAD_KEY", "a control character");
    if (!part.isWellFormed()) return new Refusal("BAD_KEY", "half a surrogate pair");
  }
  return null;
}

/** One name, or with `below` everything below it, at any depth. */
export interface Pattern {
  readonly path: Path;
  readonly below: boolean;
}

/** The pattern of a path: `orders^eu` is one name, `orders^*` everything below, `*` everything. */
export function patternOf(parts: Path): Pattern | Refusal {
  const below = parts.at(-1) === "*";
  const path = below ? parts.slice(0, -1) : parts;
  if (path.length === 0 && below) return { path, below };
  return unfit(path) ?? { path, below };
}

/**
 * True if a pattern is about a path. As in lists, everything leaves `^sys` out.
 * @param tree true if it is about all below the path too
 */
export function covers({ path: own, below }: Pattern, path: Path, tree: boolean): boolean {
  const shared = Math.min(own.length, path.length);
  for (let i = 0; i < shared; i++) if (own[i] !== path[i]) return false;
  if (own.length >= path.length) return tree || (own.length === path.length && !below);
  return below && !(own.length === 0 && path[0] === SYSTEM);
}
