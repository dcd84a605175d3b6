// The games that are here: a filter, pages, and which of them is shown.

import { h, patch, theirs } from "../../../host/page/dom.js";
import { count, counted } from "../../../host/page/numbers.js";

/** So many games need neither filter nor pages. */
const FEW = 6;

function state(game) {
  if (game.trouble !== null)
    return h(
      "span",
      { class: "bad" },
      h("span", { "aria-hidden": "true" }, "■ "),
      "brain in trouble",
    );
  if (game.force === null) return "no force";
  const waits = game.is_person && game.force !== "sent";
  return waits ? h("b", { class: "asks" }, "asks you") : `force ${game.force}`;
}

function entry(game, chosen, choose) {
  const about = h(
    "span",
    { class: "quiet" },
    theirs(game.brain),
    ` · ${counted(game.actions, "action")} · `,
    state(game),
  );
  const faults =
    game.errors > 0 && h("span", { class: "adverse" }, " ▲ ", counted(game.errors, "error"));
  const attributes = { type: "button", "aria-current": game.id === chosen ? "true" : null };
  return h(
    "li",
    { key: game.id },
    h(
      "button",
      { ...attributes, onclick: () => choose(game) },
      h("b", {}, theirs(game.name)),
      h("span", { class: "line" }, about, faults),
    ),
  );
}

function pager({ offset, limit, total, here }, { turn }) {
  const end = Math.min(offset + limit, total);
  const range =
    total === 0
      ? `none of ${count(here)}`
      : `${count(offset + 1)}–${count(end)} of ${count(total)}`;
  const button = (label, sign, by, isLast) =>
    h(
      "button",
      {
        type: "button",
        "aria-label": label,
        "aria-disabled": String(isLast),
        onclick: () => !isLast && turn(by),
      },
      sign,
    );
  return h(
    "div",
    { class: "pager" },
    h("span", { class: "quiet" }, range),
    button("Previous games", "‹", -limit, offset === 0),
    button("Next games", "›", limit, end >= total),
  );
}

function none({ address }) {
  return h(
    "div",
    { class: "nobody" },
    h(
      "p",
      {},
      "No game is here. Start yours with ",
      h("code", {}, `NEURO_SDK_WS_URL=${address.replace(/\/$/, "")}`),
      ".",
    ),
    h(
      "p",
      { class: "quiet" },
      "That is where the game kits look for the server; in a kit without it, set the address of the WebSocket. The game shows here once it has connected, and what it does wrong is told under Diagnostics.",
    ),
  );
}

/**
 * Shows a page of games.
 * @param data `games`, those of the page; `total` that match, `here` in all; `offset`, `limit`, `query`, `chosen`; `address` to connect to
 * @param acts `choose(game)`, `filter(text)`, `turn(by)`
 */
export function showGames(node, data, acts) {
  const { games, here, query, chosen } = data;
  if (here === 0) {
    patch(node, none(data));
    return;
  }
  const isMany = here > FEW;
  const filter = h(
    "label",
    {},
    h("span", { class: "quiet" }, "Game"),
    h("input", {
      type: "search",
      name: "game",
      placeholder: "name contains…",
      spellcheck: "false",
      autocomplete: "off",
      oninput: ({ target }) => acts.filter(target.value),
    }),
  );
  patch(
    node,
    isMany && h("div", { class: "tools", key: "tools" }, filter, pager(data, acts)),
    games.length === 0
      ? h("p", { class: "empty" }, query === "" ? "No game on this page." : "No game matches.")
      : h(
          "nav",
          { class: "games", "aria-label": "Games", key: "games" },
          h(
            "ul",
            {},
            games.map((game) => entry(game, chosen, acts.choose)),
          ),
        ),
  );
}
