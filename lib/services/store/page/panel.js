// The panel of the store: asks the server for what is looked at, and has the parts show it.

import { Asking } from "../../../host/page/asking.js";
import { h, make, patch } from "../../../host/page/dom.js";
import { glossary, part } from "../../../host/page/pieces.js";
import { Rates } from "../../../host/page/rates.js";
import { countsOf, showAnswers } from "./answers.js";
import { Channels } from "./channels.js";
import { showJournal } from "./journal.js";
import { Keys } from "./keys.js";
import { showValue } from "./value.js";
import { GLOSSARY } from "./words.js";

/** Seconds after which the server is asked even though nothing was heard of: rates fall to nothing without news. */
const QUIET_SECONDS = 2;

/**
 * Shows the panel in an element of the page.
 * @param page `view(name, query)` resolves with what the server shows, null where there is nothing of the kind;
 *   `query()`, `want(changes)` and `address(query)` read and change what the address wants
 */
export function mount(node, page) {
  const panel = new Panel(node, page);
  return { changed: () => panel.changed(), ticked: () => panel.tick() };
}

class Panel {
  #page;
  #keys;
  #channels;
  #parts = { answers: part("answers"), journal: part("journal"), value: part("value") };
  #closed = make(h("section", { "data-of": "closed", hidden: true }));
  #open;
  #rates = new Rates();
  #asking = new Asking(() => this.#askOnce(), QUIET_SECONDS);
  /** The newest answers, and when they came. */
  #told = { state: null, level: null, channels: null, who: null, key: null };
  #toldAt = 0;
  /** The address and the rights for which they are. */
  #wanted = "";

  constructor(node, page) {
    this.#page = page;
    this.#keys = new Keys(page);
    this.#channels = new Channels(page);
    const { answers, journal, value } = this.#parts;
    const left = make(h("div", {}, this.#keys.node, value));
    const above = make(h("div", { class: "columns" }, answers, journal));
    this.#open = make(h("div", { class: "columns" }, left, this.#channels.node));
    node.classList.add("store");
    node.append(above, this.#closed, this.#open, glossary(GLOSSARY));
  }

  /** What a person wants to see: it changes with the address, and with the sign-in. */
  get #want() {
    return JSON.stringify([this.#page.query(), this.#page.admin()]);
  }

  changed() {
    if (this.#want === this.#wanted) this.#asking.news();
    else void this.#asking.now();
  }

  tick() {
    if (this.#want !== this.#wanted) void this.#asking.now();
    else if (this.#asking.tick() && this.#told.state !== null) this.#show();
  }

  async #askOnce() {
    this.#wanted = this.#want;
    const { view } = this.#page;
    const { key, channel } = this.#page.query();
    const mayRead = this.#page.admin() === "signed-in";
    const state = await view("state");
    const isClosed = state.is_private && !mayRead;
    const ask = (name, query) => (isClosed ? null : view(name, query));
    const [level, channels, who, value] = await Promise.all([
      ask("level", this.#keys.wanted),
      ask("channels", this.#channels.wanted),
      channel === undefined ? null : ask("subscribers", { channel }),
      key === undefined || !mayRead ? null : view("key", { path: key }),
    ]);
    this.#told = { state, level, channels, who, key: value, isClosed };
    this.#toldAt = performance.now();
    this.#rates.note(state.at, countsOf(state));
    this.#show();
  }

  #show() {
    const { state, level, channels, who, key, isClosed } = this.#told;
    const late = performance.now() - this.#toldAt;
    const { answers, journal, value } = this.#parts;
    showAnswers(answers, state, (name) => this.#rates.of(name));
    showJournal(journal, state, late);
    this.#closed.hidden = !isClosed;
    this.#open.hidden = isClosed;
    if (isClosed) return this.#showClosed();
    this.#keys.show(level);
    this.#channels.show(channels, who, state);
    const { key: path = null, ...others } = this.#page.query();
    const chosen = { path, told: key, admin: this.#page.admin(), isGone: key === null, late };
    const close = this.#page.address(others);
    showValue(value, chosen, { signIn: () => this.#page.signIn(), close });
  }

  #showClosed() {
    const isOff = this.#page.admin() === "off";
    const words = isOff
      ? "Clients of this store need a token; so its keys and channels are shown to operators alone, and this server has no token for them: SUMMONER_TOKEN or web.token_file sets one."
      : "Clients of this store need a token; so its keys and channels are shown to operators alone.";
    const signIn = () => this.#page.signIn();
    patch(
      this.#closed,
      h("h3", { tabindex: -1 }, "Keys and channels"),
      h("p", { class: "quiet" }, words),
      !isOff && h("button", { type: "button", onclick: signIn }, "Sign in"),
    );
  }
}
