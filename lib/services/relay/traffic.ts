import { beginning, contentAsJson, endOfString } from "../../host/content.ts";
import type { LogLines } from "../../host/log.ts";

/** Characters of a line's content that are logged: a line may be long, and the disk slower than the network. */
const LOGGED_CHARACTERS = 4096;

/** Logs relayed lines, or the fields of them that may be logged. */
export class Traffic {
  readonly #log: LogLines;
  #keys: readonly string[] | null;

  /** @param keys fields of a line that are logged: null for the whole line, [] for no content at all */
  constructor(log: LogLines, keys: readonly string[] | null) {
    this.#log = log;
    this.#keys = keys;
  }

  configure(keys: readonly string[] | null): void {
    this.#keys = keys;
  }

  /** True while relayed lines are logged. */
  get wanted(): boolean {
    return this.#log.takesRecords;
  }

  /** Logs the lines in whole envelopes. */
  addEnvelopes(text: string): void {
    if (!this.wanted) return;
    for (const line of text.trimEnd().split("\n")) {
      const { remote_addr, content } = JSON.parse(line) as Record<string, string>;
      this.add(remote_addr as string, content as string);
    }
  }

  /** Logs one relayed line. `content` is as the client sent it, without its newline. */
  add(address: string, content: string): void {
    const keys = this.#keys;
    this.#log.record(
      () => {
        const kept = loggedOf(content, keys);
        return kept ? `${address} ${kept}` : address;
      },
      () => {
        const kept = loggedOf(content, keys);
        const field = kept === undefined ? "" : `,"content":${contentAsJson(kept)}`;
        return `{"remote_addr":${JSON.stringify(address)}${field}}`;
      },
    );
  }
}

/** What is logged of a line's content; undefined for none. */
function loggedOf(content: string, keys: readonly string[] | null): string | undefined {
  const kept = prune(content, keys);
  return kept === undefined ? undefined : beginning(kept, LOGGED_CHARACTERS);
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

const QUOTE = 0x22;
const BARE = /-?\bInfinity\b|\bNaN\b/g;

/** Puts quotes around Python's bare NaN and Infinity, which are not JSON, so that the other fields can still be read. */
function quoteBareNumbers(text: string): string {
  let quoted = "";
  for (let at = 0; at < text.length;) {
    if (text.charCodeAt(at) === QUOTE) {
      const end = endOfString(text, at);
      quoted += text.slice(at, end);
      at = end;
    } else {
      const next = text.indexOf('"', at);
      const end = next < 0 ? text.length : next;
      quoted += text.slice(at, end).replace(BARE, '"$&"');
      at = end;
    }
  }
  return quoted;
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
