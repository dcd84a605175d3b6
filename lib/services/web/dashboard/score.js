// The score: every number is a stave, and all staves share one time axis and one crosshair, so that
// what happened at the same time stands above each other.

import { el, mark, say } from "./elements.js";
import { clock, measure, spoken } from "./format.js";
import { plot } from "./plot.js";
import { FINE_MS, gapOf, HOUR_MS, newest, pointsOf, stepOf, valueNow } from "./series.js";

/** What all scores of the page share. */
let range = FINE_MS;
/** The time that is pointed at; null for now. */
let cursor = null;
let silentMs = 0;
const scores = new Set();

/** Staves that were made large, by key. */
const large = new Set();

function drawAll() {
  for (const score of scores) score.draw();
}

/** The end of the time axis: time goes on when the server is silent. */
export const endOf = () => newest() + silentMs;

/** Milliseconds without a word from the server; drawn as a gap. */
export function setSilence(ms) {
  silentMs = ms;
}

export function setRange(next) {
  range = next;
  cursor = null;
  drawAll();
}

export const nextRange = () => setRange(range === FINE_MS ? HOUR_MS : FINE_MS);

function point(at) {
  if (at === cursor) return;
  cursor = at;
  for (const score of scores) score.showCursor();
}

/** Lets go of the time that is pointed at. @returns false when none was */
export function letGo() {
  if (cursor === null) return false;
  point(null);
  return true;
}

/** The point nearest to a time, if there is one near it. */
function nearest(points, at, most) {
  let found = null;
  for (const one of points) {
    if (one[1] === null || Math.abs(one[0] - at) > most) continue;
    if (found === null || Math.abs(one[0] - at) < Math.abs(found[0] - at)) found = one;
  }
  return found;
}

/**
 * One number. @param number `{ key, label, declared }`; `points(range)`, `now()` and the milliseconds of a `gap` where it is none of the headlines
 */
function stave({
  key,
  label,
  declared,
  points = (of) => pointsOf(key, of),
  now = () => valueNow(key),
  gap = null,
}) {
  const name = el("button", { type: "button", class: "stave-name", title: declared.about }, label);
  const [figure, most] = [el("span", { class: "stave-now" }), el("span", { class: "stave-most" })];
  const picture = plot();
  const node = el("li", { class: "stave", "data-key": key }, name, figure, picture.node, most);
  const text = (value) => (value === null ? "–" : spoken(measure(declared, value)));
  const isAdverse = Boolean(declared.adverse ?? declared.marks);
  const isWrong = (value) => isAdverse && value !== null && value > 0;
  let shown = [];
  const one = {
    node,
    label,
    /** The value at the time that is pointed at, or now. */
    value() {
      if (cursor === null) return silentMs > gapOf(range) ? null : now();
      return nearest(shown, cursor, gap ?? gapOf(range))?.[1] ?? null;
    },
    say: () => `${label} ${text(one.value())}`,
    showValue() {
      const value = one.value();
      say(figure, text(value));
      mark(figure, "data-value", value);
      mark(node, "data-wrong", isWrong(value) ? "" : null);
    },
    draw() {
      const end = endOf();
      shown = points(range).filter(([at]) => at > end - range);
      const values = shown.map(([, value]) => value).filter((value) => value !== null);
      const peak = values.reduce((a, b) => Math.max(a, b), 0);
      // Zeros that are good news take no row.
      node.hidden = Boolean(declared.adverse) && peak === 0;
      if (node.hidden) return;
      const isLarge = large.has(key);
      mark(name, "aria-expanded", isLarge);
      mark(node, "data-large", isLarge ? "" : null);
      say(most, values.length === 0 ? "" : text(peak));
      const ofGap = gap ?? gapOf(range);
      picture.draw(shown, { range, end, gap: ofGap, peak, isLarge, text, isAdverse });
      one.showValue();
    },
  };
  name.addEventListener("click", () => {
    if (large.has(key)) large.delete(key);
    else large.add(key);
    one.draw();
  });
  return one;
}

function group({ title, href, numbers }) {
  const heading = title && el("h3", {}, href ? el("a", { href }, title) : title);
  const staves = numbers.map(stave);
  const list = el("ul", { class: "staves", role: "list" }, ...staves.map(({ node }) => node));
  const node = el("div", { class: "stave-group" }, ...(title ? [heading] : []), list);
  return {
    node,
    staves,
    draw() {
      for (const one of staves) one.draw();
      node.hidden = staves.every(({ node: { hidden } }) => hidden);
    },
  };
}

function rangeSwitch(name) {
  const buttons = [
    [FINE_MS, "5 min"],
    [HOUR_MS, "1 h"],
  ].map(([ms, label]) => {
    const button = el("button", { type: "button" }, label);
    button.addEventListener("click", () => setRange(ms));
    return [ms, button];
  });
  const attributes = { class: "switch", role: "group", "aria-label": `Range of ${name}` };
  return {
    node: el("div", attributes, ...buttons.map(([, button]) => button)),
    show() {
      for (const [ms, button] of buttons) mark(button, "aria-pressed", ms === range);
    },
  };
}

