import type { Option } from "./option.ts";

/** A table of the configuration file. */
export interface Section<E extends Entries = Entries> {
  readonly kind: "section";
  readonly about: string;
  readonly entries: E;
  // The values vary by section; `section` checks them.
  readonly rules: Rules<any>;
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

/** The rules of a section beyond its single options; `V` are its values. */
export interface Rules<V> {
  /** The contradictions among its values; the keys are its own. */
  contradictions?(own: V, whole: object): readonly Contradiction[];
  /** The folders that the server writes to with these values. */
  folders?(own: V): readonly Folder[];
  /** Remarks for the operator of a configuration that gives these keys (dotted paths), one sentence each. */
  remarks?(given: Given, own: V): readonly string[];
  readonly guards?: Guards;
  /** What the wizard asks about it, when it is a service that is on; in this order. */
  readonly questions?: readonly Question[];
  /** The values that each preset sets in it, by the preset's name. */
  readonly presets?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

type Given = Pick<ReadonlySet<string>, "has">;

/** A contradiction between settings, with the key that it is reported at. */
export interface Contradiction {
  readonly key: string;
  readonly message: string;
  /** The key of a token file; a token in it would settle the contradiction. */
  readonly token?: string;
  /** The other keys that it rests on, if that is known: it is told beside other problems unless one of these values is wrong itself. */
  readonly by?: readonly string[];
  /** True if the reference accepts this, so that its own `server.json` files only get a warning. */
  readonly reference?: boolean;
}

/** A folder that the server writes to. */
export interface Folder {
  /** The key that names the folder, or a file in it. */
  readonly key: string;
  readonly isFile?: boolean;
  readonly holds: "logs" | "state";
}

/** The settings that guard a service and that the wizard asks about, by dotted path. */
export interface Guards {
  readonly paths: readonly string[];
  /** The paths that have an effect with the other settings as they are; all if not given. */
  acting?(valueOf: (path: string) => unknown): readonly string[];
}

/** A question of the wizard. */
export type Question = ValueQuestion | FlagsQuestion;

interface Asked {
  readonly title: string;
  /** True if it is asked, the other settings being as they are; always if not given. */
  applies?(valueOf: (key: string) => unknown): boolean;
}

/** A question about one setting. */
export interface ValueQuestion extends Asked {
  /** Its key, a dotted path within the section. */
  readonly key: string;
  /** The answers to choose from; without them a text is asked for. */
  readonly choices?: readonly Answer[];
  /** The key at which something is contradicted that an answer settles: it is asked until one does. */
  readonly settles?: string;
}

/** A question about settings that are true or false, of which any number may be true. */
export interface FlagsQuestion extends Asked {
  readonly flags: readonly Flagged[];
}

export interface Flagged {
  /** Its key, a dotted path within the section. */
  readonly key: string;
  readonly label: string;
  readonly hint?: string;
}

export interface Answer {
  /** Null if it has to be typed. */
  readonly value: string | null;
  readonly label: string;
  readonly hint?: string;
}

export function section<E extends Entries>(
  about: string,
  entries: E,
  rules: Rules<Values<NoInfer<E>>> = {},
): Section<E> {
  return { kind: "section", about, entries, rules };
}

type Inherited<E extends Entries> = {
  readonly [K in keyof E]: E[K] extends Option<infer T> ? Option<T | null> : never;
};

/** The same options for one service; a key that is not given (null) follows the section of the whole server. */
export function inherited<E extends Entries>(
  about: string,
  whole: E,
  rules: Rules<Values<Inherited<NoInfer<E>>>> = {},
): Section<Inherited<E>> {
  const entries = Object.entries(whole).map(([key, entry]) => [key, { ...entry, initial: null }]);
  return section(about, Object.fromEntries(entries) as Inherited<E>, rules);
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
