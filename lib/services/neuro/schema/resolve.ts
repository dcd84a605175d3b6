import { type Diagnostic, diagnose, quoted, shown } from "../diagnostics.ts";
import type { Schema } from "../protocol.ts";
import type { Keywords, Part } from "./part.ts";
import { type Pattern, patternOf } from "./pattern.ts";
import { sizeOf } from "./size.ts";

/** A schema, ready to be checked against and to make data from. */
export interface Resolved {
  readonly part: Part;
  /** How many parts it has, the values of lists included. */
  readonly size: number;
  readonly patterns: ReadonlyMap<string, Pattern>;
  /** The checks of texts that it asks for, each as often as it stands there. */
  readonly checks: readonly Check[];
  /** True if it asks for items that differ from each other. */
  readonly compares: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

/** A pattern or a format. */
export type Check = Pick<Pattern, "steps">;

/** Parts of a schema that is used, with its references resolved. */
const MOST_PARTS = 20_000;
const MOST_DIAGNOSTICS = 20;
/** How much data an action may be sent with. */
export const MOST_DATA_BYTES = 2 ** 20;

const TYPES = ["object", "array", "string", "number", "integer", "boolean", "null"];

/** Formats that are checked. */
export const FORMATS = [
  "date",
  "time",
  "date-time",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uri",
  "uuid",
] as const;
/** Reading a pattern costs as much as a part for so many of its characters. */
const PATTERN_CHARACTERS = 20;
/** What checks formats may go back in a text, some times for each character. */
const FORMAT: Check = { steps: (length) => (length > 2000 ? Infinity : 50 * (1 + length)) };

/** Makes a schema ready, or tells why the action cannot be chosen. */
export function resolve(action: string, schema: Schema): Resolved | Diagnostic {
  const resolver = new Resolver(shown(action), schema);
  try {
    return resolver.resolve();
  } catch (error) {
    if (error instanceof Unusable) return error.diagnostic;
    throw error;
  }
}

class Unusable extends Error {
  readonly diagnostic: Diagnostic;

  constructor(diagnostic: Diagnostic) {
    super(diagnostic.text);
    this.diagnostic = diagnostic;
  }
}

/** A schema that has been read: what came of it, and which of the checks are its own. */
interface Read {
  readonly part: Part;
  readonly size: number;
  readonly checks: readonly [from: number, to: number];
}

type Raw = Readonly<Record<string, unknown>>;

/** The kinds of values that keywords have, with what they should be. */
const KINDS = {
  count: "a whole number of at least 0",
  number: "a number",
  part: "a schema",
  parts: "a list of schemas",
  named: "an object of schemas",
  names: "a list of texts",
  text: "a text",
} as const;

const COUNTS = ["minProperties", "maxProperties", "minItems", "maxItems", "minContains"] as const;
const MORE_COUNTS = ["maxContains", "minLength", "maxLength"] as const;
const NUMBERS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const;
const PARTS = [
  "additionalProperties",
  "unevaluatedProperties",
  "propertyNames",
  "unevaluatedItems",
  "contains",
  "not",
  "if",
  "then",
  "else",
] as const;
const LISTS = ["prefixItems", "allOf", "anyOf", "oneOf"] as const;

class Resolver {
  readonly #action: string;
  readonly #root: Schema;
  readonly #patterns = new Map<string, Pattern>();
  readonly #diagnostics: Diagnostic[] = [];
  /** Schemas that what is read at present stands in. */
  readonly #around = new Set<object>();
  /** Those that have been read: one that is referred to again and again is read once, and counts each time. */
  readonly #read = new Map<object, Read>();
  readonly #checks: Check[] = [];
  #size = 0;
  #compares = false;

  constructor(action: string, root: Schema) {
    this.#action = action;
    this.#root = root;
  }

