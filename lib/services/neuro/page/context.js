// What the brain knows of the game, as it reads it.

import { h, patch, visible } from "../../../host/page/dom.js";
import { box, empty, head } from "../../../host/page/pieces.js";
import { clock, count, counted } from "../../../host/page/numbers.js";

const TITLE = "Context, as the brain reads it";
const GLOSS =
  "What the game has told so far, with its results and forces. Silent is only to be remembered; anything else may be answered aloud. A token is about four characters.";
const NONE = "The game has told nothing yet. It does so with the command context.";
/** Pixels from the end within which the box counts as at its end. */
const NEAR = 8;

function line({ key, at, kind, text, silent, failed, cut }) {
  const head = [
    clock(at),
    " ",
    kind,
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
  const earlier = `${counted(more, "entry", "entries")} before this`;
  const items = [more > 0 && h("li", { key: "more", class: "quiet" }, earlier), entries.map(line)];
  patch(
    node,
    head(TITLE, entries.length > 0 ? `about ${counted(tokens, "token")}` : "", GLOSS),
    entries.length === 0 ? empty(NONE) : box("Context", "context", items),
  );
  const now = node.querySelector(".context");
  if (now && follows) now.scrollTop = now.scrollHeight;
}
