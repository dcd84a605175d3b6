const PER_SECOND = 1_000_000_000n;
/** The last second whose year has four digits. */
const LAST_SECOND = 253_402_300_799;

/** A time in nanoseconds since 1970 in the form of ISO 8601, with no more digits than it has: three, six or nine. */
export function isoOfNanos(nanos: bigint): string {
  const seconds = Number(nanos / PER_SECOND);
  const rest = Number(nanos % PER_SECOND);
  const digits = String(rest).padStart(9, "0");
  return `${secondsText(seconds)}.${digits.slice(0, rest % 1_000_000 === 0 ? 3 : rest % 1000 === 0 ? 6 : 9)}Z`;
}

/** A year has four digits before this many units of 1970: seconds, milliseconds, microseconds, nanoseconds. */
const UNITS = [1, 1e3, 1e6, 1e9] as const;
/** Numbers up to this are seconds: the same number of milliseconds would be in the spring of 1973. */
const MOST_SECONDS = 1e11;

/**
 * A number that a program gives as a time, in the form of ISO 8601: since 1970 in
 * seconds, as zap has it, in milliseconds, as pino has it, or in micro- or
 * nanoseconds, by its size. @returns null when it can be none of them
 */
export function isoOfNumber(time: number): string | null {
  if (!(time > 0)) return null;
  const unit = UNITS.find((one) => time < MOST_SECONDS * one);
  const whole = unit === undefined ? Infinity : Math.floor(time / unit);
  if (unit === undefined || whole > LAST_SECOND) return null;
  // Of a fraction the digits that the program wrote, which a division would not keep.
  const fraction =
    unit === 1
      ? (String(time).split(".")[1] ?? "")
      : String(Math.floor(time % unit)).padStart(Math.log10(unit), "0");
  return `${secondsText(whole)}${fraction === "" ? "" : `.${fraction.slice(0, 9)}`}Z`;
}

/** The time of arrival, for what tells no time of its own. @param wall milliseconds since 1970 */
export function isoOfArrival(wall: number): string {
  return new Date(wall).toISOString();
}

function secondsText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19);
}
