/** Says in words of ours what a validator has found: its own speak of instances and subschemas. */
import { beginning, endOfString } from "../../../host/content.ts";
import type { Keywords } from "./part.ts";
import { kindsOf } from "./wanted.ts";

/** What a validator says of one keyword that is not met. */
export interface Unit {
  readonly keyword: string;
  /** Pointers, as `#/properties/to/enum` and `#/to`. */
  readonly keywordLocation: string;
  readonly instanceLocation: string;
  readonly error: string;
}

/** Options that are named in a sentence, and characters of a value that are. */
const MOST_NAMED = 10;
const MOST_SHOWN = 60;

/** One sentence without its end, after the place: `/to: found 9; wanted one of 1, 2, 3`. */
export function sentenceOf(unit: Unit, schema: unknown, data: unknown): string {
  const place = unit.instanceLocation.slice(1) || "/";
  const rule = valueAt(schema, unit.keywordLocation);
  const value = valueAt(data, unit.instanceLocation);
  const wanted = wantedBy(unit, rule);
  if (wanted !== null) return `${place}: found ${shownJson(value)}; wanted ${wanted}`;
  return `${place}: ${toldOf(unit, value) ?? unit.error.replace(/\.$/, "")}`;
}

function wantedBy({ keyword }: Unit, rule: unknown): string | null {
  switch (keyword as keyof Keywords | "false") {
    case "enum": {
      const options = rule as readonly unknown[];
      const named = options.slice(0, MOST_NAMED).map(shownJson).join(", ");
      const more = options.length - MOST_NAMED;
      return `${options.length === 1 ? "" : "one of "}${named}${more > 0 ? ` and ${more} more` : ""}`;
    }
    case "const":
      return shownJson(rule);
    case "type":
      return kindsOf([rule].flat() as readonly string[]).join(" or ");
    case "minimum":
      return `${rule} or more`;
    case "maximum":
      return `${rule} or less`;
    case "exclusiveMinimum":
      return `more than ${rule}`;
    case "exclusiveMaximum":
      return `less than ${rule}`;
    case "multipleOf":
      return `a multiple of ${rule}`;
    case "minLength":
      return `a text of at least ${counted(rule, "character")}`;
    case "maxLength":
      return `a text of at most ${counted(rule, "character")}`;
    case "pattern":
      return `a text that matches ${rule}`;
    case "format":
      return `a text of the format ${rule}`;
    case "minItems":
      return `a list of at least ${counted(rule, "item")}`;
    case "maxItems":
      return `a list of at most ${counted(rule, "item")}`;
    case "uniqueItems":
      return "a list without anything twice";
    case "minProperties":
      return `at least ${counted(rule, "key")}`;
    case "maxProperties":
      return `at most ${counted(rule, "key")}`;
    case "not":
      return "something else";
    default:
      return null;
  }
}

function toldOf({ keyword, error }: Unit, value: unknown): string | null {
  const [first = "", second = ""] = quotedIn(error);
  switch (keyword) {
    case "required":
      return `"${first}" is missing`;
    case "dependentRequired":
      return `"${first}" is there, and "${second}" is missing`;
    case "oneOf":
      if (!error.includes("(0 ")) {
        return `found ${shownJson(value)}, which fits more than one of what it may be`;
      }
    // falls through
    case "anyOf":
      return `found ${shownJson(value)}, which fits none of what it may be`;
    case "false":
      return `found ${shownJson(value)} where nothing may be`;
    default:
      return null;
  }
}

/** The first two texts in quotes in what a validator says; they may be names of a schema, of any length. */
function quotedIn(error: string): readonly string[] {
  const found: string[] = [];
  for (let at = error.indexOf('"'); at >= 0 && found.length < 2;) {
    const end = endOfString(error, at);
    if (end - at < 2 || error[end - 1] !== '"') break;
    found.push(error.slice(at + 1, end - 1));
    at = error.indexOf('"', end);
  }
  return found;
}

function shownJson(value: unknown): string {
  return beginning(JSON.stringify(value) ?? "nothing", MOST_SHOWN);
}

function counted(count: unknown, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** Finds what a pointer of the validator leads to. */
function valueAt(whole: unknown, pointer: string): unknown {
  let found = whole;
  for (const step of stepsOf(pointer)) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, step))
      return undefined;
    found = (found as Readonly<Record<string, unknown>>)[step];
  }
  return found;
}

/** The steps of `#/options/a~1b`, as a validator has them; those that do not read stay as they are. */
export function stepsOf(pointer: string): string[] {
  const steps = pointer.split("/").slice(1);
  return steps.map((step) => {
    try {
      return decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
    } catch {
      return step;
    }
  });
}
