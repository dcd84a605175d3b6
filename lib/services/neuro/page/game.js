// One game: who it is, who plays it, and the orders that it can be given, each after a question.

import { h, make, patch, theirs, visible } from "../../../host/page/dom.js";
import { age, clock } from "../../../host/page/numbers.js";

/** The orders, each with its question; what games that do not know them do is theirs to say. */
const ORDERS = {
  reregister: {
    label: "Ask for its actions again…",
    title: "Ask for its actions again?",
    about:
      "The game is asked to register all its actions anew, as after a lost connection. Games that do not know the request ignore it.",
    yes: "Ask",
  },
  shutdown: {
    label: "Shut down…",
    title: "Ask the game to shut down?",
    about: "Games that do not know the request ignore it; some break on it.",
    yes: "Ask the game",
    isGrave: true,
    choices: [
      ["graceful", "When it suits the game: it saves, and says when it is ready."],
      ["keep", "Take that request back."],
      ["immediate", "Now, saving what it can: it will be closed by force."],
    ],
  },
  disconnect: {
    label: "Disconnect…",
    title: "Disconnect the game?",
    about:
      "Its connection is closed; its actions and its force are forgotten, its context stays. Most games connect again by themselves.",
    yes: "Disconnect",
    isGrave: true,
  },
};

/** Asks about an order in a dialog, which Escape closes; the button that opened it gets the focus back. */
function question(order, game, give) {
  const { title, about, yes, isGrave, choices } = ORDERS[order];
  const radio = ([value, text], i) =>
    h(
      "label",
      { class: "radio" },
      h("input", { type: "radio", name: "how", value, checked: i === 0 }),
      h("span", {}, text),
    );
  const dialog = make(
    h(
      "dialog",
      { class: "neuro-question", "aria-labelledby": "neuro-question" },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: "neuro-question" }, title),
        h(
          "p",
          {},
          h("b", {}, theirs(game.name)),
          h("span", { class: "quiet" }, ` from ${visible(game.address)}`),
        ),
        h("p", { class: "quiet" }, about),
        choices && h("fieldset", {}, h("legend", { class: "unseen" }, "How"), choices.map(radio)),
        h("button", { value: "yes", class: isGrave ? "main grave" : "main" }, yes),
        h(
          "button",
          { value: "", type: "button", autofocus: true, onclick: () => dialog.close("") },
          "Cancel",
        ),
      ),
    ),
  );
  const opener = document.activeElement;
  dialog.addEventListener("close", () => {
    const how = dialog.querySelector("[name=how]:checked")?.value;
    dialog.remove();
    if (opener?.isConnected) opener.focus();
    if (dialog.returnValue === "yes") give(order, how);
  });
  document.body.append(dialog);
  dialog.showModal();
}

/**
 * Shows who a game is.
 * @param data `game`, and `goneAt`: milliseconds since 1970 at which it left, or null
 * @param acts `give(order, how)` gives an order, `rights` as in rights.js
 */
export function showGame(node, { game, goneAt }, { give, rights }) {
  const button = (order) => {
    const { label } = ORDERS[order];
    return h(
      "button",
      {
        type: "button",
        key: order,
        ...rights.attributes(),
        onclick: () => rights.may() && question(order, game, give),
      },
      label,
    );
  };
  const facts =
    goneAt === null
      ? [
          `from ${visible(game.address)}`,
          " · here for ",
          age(game.age_ms),
          " · played by ",
          theirs(game.brain),
        ]
      : ["played by ", theirs(game.brain)];
  patch(
    node,
    h(
      "div",
      { class: "who" },
      h("h3", { tabindex: -1, class: "name" }, theirs(game.name)),
      h("p", { class: "quiet" }, facts),
    ),
    goneAt === null && h("div", { class: "orders" }, Object.keys(ORDERS).map(button)),
    goneAt !== null &&
      h(
        "p",
        { class: "gone", key: "gone" },
        h("span", { "aria-hidden": "true" }, "◌ "),
        h("b", {}, "The game has left"),
        ` at ${clock(goneAt)}. What it was is shown as it was last. When it is back, it is shown at once.`,
      ),
    game.trouble !== null &&
      goneAt === null &&
      h(
        "p",
        { class: "bad", key: "trouble" },
        h("span", { "aria-hidden": "true" }, "■ "),
        `The brain cannot play: ${visible(game.trouble)}`,
      ),
  );
}