  /** @throws Unusable */
  resolve(): Resolved {
    const part = this.#part(this.#root, "");
    const { type } = this.#root;
    if (typeof part === "object" && part.type?.includes("object") === false) {
      const found = shown(JSON.stringify(type));
      throw new Unusable(diagnose("schema_root", { action: this.#action, found }));
    }
    return {
      part,
      size: this.#size,
      patterns: this.#patterns,
      checks: this.#checks,
      compares: this.#compares,
      diagnostics: this.#diagnostics,
    };
  }

  #count(parts = 1): void {
    this.#size += parts;
    if (this.#size <= MOST_PARTS) return;
    throw new Unusable(diagnose("schema_explodes", { action: this.#action, most: MOST_PARTS }));
  }

  #tell(diagnostic: Diagnostic): void {
    if (this.#diagnostics.length < MOST_DIAGNOSTICS) this.#diagnostics.push(diagnostic);
  }

  #wrong(keyword: string, path: string, value: unknown, wanted: string): undefined {
    const isPlain = typeof value !== "object" || value === null;
    const found = isPlain ? shown(String(value)) : Array.isArray(value) ? "a list" : "an object";
    const where = shown(path) || "/";
    this.#tell(
      diagnose("schema_wrong", { action: this.#action, keyword, path: where, found, wanted }),
    );
    return undefined;
  }

  #part(value: unknown, path: string): Part {
    const before = this.#size;
    const from = this.#checks.length;
    this.#count();
    if (typeof value === "boolean") return value;
    if (!isObject(value)) {
      this.#wrong("the schema", path, value, "an object");
      return true;
    }
    const known = this.#read.get(value);
    if (known !== undefined) {
      this.#count(known.size - 1);
      const [first, end] = known.checks;
      for (let at = first; at < end; at++) this.#checks.push(this.#checks[at] as Check);
      return known.part;
    }
    if (this.#around.has(value)) {
      const where = shown(path) || "/";
      throw new Unusable(diagnose("schema_recurses", { action: this.#action, path: where }));
    }
    this.#around.add(value);
    const part = this.#keywords(value, path);
    const reference = value["$ref"] ?? value["$recursiveRef"] ?? value["$dynamicRef"];
    const target = reference === undefined ? null : this.#part(this.#target(reference), path);
    this.#around.delete(value);
    let whole: Part = part;
    if (target !== null)
      whole = Object.keys(part).length === 0 ? target : { allOf: [target, part] };
    const checks = [from, this.#checks.length] as const;
    this.#read.set(value, { part: whole, size: this.#size - before, checks });
    return whole;
  }

  /** What a reference leads to. */
  #target(reference: unknown): unknown {
    const text = typeof reference === "string" ? reference : "";
    this.#count(1 + text.length / 100);
    let found: unknown = text.startsWith("#") ? this.#root : undefined;
    if (text !== "#") {
      if (!text.startsWith("#/")) found = undefined;
      for (const step of pointerOf(text)) {
        const isInside = typeof found === "object" && found !== null && Object.hasOwn(found, step);
        found = isInside ? (found as Raw)[step] : undefined;
      }
    }
    if (isObject(found) || typeof found === "boolean") return found;
    throw new Unusable(
      diagnose("schema_reference", { action: this.#action, reference: quoted(text) }),
    );
  }

  #keywords(raw: Raw, path: string): Keywords {
    const part: Keywords = {};
    this.#values(raw, path, part);
    this.#numbers(raw, path, part);
    this.#texts(raw, path, part);
    this.#inObjects(raw, path, part);
    this.#inArrays(raw, path, part);
    for (const key of PARTS) {
      if (raw[key] !== undefined) part[key] = this.#part(raw[key], `${path}/${key}`);
    }
    for (const key of LISTS) {
      const parts = this.#parts(raw, key, path);
      if (parts !== undefined && (parts.length > 0 || key === "prefixItems")) part[key] = parts;
    }
    return part;
  }

  #values(raw: Raw, path: string, part: Keywords): void {
    const { type, title, description } = raw;
    if (typeof title === "string") part.title = title;
    if (typeof description === "string") part.description = description;
    if (Object.hasOwn(raw, "default")) part.default = raw["default"];
    if (type !== undefined) {
      const types = (Array.isArray(type) ? type : [type]) as unknown[];
      this.#count(types.length);
      const known = types.filter((one) => TYPES.includes(one as string)) as string[];
      if (known.length < types.length || known.length === 0) {
        this.#wrong("type", path, type, `one of ${TYPES.join(", ")}`);
      } else part.type = [...new Set(known)];
    }
    if (Object.hasOwn(raw, "const")) {
      this.#count(sizeOf(raw["const"]));
      part.const = raw["const"];
    }
    if (raw["enum"] === undefined) return;
    if (Array.isArray(raw["enum"])) {
      this.#count(sizeOf(raw["enum"]));
      part.enum = raw["enum"];
    } else this.#wrong("enum", path, raw["enum"], "a list");
  }

  #numbers(raw: Raw, path: string, part: Keywords): void {
    for (const key of [...COUNTS, ...MORE_COUNTS]) {
      const value = raw[key];
      if (value === undefined) continue;
      if (Number.isInteger(value) && (value as number) >= 0) part[key] = value as number;
      else this.#wrong(key, path, value, KINDS.count);
    }
    for (const key of NUMBERS) {
      const value = raw[key];
      if (value === undefined) continue;
      if (typeof value === "number") part[key] = value;
      else if (typeof value !== "boolean" || !key.startsWith("exclusive")) {
        this.#wrong(key, path, value, KINDS.number);
      } else this.#exclusive(key, value, raw, part);
    }
    const { multipleOf } = raw;
    if (multipleOf === undefined) return;
    if (typeof multipleOf === "number" && multipleOf > 0) part.multipleOf = multipleOf;
    else this.#wrong("multipleOf", path, multipleOf, "a number above 0");
  }

  /** Draft 4 has `exclusiveMinimum` as a word about `minimum`. */
  #exclusive(key: string, holds: boolean, raw: Raw, part: Keywords): void {
    const bound = key === "exclusiveMinimum" ? "minimum" : "maximum";
    if (!holds || typeof raw[bound] !== "number") return;
    part[key as "exclusiveMinimum"] = raw[bound] as number;
  }

  #texts(raw: Raw, path: string, part: Keywords): void {
    const { pattern, format } = raw;
    if (typeof pattern === "string") {
      if (this.#takes(pattern, `${path}/pattern`)) part.pattern = pattern;
    } else if (pattern !== undefined) this.#wrong("pattern", path, pattern, KINDS.text);
    if (FORMATS.some((one) => one === format)) {
      part.format = format as string;
      this.#checks.push(FORMAT);
    } else if (format !== undefined && typeof format !== "string") {
      this.#wrong("format", path, format, KINDS.text);
    }
  }

  /** Reads a pattern. @returns false when it is not checked, which is told */
  #takes(source: string, path: string): boolean {
    this.#count(1 + Math.min(source.length, MOST_PARTS) / PATTERN_CHARACTERS);
    const found = this.#patterns.get(source) ?? patternOf(source);
    if (typeof found === "string") {
      const where = shown(path);
      this.#tell(diagnose("schema_pattern", { action: this.#action, path: where, why: found }));
      return false;
    }
    this.#patterns.set(source, found);
    this.#checks.push(found);
    return true;
  }

  #inObjects(raw: Raw, path: string, part: Keywords): void {
    const { required, dependencies } = raw;
    if (required !== undefined) {
      if (isNames(required)) {
        this.#count(required.length);
        part.required = required;
      } else this.#wrong("required", path, required, KINDS.names);
    }
    const properties = this.#named(raw, "properties", path);
    if (properties !== undefined) part.properties = properties;
    const patterned = this.#named(raw, "patternProperties", path, (name) =>
      this.#takes(name, `${path}/patternProperties`),
    );
    if (patterned !== undefined) part.patternProperties = patterned;
    const dependents = { ...(isObject(dependencies) ? dependencies : {}) };
    if (isObject(raw["dependentRequired"])) Object.assign(dependents, raw["dependentRequired"]);
    this.#count(Object.keys(dependents).length);
    const names = Object.entries(dependents).filter(([, value]) => isNames(value));
    if (names.length > 0) {
      for (const [, value] of names) this.#count(1 + (value as string[]).length);
      part.dependentRequired = Object.fromEntries(names) as Record<string, string[]>;
    }
    const schemas = this.#named(raw, "dependentSchemas", path);
    if (schemas !== undefined) part.dependentSchemas = schemas;
  }

  #inArrays(raw: Raw, path: string, part: Keywords): void {
    const { items, additionalItems, uniqueItems } = raw;
    // Draft 7 has the first items as a list, and the others apart.
    if (Array.isArray(items)) {
      part.prefixItems = items.map((one, at) => this.#part(one, `${path}/items/${at}`));
      if (additionalItems !== undefined) {
        part.items = this.#part(additionalItems, `${path}/additionalItems`);
      }
    } else if (items !== undefined) part.items = this.#part(items, `${path}/items`);
    if (uniqueItems === true) {
      part.uniqueItems = true;
      this.#compares = true;
    } else if (uniqueItems !== undefined && uniqueItems !== false) {
      this.#wrong("uniqueItems", path, uniqueItems, "true or false");
    }
  }

  #parts(raw: Raw, key: string, path: string): Part[] | undefined {
    const value = raw[key];
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return this.#wrong(key, path, value, KINDS.parts);
    return value.map((one, at) => this.#part(one, `${path}/${key}/${at}`));
  }

  #named(
    raw: Raw,
    key: string,
    path: string,
    takes: (name: string) => boolean = () => true,
  ): Record<string, Part> | undefined {
    const value = raw[key];
    if (value === undefined) return undefined;
    if (!isObject(value)) return this.#wrong(key, path, value, KINDS.named);
    const entries = Object.entries(value).filter(([name]) => takes(name));
    return Object.fromEntries(
      entries.map(([name, one]) => [name, this.#part(one, `${path}/${key}/${name}`)]),
    );
  }
}

function isObject(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

/** The steps of `#/$defs/a~1b`. */
function pointerOf(reference: string): string[] {
  const steps = reference.slice(1).split("/").slice(1);
  return steps.map((step) => {
    const plain = step.replaceAll("~1", "/").replaceAll("~0", "~");
    try {
      return decodeURIComponent(plain);
    } catch {
      return plain;
    }
  });
}
