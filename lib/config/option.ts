/**
 * The kinds of settings: type, default, bounds and words. The table is written
 * with these, and everything about settings (types, validation, the commented
 * file, the pages) is read from the table.
 */

import { isIP } from "node:net";

/** The part of JSON Schema that the types of settings need. */
export interface Schema {
  readonly type?: "string" | "integer" | "number" | "boolean" | "array";
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** A token that gives access to something, and can be made when a configuration is written. */
export interface Token {
  /** Its name, and the actions it is for: the `admin` token allows the admin actions. */
  readonly name: string;
  /** The variable of the environment that may hold it instead of a file. */
  readonly variable: string;
  /** The part that asks a person for it, as the first words of a sentence. */
  readonly askedBy: string;
}

/** One key of the configuration. */
export interface Option<T> {
  readonly kind: "option";
  /** The value if the key is not given. */
  readonly initial: T;
  /** The reference's own default, if it is not `initial`: the value if a `server.json` does not give the key. */
  readonly reference?: T;
  /** The flag, by its dotted path, without which it has no effect. */
  readonly actsWith?: string;
  /** The allowed values, in words that complete "allowed: ...". */
  readonly allowed: string;
  /** One or two sentences for the person who decides on the value. */
  readonly about: string;
  /** True if SIGHUP applies a change; otherwise it takes a restart. */
  readonly live: boolean;
  /** Masked wherever the configuration is shown. */
  readonly secret?: boolean;
  /** The part of a secret that may be shown; nothing of it if not given. */
  masked?(value: T): string;
  /** What is refused is not shown: it may be a secret that stands in the wrong place. */
  readonly hidesRefused?: boolean;
  /** The token on the first line of the file that this option names. */
  readonly token?: Token;
  /** Other names of the same key, as the reference servers spell it. */
  readonly aliases?: readonly string[];
  /** The allowed words, if there are only a few. */
  readonly words?: readonly string[];
  /** The values that `read` accepts, except for checks of a text's content, which only `allowed` describes. */
  readonly schema: Schema;
  /** The value for one found in a source, or undefined if that is not allowed. */
  read(found: unknown): T | undefined;
  /** The fault of a value that is not allowed, in words that do not show it. */
  fault?(found: unknown): string | null;
  /** The index of the first entry of a list because of which it is not allowed; -1 for none, and for what is no list. */
  badEntry?(found: unknown): number;
  /** The value for one that only the reference servers take, in their own files. */
  readReference?(found: unknown): T | undefined;
  /** The difference between this value here and in the reference servers, in words, or null. */
  differs?(value: T, isReference: boolean): string | null;
}

/** The value of an option for one found in a source, or undefined if that is not allowed there. */
export function readAs<T>(option: Option<T>, found: unknown, isReference: boolean): T | undefined {
  const value = option.read(found);
  return value === undefined && isReference ? option.readReference?.(found) : value;
}

type Extra<T> = Partial<
  Pick<
    Option<T>,
    | "live"
    | "secret"
    | "masked"
    | "hidesRefused"
    | "token"
    | "aliases"
    | "reference"
    | "actsWith"
    | "allowed"
    | "readReference"
    | "differs"
    | "fault"
    | "badEntry"
  >
>;

export function option<T>(
  initial: T,
  allowed: string,
  about: string,
  schema: Schema,
  read: (found: unknown) => T | undefined,
  extra: Extra<T> = {},
): Option<T> {
  return {
    kind: "option",
    live: false,
    initial,
    allowed,
    about,
    schema,
    read,
    ...extra,
  };
}

/** A string. `check` returns the fault of a text, or null. */
export function text(
  initial: string,
  about: string,
  extra: Extra<string> & { check?: (found: string) => string | null } = {},
): Option<string> {
  const { check, ...rest } = extra;
  const read = (found: unknown) =>
    typeof found === "string" && !check?.(found) ? found : undefined;
  const fault = (found: unknown) => (typeof found === "string" ? (check?.(found) ?? null) : null);
  return option(initial, "text", about, { type: "string" }, read, { ...rest, fault });
}

/** An address or a name to listen on. An IPv6 address may stand in brackets, as in a URL. */
export function host(initial: string, about: string): Option<string> {
  const read = (found: unknown) => (typeof found === "string" ? hostIn(found) : undefined);
  const allowed = "an address or a name, without a port";
  return option(initial, allowed, about, { type: "string" }, read);
}

/** The host that a text names, without the brackets of an IPv6 address; undefined if it names none. */
export function hostIn(text: string): string | undefined {
  const inner = /^\[(.*)\]$/.exec(text)?.[1];
  if (inner !== undefined) return isIP(inner) === 6 ? inner : undefined;
  return isIP(text) !== 0 || /^[^\s:/?#@*[\]]+$/.test(text) ? text : undefined;
}

const QUOTED = /^\s*[+-]?\d+\s*$/;

/** A whole number from `min` to `max`, both included. */
export function whole(
  initial: number,
  [min, max]: readonly [number, number],
  about: string,
  extra: Extra<number> = {},
): Option<number> {
  const read = (found: unknown) =>
    typeof found === "number" && Number.isInteger(found) && found >= min && found <= max
      ? found
      : undefined;
  const schema: Schema = { type: "integer", minimum: min, maximum: max };
  // The reference servers take a number in quotes.
  const readReference = (found: unknown) =>
    typeof found === "string" && QUOTED.test(found) ? read(Number(found)) : undefined;
  const allowed = `a whole number from ${min} to ${max}`;
  return option(initial, allowed, about, schema, read, { readReference, ...extra });
}

/** A number from `min` to `max`, both included. */
export function decimal(
  initial: number,
  [min, max]: readonly [number, number],
  about: string,
  extra: Extra<number> = {},
): Option<number> {
  const read = (found: unknown) =>
    typeof found === "number" && found >= min && found <= max ? found : undefined;
  const schema: Schema = { type: "number", minimum: min, maximum: max };
  return option(initial, `a number from ${min} to ${max}`, about, schema, read, extra);
}

/** A number from `min` to `max`, or none. */
export function decimalOrNone(
  range: readonly [number, number],
  about: string,
  extra: Extra<number> = {},
): Option<number | null> {
  return { ...decimal(range[0], range, about, extra), initial: null } as Option<number | null>;
}

/** A whole number of at least 1, or never: 0, `false` or JSON's null, all of which read as 0. */
export function wholeOrNever(
  initial: number,
  max: number,
  about: string,
  extra: Extra<number> = {},
): Option<number> {
  const number = whole(initial, [0, max], about, extra);
  return {
    ...number,
    allowed: `a whole number from 1 to ${max}, or 0 or false for never`,
    schema: { anyOf: [number.schema, { enum: [false, null] }] },
    read: (found) => (found === false || found === null ? 0 : number.read(found)),
  };
}

export function flag(initial: boolean, about: string, extra: Extra<boolean> = {}): Option<boolean> {
  const read = (found: unknown) => (typeof found === "boolean" ? found : undefined);
  const readReference = (found: unknown) => (found === 0 || found === 1 ? found === 1 : undefined);
  const schema: Schema = { type: "boolean" };
  return option(initial, "true or false", about, schema, read, { readReference, ...extra });
}

/** One of a few words. */
export function choice<const W extends string>(
  initial: NoInfer<W>,
  words: readonly W[],
  about: string,
  extra: Extra<W> = {},
): Option<W> & { readonly words: readonly W[] } {
  const read = (found: unknown) => words.find((word) => word === found);
  const allowed = words.map((word) => `"${word}"`).join(", ");
  const schema: Schema = { type: "string", enum: words };
  return { ...option<W>(initial, allowed, about, schema, read, extra), words };
}

/** A list of strings, each accepted by `fits`. */
export function list(
  about: string,
  allowed: string,
  fits: (item: string) => boolean,
  extra: Extra<readonly string[]> = {},
): Option<readonly string[]> {
  const badEntry = (found: unknown) =>
    Array.isArray(found) ? found.findIndex((item) => typeof item !== "string" || !fits(item)) : -1;
  const read = (found: unknown) =>
    Array.isArray(found) && badEntry(found) < 0 ? (found as string[]) : undefined;
  const schema: Schema = { type: "array", items: { type: "string" } };
  return option<readonly string[]>([], allowed, about, schema, read, { ...extra, badEntry });
}

/** A list of strings, or null: JSON's null and the empty text read as null. */
export function listOrNull(
  about: string,
  allowed: string,
  extra: Extra<readonly string[] | null> = {},
): Option<readonly string[] | null> {
  const items = list(about, allowed, () => true);
  const read = (found: unknown) => (found === null || found === "" ? null : items.read(found));
  const schema: Schema = { anyOf: [items.schema, { enum: [null, ""] }] };
  const { badEntry } = items as Required<typeof items>;
  return option<readonly string[] | null>(null, allowed, about, schema, read, {
    ...extra,
    badEntry,
  });
}
