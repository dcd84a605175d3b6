// What waits in memory: how much of it there may be, and for whom the most waits.

import { h, patch } from "../../../host/page/dom.js";
import { age, bytes, count, counted } from "../../../host/page/numbers.js";
import { adverse, bar, empty, facts, head, table } from "../../../host/page/pieces.js";

const GLOSS = "What was relayed and its readers have not taken yet.";
/** The share of its bound above which a wait is remarked on. */
const MUCH = 0.25;

/** Shows it. @param late milliseconds since it was told */
export function showBacklog(node, backlog, page, late) {
  const { waiting, paused_ms: paused, pauses, behind, clients } = backlog;
  const { most_for_one: bound } = backlog;
  const isPaused = paused !== null;
  const note = isPaused
    ? adverse(`all senders are paused for ${age(paused + late)}`)
    : "no sender is paused";
  const known = [
    [
      "Waiting in memory",
      bar(waiting.bytes / waiting.most, isPaused),
      `${bytes(waiting.bytes)} of ${bytes(waiting.most)}`,
    ],
    ["At the bound", "all senders pause and lose nothing, until half of it is left"],
    ["Paused", pauses === 0 ? "never" : `${counted(pauses, "time")} since the start`],
  ];
  const isMuch = (one) => one.bytes > MUCH * bound;
  const columns = [
    ["Waits for", ({ id, address }) => h("a", { href: page.clientAddress(id) }, address)],
    [
      "Waiting",
      (one) => [
        bar(one.bytes / bound, isMuch(one)),
        isMuch(one) ? adverse(bytes(one.bytes)) : bytes(one.bytes),
      ],
      { number: true },
    ],
    ["Took nothing for", ({ since_ms: ms }) => age(ms + late), { number: true, drop: 1 }],
  ];
  const more = behind - clients.length;
  patch(
    node,
    head("Backlog", note, GLOSS),
    facts(known),
    behind === 0
      ? empty("Everybody takes what is sent.")
      : table("Backlog", columns, clients, ({ id }) => id),
    behind > 0 &&
      h(
        "p",
        { class: "quiet pages", key: "pages" },
        more > 0 && h("span", {}, `and ${count(more)} more`),
        h("a", { href: page.clientsAddress("outbox_bytes") }, "all of them"),
        h("span", {}, `A client is closed as slow at ${bytes(bound)}.`),
      ),
  );
}
