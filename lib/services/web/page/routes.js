// What is asked for, and how fast it is answered.

import { h, patch } from "../../../host/page/dom.js";
import { count, rate } from "../../../host/page/numbers.js";
import { empty, head, quiet, table } from "../../../host/page/pieces.js";

const GLOSS =
  "Times are from a request's head to its answer. What you look at here is asked for as well.";

/** Bounds are exact, so none of their digits is left out. */
function within(seconds) {
  if (seconds === null) return "over 1 min";
  return seconds < 1 ? `${seconds * 1000} ms` : `${seconds} s`;
}

/** Shows them. @param perSecond gives the rate of a route */
export function showRoutes(node, { routes }, perSecond) {
  const columns = [
    ["Route", ({ name }) => h("code", {}, name)],
    ["Now", ({ name }) => quiet(perSecond(name), rate(perSecond(name))), { number: true }],
    ["Half within", ({ half }) => within(half), { number: true, drop: 1 }],
    ["99 % within", ({ most }) => within(most), { number: true, drop: 1 }],
    ["Since the start", ({ answers }) => count(answers), { number: true }],
  ];
  patch(
    node,
    head("Routes", null, GLOSS),
    routes.length === 0
      ? empty("Nothing was asked yet.")
      : table("Routes", columns, routes, ({ name }) => name),
  );
}
