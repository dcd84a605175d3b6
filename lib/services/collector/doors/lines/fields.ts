import type { Config } from "../../../../config/table.ts";
import { exceeds } from "../../../../host/content.ts";
import { type Attributes, MOST_VALUES, type Value } from "../attributes.ts";
import { ATTRIBUTES, Text, type TextName, WrittenEntry } from "../../entry.ts";
import { Level, levelOf, SEVERITIES } from "../../levels.ts";
import { isoOfArrival, isoOfNumber } from "../time.ts";

type LineKeys = Config["collector"]["line_keys"];

/** The texts that keys are mapped to, and the settings that name the keys. */
const TEXTS: readonly (readonly [name: keyof LineKeys, text: TextName])[] = [
  ["timestamp", "timestamp"],
  ["message", "message"],
  ["hostname", "hostname"],
  ["logger", "loggerName"],
  ["process", "processId"],
  ["service", "serviceName"],
  ["filename", "filename"],
  ["function", "functionName"],
  ["line", "lineNumber"],
  ["stack", "stackTrace"],
];

/** How deep a line may be nested. */
const MOST_LEVELS = 64;
const BRACE = 0x7b;
/** Characters of the longest text that may name a level. */
const LONGEST_LEVEL = 32;
/** Reads lines into an entry: those that are JSON objects by their keys, all others as the message. */
export class LineReader {
  readonly entry = new WrittenEntry();
  #keys: LineKeys;

  constructor(keys: LineKeys) {
    this.#keys = keys;
  }

  configure(keys: LineKeys): void {
    this.#keys = keys;
  }

  /**
   * @param sender the address that it came from, for a line that names no host
   * @param wall milliseconds since 1970, for one that names no time
   * @returns false for one that begins as an object and is none: then it is the message, as it came
   */
  read(bytes: Buffer, start: number, end: number, sender: string, wall: number): boolean {
    const { entry } = this;
    entry.clear();
    const object = bytes[start] === BRACE ? objectIn(bytes.toString("utf8", start, end)) : null;
    if (object === null) entry.copy(Text.message, bytes, start, end);
    else this.#readObject(object);
    if (entry.length(Text.hostname) === 0) entry.put(Text.hostname, sender);
    if (entry.length(Text.timestamp) === 0) entry.put(Text.timestamp, isoOfArrival(wall));
    return object !== null || bytes[start] !== BRACE;
  }

  #readObject(object: Attributes): void {
    const { entry } = this;
    for (const [name, text] of TEXTS) {
      const found = taken(object, this.#keys[name], (value) => textOf(value, text));
      if (found !== null) entry.put(Text[text], found);
    }
    entry.level = taken(object, this.#keys.level, levelIn) ?? Level.NOTSET;
    const rest = JSON.stringify(object);
    if (rest !== "{}") entry.put(ATTRIBUTES, rest);
  }
}

function objectIn(line: string): Attributes | null {
  if (exceeds(line, MOST_LEVELS, MOST_VALUES)) return null;
  try {
    return JSON.parse(line) as Attributes;
  } catch {
    return null;
  }
}

/** Takes the value of the first of these keys whose value fits out of an object; null when none does. */
function taken<T>(
  object: Attributes,
  keys: readonly string[],
  read: (value: Value) => T | null,
): T | null {
  for (const key of keys) {
    const dot = key.indexOf(".");
    const inner = dot > 0 && !Object.hasOwn(object, key) ? object[key.slice(0, dot)] : null;
    const isInner = typeof inner === "object" && inner !== null;
    const owner = isInner ? (inner as Attributes) : object;
    const name = isInner ? key.slice(dot + 1) : key;
    const found = Object.hasOwn(owner, name) ? read(owner[name] as Value) : null;
    if (found === null) continue;
    delete owner[name];
    return found;
  }
  return null;
}

/** A value that can be a text of an entry; null for any other. */
function textOf(value: Value, text: TextName): string | null {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return text === "message" ? String(value) : null;
  if (typeof value !== "number") return null;
  return text === "timestamp" ? isoOfNumber(value) : String(value);
}

/** The level that a value means: a name, a number from 8 on as pino and bunyan have it, or a severity of syslog. */
function levelIn(value: Value): number | null {
  if (typeof value === "string") return value.length > LONGEST_LEVEL ? null : levelOf(value);
  if (typeof value !== "number") return null;
  if (value < SEVERITIES.length) return SEVERITIES[value] ?? null;
  if (value < 30) return Level.DEBUG;
  if (value < 40) return Level.INFO;
  if (value < 50) return Level.WARNING;
  return value < 60 ? Level.ERROR : Level.CRITICAL;
}
