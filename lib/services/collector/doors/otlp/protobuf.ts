import { type Attributes, noAttributes, type Value } from "../attributes.ts";
import { BadMessage, Fields, Wire } from "../proto/fields.ts";
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

// The messages of opentelemetry/proto/logs/v1, common/v1 and resource/v1. They are flat but for
// values, so they are read by hand, in place; fields may come in any order.

/** The logs of an `ExportLogsServiceRequest`. */
export function protobufLogs(request: Buffer): Logs {
  return { [Symbol.iterator]: () => resourceLogs(new Fields(request)) };
}

function* resourceLogs(request: Fields): Generator<ScopeLogs> {
  while (request.next()) {
    if (request.number !== 1) continue;
    const one = messageOf(request);
    // What is said of all records may stand behind them.
    const resource = lastMessage(one.again, 1);
    const values = new ValueCount();
    const attributes = resource ? attributesOf(resource, 1, values) : noAttributes();
    yield noRecords(attributes, values.count);
    while (one.next()) if (one.number === 2) yield scopeLogs(messageOf(one), attributes);
  }
}

function scopeLogs(one: Fields, resource: Attributes): ScopeLogs {
  const scope = lastMessage(one.again, 1);
  const values = new ValueCount();
  return {
    resource,
    scopeName: scope ? textIn(scope.again, 1) : "",
    scope: scope ? attributesOf(scope.again, 3, values) : noAttributes(),
    records: { [Symbol.iterator]: () => records(one.again) },
    values: values.count,
  };
}

function* records(one: Fields): Generator<OtlpRecord> {
  while (one.next()) if (one.number === 2) yield recordOf(messageOf(one));
}

function recordOf(fields: Fields): OtlpRecord {
  const record = {
    time: 0n,
    severity: 0,
    severityText: "",
    body: null as Value,
    attributes: noAttributes(),
    eventName: "",
    traceId: "",
    spanId: "",
    flags: 0,
    values: 0,
  };
  const values = new ValueCount();
  let observed = 0n;
  while (fields.next()) {
    switch (fields.number) {
      case 1:
        record.time = fixed64(fields);
        break;
      case 2:
        record.severity = varintOf(fields).value;
        break;
      case 3:
        record.severityText = textOf(fields);
        break;
      case 5:
        record.body = valueOf(messageOf(fields), values, 1);
        break;
      case 6:
        addPair(record.attributes, messageOf(fields), values, 1);
        break;
      case 8:
        record.flags = sized(fields, Wire.four).bytes.readUInt32LE(fields.start);
        break;
      case 9:
        record.traceId = bytesOf(fields, "hex");
        break;
      case 10:
        record.spanId = bytesOf(fields, "hex");
        break;
      case 11:
        observed = fixed64(fields);
        break;
      case 12:
        record.eventName = textOf(fields);
        break;
    }
  }
  if (record.time === 0n) record.time = observed;
  record.values = values.count;
  return record;
}

/** The value of an `AnyValue`. */
function valueOf(fields: Fields, values: ValueCount, level: number): Value {
  values.add();
  if (level > MOST_LEVELS) throw new BadMessage(`a value is nested more than ${MOST_LEVELS} deep`);
  let value: Value = null;
  while (fields.next()) {
    switch (fields.number) {
      case 1:
        value = textOf(fields);
        break;
      case 2:
        value = varintOf(fields).value !== 0;
        break;
      case 3:
        value = wholeValue(varintOf(fields).int64);
        break;
      case 4:
        value = doubleValue(sized(fields, Wire.eight).bytes.readDoubleLE(fields.start));
        break;
      case 5:
        value = listOf(messageOf(fields), values, level);
        break;
      case 6:
        value = attributesOf(messageOf(fields), 1, values, level + 1);
        break;
      case 7:
        value = bytesOf(fields, "base64");
        break;
    }
  }
  return value;
}

function listOf(fields: Fields, values: ValueCount, level: number): Value {
  const list: Value[] = [];
  while (fields.next()) {
    if (fields.number === 1) list.push(valueOf(messageOf(fields), values, level + 1));
  }
  return list;
}

/** The pairs that are the fields of this number. */
function attributesOf(fields: Fields, number: number, values: ValueCount, level = 1): Attributes {
  const attributes = noAttributes();
  while (fields.next()) {
    if (fields.number === number) addPair(attributes, messageOf(fields), values, level);
  }
  return attributes;
}

function addPair(attributes: Attributes, pair: Fields, values: ValueCount, level: number): void {
  values.add();
  let key = "";
  let value: Value = null;
  while (pair.next()) {
    if (pair.number === 1) key = textOf(pair);
    else if (pair.number === 2) value = valueOf(messageOf(pair), values, level);
  }
  attributes[key] = value;
}

/** The last message among the fields of this number, which is the one that counts; null if there is none. */
function lastMessage(fields: Fields, number: number): Fields | null {
  let found: Fields | null = null;
  while (fields.next()) if (fields.number === number) found = messageOf(fields);
  return found;
}

function textIn(fields: Fields, number: number): string {
  let text = "";
  while (fields.next()) if (fields.number === number) text = textOf(fields);
  return text;
}

// --- one field, which has to be of its kind

function sized(fields: Fields, kind: number): Fields {
  if (fields.kind !== kind) throw new BadMessage(`field ${fields.number} is of another kind`);
  return fields;
}

function messageOf(fields: Fields): Fields {
  return sized(fields, Wire.bytes).message;
}

function varintOf(fields: Fields): Fields {
  return sized(fields, Wire.varint);
}

function textOf(fields: Fields): string {
  return sized(fields, Wire.bytes).text;
}

function bytesOf(fields: Fields, encoding: "hex" | "base64"): string {
  const { bytes, start, end } = sized(fields, Wire.bytes);
  return bytes.toString(encoding, start, end);
}

function fixed64(fields: Fields): bigint {
  return sized(fields, Wire.eight).bytes.readBigUInt64LE(fields.start);
}
