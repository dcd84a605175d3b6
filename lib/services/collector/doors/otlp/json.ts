import { endOfString, exceeds } from "../../../../host/content.ts";
import { type Attributes, MOST_VALUES, noAttributes, type Value } from "../attributes.ts";
import { BadMessage } from "../proto/fields.ts";
import {
  doubleValue,
  type Logs,
  MOST_LEVELS,
  noRecords,
  type OtlpRecord,
  type ScopeLogs,
  ValueCount,
  wholeValue,
} from "./logs.ts";

// The same messages as JSON: names in camel case, ids in hexadecimal, numbers of 64 bits as texts
// (opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding").

/** How deep lists and objects may be nested: a value within another one takes four levels. */
const MOST_NESTED = 4 * MOST_LEVELS + 16;
/** The names of the fields that are read, and of those that may well be there. */
const KNOWN: ReadonlySet<string> = new Set(
  "resourceLogs resource attributes droppedAttributesCount entityRefs schemaUrl scopeLogs scope name version logRecords timeUnixNano observedTimeUnixNano severityNumber severityText body eventName traceId spanId flags key value stringValue bytesValue boolValue intValue doubleValue arrayValue kvlistValue values".split(
    " ",
  ),
);
const LONGEST_KNOWN = Math.max(...[...KNOWN].map(({ length }) => length));
const COLON = 0x3a;
const SPACES = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** True if a JSON text has many fields of other names: each new name costs the parser a hundred times what a known one does. */
function hasManyUnknown(text: string): boolean {
  let unknown = 0;
  for (let quote = text.indexOf('"'); quote >= 0;) {
    const end = endOfString(text, quote);
    let next = end;
    while (SPACES.has(text.charCodeAt(next))) next++;
    if (text.charCodeAt(next) === COLON && !isKnown(text, quote + 1, end - 1)) unknown++;
    if (unknown > MOST_VALUES) return true;
    quote = text.indexOf('"', next);
  }
  return false;
}

function isKnown(text: string, start: number, end: number): boolean {
  return end - start <= LONGEST_KNOWN && KNOWN.has(text.slice(start, end));
}

type Found = Readonly<Record<string, unknown>>;

/** The logs of an `ExportLogsServiceRequest` in JSON. @throws BadMessage */
export function jsonLogs(request: Buffer): Logs {
  const text = request.toString("utf8");
  if (exceeds(text, MOST_NESTED)) throw new BadMessage("it is nested too deep");
  if (hasManyUnknown(text)) {
    throw new BadMessage(`it has more than ${MOST_VALUES} fields that nobody knows`);
  }
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw new BadMessage("it is not JSON");
  }
  const whole = objectOf(found, "it");
  return { [Symbol.iterator]: () => resourceLogs(whole) };
}

function* resourceLogs(request: Found): Generator<ScopeLogs> {
  for (const each of listOf(request["resourceLogs"], "resourceLogs")) {
    const one = objectOf(each, "resourceLogs");
    const values = new ValueCount();
    const found = objectOf(one["resource"] ?? {}, "resource")["attributes"];
    const resource = attributesOf(found, values);
    yield noRecords(resource, values.count);
    for (const scoped of listOf(one["scopeLogs"], "scopeLogs")) {
      yield scopeLogs(objectOf(scoped, "scopeLogs"), resource);
    }
  }
}

function scopeLogs(one: Found, resource: Attributes): ScopeLogs {
  const scope = objectOf(one["scope"] ?? {}, "scope");
  const found = listOf(one["logRecords"], "logRecords");
  const values = new ValueCount();
  return {
    resource,
    scopeName: textOf(scope["name"], "name"),
    scope: attributesOf(scope["attributes"], values),
    records: { [Symbol.iterator]: () => records(found) },
    values: values.count,
  };
}

function* records(found: readonly unknown[]): Generator<OtlpRecord> {
  for (const one of found) yield recordOf(objectOf(one, "logRecords"));
}

