// A key: its value as far as it is shown, its version and the time that it has left. For operators alone.

import { h, patch, theirs, visible } from "../../../host/page/dom.js";
import { age, bytes, count } from "../../../host/page/numbers.js";
import { facts } from "../../../host/page/pieces.js";

const NOBODY =
  "Values are shown to operators alone, and this server has no token for them: SUMMONER_TOKEN or web.token_file sets one.";

function body({ told, admin, isGone, late }, signIn) {
  if (admin === "off") return h("p", { class: "quiet", key: "off" }, NOBODY);
  if (admin === "signed-out") {
    return h(
      "p",
      { class: "tools", key: "signed-out" },
      h("span", { class: "quiet" }, "Values are shown to operators alone."),
      h("button", { type: "button", onclick: signIn }, "Sign in"),
    );
  }
  if (isGone) return h("p", { class: "empty", key: "gone" }, "There is no such key any more.");
  if (told === null) return h("p", { class: "empty", key: "asked" }, "Reading…");
  const { text, bytes: size, is_cut: isCut, version, ttl_ms: left } = told;
  const ends = left === null ? "never" : `in ${age(Math.max(0, left - late))}`;
  return [
    facts([
      ["Version", count(version)],
      ["Expires", ends],
      ["Size", bytes(size)],
    ]),
    h(
      "pre",
      { class: "code", key: "text", tabindex: 0, role: "region", "aria-label": "Value" },
      visible(text),
    ),
    isCut && h("p", { class: "quiet", key: "cut" }, `The first ${bytes(4000)} are shown.`),
  ];
}

/**
 * Shows a key.
 * @param state `path`: its parts, null without one; `told`, `admin`, `isGone`, `late`
 * @param page `signIn()`; `close`: the address without it
 */
export function showValue(node, state, { signIn, close }) {
  node.hidden = state.path === null;
  if (state.path === null) return patch(node);
  patch(
    node,
    h(
      "header",
      {},
      h("h3", { tabindex: -1 }, "Value of ", theirs(state.path)),
      h("a", { href: close }, "Close"),
    ),
    body(state, signIn),
  );
}
