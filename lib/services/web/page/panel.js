// The panel of the web service: asks the server how it fares, and has the parts show it.

import { Asking } from "../../../host/page/asking.js";
import { h, make } from "../../../host/page/dom.js";
import { glossary, part } from "../../../host/page/pieces.js";
import { Rates } from "../../../host/page/rates.js";
import { showRoutes } from "./routes.js";
import { showSessions } from "./sessions.js";
import { showStreams } from "./streams.js";
import { showTickers } from "./tickers.js";
import { GLOSSARY } from "./words.js";

/** Seconds after which the server is asked even though nothing was heard of: requests come and go. */
const QUIET_SECONDS = 2;

/**
 * Shows the panel in an element of the page.
 * @param page `view(name)` resolves with what the server shows; `clientsAddress(sort)` leads to clients
 */
export function mount(node, page) {
  const panel = new Panel(node, page);
  return { changed: () => panel.asking.news(), ticked: () => panel.tick() };
}

class Panel {
  asking = new Asking(() => this.#askOnce(), QUIET_SECONDS);
  #page;
  #parts = {
    routes: part("routes"),
    streams: part("streams"),
    sessions: part("sessions"),
    tickers: part("tickers"),
  };
  #rates = new Rates();
  /** The newest answer, and when it came. */
  #told = null;
  #toldAt = 0;

  constructor(node, page) {
    this.#page = page;
    const { routes, streams, sessions, tickers } = this.#parts;
    const right = make(h("div", {}, streams, sessions, tickers));
    node.classList.add("web");
    node.append(make(h("div", { class: "columns" }, routes, right)), glossary(GLOSSARY));
  }

  tick() {
    if (this.asking.tick() && this.#told !== null) this.#show();
  }

  async #askOnce() {
    this.#told = await this.#page.view("state");
    this.#toldAt = performance.now();
    const { at, routes } = this.#told;
    this.#rates.note(at, Object.fromEntries(routes.map(({ name, answers }) => [name, answers])));
    this.#show();
  }

  #show() {
    const { routes, streams, sessions, tickers } = this.#parts;
    const told = this.#told;
    showRoutes(routes, told, (name) => this.#rates.of(name));
    showStreams(streams, told, this.#page);
    showSessions(sessions, told);
    showTickers(tickers, told, performance.now() - this.#toldAt);
  }
}
