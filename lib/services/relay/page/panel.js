// The panel of the relay: asks the server how it fares, and has the parts show it.

import { Asking } from "../../../host/page/asking.js";
import { h, make } from "../../../host/page/dom.js";
import { glossary, part } from "../../../host/page/pieces.js";
import { showBacklog } from "./backlog.js";
import { showMost } from "./most.js";
import { showPressure } from "./pressure.js";
import { GLOSSARY } from "./words.js";

/** Seconds after which the server is asked even though nothing was heard of: lines come and go. */
const QUIET_SECONDS = 1;

/**
 * Shows the panel in an element of the page.
 * @param page `view(name)` resolves with what the server shows; `clientAddress(id)` and
 *   `clientsAddress(sort)` lead to clients
 */
export function mount(node, page) {
  const panel = new Panel(node, page);
  return { changed: () => panel.asking.news(), ticked: () => panel.tick() };
}

class Panel {
  asking = new Asking(() => this.#askOnce(), QUIET_SECONDS);
  #page;
  #parts = {
    most: make(h("div", { class: "three" })),
    pressure: part("pressure"),
    backlog: part("backlog"),
  };
  /** The newest answer, and when it came. */
  #told = null;
  #toldAt = 0;

  constructor(node, page) {
    this.#page = page;
    const { most, pressure, backlog } = this.#parts;
    node.classList.add("relay");
    node.append(most, make(h("div", { class: "columns" }, pressure, backlog)), glossary(GLOSSARY));
  }

  tick() {
    if (this.asking.tick() && this.#told !== null) this.#show();
  }

  async #askOnce() {
    this.#told = await this.#page.view("state");
    this.#toldAt = performance.now();
    this.#show();
  }

  #show() {
    const { most, pressure, backlog } = this.#told;
    const late = performance.now() - this.#toldAt;
    showMost(this.#parts.most, most, this.#page);
    showPressure(this.#parts.pressure, pressure, this.#page, late);
    showBacklog(this.#parts.backlog, backlog, this.#page, late);
  }
}
