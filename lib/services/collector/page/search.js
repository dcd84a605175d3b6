// The search: what is wanted, the entries that were found, and how far the server has looked.

import { h, make, patch } from "../../../host/page/dom.js";
import { count, counted } from "../../../host/page/numbers.js";
import { box, choice, empty, head, warning } from "../../../host/page/pieces.js";
import { Found } from "./found.js";
import { Rows } from "./rows.js";
import { LEVELS } from "./words.js";

/** Milliseconds after the last key before the server is asked. */
const TYPING_MS = 300;
const GLOSS =
  "What other programs have logged, private things perhaps: whoever may see this page can read all of it.";

/** The number in a field; null where there is none. */
const numberIn = ({ value }) => (/^\d{1,15}$/.test(value.trim()) ? Number(value) : null);

const isFiltered = ({ text, level, door, from, before }) =>
  text !== "" || level !== "notset" || door !== "" || from > 0 || before !== null;

export class Search {
  node = make(h("section", { "data-of": "search" }));
  #found;
  #rows = new Rows();
  #said = make(h("p", { class: "unseen", role: "status" }));
  #form;
  #wanted = { text: "", level: "notset", door: "", from: 0, before: null };
  /** The names of the doors that are open. */
  #doors = [];
  #follows = true;
  #isBehind = false;
  /** Answers that somebody waits for. */
  #waitedFor = 0;
  #trouble = null;
  #typing = 0;

  /** @param view asks the server */
  constructor(view) {
    this.#found = new Found(view);
    const typed = () => this.#type();
    const field = (label, attributes) =>
      h(
        "label",
        {},
        h("span", { class: "quiet" }, label),
        h("input", { oninput: typed, autocomplete: "off", spellcheck: "false", ...attributes }),
      );
    const number = { inputmode: "numeric", size: 9, maxlength: 15, pattern: "\\d*" };
    this.#form = make(
      h(
        "form",
        { class: "tools", role: "search", onsubmit: (event) => this.#submit(event) },
        field("Search", {
          type: "search",
          name: "text",
          maxlength: 200,
          placeholder: "text, host, logger…",
        }),
        field("Entries from", { name: "from", ...number }),
        field("to", { name: "to", ...number }),
        // With several fields and no button, Enter in one of them would send nothing.
        h("button", { hidden: "" }),
      ),
    );
  }

  /** Asks for what is new, if that is wanted, and shows it. @param doors the names of those that are open */
  async look(doors = this.#doors) {
    this.#doors = doors;
    // News must not take the place of the answer that a person waits for: they are asked for after it.
    this.#isBehind = this.#waitedFor > 0;
    if (this.#follows && !this.#isBehind) await this.#ask(() => this.#found.newer());
    else this.show();
  }

  #type() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => void this.#search(), TYPING_MS);
  }

  #submit(event) {
    event.preventDefault();
    void this.#search();
  }

  #search() {
    clearTimeout(this.#typing);
    const { text, from, to } = this.#form.elements;
    const last = numberIn(to);
    this.#wanted = {
      ...this.#wanted,
      text: text.value,
      from: numberIn(from) ?? 0,
      before: last === null ? null : last + 1,
    };
    return this.#answer(() => this.#found.begin(this.#wanted));
  }

  /** Has the server asked by who waits for it, and tells whoever does not see the page what was found. */
  async #answer(how) {
    this.#waitedFor++;
    const isNew = await this.#ask(how);
    this.#waitedFor--;
    // Who has gone so far back stays there, whatever came meanwhile.
    if (this.#found.hasDropped) this.#follows = false;
    if (this.#isBehind && this.#waitedFor === 0) void this.look();
    this.show();
    if (!isNew) return;
    const { entries } = this.#found;
    const many = entries.length === 0 ? "No entry" : counted(entries.length, "entry", "entries");
    patch(this.#said, `${many} found. ${this.#reached()}`);
  }

  /** Has the server asked, and shows what it says. @returns false when it was asked something else meanwhile, or gave no answer */
  async #ask(how) {
    const asked = how();
    this.show();
    try {
      const isNew = await asked;
      this.#trouble = null;
      return isNew;
    } catch (error) {
      this.#trouble = error.message;
      return false;
    } finally {
      this.show();
    }
  }

  #choose(chosen) {
    this.#wanted = { ...this.#wanted, ...chosen };
    void this.#search();
  }

  #follow() {
    this.#follows = !this.#follows;
    void this.look();
  }

  /** How far the server has looked, in words. */
  #reached() {
    const { isWhole, backTo, wanted, entries } = this.#found;
    if (this.#waitedFor > 0) return "Searching…";
    if (backTo === null || (isWhole && entries.length === 0 && !isFiltered(wanted))) return "";
    if (!isWhole) return `Searched back to entry ${count(backTo)}.`;
    if (wanted.door !== "" && backTo > wanted.from) {
      return `Searched back to entry ${count(backTo)}: of older ones the door is not known.`;
    }
    if (wanted.from > 0) return `Searched back to entry ${count(wanted.from)}, as was wanted.`;
    return "Nothing older is left.";
  }

  show() {
    const { entries, wanted, newest, hasDropped, leftOut, isAsking } = this.#found;
    const many = counted(entries.length, "entry", "entries");
    const note = entries.length > 0 && h("span", { class: "quiet" }, `${many}, the newest first`);
    const list = () => box("Entries", "entries", this.#rows.describe(entries, wanted.text));
    patch(
      this.node,
      head("Entries", note, GLOSS),
      this.#form,
      this.#tools(),
      hasDropped &&
        warning("dropped", `Entries newer than ${count(newest)} are not shown any more.`),
      entries.length > 0 ? list() : empty(this.#none()),
      leftOut !== null &&
        warning("left-out", `${leftOut} is too long to be searched here; logs tail reads it.`),
      this.#trouble !== null && warning("trouble", this.#trouble),
      this.#foot(),
      this.#said,
    );
    this.node.ariaBusy = isAsking ? "true" : null;
  }

  #tools() {
    const pressed = String(this.#follows);
    const attributes = { type: "button", class: "follow", "aria-pressed": pressed };
    const { level, door } = this.#wanted;
    const doors = [["", "all doors"], ...this.#doors.map((name) => [name, name])];
    return h(
      "div",
      { class: "tools", key: "tools" },
      choice("Least level shown", LEVELS, level, (level) => this.#choose({ level })),
      choice("Door", doors, door, (door) => this.#choose({ door })),
      h("button", { ...attributes, onclick: () => this.#follow() }, "Follow"),
    );
  }

  #none() {
    const { backTo, wanted } = this.#found;
    if (backTo === null) return "Searching…";
    if (isFiltered(wanted)) return "No entry matches.";
    return "No entry yet. Programs send theirs to one of the doors above.";
  }

  #foot() {
    const { isWhole, backTo, entries } = this.#found;
    const attributes = { type: "button", "aria-disabled": this.#waitedFor > 0 ? "true" : null };
    const older = () => this.#waitedFor > 0 || void this.#answer(() => this.#found.older());
    const label = entries.length === 0 ? "Go on" : "Older";
    return h(
      "p",
      { class: "reached", key: "reached" },
      h("span", { class: "quiet" }, this.#reached()),
      !isWhole && backTo !== null && h("button", { ...attributes, onclick: older }, label),
    );
  }
}
