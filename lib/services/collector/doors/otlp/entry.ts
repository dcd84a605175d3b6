import { ATTRIBUTES, Text, WrittenEntry } from "../../entry.ts";
import { Level, levelOf as levelNamed, levelText } from "../../levels.ts";
import { isoOfArrival, isoOfNanos } from "../time.ts";
import { type Attributes, noAttributes, type Value } from "../attributes.ts";
import type { OtlpRecord, ScopeLogs } from "./logs.ts";

/**
 * The attributes that have a place among the texts of an entry, by the names of
 * the semantic conventions; those of before have the one that replaced them,
 * which counts where both are there.
 */
const PLACES: Readonly<Record<string, readonly [place: number, newer?: string]>> = {
  "host.name": [Text.hostname],
  "service.name": [Text.serviceName],
  "process.pid": [Text.processId],
  "process.executable.name": [Text.processName],
  "thread.id": [Text.threadId],
  "thread.name": [Text.threadName],
  "code.function.name": [Text.functionName],
  "code.function": [Text.functionName, "code.function.name"],
  "code.file.path": [Text.pathName],
  "code.filepath": [Text.pathName, "code.file.path"],
  "code.line.number": [Text.lineNumber],
  "code.lineno": [Text.lineNumber, "code.line.number"],
  "code.namespace": [Text.module],
  "exception.stacktrace": [Text.stackTrace],
  "code.stacktrace": [Text.stackTrace, "exception.stacktrace"],
};

/** Levels by severity: four numbers each, from 1 on. */
const LEVELS = [
  Level.DEBUG,
  Level.DEBUG,
  Level.INFO,
  Level.WARNING,
  Level.ERROR,
  Level.CRITICAL,
] as const;
/** The severities that are no more than a level: the first of each four, without TRACE. */
const PLAIN: ReadonlySet<number> = new Set([5, 9, 13, 17, 21]);
/** Characters of the longest text that may name a level. */
const LONGEST_LEVEL = 32;

/** Writes records into an entry, one after the other. */
export class OtlpEntry {
  readonly entry = new WrittenEntry();
  /** What the records of a scope have in common: texts, and attributes without a place. */
  #texts: readonly (readonly [place: number, text: Buffer])[] = [];
  #common = noAttributes();
  #commonJson = "";
  /** What the records of the scope have in common: the number of attributes, and the bytes at least. */
  shared = 0;
  sharedBytes = 0;

  /** From now on records are of this scope. */
  begin({ resource, scope, scopeName }: ScopeLogs): void {
    const { entry } = this;
    entry.clear();
    if (scopeName !== "") entry.put(Text.loggerName, scopeName);
    this.#common = this.#place(resource);
    Object.assign(this.#common, this.#place(scope));
    this.#commonJson = jsonOf(this.#common);
    this.shared = Object.keys(this.#common).length;
    this.sharedBytes = entry.size + this.#commonJson.length;
    this.#texts = Object.values(Text)
      .filter((place) => entry.length(place) > 0)
      .map((place) => [
        place,
        Buffer.from(entry.bytes.subarray(entry.starts[place], entry.ends[place])),
      ]);
  }

  /** Writes a record of the scope. */
  write(record: OtlpRecord): WrittenEntry {
    const { entry } = this;
    entry.clear();
    for (const [place, text] of this.#texts) entry.copy(place, text);
    const { time, severity, severityText, body, attributes } = record;
    entry.level = levelOf(severity, severityText);
    if (time > 0n) entry.put(Text.timestamp, isoOfNanos(time));
    if (body !== null) entry.put(Text.message, textOf(body));
    const own = this.#place(attributes);
    addOwn(own, record, entry.level);
    let json = this.#commonJson;
    if (Object.keys(own).length > 0) json = jsonOf(Object.assign(own, { ...this.#common, ...own }));
    if (json !== "") entry.put(ATTRIBUTES, json);
    return entry;
  }

  /** Gives a record that tells no time that of its arrival. @param wall milliseconds since 1970 */
  arrived(wall: number): void {
    const { entry } = this;
    if (entry.length(Text.timestamp) === 0) entry.put(Text.timestamp, isoOfArrival(wall));
  }

  /** Writes the attributes that have a place among the texts. @returns the others */
  #place(attributes: Attributes): Attributes {
    const others = noAttributes();
    for (const key in attributes) {
      const value = attributes[key] as Value;
      const [place, newer] = PLACES[key] ?? [];
      if (place === undefined || typeof value === "object") others[key] = value;
      else if (newer === undefined || !(newer in attributes)) this.#put(place, String(value));
    }
    return others;
  }

  #put(place: number, text: string): void {
    this.entry.put(place, text);
    if (place !== Text.pathName) return;
    const end = Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\"));
    this.entry.put(Text.filename, text.slice(end + 1));
  }
}

/** Adds what a record has besides its attributes, under the names of OpenTelemetry's data model. */
function addOwn(
  own: Attributes,
  { severity, severityText, eventName, traceId, spanId, flags }: OtlpRecord,
  level: number,
): void {
  if (isId(traceId)) own["trace_id"] = traceId;
  if (isId(spanId)) own["span_id"] = spanId;
  if (flags !== 0) own["trace_flags"] = flags;
  if (eventName !== "") own["event_name"] = eventName;
  // Only what the level does not say already: FATAL is more than CRITICAL, and INFO2 more than INFO.
  if (!levelText(level).startsWith(severityText.toUpperCase())) own["severity_text"] = severityText;
  if (severity > 0 && !PLAIN.has(severity)) own["severity_number"] = severity;
}

/** True for an id that is not all zeros, which stands for none. */
function isId(id: string): boolean {
  return /[^0]/.test(id);
}

/** The level of a record: the name that its program gave it, if it is one, else that of its number. */
function levelOf(severity: number, text: string): number {
  const named = text.length <= LONGEST_LEVEL ? levelNamed(text) : null;
  return named ?? LEVELS[Math.floor((severity - 1) / 4)] ?? Level.NOTSET;
}

function textOf(body: Value): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

/** Attributes as a JSON object; "" when there are none. */
function jsonOf(attributes: Attributes): string {
  return Object.keys(attributes).length === 0 ? "" : JSON.stringify(attributes);
}
