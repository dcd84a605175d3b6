import { type Attributes, noAttributes, type Value } from "../attributes.ts";
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

type Found = Readonly<Record<string, unknown>>;

/** The logs of an `ExportLogsServiceRequest` in JSON. @throws BadMessage */
export function jsonLogs(request: Buffer): Logs {
  let found: unknown;
  try {
    found = JSON.parse(request.toString("utf8"));
  } catch {
    throw new BadMessage("it is not JSON");
  }
  const whole = objectOf(found, "it");
  return { [Symbol.iterator]: () => resourceLogs(whole) };
}

function* resourceLogs(request: Found): Generator<ScopeLogs> {
  for (const found of listOf(request["resourceLogs"], "resourceLogs")) {
    const one = objectOf(found, "resourceLogs");
    const resource = attributesOf(objectOf(one["resource"] ?? {}, "resource")["attributes"]);
    yield noRecords(resource);
    for (const scoped of listOf(one["scopeLogs"], "scopeLogs")) {
      yield scopeLogs(objectOf(scoped, "scopeLogs"), resource);
    }
  }
}

function scopeLogs(one: Found, resource: Attributes): ScopeLogs {
  const scope = objectOf(one["scope"] ?? {}, "scope");
  const found = listOf(one["logRecords"], "logRecords");
  return {
    resource,
    scopeName: textOf(scope["name"], "name"),
    scope: attributesOf(scope["attributes"]),
    records: { [Symbol.iterator]: () => records(found) },
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

function attributesOf(found: unknown, count = new ValueCount(), level = 1): Attributes {
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
