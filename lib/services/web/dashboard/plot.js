// The picture of one number: its line over the time axis, what is adverse, and where nothing is known.

import { el, mark, say, svg } from "./elements.js";

const [WIDTH, HEIGHT] = [3000, 1000];

/** The least of 1, 2, 5 times a power of ten that holds a value. */
function roundTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => value / power <= step * 1.0001);
}

/** The stretches of points between gaps. */
function stretches(points, gap) {
  const all = [];
  let last = null;
  for (const one of points) {
    if (one[1] === null) continue;
    if (last === null || one[0] - last.at(-1)[0] > gap) all.push((last = []));
    last.push(one);
  }
  return all;
}

/** The line of a stretch and the area below it: down to the least of each point, or to the ground. */
function pathsOf(stretch, { range, end, top }) {
  // Whole numbers on a fine grid: making text of fractions would be the costliest part.
  const x = (at) => Math.round((1 - (end - at) / range) * WIDTH);
  const y = (value) => HEIGHT - Math.round((value / top) * HEIGHT);
  let line = "";
  for (const [at, value] of stretch) line += `${line === "" ? "M" : "L"}${x(at)} ${y(value)}`;
  // A single point is a short line, or nobody would see it.
  if (stretch.length === 1) line += "h4";
  if (stretch[0][2] === undefined) {
    return [line, `${line}V${HEIGHT}H${x(stretch[0][0])}Z`];
  }
  let back = "";
  for (const [at, , least] of stretch.toReversed()) back += `L${x(at)} ${y(least)}`;
  return [line, `${line}${back}Z`];
}

function span(name, from, to) {
  const node = el("span", { class: name });
  node.style.left = `${(from * 100).toFixed(2)}%`;
  node.style.width = `${((to - from) * 100).toFixed(2)}%`;
  return node;
}

/** Where nothing is known between the first point and the end, as shares of the width. */
function gapsOf(all, { range, end, gap }) {
  const share = (at) => Math.max(0, Math.min(1, 1 - (end - at) / range));
  const gaps = [];
  for (const [i, stretch] of all.entries()) {
    const from = stretch.at(-1)[0];
    const to = all[i + 1]?.[0][0] ?? end;
    if (to - from > gap) gaps.push([share(from), share(to)]);
  }
  return gaps;
}

/** A picture; `draw(points, how)` draws it. */
export function plot() {
  const [area, line, illArea, illLine] = ["area", "line", "area ill", "line ill"].map((name) =>
    svg("path", { class: name }),
  );
  const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" };
  const picture = svg("svg", box, area, line, illArea, illLine);
  const [levels, gaps] = [el("div", { class: "levels" }), el("div", { class: "gaps" })];
  const node = el("div", { class: "plot", "aria-hidden": "true" }, levels, gaps, picture);
  return {
    node,
    /** `how`: `range`, `end`, `gap`, `peak`, `isLarge`, `text(value)` and `isAdverse`. */
    draw(points, how) {
      const top = roundTop(how.peak);
      const grid = { ...how, top };
      const all = stretches(points, how.gap);
      const paths = all.map((one) => pathsOf(one, grid));
      mark(line, "d", paths.map(([path]) => path).join(""));
      mark(area, "d", paths.map(([, path]) => path).join(""));
      const ill = how.isAdverse
        ? stretches(
            points.filter((one, i) => isIll(points, i)),
            how.gap,
          )
        : [];
      const illPaths = ill.map((one) => pathsOf(one, grid));
      mark(illLine, "d", illPaths.map(([path]) => path).join(""));
      mark(illArea, "d", illPaths.map(([, path]) => path).join(""));
      const found = gapsOf(all, how);
      const key = found
        .flat()
        .map((share) => share.toFixed(3))
        .join();
      if (gaps.dataset.key !== key)
        gaps.replaceChildren(...found.map(([a, b]) => span("gap", a, b)));
      mark(gaps, "data-key", key);
      drawLevels(levels, how.isLarge ? top : null, how.text);
    },
  };
}

/** True for a point that is bad news, and for its neighbours, so that the stretch has its edges. */
const isIll = (points, i) => [points[i - 1], points[i], points[i + 1]].some((one) => one?.[1] > 0);

function drawLevels(levels, top, text) {
  if (top === null) return levels.replaceChildren();
  if (levels.childElementCount === 0) {
    const level = (share) => {
      const one = el("span", { class: "level", "data-share": share }, el("i"));
      one.style.bottom = `${share * 100}%`;
      return one;
    };
    levels.replaceChildren(...[0, 0.5, 1].map(level));
  }
  for (const one of levels.children) say(one.firstElementChild, text(top * one.dataset.share));
}
