// Entries of the log, a row each. Their senders have chosen every text in them.

import { h, theirs, visible } from "../../../host/page/dom.js";

const SIGNS = { warning: "▲ ", error: "■ ", critical: "■ " };

/** Of the letters the server takes these in any case; the text keeps its length. */
const lower = (text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** The text with what was searched for marked where it is first. */
function marked(text, query) {
  const shown = visible(text);
  const at = query === "" ? -1 : lower(shown).indexOf(lower(query));
  if (at < 0) return shown;
  const end = at + query.length;
  return [shown.slice(0, at), h("mark", {}, shown.slice(at, end)), shown.slice(end)];
}

const field = ([name, value]) =>
  h("div", {}, h("dt", {}, theirs(name)), h("dd", {}, visible(value)));

function row(entry, query) {
  const level = entry.level.toLowerCase();
  const sign = SIGNS[level] ?? "";
  const name = (text, kind) => h("span", { class: kind }, text !== "" && theirs(text));
  return h(
    "li",
    { key: entry.sequence, "data-level": level },
    h("span", { class: "sequence" }, String(entry.sequence)),
    name(entry.timestamp, "time"),
    h("b", { class: "level" }, h("span", { "aria-hidden": "true" }, sign), visible(level)),
    h("span", { class: "door" }, entry.door),
    name(entry.host, "host"),
    name(entry.logger, "logger"),
    h(
      "div",
      { class: "message" },
      h("bdi", {}, marked(entry.message, query)),
      entry.where !== "" && h("span", { class: "where" }, " ", theirs(entry.where)),
      entry.more.length > 0 &&
        h("details", {}, h("summary", {}, "more"), h("dl", {}, entry.more.map(field))),
    ),
  );
}

/** Describes entries; one that was described before stays the same. */
export class Rows {
  #query = "";
  #rows = new WeakMap();

  describe(entries, query) {
    if (query !== this.#query) this.#rows = new WeakMap();
    this.#query = query;
    return entries.map((entry) => {
      const known = this.#rows.get(entry);
      if (known) return known;
      const made = row(entry, query);
      this.#rows.set(entry, made);
      return made;
    });
  }
}
