// The last minutes of the headline numbers: their rates and their charts.

import { mark, say, svg } from "./elements.js";
import { clock, measure, spoken } from "./format.js";

/** Milliseconds that the charts show. */
const SPAN_MS = 300_000;
/** Milliseconds over which a rate is taken: long enough to be steady, short enough to be current. */
export const RATE_MS = 5000;
/** Milliseconds between two samples beyond which nothing is drawn between them. */
const GAP_MS = 5000;

/** The last five minutes of headline numbers, `{ at, values }`, oldest first. */
export let samples = [];

export function addSample(sample) {
  // When the wall clock was set back, older samples would lie in the future.
  while (samples.length > 0 && samples.at(-1).at >= sample.at) samples.pop();
  samples.push(sample);
  while (samples[0].at < sample.at - SPAN_MS) samples.shift();
}

/** Adds the history of a server, after the older samples that are known. */
export function addHistory(history) {
  const first = history[0]?.at ?? Infinity;
  samples = [...samples.filter(({ at }) => at < first), ...history].slice(-SPAN_MS / 1000);
}

/** The rate per second of a counter between two samples; null when it began anew or they are too far apart. */
function rateBetween(key, before, after) {
  const more = after.values[key] - before.values[key];
  const ms = after.at - before.at;
  return more >= 0 && ms > 0 && ms <= GAP_MS ? more / (ms / 1000) : null;
}

/** The points of a chart, `[at, value or null]`. */
function pointsOf(key, { kind }) {
  if (kind === "gauge") return samples.map(({ at, values }) => [at, values[key] ?? null]);
  return samples.slice(1).map((sample, i) => [sample.at, rateBetween(key, samples[i], sample)]);
}

/** A counter's rate per second over the last seconds, or null when it is not known. */
export function rateNow(key) {
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

const WIDTH = SPAN_MS / 1000;
const HEIGHT = 40;

/** The outline and the area of points as SVG paths, in the units of the chart's `viewBox`. */
function pathsOf(points, most, end) {
  let [line, area, start, before] = ["", "", null, 0];
  const close = () => {
    if (start !== null) area += `V${HEIGHT}H${start}Z`;
    start = null;
  };
  for (const [at, value] of points) {
    if (value === null || at - before > GAP_MS) close();
    before = at;
    if (value === null) continue;
    const x = Math.round((at - end + SPAN_MS) / 100) / 10;
    const y = (HEIGHT - 1 - (value / (most || 1)) * (HEIGHT - 3)).toFixed(1);
    const step = start === null ? `M${x} ${y}` : `L${x} ${y}`;
    start ??= x;
    line += step;
    area += step;
  }
  close();
  return { line, area };
}

/** A small chart of one number. It writes its peak, or the value under the pointer, into the element `said`. */
export function chart(key, label, declared, said) {
  const [area, line, cursor] = ["area", "line", "cursor"].map((name) =>
    svg("path", { class: name }),
  );
  const measures = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" };
  const node = svg("svg", measures, area, line, cursor);
  let pointed = null;
  const draw = () => {
    const points = pointsOf(key, declared);
    const known = points.filter(([, value]) => value !== null);
    const values = known.map(([, value]) => value);
    const most = Math.max(0, ...values);
    const end = samples.at(-1)?.at ?? 0;
    const paths = pathsOf(points, most, end);
    mark(line, "d", paths.line);
    mark(area, "d", paths.area);
    const text = (value) => spoken(measure(declared, value));
    const least = text(Math.min(most, ...values));
    mark(node, "aria-label", `${label}, last five minutes: ${least} to ${text(most)}`);
    const near = pointed === null ? undefined : nearest(known, end - SPAN_MS * (1 - pointed));
    mark(cursor, "d", near ? `M${(near[0] - end + SPAN_MS) / 1000} 0V${HEIGHT}` : "");
    say(said, near ? `${text(near[1])} at ${clock(near[0])}` : `peak ${text(most)}`);
  };
  const point = (share) => {
    pointed = share;
    draw();
  };
  node.addEventListener("pointermove", ({ clientX }) => {
    const { left, width } = node.getBoundingClientRect();
    point((clientX - left) / width);
  });
  node.addEventListener("pointerleave", () => point(null));
  return { node, draw };
}

function nearest(points, at) {
  const far = ([time]) => Math.abs(time - at);
  return points.toSorted((a, b) => far(a) - far(b))[0];
}
