// The keys, a level of their names at a time: the way from the top, the names on the level, page by page.

import { h, make, patch, theirs } from "../../../host/page/dom.js";
import { bytes, count, counted } from "../../../host/page/numbers.js";
import { empty, head, pager, quiet, table } from "../../../host/page/pieces.js";

/** Names on a page. */
export const LIMIT = 25;
const GLOSS = "Names with what is below each. Follow one to the next level, or a key to its value.";
/** Milliseconds after the last key before the server is asked. */
const TYPING_MS = 250;

export const SEPARATOR = "^";
const textOf = (path) => path.join(SEPARATOR);

export class Keys {
  node = make(h("section", { "data-of": "keys" }));
  #page;
  #input;
  #typing = 0;

  constructor(page) {
    this.#page = page;
    const attributes = { type: "search", name: "from", maxlength: 256, spellcheck: "false" };
    const typed = ({ target }) => {
      clearTimeout(this.#typing);
      const change = { from: target.value === "" ? null : target.value, page: null };
      this.#typing = setTimeout(() => this.#page.want(change, true), TYPING_MS);
    };
    this.#input = make(h("input", { ...attributes, autocomplete: "off", oninput: typed }));
  }

  /** What the address wants of them. */
  get wanted() {
    const { at = "", from = "", page = "1" } = this.#page.query();
    const place = Math.max(1, Math.min(1e6, Math.floor(Number(page)) || 1));
    return { path: at, from, offset: (place - 1) * LIMIT, limit: LIMIT };
  }

  /** The address of a level, or of a key on it. */
  #address(change) {
    return this.#page.address({ ...this.#page.query(), page: null, from: null, ...change });
  }

  #way(path) {
    const step = (name, at, isHere) => {
      const attributes = { href: this.#address({ at, key: null }) };
      return h(
        "li",
        {},
        h("a", isHere ? { ...attributes, "aria-current": "true" } : attributes, name),
      );
    };
    const steps = path.map((name, i) =>
      step(theirs(name), textOf(path.slice(0, i + 1)), i === path.length - 1),
    );
    return h(
      "nav",
      { class: "way", "aria-label": "Where these keys are", key: "way" },
      h("ol", {}, step("All keys", null, path.length === 0), steps),
    );
  }

  #name({ name, holds, branches }, path) {
    const full = textOf([...path, name]);
    if (!branches) return holds ? this.#value(full, theirs(name)) : theirs(name);
    const below = h("a", { href: this.#address({ at: full, key: null }) }, theirs(name));
    return [below, holds && " ", holds && this.#value(full, "value")];
  }

  #value(key, shown) {
    const { key: chosen, ...others } = this.#page.query();
    const attributes = {
      href: this.#page.address({ ...others, key }),
      "aria-current": key === chosen ? "true" : null,
    };
    return h("a", { class: "value", ...attributes }, shown);
  }

  /** Shows a level; null before it is known. */
  show(level) {
    if (level === null) return;
    const { path, rows, total, start, keys, bytes: memory, by_size: bySize } = level;
    if (document.activeElement !== this.#input) this.#input.value = this.#page.query().from ?? "";
    const columns = [
      ["Name", (row) => this.#name(row, path)],
      ["Keys", (row) => quiet(row.keys, count(row.keys)), { number: true }],
      ["Memory", (row) => bytes(row.bytes), { number: true, drop: 1 }],
    ];
    const end = start + rows.length;
    const order = bySize ? "the most keys first" : "by name";
    const words =
      total === 0 ? "" : `${count(start + 1)} to ${count(end)} of ${count(total)}, ${order}`;
    const { page = "1" } = this.#page.query();
    const turn = (by) => () => this.#page.want({ page: Number(page) + by });
    const note = keys === 0 ? null : `${counted(keys, "key")}, ${bytes(memory)}`;
    patch(
      this.node,
      head("Keys", note, GLOSS),
      this.#way(path),
      h(
        "div",
        { class: "tools", key: "tools" },
        h("label", {}, h("span", { class: "quiet" }, "Begin at name"), this.#input),
      ),
      rows.length === 0
        ? empty(this.#none(path, total))
        : table("Keys", columns, rows, ({ name }) => name),
      pager(rows.length === 0 ? "" : words, {
        before: Number(page) > 1 && turn(-1),
        after: end < total && turn(1),
      }),
    );
  }

  #none(path, total) {
    if (total > 0) return "There is no name from here on.";
    return path.length === 0 ? "No key is stored." : "There are no keys below this name any more.";
  }
}
