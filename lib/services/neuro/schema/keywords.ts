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
  "dependentSchemas",
]);
/** Keywords whose values are no schemas. */
const PLAIN = new Set(["enum", "const", "default", "examples", "required", "dependentRequired"]);

const MOST_REMARKS = 20;

/** What is to be known of an action's schema as it is written. */
export function remarksOn({ name, schema }: Action): readonly Diagnostic[] {
  if (schema === null) return [];
  const action = shown(name);
  const found: Diagnostic[] = [];
  const { type } = schema;
  if (type === undefined) found.push(diagnose("schema_untyped", { action }));
  else if (type !== "object") {
    found.push(diagnose("schema_root", { action, found: shown(JSON.stringify(type)) }));
  }
  const walk = (value: unknown, path: string, isNames: boolean): void => {
    if (typeof value !== "object" || value === null || found.length >= MOST_REMARKS) return;
    for (const [key, one] of Object.entries(value)) {
      const isKeyword = !isNames && !Array.isArray(value);
      if (isKeyword && (UNSUPPORTED.has(key) || key === "uniqueItems")) {
        const isDoubtful = key === "uniqueItems" || (key === "description" && path !== "");
        const where = { action, keyword: key, path: shown(path) || "/" };
        found.push(diagnose(isDoubtful ? "doubtful_keyword" : "unsupported_keyword", where));
      }
      if (!isKeyword || !PLAIN.has(key)) walk(one, `${path}/${key}`, isKeyword && NAMED.has(key));
    }
  };
  walk(schema, "", false);
  return found.slice(0, MOST_REMARKS);
}
