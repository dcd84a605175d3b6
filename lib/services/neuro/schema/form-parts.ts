/** Parts of a schema as a form sees them: put together as far as that needs no choice. */
import { bulkOf, type Keywords, merged, type Part } from "./part.ts";

/** Counts parts that are looked at; throws when they are too many. */
type Count = (parts: number) => void;

/** A part with all that it demands as keywords of its own; null where nothing meets it. */
export function flat(part: Part, count: Count): Keywords | null {
  count(1);
  if (part === false) return null;
  if (part === true) return {};
  const { allOf, ...own } = part;
  if (allOf === undefined) return own;
  let whole: Keywords = own;
  for (const one of allOf) {
    const other = flat(one, count);
    if (other === null) return null;
    count(bulkOf(whole));
    whole = merged(whole, other);
  }
  return withOwnWords(whole, own);
}

/** Takes null out of what it may be, and says whether it was in. */
export function nullableOf(
  part: Keywords,
  count: Count,
): { readonly whole: Keywords; readonly nullable: boolean } {
  let whole = part;
  let nullable = false;
  for (const key of ["anyOf", "oneOf"] as const) {
    const { [key]: listed, ...rest } = whole;
    if (listed === undefined) continue;
    const options = listed.flatMap((one) => flat(one, count) ?? []);
    const others = options.filter((one) => !isNull(one));
    const [only] = others;
    if (only === undefined || others.length > 1) continue;
    nullable ||= options.length > 1;
    whole = withOwnWords(merged(rest, only), rest);
  }
  const { type, enum: values } = whole;
  if (type !== undefined && type.length > 1 && type.includes("null")) {
    nullable ||= values === undefined || values.includes(null);
    whole = { ...whole, type: type.filter((one) => one !== "null") };
  }
  return { whole, nullable };
}

function isNull(part: Keywords): boolean {
  if (Object.hasOwn(part, "const")) return part.const === null;
  return part.type?.length === 1 && part.type[0] === "null";
}

/** What is said here is about all of it. */
function withOwnWords(whole: Keywords, own: Keywords): Keywords {
  const words: Keywords = {};
  for (const key of ["title", "description", "default"] as const) {
    if (Object.hasOwn(own, key)) words[key] = own[key] as never;
  }
  return { ...whole, ...words };
}

/** The type that its keywords are about; "" where that can be any. */
export function inferredType(part: Keywords): string {
  const about = (...keys: (keyof Keywords)[]) => keys.some((key) => part[key] !== undefined);
  if (about("properties", "required", "minProperties")) return "object";
  if (about("items", "prefixItems", "minItems", "maxItems", "contains")) return "array";
  if (about("minLength", "maxLength", "pattern", "format")) return "string";
  const bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
  return about(...(bounds as (keyof Keywords)[])) ? "number" : "";
}

/** True if there are types and all are numbers. */
export function areNumbers(types: readonly string[]): boolean {
  return types.length > 0 && types.every((one) => one === "number" || one === "integer");
}

/** True if an object has more to it than the properties that are named. */
export function meansMore(part: Keywords, count: Count): boolean {
  const { properties = {}, required = [], additionalProperties: others } = part;
  const names = new Set([...Object.keys(properties), ...required]);
  const isMap =
    (typeof others === "object" && Object.keys(others).length > 0) ||
    part.patternProperties !== undefined ||
    part.propertyNames !== undefined ||
    (part.minProperties ?? 0) > 0;
  if (names.size === 0 && isMap) return true;
  const choices = [...(part.anyOf ?? []), ...(part.oneOf ?? [])];
  const dependents = Object.values(part.dependentSchemas ?? {});
  return [...choices, ...dependents, part.then ?? true, part.else ?? true].some((one) => {
    const found = flat(one, count);
    const more = [...Object.keys(found?.properties ?? {}), ...(found?.required ?? [])];
    return more.some((name) => !names.has(name));
  });
}
