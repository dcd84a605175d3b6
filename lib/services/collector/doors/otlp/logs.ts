import { type Attributes, MOST_VALUES, noAttributes, type Value } from "../attributes.ts";
import { BadMessage } from "../proto/fields.ts";

/** How deep the values of a record may be nested. */
export const MOST_LEVELS = 32;

/** The values of one record, resource or scope, counted as they are read. */
export class ValueCount {
  count = 0;

  /** @throws BadMessage when there are too many */
  add(): void {
    if (++this.count > MOST_VALUES) {
      throw new BadMessage(`something has more than ${MOST_VALUES} values`);
    }
  }
}

/** One record, as OpenTelemetry has it. */
export interface OtlpRecord {
  /** Nanoseconds since 1970 at which it happened, or else was seen; 0 for neither. */
  readonly time: bigint;
  /** 1 to 24; 0 when it has none. */
  readonly severity: number;
  readonly severityText: string;
  readonly body: Value;
  readonly attributes: Attributes;
  readonly eventName: string;
  /** In hexadecimal; "" for none. */
  readonly traceId: string;
  readonly spanId: string;
  readonly flags: number;
  /** The number of its values, those within others included: what it costs to go through it. */
  readonly values: number;
}

/** The records of one scope of one resource. */
export interface ScopeLogs {
  readonly resource: Attributes;
  readonly scopeName: string;
  readonly scope: Attributes;
  readonly records: Iterable<OtlpRecord>;
  /** The number of values that were read for it: what it costs besides its records. */
  readonly values: number;
}

/**
 * A request, which is decoded as it is gone through; each time that it is, `BadMessage` is thrown where it is none.
 * Each resource begins with a scope of no records, so that whoever goes through many empty ones can pause.
 */
export type Logs = Iterable<ScopeLogs>;

/** The scope of no records that a resource begins with. */
export function noRecords(resource: Attributes, values: number): ScopeLogs {
  return { resource, scopeName: "", scope: noAttributes(), records: [], values };
}

/** A whole number as a value: one that a double cannot hold is its digits. */
export function wholeValue(number: bigint): Value {
  const rounded = Number(number);
  return Number.isSafeInteger(rounded) ? rounded : String(number);
}

/** A number as a value: those that JSON has no word for are texts. */
export function doubleValue(number: number): Value {
  return Number.isFinite(number) ? number : String(number);
}
