import type { Call } from "./said.ts";

/** Places in a text where a JSON object may begin that are looked at. */
const MOST_OBJECTS = 20;
/** Characters of a text that are looked at. */
const MOST_TEXT = 100_000;
/** The longest text that may be the name of an action and nothing else. */
const MOST_NAME = 200;
/** The keys by which models name an action, and its data, where they write a call as text. */
const NAMES = ["name", "action", "tool", "function"];
const DATA = ["arguments", "parameters", "data", "params", "input", "args"];

/** A text without what a model has thought aloud before it. */
export function withoutThoughts(text: string): string {
  const end = text.lastIndexOf("</think>");
  if (end >= 0) return text.slice(end + "</think>".length).trim();
  const begin = text.indexOf("<think>");
  return (begin >= 0 ? text.slice(0, begin) : text).trim();
}

/**
 * The call that a model has written as text instead of making it: JSON on its own,
 * in a fence or between words; or null when there is none.
 * @param isAction tells the names of actions
 * @param only the name of the one action there is, whose data may stand alone; or null
 */
export function callIn(
  text: string,
  isAction: (name: string) => boolean,
  only: string | null,
): Call | null {
  let other: Call | null = null;
  let data: Call | null = null;
  for (const found of objectsIn(text.slice(0, MOST_TEXT))) {
    const call = callOf(found);
    if (call !== null && isAction(call.name)) return call;
    other ??= call;
    const isCall = call !== null && DATA.some((key) => Object.hasOwn(found, key));
    if (only !== null && !isCall) data ??= { name: only, data: JSON.stringify(found) };
  }
  const word = text.length > MOST_NAME ? "" : text.replace(/^[`"'\s]+|[`"'.()\s]+$/g, "");
  if (isAction(word)) return { name: word, data: "" };
  return data ?? other;
}

/** The call that an object stands for. */
function callOf(found: object): Call | null {
  const fields = found as Readonly<Record<string, unknown>>;
  for (const key of NAMES) {
    const value = fields[key];
    // The form of the protocol itself: {"function": {"name": ..., "arguments": ...}}.
    if (typeof value === "object" && value !== null && key === "function") {
      const inner = value as Readonly<Record<string, unknown>>;
      if (typeof inner["name"] === "string") return { name: inner["name"], data: dataOf(inner) };
    }
    if (typeof value === "string") return { name: value, data: dataOf(fields) };
  }
  return null;
}

function dataOf(fields: Readonly<Record<string, unknown>>): string {
  for (const key of DATA) {
    const value = fields[key];
    if (typeof value === "string") return value;
    if (typeof value === "object" && value !== null) return JSON.stringify(value);
  }
  return "";
}

/** The JSON objects that stand in a text, in order. */
function* objectsIn(text: string): Generator<object> {
  let from = 0;
  for (let looked = 0; looked < MOST_OBJECTS; looked++) {
    const begin = text.indexOf("{", from);
    if (begin < 0) return;
    const end = endOf(text, begin);
    const found = end < 0 ? null : parsed(text.slice(begin, end));
    if (found !== null) yield found;
    from = found === null ? begin + 1 : end;
  }
}

/** Behind the brace that closes the one at `begin`; -1 when none does. */
function endOf(text: string, begin: number): number {
  let depth = 0;
  let isText = false;
  for (let at = begin; at < text.length; at++) {
    const sign = text[at];
    if (isText) {
      if (sign === "\\") at++;
      else if (sign === '"') isText = false;
    } else if (sign === '"') isText = true;
    else if (sign === "{") depth++;
    else if (sign === "}" && --depth === 0) return at + 1;
  }
  return -1;
}

function parsed(text: string): object | null {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" ? found : null;
  } catch {
    return null;
  }
}
