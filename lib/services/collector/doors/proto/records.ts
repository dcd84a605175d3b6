import { type Entry, Text, type TextName, TEXTS } from "../../entry.ts";
import { LEVELS } from "../../levels.ts";
import { BadMessage, bytesField, Fields, varintField, Wire } from "./fields.ts";

/** The place of the level among the fields of a record. */
const LEVEL = -1;

type Texts = Readonly<Partial<Record<TextName, string>>>;

/** The place of each field, by its number. */
type Places = readonly (number | undefined)[];

/** `LogRequest` of `LogService` without a package: eight fields. */
export const SHORT_RECORD: Places = [
  undefined,
  Text.timestamp,
  Text.hostname,
  Text.loggerName,
  LEVEL,
  Text.filename,
  Text.functionName,
  Text.lineNumber,
  Text.message,
];

/** The record of package `logservice`, and of our own: sixteen fields. */
export const LONG_RECORD: Places = [
  undefined,
  Text.timestamp,
  Text.hostname,
  Text.loggerName,
  Text.module,
  LEVEL,
  Text.filename,
  Text.functionName,
  Text.lineNumber,
  Text.message,
  Text.pathName,
  Text.processId,
  Text.processName,
  Text.threadId,
  Text.threadName,
  Text.serviceName,
  Text.stackTrace,
];

/** A record of sixteen fields as it is sent. */
export function longRecord(level: number, texts: Texts): Buffer {
  const fields = LONG_RECORD.flatMap((place, number) => {
    if (place === undefined) return [];
    if (place === LEVEL) return [varintField(number, level)];
    const text = texts[TEXTS[place] as TextName] ?? "";
    return text === "" ? [] : [bytesField(number, text)];
  });
  return Buffer.concat(fields);
}

/** Reads a record into an entry, whose texts lie in the message. @throws BadMessage */
export function readRecord(bytes: Buffer, places: Places, entry: Entry): void {
  entry.begin(bytes);
  const fields = new Fields(bytes);
  while (fields.next()) {
    const place = places[fields.number];
    if (place === undefined) continue;
    if (place === LEVEL) {
      if (fields.kind !== Wire.varint) throw new BadMessage("the level is no number");
      if (fields.value >= LEVELS.length) throw new BadMessage(`there is no level ${fields.int64}`);
      entry.level = fields.value;
      continue;
    }
    if (fields.kind !== Wire.bytes) throw new BadMessage(`field ${fields.number} is no text`);
    entry.set(place, fields.start, fields.end);
  }
}
