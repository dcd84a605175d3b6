// What the brain knows of the game, as it reads it.

import { h, patch, visible } from "./dom.js";
import { clock, count, counted } from "./words.js";

const KINDS = { context: "context", result: "result", force: "force" };
/** Pixels from the end within which the box counts as at its end. */
const NEAR = 8;

function line({ key, at, kind, text, silent, failed, cut }) {
  const head = [
    clock(at),
    " ",
    KINDS[kind],
    silent && kind === "context" && ", silent",
    failed && ", failed",
  ];
  return h(
    "li",
    { key, class: failed ? "failed" : "" },
    h("span", { class: "quiet" }, head),
    h(
      "p",
      { dir: "auto" },
      visible(text),
      cut > 0 && h("span", { class: "quiet" }, ` … ${count(cut)} more characters`),
    ),
  );
}

/**
 * Shows what the brain knows, the oldest first; at its end the box follows what comes.
 * @param context `entries`, `tokens`, `more`: entries before the first that is shown
 */
export function showContext(node, { entries, tokens, more }) {
  const before = node.querySelector(".context");
  const follows = !before || before.scrollHeight - before.scrollTop - before.clientHeight < NEAR;
  const box = h(
    "ol",
    { class: "context box", tabindex: 0, role: "region", "aria-label": "Context", key: "box" },
    more > 0 &&
      h("li", { key: "more", class: "quiet" }, `${counted(more, "entry", "entries")} before this`),
    entries.map(line),
  );
  patch(
    node,
    h(
      "header",
      {},
      h("h3", { tabindex: -1 }, "Context, as the brain reads it"),
      h("span", { class: "quiet" }, entries.length > 0 && `about ${counted(tokens, "token")}`),
    ),
    h(
      "p",
      { class: "gloss" },
      "What the game has told so far, with its results and forces. Silent is only to be remembered; anything else may be answered aloud. A token is about four characters.",
    ),
    entries.length === 0
      ? h(
          "p",
          { class: "empty" },
          "The game has told nothing yet. It does so with the command context.",
        )
      : box,
  );
  const now = node.querySelector(".context");
  if (now && follows) now.scrollTop = now.scrollHeight;
}