/** The whole minutes of the axis, `[share of the width, time]`. */
function minutes(end) {
  const step = range === FINE_MS ? 60_000 : 600_000;
  const found = [];
  for (let at = Math.floor(end / step) * step; at > end - range; at -= step) {
    found.push([1 - (end - at) / range, at]);
  }
  return found;
}

/**
 * A score of some numbers. @param name of the score, for who does not see it
 * @param groups `{ title, href, numbers }` each; without a title there is no heading
 */
export function score(name, groups, isFixed = false) {
  const parts = groups.map(group);
  const staves = parts.flatMap((one) => one.staves);
  const ranges = rangeSwitch(name);
  const at = el("span", { class: "axis-at" });
  const ticks = el("div", { class: "ticks", role: "slider", tabindex: "0" });
  mark(ticks, "aria-label", `Time in ${name}`);
  const line = el("i", { class: "cursor" });
  const over = el("div", { class: "over", "aria-hidden": "true" }, line);
  const axis = el(
    "div",
    { class: "axis" },
    ranges.node,
    at,
    ticks,
    el("span", { class: "axis-most" }, "most"),
  );
  const node = el(
    "section",
    { class: "score", "aria-label": name },
    axis,
    ...parts.map((one) => one.node),
    over,
  );
  mark(node, "data-titled", groups.some(({ title }) => title) ? "" : null);
  mark(node, "data-fixed", isFixed ? "" : null);
  if (isFixed) ranges.node.hidden = true;
  let drawn = "";
  const drawAxis = () => {
    const marks = minutes(endOf());
    const key = marks.map(([share, time]) => `${share.toFixed(4)} ${time}`).join();
    if (key === drawn) return;
    drawn = key;
    const tick = ([share, time]) => {
      const label = el("span", { class: "tick" }, clock(time).slice(0, 5));
      label.style.left = `${share * 100}%`;
      return label;
    };
    // A label at the edge would be cut.
    ticks.replaceChildren(...marks.filter(([share]) => share > 0.055 && share < 0.945).map(tick));
    const rules = marks.map(([share]) => {
      const rule = el("i", { class: "minute" });
      rule.style.left = `${share * 100}%`;
      return rule;
    });
    over.replaceChildren(...rules, line);
  };
  const showCursor = () => {
    if (!node.checkVisibility()) return;
    const end = endOf();
    const isNow = cursor === null;
    line.hidden = isNow;
    if (!isNow) line.style.left = `${(1 - (end - cursor) / range) * 100}%`;
    say(at, isNow ? "now" : clock(cursor));
    mark(ticks, "aria-valuemin", end - range);
    mark(ticks, "aria-valuemax", end);
    mark(ticks, "aria-valuenow", cursor ?? end);
    for (const one of staves) if (!one.node.hidden) one.showValue();
    const told = staves.filter((one) => !one.node.hidden).slice(0, 8);
    if (!isNow || document.activeElement === ticks) {
      const said = told.map((one) => one.say()).join(", ");
      mark(ticks, "aria-valuetext", `${isNow ? "now" : clock(cursor)}: ${said}`);
    } else mark(ticks, "aria-valuetext", "now");
  };
  const made = {
    node,
    showCursor,
    draw() {
      if (document.hidden || !node.checkVisibility()) return;
      ranges.show();
      drawAxis();
      for (const one of parts) one.draw();
      showCursor();
    },
    remove: () => scores.delete(made),
  };
  const onPoint = (event) => {
    if (event.pointerType === "touch" && event.type === "pointermove" && event.buttons === 0)
      return;
    const { left, width } = ticks.getBoundingClientRect();
    const share = (event.clientX - left) / width;
    const step = stepOf(range);
    const time = endOf() - range * (1 - share);
    point(share < 0 || share > 1 ? null : Math.round(time / step) * step);
  };
  node.addEventListener("pointermove", onPoint);
  node.addEventListener("pointerdown", onPoint);
  node.addEventListener("pointerleave", ({ pointerType }) => {
    if (pointerType !== "touch") point(null);
  });
  ticks.addEventListener("focus", showCursor);
  ticks.addEventListener("keydown", (event) => {
    const end = endOf();
    const step = stepOf(range) * (event.shiftKey ? 10 : 1);
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10 }[event.key];
    if (by) point(Math.max(end - range, Math.min(end, (cursor ?? end) + by * step)));
    else if (event.key === "Home") point(end - range);
    else if (event.key === "End") point(end);
    else return;
    event.preventDefault();
  });
  scores.add(made);
  return made;
}

/** Draws the scores that are seen. */
export const drawScores = drawAll;
