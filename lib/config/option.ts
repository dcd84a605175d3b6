/**
 * What a setting is: its type, its default, its bounds and its words. The
 * table is written with these, and everything that speaks of settings (types,
 * validation, the shipped file, the reference) is read off the table.
 */

/** As much of JSON Schema as the types of settings need. */
export interface Schema {
  readonly type?: "string" | "integer" | "boolean" | "array";
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** One key of the configuration. */
export interface Option<T> {
  readonly kind: "option";
  /** The value when the key is not given. */
  readonly initial: T;
  /** The value the shipped file sets, and a start without any file uses, where it differs from `initial`. */
  readonly shipped?: T;
  /** What may stand here, in words that complete "allowed: ...". */
  readonly allowed: string;
  /** One or two sentences for the person who decides on the value. */
  readonly about: string;
  /** Whether SIGHUP applies a change; otherwise it takes a restart. */
  readonly live: boolean;
  /** Masked wherever the configuration is shown. */
  readonly secret?: boolean;
  /** Other names of the same key, as the reference servers spell it. */
  readonly aliases?: readonly string[];
  /** The allowed words, where there are only a few. */
  readonly words?: readonly string[];
  /** What `read` accepts; where texts are looked into, only `allowed` tells how. */
  readonly schema: Schema;
  /** The value for a found one, or undefined when that is not allowed. */
  read(found: unknown): T | undefined;
}

/** A table of the configuration file. */
export interface Section<E extends Entries = Entries> {
  readonly kind: "section";
  readonly about: string;
  readonly entries: E;
}

export interface Entries {
  // The value type varies by key; Values recovers it.
  readonly [key: string]: Option<any> | Section<any>;
}

/** The TypeScript type of the values that a table of entries describes. */
export type Values<E extends Entries> = {
  readonly [K in keyof E]: E[K] extends Option<infer T>
    ? T
    : E[K] extends Section<infer F>
      ? Values<F>
      : never;
};

type Extra<T> = Partial<Pick<Option<T>, "live" | "secret" | "aliases" | "shipped" | "allowed">>;

function option<T>(
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

export function section<E extends Entries>(about: string, entries: E): Section<E> {
  return { kind: "section", about, entries };
}

/** A string. `check` answers why a text will not do, or null. */
export function text(
  initial: string,
  about: string,
  extra: Extra<string> & { check?: (found: string) => string | null } = {},
): Option<string> {
  const { check, ...rest } = extra;
  const read = (found: unknown) =>
    typeof found === "string" && !check?.(found) ? found : undefined;
  return option(initial, "text", about, { type: "string" }, read, rest);
}

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
  return option(initial, `a whole number from ${min} to ${max}`, about, schema, read, extra);
}

/** A whole number of at least 1, or 0, `false` or JSON's null for never (which reads as 0). */
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
  return option(initial, "true or false", about, { type: "boolean" }, read, extra);
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
  const read = (found: unknown) =>
    Array.isArray(found) && found.every((item) => typeof item === "string" && fits(item))
      ? (found as string[])
      : undefined;
  const schema: Schema = { type: "array", items: { type: "string" } };
  return option<readonly string[]>([], allowed, about, schema, read, extra);
}

/** A list of strings, or none at all: JSON's null and the empty text read as null. */
export function listOrNull(
  about: string,
  allowed: string,
  extra: Extra<readonly string[] | null> = {},
): Option<readonly string[] | null> {
  const items = list(about, allowed, () => true);
  const read = (found: unknown) => (found === null || found === "" ? null : items.read(found));
  const schema: Schema = { anyOf: [items.schema, { enum: [null, ""] }] };
  return option<readonly string[] | null>(null, allowed, about, schema, read, extra);
}

type Inherited<E extends Entries> = {
  readonly [K in keyof E]: E[K] extends Option<infer T> ? Option<T | null> : never;
};

/** The same options for one service, where a key that is not given (null) follows the section of the whole server. */
export function inherited<E extends Entries>(about: string, whole: E): Section<Inherited<E>> {
  const entries = Object.entries(whole).map(([key, entry]) => [key, { ...entry, initial: null }]);
  return section(about, Object.fromEntries(entries) as Inherited<E>);
}

/** `[a.tls], [b.tls] and [c.tls]`: the sections of these services that override `[tls]`. */
export function overriding(services: Entries, key: string): string {
  const own = Object.entries(services).flatMap(([name, entry]) =>
    entry.kind === "section" && Object.hasOwn(entry.entries, key) ? `[${name}.${key}]` : [],
  );
  return own.length < 2 ? own.join() : `${own.slice(0, -1).join(", ")} and ${own.at(-1)}`;
}

/** The effective values of a section that a service may override key by key. */
export function overlay<V extends object>(
  whole: V,
  own: { readonly [K in keyof V]: V[K] | null },
): V {
  const given = Object.entries(own).filter(([, value]) => value !== null);
  return { ...whole, ...Object.fromEntries(given) };
}
