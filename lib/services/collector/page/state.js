// How the collector fares: what is written, what waits, and what to do when nothing can be written.

import { h, patch, visible } from "../../../host/page/dom.js";
import { age, bytes, count, counted, sinceStart, span } from "../../../host/page/numbers.js";
import { adverse } from "../../../host/page/pieces.js";
import { DURABILITIES } from "./words.js";

const fact = ([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

/** A sync may take less than a millisecond, and a second is long. */
function took(ms) {
  if (ms >= 999.5) return span(ms);
  return `${ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

function blockedFacts({ blocked, pending, room, is_full: isFull }) {
  const { reason, ms, attempts, cure, last } = blocked;
  const left = Math.max(0, room.entries - pending.entries);
  const senders = isFull
    ? "They wait, and nothing of theirs is lost: their connections are not read, and calls that wait too long are told to come again. Only datagrams of syslog, which cannot wait with their senders, have room for no more than 1 MiB."
    : `They are still served: ${count(left)} more entries may wait.`;
  return [
    [
      "Nothing is written",
      `${visible(reason)}, for ${age(ms)}; tried again ${counted(attempts, "time")}`,
    ],
    [
      "What to do",
      `${visible(cure)} Writing goes on by itself within 2 seconds, and all that waits is written.`,
    ],
    ["Senders", senders],
    ["Last written", last === null ? "no entry yet" : `entry ${count(last)}`],
  ];
}

function wait({ pending, room, is_full: isFull }) {
  const told = `${count(pending.entries)} of ${count(room.entries)} entries`;
  const size = `${bytes(pending.bytes)} of ${bytes(room.bytes)}`;
  const words = `${told}, ${size}`;
  return isFull ? adverse(`${words}: senders are not read`) : words;
}

/**
 * Shows how it fares.
 * @param state what the server told, with `perSecond`: entries of late, and `blocked.ms` up to now
 */
export function showState(node, state) {
  const { path, durability, records, blocked, perSecond } = state;
  const syncs = state.slow_sync === null ? "none yet" : took(state.slow_sync * 1000);
  const facts = [
    ["Entries", sinceStart(perSecond, count(records))],
    ["Waiting", wait(state)],
    ["Written", `${bytes(state.written_bytes)} since the start`],
    ["Sync, slowest of late", syncs],
  ];
  patch(
    node,
    h(
      "p",
      { class: "quiet" },
      "Writing ",
      h("code", {}, visible(path)),
      `: ${DURABILITIES[durability]}.`,
    ),
    blocked !== null &&
      h(
        "div",
        { class: "blocked", key: "blocked" },
        h(
          "p",
          { class: "bad" },
          h("span", { class: "glyph", "aria-hidden": "true" }, "■"),
          "The disk takes no entries",
        ),
        h("dl", {}, blockedFacts(state).map(fact)),
      ),
    h("dl", { class: "facts", key: "facts" }, facts.map(fact)),
  );
}
