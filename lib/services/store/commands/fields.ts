/** A field of a request. */
export interface Field<T = unknown> {
  /** Completes "allowed: ...". */
  readonly allowed: string;
  readonly about: string;
  readonly optional: boolean;
  /** The effect of leaving it out, in words. */
  readonly otherwise?: string;
  /** True if no number can stand in it. */
  readonly numberless?: boolean;
  fits(found: unknown): boolean;
  /** Only carries the type. */
  readonly type?: T;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;

type OptionalNames<F extends Fields> = {
  [K in keyof F]: F[K]["optional"] extends true ? K : never;
}[keyof F];
type TypeOf<X> = X extends Field<infer T> ? T : never;

/** The type of a request with these fields. */
export type Request<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalNames<F>>]: TypeOf<F[K]>;
} & { readonly [K in OptionalNames<F>]?: TypeOf<F[K]> };

type Needed<T> = Field<T> & { readonly optional: false };
type Optional<T> = Field<T> & { readonly optional: true };

/** Most keys that one request may name. */
export const MAX_KEYS = 10_000;

function field<T>(allowed: string, about: string, fits: (found: unknown) => boolean): Needed<T> {
  return { allowed, about, optional: false, fits };
}

export function text(about: string): Needed<string> {
  const fits = (found: unknown) => typeof found === "string";
  return { ...field<string>("text", about, fits), numberless: true };
}

export function flag(about: string): Needed<boolean> {
  const fits = (found: unknown) => typeof found === "boolean";
  return { ...field<boolean>("true or false", about, fits), numberless: true };
}

/** Any JSON. */
export function json(about: string): Needed<unknown> {
  return field("any JSON", about, () => true);
}

export function whole(min: number, max: number, about: string): Needed<number> {
  return field(
    `a whole number from ${min} to ${max}`,
    about,
    (found) => typeof found === "number" && Number.isInteger(found) && found >= min && found <= max,
  );
}

/** As `whole`, or null. */
export function wholeOrNull(min: number, max: number, about: string): Needed<number | null> {
  const number = whole(min, max, about);
  return field(
    `${number.allowed}, or null`,
    about,
    (found) => found === null || number.fits(found),
  );
}

export function textList(about: string): Needed<readonly string[]> {
  return field(
    `a list of 1 to ${MAX_KEYS} texts`,
    about,
    (found) =>
      Array.isArray(found) &&
      found.length > 0 &&
      found.length <= MAX_KEYS &&
      found.every((item) => typeof item === "string"),
  );
}

/** An object whose names are keys. */
export function values(about: string): Needed<Readonly<Record<string, unknown>>> {
  const fits = (found: unknown) => {
    if (typeof found !== "object" || found === null || Array.isArray(found)) return false;
    const { length } = Object.keys(found);
    return length > 0 && length <= MAX_KEYS;
  };
  return field(`an object of 1 to ${MAX_KEYS} values`, about, fits);
}

/** An object of whole numbers by their keys. */
export function wholes(
  min: number,
  max: number,
  about: string,
): Needed<Readonly<Record<string, number>>> {
  const number = whole(min, max, about);
  const fits = (found: unknown) => {
    if (typeof found !== "object" || found === null || Array.isArray(found)) return false;
    const all = Object.values(found);
    return all.length > 0 && all.length <= MAX_KEYS && all.every((one) => number.fits(one));
  };
  return field(`an object of 1 to ${MAX_KEYS} keys, each with ${number.allowed}`, about, fits);
}

/** As `whole`, or `wholes`. */
export function wholeOrWholes(
  min: number,
  max: number,
  about: string,
): Needed<number | Readonly<Record<string, number>>> {
  const [one, several] = [whole(min, max, about), wholes(min, max, about)];
  return field(
    `${one.allowed}, or ${several.allowed}`,
    about,
    (found) => one.fits(found) || several.fits(found),
  );
}

/** A list of objects. */
export function objects(about: string): Needed<readonly Readonly<Record<string, unknown>>[]> {
  return field(
    `a list of 1 to ${MAX_KEYS} objects`,
    about,
    (found) =>
      Array.isArray(found) &&
      found.length > 0 &&
      found.length <= MAX_KEYS &&
      found.every((one) => typeof one === "object" && one !== null && !Array.isArray(one)),
  );
}

/** The same field, but optional. @param otherwise the effect of leaving it out, in words */
export function optional<T>(needed: Needed<T>, otherwise = ""): Optional<T> {
  return { ...needed, optional: true, otherwise };
}
