import { nearest } from "../../../config/nearest.ts";
import { type Diagnostic, diagnose, shown } from "../diagnostics.ts";
import type { Action } from "../protocol.ts";

/** Keywords that the protocol's own text calls not well supported. */
const UNSUPPORTED = new Set([
  "$anchor",
  "$comment",
  "$defs",
  "$dynamicAnchor",
  "$dynamicRef",
  "$id",
  "$ref",
  "$schema",
  "$vocabulary",
  "additionalProperties",
  "allOf",
  "anyOf",
  "contentEncoding",
  "contentMediaType",
  "contentSchema",
  "dependentRequired",
  "dependentSchemas",
  "deprecated",
  "description",
  "else",
  "if",
  "maxProperties",
  "minProperties",
  "multipleOf",
  "not",
  "oneOf",
  "patternProperties",
  "readOnly",
  "then",
  "title",
  "unevaluatedItems",
  "unevaluatedProperties",
  "writeOnly",
]);

/** Keywords whose value is an object of schemas by names, which are no keywords. */
const NAMED = new Set([
  "properties",
  "patternProperties",
  "$defs",
  "definitions",
  "dependencies",
  "dependentSchemas",
]);
/** Keywords whose values are no schemas. */
const PLAIN = new Set(["enum", "const", "default", "examples", "required", "dependentRequired"]);

/** What is neither unsupported nor doubtful. */
const SUPPORTED = [
  "additionalItems",
  "const",
  "contains",
  "default",
  "definitions",
  "dependencies",
  "enum",
  "examples",
  "exclusiveMaximum",
  "exclusiveMinimum",
  "format",
  "items",
  "maxContains",
  "maxItems",
  "maxLength",
  "maximum",
  "minContains",
  "minItems",
  "minLength",
  "minimum",
  "pattern",
  "prefixItems",
  "properties",
  "propertyNames",
  "required",
  "type",
  "uniqueItems",
];
/** Those of drafts that are older or seldom seen. */
const OTHERS = ["$recursiveAnchor", "$recursiveRef", "id"];
const KEYWORDS = new Set([...UNSUPPORTED, ...SUPPORTED, ...OTHERS]);

const MOST_REMARKS = 20;
/** Unknown words of one schema that are compared with the known ones. */
const MOST_COMPARED = 50;

/** What is to be known of an action's schema as it is written. */
export function remarksOn({ name, schema }: Action): readonly Diagnostic[] {
  if (schema === null) return [];
  const action = shown(name);
  const found: Diagnostic[] = [];
  const { type } = schema;
  if (type !== "object") {
    const isObject = type === undefined || (Array.isArray(type) && type.includes("object"));
    const written = type === undefined ? "no type" : shown(JSON.stringify(type));
    found.push(diagnose(isObject ? "schema_untyped" : "schema_root", { action, found: written }));
  }
  let compared = 0;
  const unknown = (keyword: string, value: unknown, path: string): void => {
    const isSchema = typeof value === "object" && value !== null && !Array.isArray(value);
    const meant = compared++ < MOST_COMPARED ? nearest(keyword, SUPPORTED) : undefined;
    if (meant === undefined && !isSchema) return;
    const hint = meant ? `Did you mean ${meant}?` : HINT;
    const where = { action, keyword: shown(keyword), path: shown(path) || "/", hint };
    found.push(diagnose("unknown_keyword", where));
  };
  const walk = (value: unknown, path: string, isNames: boolean): void => {
    if (typeof value !== "object" || value === null || found.length >= MOST_REMARKS) return;
    for (const [key, one] of Object.entries(value)) {
      const isKeyword = !isNames && !Array.isArray(value);
      if (isKeyword && (UNSUPPORTED.has(key) || key === "uniqueItems")) {
        const isDoubtful = key === "uniqueItems" || (key === "description" && path !== "");
        const where = { action, keyword: key, path: shown(path) || "/" };
        found.push(diagnose(isDoubtful ? "doubtful_keyword" : "unsupported_keyword", where));
      }
      if (isKeyword && !KEYWORDS.has(key)) unknown(key, one, path);
      else if (!isKeyword || !PLAIN.has(key))
        walk(one, `${path}/${key}`, isKeyword && NAMED.has(key));
    }
  };
  walk(schema, "", false);
  return found.slice(0, MOST_REMARKS);
}

const HINT = "Put the properties of the data into properties.";
