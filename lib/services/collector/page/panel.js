// The panel of the collector: asks the server for what is looked at, and has the parts show it.

import { h, make } from "../../../host/page/dom.js";
import { glossary, part } from "../../../host/page/pieces.js";
import { Rates } from "../../../host/page/rates.js";
import { showDoors } from "./doors.js";
import { showFiles } from "./log-files.js";
import { Search } from "./search.js";
import { showState } from "./state.js";
import { GLOSSARY } from "./words.js";

/** Seconds after which the server is asked even though nothing has been heard of: rates fall to nothing without news. */
const QUIET_SECONDS = 2;

/**
 * Shows the panel in an element of the page.
 * @param page `view(name, query)` resolves with what the server shows
 * @returns `changed()`, to be called when the server may have something else to show, and `ticked()`, once a second
 */
export function mount(node, page) {
  const panel = new Panel(node, page);
  return { changed: () => void panel.ask(), ticked: () => panel.tick() };
}

class Panel {
  #page;
  #search;
  #parts = { state: part("state"), doors: part("doors"), files: part("files") };
  #rates = new Rates();
  /** The newest answer, and when it came. */
  #told = null;
  #toldAt = 0;
  #isAsking = false;
  #asksAgain = false;
  /** Seconds since the last answer. */
  #quiet = 0;

  constructor(node, page) {
    this.#page = page;
    this.#search = new Search((name, query) => page.view(name, query));
    const { state, doors, files } = this.#parts;
    const columns = make(h("div", { class: "columns" }, doors, files));
    node.classList.add("collector");
    node.append(state, columns, this.#search.node, glossary(GLOSSARY));
  }

  /** Asks for what is looked at and shows it; once more when there is news meanwhile. */
  async ask() {
    this.#asksAgain = true;
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#asksAgain) {
      this.#asksAgain = false;
      // Without an answer the page says so; what was shown stays, and a later second asks again.
      await this.#askOnce().catch(() => {});
    }
    this.#isAsking = false;
  }

  async #askOnce() {
    this.#quiet = 0;
    this.#told = await this.#page.view("state");
    this.#toldAt = performance.now();
    const { at, doors } = this.#told;
    this.#rates.note(at, Object.fromEntries(doors.map(({ name, records }) => [name, records])));
    this.#show();
    const open = doors.filter(({ addresses }) => addresses.length > 0);
    await this.#search.look(open.map(({ name }) => name));
  }

  tick() {
    if (++this.#quiet >= QUIET_SECONDS) void this.ask();
    else if (this.#told !== null) this.#show();
  }

  #show() {
    const { state, doors, files } = this.#parts;
    const told = this.#told;
    const { blocked } = told;
    const late = performance.now() - this.#toldAt;
    const perSecond = (door) => this.#rates.of(door);
    showState(state, {
      ...told,
      blocked: blocked && { ...blocked, ms: blocked.ms + late },
      perSecond: this.#rates.inAll(),
    });
    showDoors(doors, told, perSecond);
    showFiles(files, told);
  }
}
