import type { Attributes, Value } from "../attributes.ts";

/** How deep the values of a record may be nested. */
export const MOST_LEVELS = 32;

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
}

/** The records of one scope of one resource. */
export interface ScopeLogs {
  readonly resource: Attributes;
  readonly scopeName: string;
  readonly scope: Attributes;
  readonly records: Iterable<OtlpRecord>;
}

/** A request, which is decoded as it is gone through; each time that it is, `BadMessage` is thrown where it is none. */
export type Logs = Iterable<ScopeLogs>;

/** A whole number as a value: one that a double cannot hold is its digits. */
export function wholeValue(number: bigint): Value {
  const rounded = Number(number);
  return Number.isSafeInteger(rounded) ? rounded : String(number);
}

/** A number as a value: those that JSON has no word for are texts. */
export function doubleValue(number: number): Value {
  return Number.isFinite(number) ? number : String(number);
}
