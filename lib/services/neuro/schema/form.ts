/**
 * The form of an action: what its schema asks for, as fields that a person can
 * fill in, on a page or question by question. It is plain JSON. What a form
 * cannot express is a field of kind json. `answers.ts` makes data of answers.
 */
import type { Diagnostic } from "../diagnostics.ts";
import type { Action } from "../protocol.ts";
import type { AnyField, Field, Option, Unsaid } from "./fields.ts";
import { areNumbers, flat, inferredType, meansMore, nullableOf } from "./form-parts.ts";
import type { Keywords, Part } from "./part.ts";
import { rulesOf } from "./rules.ts";
import { wantedText } from "./wanted.ts";

/** More fields than these are asked for as JSON. */
export const MOST_FIELDS = 200;
/** Parts of a schema that are put together for one form. */
const MOST_PARTS = 20_000;

const OBJECT: Keywords = { type: ["object"] };

const known = new WeakMap<Action, Field>();

/**
 * The form of an action: a field of kind object, or json where a form cannot
 * express it; null for an action without data, a diagnostic for one that
 * cannot be chosen.
 */
export function formOf(action: Action): Field | Diagnostic | null {
  const rules = rulesOf(action);
  if (rules === null || "code" in rules) return rules;
  const found = known.get(action) ?? new Former().form(action.name, rules.resolved.part);
  known.set(action, found);
  return found;
}

/** The form is too large. */
class TooMuch extends Error {}

type Own = Omit<AnyField, "wants">;

class Former {
  #fields = 0;
  #parts = 0;

  form(name: string, part: Part): Field {
    const own = { name, path: [], title: name, description: "", required: true, nullable: false };
    try {
      const found = this.#field(part, own, "object");
      // Data is an object, whatever the schema says.
      return found.kind === "object" || found.kind === "choice" ? found : json(own, OBJECT);
    } catch (error) {
      if (error instanceof TooMuch) return json(own, OBJECT);
      throw error;
    }
  }

  #count(parts: number): void {
    this.#parts += parts;
    if (this.#parts > MOST_PARTS) throw new TooMuch();
  }

  /** @param meant the type where the schema names none */
  #field(part: Part, place: Own, meant?: string): Field {
    if (++this.#fields > MOST_FIELDS) throw new TooMuch();
    const found = flat(part, (parts) => this.#count(parts));
    if (found === null) return json(place, {});
    const { whole, nullable } = nullableOf(found, (parts) => this.#count(parts));
    const own: Own = {
      ...place,
      title: (place.path.length > 0 && whole.title) || place.title,
      description: whole.description ?? "",
      nullable: place.path.length > 0 && nullable,
      ...(Object.hasOwn(whole, "default") ? { default: whole.default } : {}),
    };
    const options = optionsOf(whole, (parts) => this.#count(parts));
    if (options !== null) return field({ ...own, kind: "choice", options });
    const types = whole.type ?? [meant ?? inferredType(whole)];
    const type = types.length === 1 ? types[0] : areNumbers(types) ? "number" : "";
    return this.#typed(type ?? "", whole, own) ?? json(own, whole);
  }

  /** A field of a type; null where there is none that expresses it. */
  #typed(type: string, whole: Keywords, own: Own): Field | null {
    switch (type) {
      case "string":
        return field({ ...own, kind: "text", ...picked(whole, TEXT_KEYS) });
      case "integer":
      case "number": {
        const kind = type === "integer" ? "whole" : "number";
        const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = whole;
        // Of two bounds the narrower one is told.
        const min = (above ?? -Infinity) >= (minimum ?? -Infinity) ? undefined : minimum;
        const max = (below ?? Infinity) <= (maximum ?? Infinity) ? undefined : maximum;
        const bounds = { min, max, above, below, step: whole.multipleOf };
        return field({ ...own, kind, ...given(bounds) });
      }
      case "boolean":
        return field({ ...own, kind: "flag" });
      case "null":
        return field({ ...own, kind: "choice", options: [optionOf(null, "")] });
      case "array":
        return this.#list(whole, own);
      case "object":
        return this.#object(whole, own);
      default:
        return null;
    }
  }

  #list(whole: Keywords, own: Own): Field | null {
    const { items = true, prefixItems } = whole;
    if (prefixItems !== undefined || items === false) return null;
    const { path } = own;
    const place = { name: "", path, title: "", description: "", required: true, nullable: false };
    const item = this.#field(items, place);
    return field({ ...own, kind: "list", item, ...picked(whole, ["minItems", "maxItems"]) });
  }

  #object(whole: Keywords, own: Own): Field | null {
    const { properties = {}, required = [] } = whole;
    if (meansMore(whole, (parts) => this.#count(parts))) return null;
    const needed = new Set(required);
    const names = new Set([...Object.keys(properties), ...needed]);
    const fields: Field[] = [];
    for (const name of names) {
      const part = Object.hasOwn(properties, name)
        ? (properties[name] as Part)
        : (whole.additionalProperties ?? true);
      const isNeeded = needed.has(name);
      if (part === false && !isNeeded) continue;
      const path = [...own.path, name];
      const about = { title: name, description: "", required: isNeeded, nullable: false };
      fields.push(this.#field(part, { name, path, ...about }));
    }
    return field({ ...own, kind: "object", fields });
  }
}

function field(found: Unsaid): Field {
  return { ...found, wants: wantedText(found) } as Field;
}

function json(own: Own, { type = [] }: Keywords): Field {
  const kinds = type.filter((one) => one !== "null");
  return { ...own, kind: "json", wants: wantedText({ ...own, kind: "json" }, kinds) };
}

const TEXT_KEYS = ["minLength", "maxLength", "pattern", "format"] as const;

function picked<K extends keyof Keywords>(part: Keywords, keys: readonly K[]): Pick<Keywords, K> {
  return given(Object.fromEntries(keys.map((key) => [key, part[key]]))) as Pick<Keywords, K>;
}

/** Without what is undefined. */
function given<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(object).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as never;
}

/** The values that it may have, where they are listed. */
function optionsOf(whole: Keywords, count: (parts: number) => void): Option[] | null {
  if (Object.hasOwn(whole, "const")) return [optionOf(whole.const, whole.title ?? "")];
  if (whole.enum !== undefined) return distinct(whole.enum.map((value) => optionOf(value, "")));
  const listed = whole.oneOf ?? whole.anyOf;
  if (listed === undefined) return null;
  const options: Option[] = [];
  for (const one of listed) {
    const part = flat(one, count);
    if (part === null) continue;
    const title = part.title ?? "";
    if (Object.hasOwn(part, "const")) options.push(optionOf(part.const, title));
    else if (part.enum !== undefined) {
      options.push(
        ...part.enum.map((value) => optionOf(value, part.enum?.length === 1 ? title : "")),
      );
    } else return null;
  }
  return options.length > 0 ? distinct(options) : null;
}

function optionOf(value: unknown, title: string): Option {
  return { value, text: typeof value === "string" ? value : JSON.stringify(value), title };
}

/** Each value once, and each with a text of its own. */
function distinct(options: readonly Option[]): Option[] {
  const values = new Map(options.map((one) => [JSON.stringify(one.value), one]));
  const texts = new Set<string>();
  return [...values].map(([json, one]) => {
    const isTaken = texts.has(one.text);
    texts.add(one.text);
    return isTaken ? { ...one, text: json } : one;
  });
}
