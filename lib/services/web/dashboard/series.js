// The headline numbers over time: the last five minutes second by second, and the last hour in
// steps of ten seconds with the least and the most of each.

/** Milliseconds that a fine chart shows, and an hour. */
export const FINE_MS = 300_000;
export const HOUR_MS = 3_600_000;
const STEP_MS = 10_000;
/** Milliseconds over which a rate is taken: long enough to be steady, short enough to be current. */
export const RATE_MS = 5000;
/** Milliseconds between two samples beyond which nothing is drawn between them. */
const GAP_MS = 5000;

/** The last five minutes, `{ at, values, shown }`, oldest first: a gauge shows its value, a counter its rate per second. */
let samples = [];
/** The last hour, `{ at, least, most }`, oldest first; `at` is the end of a step. */
let steps = [];
const counters = new Set();

/** Notes which of the numbers are counters. */
export function declareSeries(declared) {
  for (const [part, numbers] of Object.entries(declared)) {
    for (const [name, { kind }] of Object.entries(numbers)) {
      if (kind === "counter") counters.add(`${part}.${name}`);
    }
  }
}

/** The time of the newest sample; 0 before the first. */
export const newest = () => samples.at(-1)?.at ?? 0;

/** The rate per second between two samples; null when the counter began anew or they are too far apart. */
function rateBetween(key, before, after) {
  const more = after.values[key] - before.values[key];
  const ms = after.at - before.at;
  return more >= 0 && ms > 0 && ms <= GAP_MS ? more / (ms / 1000) : null;
}

function shownOf(before, sample) {
  const shown = {};
  for (const [key, value] of Object.entries(sample.values)) {
    if (!counters.has(key)) shown[key] = value;
    else shown[key] = before ? rateBetween(key, before, sample) : null;
  }
  return shown;
}

function push(sample) {
  samples.push({ ...sample, shown: shownOf(samples.at(-1), sample) });
}

/** Adds a sample, to the hour too. */
export function addSample(sample) {
  // When the wall clock was set back, older samples would lie in the future.
  while (samples.length > 0 && samples.at(-1).at >= sample.at) samples.pop();
  push(sample);
  while (samples[0].at < sample.at - FINE_MS) samples.shift();
  const end = Math.ceil(sample.at / STEP_MS) * STEP_MS;
  while (steps.length > 0 && steps.at(-1).at > end) steps.pop();
  if (steps.at(-1)?.at !== end) steps.push({ at: end, least: {}, most: {} });
  while (steps[0].at < end - HOUR_MS) steps.shift();
  const { least, most } = steps.at(-1);
  for (const [key, value] of Object.entries(samples.at(-1).shown)) {
    if (value === null) continue;
    least[key] = Math.min(least[key] ?? Infinity, value);
    most[key] = Math.max(most[key] ?? -Infinity, value);
  }
}

/** Adds what a server remembers, after the older samples that are known. */
export function addHistory(history, hour) {
  const first = history[0]?.at ?? Infinity;
  const old = samples.filter(({ at }) => at < first);
  samples = [];
  for (const sample of [...old, ...history].slice(-FINE_MS / 1000)) push(sample);
  const told = hour.at.map((at, i) => {
    const of = (columns) => {
      const known = Object.entries(columns).filter(([, values]) => values[i] !== null);
      return Object.fromEntries(known.map(([key, values]) => [key, values[i]]));
    };
    return { at, least: of(hour.least), most: of(hour.most) };
  });
  const from = hour.at[0] ?? Infinity;
  steps = [...steps.filter(({ at }) => at < from), ...told].slice(-HOUR_MS / STEP_MS);
}

/** The points of a number: `[at, most or null, least]`, oldest first. */
export function pointsOf(key, range) {
  if (range === FINE_MS) return samples.map(({ at, shown }) => [at, shown[key] ?? null]);
  return steps.map(({ at, least, most }) => [at, most[key] ?? null, least[key] ?? null]);
}

/** A counter's rate per second over the last seconds, or null when it is not known. */
function rateNow(key) {
  const last = samples.length - 1;
  let first = last;
  while (first > 0 && samples[last].at - samples[first].at < RATE_MS) {
    if (rateBetween(key, samples[first - 1], samples[first]) === null) break;
    first--;
  }
  if (first >= last) return null;
  const ms = samples[last].at - samples[first].at;
  return (samples[last].values[key] - samples[first].values[key]) / (ms / 1000);
}

/** A number as it is now: a counter's rate, a gauge's value; null when it is not known. */
export const valueNow = (key) =>
  counters.has(key) ? rateNow(key) : (samples.at(-1)?.values[key] ?? null);

/** Milliseconds between two points of a range beyond which there is a gap. */
export const gapOf = (range) => (range === FINE_MS ? GAP_MS : 2 * STEP_MS);
export const stepOf = (range) => (range === FINE_MS ? 1000 : STEP_MS);
