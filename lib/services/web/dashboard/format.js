// Numbers, durations, times and names as text.

export const exact = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });

/** Three digits and a prefix: `["12.3", "k"]`. */
export function scaled(value) {
  const step = value < 999.5 ? 0 : Math.min(4, Math.floor(Math.log10(value * 1.0005) / 3));
  const size = value / 1000 ** step;
  const prefix = ["", "k", "M", "G", "T"][step];
  if (step === 0 && size > 0 && size < 0.05) return ["<0.1", prefix];
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  const decimals = step > 0 ? digits : Number.isInteger(size) ? 0 : Math.max(0, digits - 1);
  return [size.toFixed(decimals), prefix];
}

export function duration(seconds) {
  if (seconds > 0 && seconds < 0.9995) {
    const ms = seconds * 1000;
    return [ms.toFixed(ms < 9.95 ? 1 : 0), "ms"];
  }
  if (seconds < 9.95 && !Number.isInteger(seconds)) return [seconds.toFixed(1), "s"];
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [86_400, 3600, 60].map((unit) => Math.floor(whole / unit));
  const two = (count) => String(count).padStart(2, "0");
  if (days > 0) return [`${days} d ${hours % 24} h`, ""];
  if (hours > 0) return [`${hours} h ${two(minutes % 60)} min`, ""];
  if (minutes > 0) return [`${minutes} min ${two(whole % 60)} s`, ""];
  return [String(whole), "s"];
}

/** A value in its unit, as number and unit. */
export function amount(value, unit) {
  if (unit === "seconds") return duration(value);
  if (unit === "ms") return duration(value / 1000);
  const isLong = Number.isInteger(value) || value >= 1000;
  if (unit !== "bytes" && isLong && value < 100_000) return [exact.format(Math.round(value)), ""];
  const [number, prefix] = scaled(value);
  return unit === "bytes" ? [number, `${prefix}B`] : [number + prefix, ""];
}

/** A rate per second, as number and unit; seconds of work per second are a share. */
function rate(value, unit) {
  if (unit === "seconds") return [(value * 100).toFixed(value < 0.0995 ? 1 : 0), "%"];
  const [number, prefix] = scaled(value);
  return unit === "bytes" ? [number, `${prefix}B/s`] : [number + prefix, "/s"];
}

/** A count with all its digits; bytes and seconds rounded, as their digits are hard to read. */
export function inFull(value, unit) {
  if (unit === "%") return `${exact.format(value)}%`;
  const isCount = unit !== "bytes" && unit !== "seconds" && unit !== "ms";
  return isCount ? exact.format(value) : spoken(amount(value, unit));
}

export const measure = ({ kind, unit }, value) => (kind === "counter" ? rate : amount)(value, unit);
export const spoken = ([number, unit]) =>
  /^[a-zA-Z]/.test(unit) ? `${number} ${unit}` : number + unit;

const UNSEEN =
  // oxlint-disable-next-line no-control-regex -- these are what is made visible.
  /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069]/g;

/** A text in which nothing is unseen, and nothing turns the text around it. */
export const visible = (text) =>
  text.replace(UNSEEN, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

const WORDS = { cpu: "CPU", utf8: "UTF-8" };

/** The label of a number. `memory_bytes` is "memory": its figure shows the unit. */
export function labelOf(name, { unit, title }) {
  if (title) return title;
  const isScaled = unit === "bytes" || unit === "seconds" || unit === "ms";
  const bare = isScaled ? name.replace(`_${unit}`, "") : name;
  return bare.replace(/[a-z0-9]+/g, (word) => WORDS[word] ?? word).replaceAll("_", " ");
}

export const clock = (at) => new Date(at).toLocaleTimeString("en-GB");
