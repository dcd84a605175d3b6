import type { Field, Unsaid } from "./fields.ts";

/** Options that are named in a sentence. */
const MOST_NAMED = 10;

const FORMATS: Readonly<Record<string, string>> = {
  date: "a date, as 2026-08-01",
  time: "a time of day, as 12:30:00Z",
  "date-time": "a date and time, as 2026-08-01T12:30:00Z",
  email: "an email address",
  hostname: "the name of a host",
  ipv4: "an IPv4 address",
  ipv6: "an IPv6 address",
  uri: "a URI, as https://example.com",
  uuid: "a UUID",
};

const TYPES: Readonly<Record<string, string>> = {
  object: "an object",
  array: "a list",
  string: "a text in quotes",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
};

/** Types of JSON Schema in words. */
export function kindsOf(types: readonly string[]): string[] {
  return types.flatMap((type) => TYPES[type] ?? []);
}

/**
 * What is wanted, in words.
 * @param types of a value in JSON, where they are known
 */
export function wantedText(field: Unsaid, types: readonly string[] = []): string {
  return textOf(field, types) + (field.nullable ? ", or null" : "");
}

function textOf(field: Unsaid, types: readonly string[]): string {
  switch (field.kind) {
    case "choice": {
      const [only, ...others] = field.options.slice(0, MOST_NAMED).map(({ text }) => text);
      const more = field.options.length - MOST_NAMED;
      if (others.length === 0) return only ?? "nothing: there is no good value";
      return `one of ${[only, ...others].join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
    }
    case "whole":
    case "number": {
      const kind = field.kind === "whole" ? "a whole number" : "a number";
      const { min, max, above, below, step } = field;
      const from =
        min !== undefined && max !== undefined
          ? ` from ${min} to ${max}`
          : bounds([
              [min, "of at least"],
              [max, "of at most"],
            ]);
      const strict = bounds([
        [above, "above"],
        [below, "below"],
      ]);
      return `${kind}${from}${strict}${step === undefined ? "" : `, a multiple of ${step}`}`;
    }
    case "text": {
      const { minLength, maxLength, pattern, format = "" } = field;
      const kind = FORMATS[format] ?? "a text";
      const matching = pattern === undefined ? "" : ` that matches ${pattern}`;
      return kind + amount(minLength, maxLength, "character") + matching;
    }
    case "flag":
      return "yes or no";
    case "list": {
      const { minItems, maxItems, item } = field;
      const many = amount(minItems, maxItems, "item");
      if (!isPlain(item)) return `a list${many}, as JSON`;
      return `a list${many}, with commas between them; each ${item.wants}`;
    }
    case "object":
      return "what its fields say, or an object as JSON";
    case "json": {
      const kinds = kindsOf(types.filter((type) => type !== "null"));
      return kinds.length === 0 ? "a value as JSON" : `${kinds.join(" or ")}, as JSON`;
    }
  }
}

/** True if an answer to it is one short text. */
export function isPlain({ kind }: Pick<Field, "kind">): boolean {
  return kind !== "list" && kind !== "object" && kind !== "json";
}

function bounds(given: readonly (readonly [number | undefined, string])[]): string {
  const said = given.flatMap(([number, word]) => (number === undefined ? [] : `${word} ${number}`));
  return said.length === 0 ? "" : ` ${said.join(" and ")}`;
}

function amount(least: number | undefined, most: number | undefined, what: string): string {
  const plural = (count: number) => `${count} ${what}${count === 1 ? "" : "s"}`;
  if (least !== undefined && least === most) return ` of ${plural(least)}`;
  if (least !== undefined && most !== undefined) return ` of ${least} to ${plural(most)}`;
  if (least !== undefined && least > 0) return ` of at least ${plural(least)}`;
  return most === undefined ? "" : ` of at most ${plural(most)}`;
}
