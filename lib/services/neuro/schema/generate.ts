/** Makes data for a schema, for a brain that plays by chance and for the first content of a form. */
import { turn } from "../../../net/tcp/quiet.ts";
import { type Diagnostic, diagnose, shown } from "../diagnostics.ts";
import type { Action } from "../protocol.ts";
import type { Random } from "../random.ts";
import { bulkOf, type Keywords, merged, type Part } from "./part.ts";
import { MOST_STEPS, type Pattern } from "./pattern.ts";
import { MOST_DATA_BYTES } from "./resolve.ts";
import { type DataRules, MOST_WORK, rulesOf } from "./rules.ts";
import { sizeOf } from "./size.ts";
import { words } from "./words.ts";

/** Values that may be made for one piece of data, tries that failed included. */
const MOST_VALUES = 50_000;
const MOST_TRIES = 20;
/** A list has so many items more than it must, at most. */
const MORE_ITEMS = 2;

/** Data that an action may be sent with; undefined for an action without data. */
export type Made = { readonly data: object | undefined } | Diagnostic;

/** Makes data for an action, the same each time for the same random numbers. */
export async function generate(action: Action, random: Random): Promise<Made> {
  const rules = rulesOf(action);
  if (rules === null) return { data: undefined };
  return "code" in rules ? rules : dataFor(action, rules, random);
}

async function dataFor(action: Action, rules: DataRules, random: Random): Promise<Made> {
  const { part, size, patterns } = rules.resolved;
  const name = shown(action.name);
  const maker = new Maker(random, patterns);
  let why = "its parts contradict each other";
  let work = 0;
  try {
    for (let i = 0; i < MOST_TRIES && work < 2 * MOST_WORK; i++) {
      const data = maker.object(part);
      if (data === null) continue;
      const problems = await rules.problemsOf(data);
      if (problems.length === 0) return { data };
      why = shown((problems[0] as string).replace(/\.$/, ""));
      work += size * sizeOf(data);
      // Others have their turn before the next try.
      await turn();
    }
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    const most = `${MOST_DATA_BYTES / 2 ** 20} MB`;
    return diagnose("schema_large", { action: name, most });
  }
  return diagnose("schema_unmet", { action: name, why });
}

class TooLarge extends Error {}
/** Nothing meets a part. */
class Unmet extends Error {}

class Maker {
  readonly #random: Random;
  readonly #patterns: ReadonlyMap<string, Pattern>;
  /** Values made so far, in all tries. */
  #made = 0;
  /** Bytes of this try. */
  #bytes = 0;
  /** Steps that names took to be looked up, in all tries. */
  #steps = 0;

  constructor(random: Random, patterns: ReadonlyMap<string, Pattern>) {
    this.#random = random;
    this.#patterns = patterns;
  }

  /** An object, as data always is; null when this try came to nothing. @throws TooLarge */
  object(part: Part): object | null {
    this.#bytes = 0;
    try {
      const found = this.#value(part === true ? { type: ["object"] } : part, "object");
      return typeof found === "object" && !Array.isArray(found) ? found : null;
    } catch (error) {
      if (error instanceof Unmet) return null;
      throw error;
    }
  }