function recordOf(one: Found): OtlpRecord {
  const time = nanosOf(one["timeUnixNano"], "timeUnixNano");
  const values = new ValueCount();
  const observed = nanosOf(one["observedTimeUnixNano"], "observedTimeUnixNano");
  const record = {
    time: time === 0n ? observed : time,
    severity: severityOf(one["severityNumber"]),
    severityText: textOf(one["severityText"], "severityText"),
    body: one["body"] == null ? null : valueOf(one["body"], values, 1),
    attributes: attributesOf(one["attributes"], values),
    eventName: textOf(one["eventName"], "eventName"),
    traceId: idOf(one["traceId"], "traceId"),
    spanId: idOf(one["spanId"], "spanId"),
    flags: Number(wholeOf(one["flags"] ?? 0, "flags")),
  };
  return { ...record, values: values.count };
}

/** The value of an `AnyValue`. */
function valueOf(found: unknown, count: ValueCount, level: number): Value {
  count.add();
  if (level > MOST_LEVELS) throw new BadMessage(`a value is nested more than ${MOST_LEVELS} deep`);
  const any = objectOf(found, "a value");
  const [kind] = Object.keys(any).filter((key) => any[key] != null);
  const value = any[kind ?? ""];
  switch (kind) {
    case "stringValue":
    case "bytesValue":
      return textOf(value, kind);
    case "boolValue":
      if (typeof value !== "boolean") throw new BadMessage("boolValue is neither true nor false");
      return value;
    case "intValue":
      return wholeValue(wholeOf(value, kind));
    case "doubleValue":
      return doubleOf(value);
    case "arrayValue": {
      const { values } = objectOf(value, kind);
      return listOf(values, "values").map((one) => valueOf(one, count, level + 1));
    }
    case "kvlistValue":
      return attributesOf(objectOf(value, kind)["values"], count, level + 1);
    default:
      return null;
  }
}

function attributesOf(found: unknown, count: ValueCount, level = 1): Attributes {
  const attributes = noAttributes();
  for (const one of listOf(found, "attributes")) {
    count.add();
    const pair = objectOf(one, "an attribute");
    const { value } = pair;
    attributes[textOf(pair["key"], "key")] = value == null ? null : valueOf(value, count, level);
  }
  return attributes;
}

// --- one field, which has to be of its kind; a field that is null is not there

function objectOf(found: unknown, name: string): Found {
  if (typeof found === "object" && found !== null && !Array.isArray(found)) return found as Found;
  throw new BadMessage(`${name} is no object`);
}

function listOf(found: unknown, name: string): readonly unknown[] {
  if (found == null) return [];
  if (Array.isArray(found)) return found;
  throw new BadMessage(`${name} is no list`);
}

function textOf(found: unknown, name: string): string {
  if (found == null) return "";
  if (typeof found === "string") return found;
  throw new BadMessage(`${name} is no text`);
}

function wholeOf(found: unknown, name: string): bigint {
  if (typeof found === "string" && /^-?\d{1,20}$/.test(found)) return BigInt(found);
  if (typeof found === "number" && Number.isInteger(found)) return BigInt(found);
  throw new BadMessage(`${name} is no whole number`);
}

function nanosOf(found: unknown, name: string): bigint {
  const nanos = found == null ? 0n : wholeOf(found, name);
  if (nanos >= 0n && nanos < 1n << 64n) return nanos;
  throw new BadMessage(`${name} is no time`);
}

function doubleOf(found: unknown): Value {
  if (typeof found === "number") return found;
  // The numbers that JSON has no word for.
  if (typeof found === "string" && /^(?:NaN|-?Infinity|-?\d[\d.eE+-]{0,30})$/.test(found)) {
    return doubleValue(Number(found));
  }
  throw new BadMessage("doubleValue is no number");
}

function idOf(found: unknown, name: string): string {
  const id = textOf(found, name);
  if (/^[0-9a-f]{0,64}$/i.test(id)) return id.toLowerCase();
  throw new BadMessage(`${name} is not hexadecimal`);
}

const SEVERITY = /^SEVERITY_NUMBER_(UNSPECIFIED|TRACE|DEBUG|INFO|WARN|ERROR|FATAL)([234]?)$/;
const NAMES = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/** A number, or its name: `SEVERITY_NUMBER_INFO2` is 10. */
function severityOf(found: unknown): number {
  const [, name, step] = typeof found === "string" ? (SEVERITY.exec(found) ?? []) : [];
  if (name === undefined) return Number(wholeOf(found ?? 0, "severityNumber"));
  const place = NAMES.indexOf(name);
  return place < 0 ? 0 : 4 * place + Number(step || 1);
}
