/** What of a client's text may stand in a log, and how. */

// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g;

/** A client chooses the text: on a terminal its control characters would be commands, and its newlines forged lines. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (character) =>
    character === "\n" ? "\\n" : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** JSON text on one line, without the control characters that JSON allows bare. */
export function oneLine(json: string): string {
  // oxlint-disable-next-line no-control-regex
  return json.replace(/[\r\n\x7f-\x9f]/g, (character) =>
    character < " " ? " " : `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}

/** The content of a relayed line as JSON: itself when it is JSON, so that integers of any size survive. */
export function contentAsJson(content: string): string {
  try {
    JSON.parse(content);
    return oneLine(content);
  } catch {
    return oneLine(JSON.stringify(content));
  }
}

// In the language and in Bun, but not yet in TypeScript's library.
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON(source: string): object;
  isRawJSON(value: unknown): boolean;
};
type SourceReviver = (key: string, value: unknown, context: { source: string }) => unknown;

/** Parses JSON and keeps every number as it was written. */
function parseKeepingNumbers(text: string): unknown {
  const reviver: SourceReviver = (_key, value, { source }) =>
    typeof value === "number" ? rawJSON(source) : value;
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
}

/** Python writes these bare, which is not JSON: as strings they hide nothing else. */
function quoteBareNumbers(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/gs, (found) =>
    found[0] === '"' ? found : `"${found}"`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isRawJSON(value);
}

/**
 * The part of a relayed line that `keys` allows, as JSON text: inside `_payload`
 * and `_type` of a typed envelope, else at the top of an object. Undefined when
 * no content may be logged.
 */
export function prune(content: string, keys: readonly string[] | null): string | undefined {
  if (keys === null) return content;
  if (keys.length === 0) return undefined;
  let value: unknown;
  try {
    try {
      value = parseKeepingNumbers(content);
    } catch {
      value = parseKeepingNumbers(quoteBareNumbers(content));
    }
    if (!isObject(value)) return undefined;
    const typed = Object.hasOwn(value, "_payload") || Object.hasOwn(value, "_type");
    if (!typed) return JSON.stringify(pick(value, keys));
    const parts = pick(value, ["_payload", "_type"]);
    for (const part in parts) {
      const inner = parts[part];
      if (isObject(inner)) parts[part] = pick(inner, keys);
      else delete parts[part];
    }
    return JSON.stringify(parts);
  } catch {
    return undefined;
  }
}

function pick(from: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  const kept: Record<string, unknown> = Object.create(null);
  for (const key of keys) if (Object.hasOwn(from, key)) kept[key] = from[key];
  return kept;
}