  /** @param meant the type to choose where several are allowed */
  #value(part: Part, meant?: string): unknown {
    this.#spend(1);
    if (part === false) throw new Unmet();
    if (part === true) return this.#anything();
    const whole = this.#chosen(part);
    if (Object.hasOwn(whole, "const")) return this.#counted(whole.const);
    if (whole.enum !== undefined) {
      if (whole.enum.length === 0) throw new Unmet();
      return this.#counted(this.#random.pick(whole.enum));
    }
    const type = this.#typeOf(whole, meant);
    switch (type) {
      case "object":
        return this.#object(whole);
      case "array":
        return this.#list(whole);
      case "string":
        return this.#text(whole);
      case "integer":
      case "number":
        return this.#number(whole, type === "integer");
      case "boolean":
        return this.#random.chance(0.5);
      default:
        return null;
    }
  }

  /** The part with all that it demands, and one of what it lets choose, as keywords of its own. */
  #chosen(part: Keywords): Keywords {
    let whole: Keywords = part;
    const add = (other: Part) => {
      if (other === false) throw new Unmet();
      if (other === true) return;
      this.#spend(bulkOf(whole));
      whole = merged(whole, this.#chosen(other));
    };
    const { allOf = [], anyOf, oneOf, if: condition, then = true, else: otherwise = true } = part;
    for (const one of allOf) add(one);
    for (const options of [anyOf, oneOf]) {
      if (options === undefined) continue;
      const possible = options.filter((one) => one !== false);
      if (possible.length === 0) throw new Unmet();
      add(this.#random.pick(possible));
    }
    if (condition !== undefined) {
      if (condition !== false && this.#random.chance(0.5)) {
        add(condition);
        add(then);
      } else add(otherwise);
    }
    return whole;
  }

  #typeOf(part: Keywords, meant: string | undefined): string {
    const { type } = part;
    if (type !== undefined) {
      if (type.length === 0) throw new Unmet();
      return meant !== undefined && type.includes(meant) ? meant : this.#random.pick(type);
    }
    if (meant !== undefined) return meant;
    if (part.properties || part.required || part.minProperties) return "object";
    if (part.items !== undefined || part.prefixItems || part.minItems || part.contains)
      return "array";
    const isNumber = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
    if (isNumber.some((key) => Object.hasOwn(part, key))) return "number";
    return "string";
  }

  #anything(): unknown {
    return this.#random.chance(0.5) ? this.#text({}) : this.#random.whole(0, 9);
  }

  #counted<T>(value: T): T {
    this.#count(JSON.stringify(value).length);
    return value;
  }

  #spend(values: number): void {
    this.#made += values;
    if (this.#made > MOST_VALUES) throw new TooLarge();
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > MOST_DATA_BYTES) throw new TooLarge();
  }

  // --- objects

  #object(part: Keywords): object {
    const { properties = {}, required = [], dependentRequired = {} } = part;
    const { minProperties = 0, maxProperties = Infinity } = part;
    const names = new Set(required);
    // What an optional part cannot be, it is not.
    const optional = Object.keys(properties).filter(
      (name) => properties[name] !== false && !names.has(name),
    );
    for (const name of optional) {
      if (names.size < maxProperties && this.#random.chance(0.5)) names.add(name);
    }
    for (const name of names) for (const other of dependentRequired[name] ?? []) names.add(other);
    for (const name of optional) if (names.size < minProperties) names.add(name);
    while (names.size < minProperties) {
      this.#spend(1);
      names.add(this.#newName(part, names.size));
    }
    const entries: [string, unknown][] = [];
    for (const name of names) {
      this.#count(name.length + 4);
      entries.push([name, this.#value(this.#partOf(part, name))]);
    }
    return Object.fromEntries(entries);
  }

  #newName({ patternProperties = {}, propertyNames }: Keywords, at: number): string {
    const pattern = Object.keys(patternProperties)[0];
    if (propertyNames !== undefined && propertyNames !== true) {
      const name = this.#value(propertyNames, "string");
      if (typeof name === "string") return name;
    }
    const made = pattern && this.#patterns.get(pattern)?.make(this.#random);
    this.#count(made?.length ?? 0);
    return made ?? `key${at}`;
  }

  #partOf(part: Keywords, name: string): Part {
    const own = part.properties;
    if (own !== undefined && Object.hasOwn(own, name)) return own[name] as Part;
    for (const [pattern, one] of Object.entries(part.patternProperties ?? {})) {
      this.#spend(1);
      this.#steps += this.#patterns.get(pattern)?.steps(name.length) ?? 0;
      if (this.#steps > MOST_STEPS) throw new TooLarge();
      if (RegExp(pattern, "u").test(name)) return one;
    }
    return part.additionalProperties ?? part.unevaluatedProperties ?? true;
  }

  // --- lists

  #list(part: Keywords): unknown[] {
    const {
      prefixItems = [],
      items,
      contains,
      minContains = contains === undefined ? 0 : 1,
    } = part;
    const least = Math.max(part.minItems ?? 0, minContains);
    const rest = items ?? part.unevaluatedItems ?? true;
    let most = part.maxItems ?? Infinity;
    if (rest === false) most = Math.min(most, prefixItems.length);
    if (least > most) throw new Unmet();
    const wanted = Math.max(least, items === undefined ? prefixItems.length : 1);
    const count = Math.min(most, this.#random.whole(least, wanted + MORE_ITEMS));
    const list: unknown[] = [];
    const seen = part.uniqueItems ? new Set<string>() : null;
    while (list.length < count) {
      const at = list.length;
      const one = at < minContains && contains !== undefined ? contains : rest;
      const item = this.#value(prefixItems[at] ?? one);
      this.#count(2);
      if (seen !== null) {
        const text = JSON.stringify(item);
        if (seen.has(text) && seen.size >= least) break;
        if (seen.has(text)) continue;
        seen.add(text);
      }
      list.push(item);
    }
    return list;
  }

  // --- texts and numbers

  #text({ minLength = 0, maxLength = Infinity, pattern, format }: Keywords): string {
    if (minLength > maxLength) throw new Unmet();
    this.#count(minLength + 2);
    const made =
      pattern !== undefined
        ? this.#patterns.get(pattern)?.make(this.#random)
        : format !== undefined
          ? SAMPLES[format]?.(this.#random)
          : undefined;
    if (made !== undefined) {
      this.#count(made.length);
      return made;
    }
    const least = Math.max(minLength, Math.min(maxLength, 1));
    const text = words(this.#random, least);
    this.#count(text.length);
    return text.slice(0, maxLength);
  }

  #number(part: Keywords, isWhole: boolean): number {
    const { minimum = -Infinity, maximum = Infinity, multipleOf } = part;
    const step = multipleOf ?? (isWhole ? 1 : 0);
    const { exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity } = part;
    let low = Math.max(minimum, exclusiveMinimum);
    let high = Math.min(maximum, exclusiveMaximum);
    if (low > high) throw new Unmet();
    if (low === -Infinity) low = high === Infinity ? 0 : high - 100 * (step || 1);
    if (high === Infinity) high = low + 100 * (step || 1);
    if (step === 0) {
      const number = low + this.#random.next() * (high - low);
      // Two digits read better, where they fit.
      const rounded = Math.round(number * 100) / 100;
      return rounded > low && rounded < high ? rounded : number;
    }
    const first =
      Math.ceil(low / step) + (Math.ceil(low / step) * step <= exclusiveMinimum ? 1 : 0);
    const last =
      Math.floor(high / step) - (Math.floor(high / step) * step >= exclusiveMaximum ? 1 : 0);
    if (first > last) throw new Unmet();
    const number = this.#random.whole(first, last) * step;
    // 3 * 0.1 is a little more than 0.3.
    const digits = (String(step).split(".")[1] ?? "").length;
    return digits > 0 && digits < 16 ? Number(number.toFixed(digits)) : number;
  }
}

const two = (random: Random, min: number, max: number) =>
  String(random.whole(min, max)).padStart(2, "0");
const date = (random: Random) =>
  `20${two(random, 10, 29)}-${two(random, 1, 12)}-${two(random, 1, 28)}`;
const time = (random: Random) =>
  `${two(random, 0, 23)}:${two(random, 0, 59)}:${two(random, 0, 59)}Z`;
const hex = (random: Random, digits: number) =>
  Array.from({ length: digits }, () => random.whole(0, 15).toString(16)).join("");

/** A text of each format. */
const SAMPLES: Readonly<Record<string, (random: Random) => string>> = {
  date,
  time,
  "date-time": (random) => `${date(random)}T${time(random)}`,
  email: (random) => `player${random.whole(1, 99)}@example.com`,
  hostname: (random) => `host${random.whole(1, 99)}.example.com`,
  ipv4: (random) => `192.0.2.${random.whole(1, 254)}`,
  ipv6: (random) => `2001:db8::${hex(random, 4)}`,
  uri: (random) => `https://example.com/${random.whole(1, 99)}`,
  uuid: (random) =>
    `${hex(random, 8)}-${hex(random, 4)}-4${hex(random, 3)}-a${hex(random, 3)}-${hex(random, 12)}`,
};
