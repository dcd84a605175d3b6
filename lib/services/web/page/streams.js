// The event streams that are open, by what they are told.

import { h, patch } from "../../../host/page/dom.js";
import { bytes, count, counted } from "../../../host/page/numbers.js";
import { adverse, empty, head, quiet, table } from "../../../host/page/pieces.js";

const GLOSS = "Connections that stay open, by which pages and scripts are told what is new.";
const KINDS = { differences: "Differences", whole: "Whole ticks" };

/** Shows them. @param page leads to the clients */
export function showStreams(node, { streams, most_streams: most, slow_streams: slow }, page) {
  const open = streams.reduce((sum, one) => sum + one.open, 0);
  const columns = [
    ["Told", ({ kind }) => KINDS[kind]],
    ["Open", (one) => count(one.open), { number: true }],
    ["Addresses", (one) => count(one.addresses), { number: true, drop: 1 }],
    [
      "Compressed",
      (one) => quiet(one.compressed, count(one.compressed)),
      { number: true, drop: 1 },
    ],
    ["Sent", (one) => bytes(one.bytes_out), { number: true }],
    ["Waiting", (one) => quiet(one.waiting_bytes, bytes(one.waiting_bytes)), { number: true }],
  ];
  const note = `${count(open)} of ${count(most)} open`;
  patch(
    node,
    head("Event streams", open < most ? note : adverse(`${note}: more are refused`), GLOSS),
    open === 0
      ? empty("No stream is open.")
      : table("Event streams", columns, streams, ({ kind }) => kind),
    h(
      "p",
      { class: "quiet pages", key: "pages" },
      slow > 0 && h("span", {}, `${counted(slow, "stream")} closed since they were not read.`),
      h("a", { href: page.clientsAddress("bytes_out") }, "all of them"),
    ),
  );
}
