// How requests were answered: reads that found their key and that did not, and what was refused, by code.

import { h, patch } from "../../../host/page/dom.js";
import { count, counted, rate, sinceStart } from "../../../host/page/numbers.js";
import { adverse, empty, head, quiet, table } from "../../../host/page/pieces.js";

const GLOSS = "A miss is an answer, not a refusal.";
const MISS = "NOT_FOUND";

/** The counts whose rates are shown, by name. */
export const countsOf = ({ requests, hits, misses, errors }) => ({
  requests,
  hits,
  misses,
  ...Object.fromEntries(errors.map(({ code, count: times }) => [code, times])),
});

/** Shows it. @param perSecond gives the rate of a count */
export function showAnswers(node, { requests, refused, hits, misses, errors }, perSecond) {
  const reads = hits + misses;
  const share = (value) => (reads === 0 ? "" : `${((100 * value) / reads).toFixed(1)} %`);
  const rows = [
    { name: "Hits", of: "hits", total: hits, share: share(hits) },
    { name: "Misses", of: "misses", total: misses, share: share(misses) },
  ];
  const now = ({ of }) => quiet(perSecond(of), rate(perSecond(of)));
  const reading = [
    ["Reads of keys", ({ name }) => name],
    ["Now", now, { number: true }],
    ["Share", (row) => row.share, { number: true, drop: 1 }],
    ["Since the start", ({ total }) => quiet(total, count(total)), { number: true }],
  ];
  const codes = errors.filter(({ code }) => code !== MISS);
  const refusals = [
    ["Refused", ({ code, why }) => [h("code", {}, code), h("p", { class: "gloss" }, why)]],
    [
      "Now",
      ({ code }) =>
        perSecond(code) > 0 ? adverse(rate(perSecond(code))) : quiet(0, rate(perSecond(code))),
      { number: true },
    ],
    ["Since the start", (row) => count(row.count), { number: true }],
  ];
  patch(
    node,
    head("Answers", sinceStart(perSecond("requests"), counted(requests, "request")), GLOSS),
    table("Reads", reading, rows, ({ of }) => of),
    refused === 0
      ? empty("Nothing was refused.")
      : table("Refused", refusals, codes, ({ code }) => code),
  );
}
