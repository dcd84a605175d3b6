// Channels and patterns with their subscribers, and who subscribes to one.

import { h, make, patch, theirs } from "../../../host/page/dom.js";
import { bytes, count, counted } from "../../../host/page/numbers.js";
import { empty, head, pager, quiet, table } from "../../../host/page/pieces.js";

/** Channels on a page. */
export const LIMIT = 20;
const GLOSS = "Who subscribes to a pattern is counted there, not at the channels that it matches.";
const TYPING_MS = 250;

export class Channels {
  node = make(h("section", { "data-of": "channels" }));
  #page;
  #input;
  #typing = 0;

  constructor(page) {
    this.#page = page;
    const attributes = { type: "search", name: "channels", maxlength: 256, spellcheck: "false" };
    const typed = ({ target }) => {
      clearTimeout(this.#typing);
      const channels = target.value === "" ? null : target.value;
      const change = { channels, after: null, offset: null };
      this.#typing = setTimeout(() => this.#page.want(change, true), TYPING_MS);
    };
    this.#input = make(h("input", { ...attributes, autocomplete: "off", oninput: typed }));
  }

  /** What the address wants of them. */
  get wanted() {
    const { channels = "", after = "", offset = "0" } = this.#page.query();
    const from = Math.max(0, Math.min(1e9, Math.floor(Number(offset)) || 0));
    return { prefix: channels, after, offset: from, limit: LIMIT };
  }

  #name(name, chosen) {
    const isChosen = name === chosen;
    const query = { ...this.#page.query(), channel: isChosen ? null : name };
    const attributes = { href: this.#page.address(query), "aria-expanded": String(isChosen) };
    return h("a", attributes, theirs(name));
  }

  /** Those who subscribe to the chosen one. */
  #who({ channel, total, clients }) {
    const one = ({ id, address }) =>
      h("li", { key: id }, h("a", { href: this.#page.clientAddress(id) }, address));
    const more = total - clients.length;
    return h(
      "div",
      { class: "who", key: "who" },
      h("h4", { tabindex: -1 }, "Subscribed to ", theirs(channel)),
      total === 0 ? empty("Nobody, by just this name.") : h("ul", {}, clients.map(one)),
      more > 0 && h("p", { class: "quiet" }, `and ${count(more)} more`),
    );
  }

  /** Shows them. @param who those who subscribe to the chosen one; null without one */
  show(channels, who, { subscriptions }) {
    if (channels === null) return;
    const { rows, total, by_size: bySize, cursor } = channels;
    const query = this.#page.query();
    if (document.activeElement !== this.#input) this.#input.value = query.channels ?? "";
    const columns = [
      ["Channel", ({ name }) => this.#name(name, query.channel)],
      ["Subscribers", (row) => quiet(row.subscribers, count(row.subscribers)), { number: true }],
      ["Messages", (row) => quiet(row.messages, count(row.messages)), { number: true }],
      ["Kept", (row) => quiet(row.kept, count(row.kept)), { number: true, drop: 2 }],
    ];
    const { offset } = this.wanted;
    const end = offset + rows.length;
    const words = bySize
      ? `${count(offset + 1)} to ${count(end)} of ${count(total)}, the most subscribers first`
      : `${counted(rows.length, "channel")}, by name`;
    const { channels: onChannels, keys, kept_bytes: kept } = subscriptions;
    const note = `${counted(onChannels, "subscription")} here, ${count(keys)} to keys; ${bytes(kept)} kept`;
    patch(
      this.node,
      head("Channels", note, GLOSS),
      h(
        "div",
        { class: "tools", key: "tools" },
        h("label", {}, h("span", { class: "quiet" }, "Begins with"), this.#input),
      ),
      rows.length === 0
        ? empty(this.#none(query))
        : table("Channels", columns, rows, ({ name }) => name),
      rows.length > 0 && pager(words, this.#turns(bySize, offset, end, total, cursor)),
      who !== null && this.#who(who),
    );
  }

  #turns(bySize, offset, end, total, cursor) {
    const want = (change) => () => this.#page.want(change);
    if (!bySize) {
      const { after } = this.#page.query();
      const before = after !== undefined && (() => history.back());
      return { before, after: cursor !== null && want({ after: cursor, offset: null }) };
    }
    const before = Math.max(0, offset - LIMIT);
    return {
      before: offset > 0 && want({ offset: before === 0 ? null : before }),
      after: end < total && want({ offset: end }),
    };
  }

  #none({ channels = "" }) {
    return channels === "" ? "Nobody publishes or subscribes." : "No channel's name begins so.";
  }
}
