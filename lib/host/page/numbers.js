// Numbers, times and durations, as the panels of services show them.

const exact = new Intl.NumberFormat("en-US");
export const count = (value) => exact.format(value);

/** `1 action`, `5 actions`. */
export const counted = (value, one, more = `${one}s`) =>
  `${count(value)} ${value === 1 ? one : more}`;

/** The time of day of a moment, in milliseconds since 1970. */
export const clock = (at) => new Date(at).toLocaleTimeString("en-GB");

/** Milliseconds as a person reads them: `40 ms`, `1.2 s`, `2 min 05 s`, `3 h 12 min`. */
export function span(ms) {
  if (ms < 1) return "0 s";
  if (ms < 99.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** An age, in whole seconds: what is looked at once a second needs no more. */
export const age = (ms) => (ms < 60_000 ? `${Math.floor(ms / 1000)} s` : span(ms));

/** `12.3 kB`, `64 MB`. */
export function bytes(value) {
  const step = value < 999.5 ? 0 : Math.min(4, Math.floor(Math.log10(value * 1.0005) / 3));
  const size = value / 1000 ** step;
  const digits = step === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${size.toFixed(digits)} ${["", "k", "M", "G", "T"][step]}B`;
}

/** A number per second: `0/s`, `0.4/s`, `2,722/s`; `–` for null, which is not known yet. */
export function rate(value) {
  if (value === null) return "–";
  if (value > 0 && value < 0.05) return "<0.1/s";
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : count(Math.round(value))}/s`;
}

/** `12/s, 680 requests since the start`; without the rate while it is not known. */
export const sinceStart = (perSecond, counted) =>
  `${perSecond === null ? "" : `${rate(perSecond)}, `}${counted} since the start`;
