// The panel of the Neuro service: asks the server for what is looked at, and has the parts show it.

import { Asking } from "../../../host/page/asking.js";
import { Actions } from "./actions.js";
import { showBars } from "./bars.js";
import { showContext } from "./context.js";
import { showDiagnostics } from "./diagnostics.js";
import { h, make, patch, visible } from "../../../host/page/dom.js";
import { glossary, part } from "../../../host/page/pieces.js";
import { showForce } from "./force.js";
import { showGame } from "./game.js";
import { showGames } from "./games.js";
import { showResults } from "./results.js";
import { rightsOf } from "./rights.js";
import { GLOSSARY } from "./words.js";

/** Games on a page of the list. */
const LIMIT = 12;
/** Milliseconds after the last key before the server is asked for other games. */
const TYPING_MS = 250;
/** Seconds after which the server is asked even though nothing has been heard of: a brain may be in trouble. */
const QUIET_SECONDS = 10;
/** Characters of a name by which a game that has left is looked for. */
const LOOKED_FOR = 100;

/**
 * Shows the panel in an element of the page.
 * @param page `view(name, query)` resolves with what the server shows, null where there is nothing of the kind;
 *   `act(name, fields)` with `ok`, `said` and more; `tell(text, isWrong)` shows a sentence for a while;
 *   `admin()` is "off", "signed-out" or "signed-in"; `signIn()` asks for the token; `query()` and
 *   `want(changes)` read and change what the address wants
 * @returns `changed()`, to be called when the server may have something else to show, and `ticked()`, once a second
 */
export function mount(node, page) {
  const panel = new Panel(node, page);
  return { changed: () => panel.changed(), ticked: () => panel.tick() };
}

/** What was told of a game `late` milliseconds ago, as it would be told now. */
function later({ game, force, results, ...others }, late) {
  const present = ([state, ms], i, { length }) => [state, i === length - 1 ? ms + late : ms];
  const waiting = (one) => (one.state === "waiting" ? { ...one, ms: one.ms + late } : one);
  return {
    ...others,
    game: { ...game, age_ms: game.age_ms + late },
    force: force && { ...force, age_ms: force.age_ms + late, steps: force.steps.map(present) },
    results: results.map(waiting),
  };
}

class Panel {
  #page;
  #rights;
  #parts = {
    games: part("games"),
    game: part("game"),
    force: part("force"),
    bars: part("bars"),
    context: part("context"),
    results: part("results"),
    diagnostics: part("diagnostics"),
  };
  #actions = new Actions(part("actions"), {
    choose: (action) => this.#look({ action }),
    hold: (action) => (this.#wanted.action = action),
    send: (name, answers, asAnswer) => this.#send(name, answers, asAnswer),
  });
  #board;
  #said = make(h("p", { class: "unseen", role: "status" }));
  /** What is looked at: a game by number and name, an action of it, and the page of the list. */
  #wanted = { id: null, name: null, action: null, query: "", offset: 0 };
  #diagnostics = { all: false, level: "info" };
  /** The newest answers, and when that of the game came. */
  #list = null;
  #game = null;
  #gameAt = 0;
  /** The answer that was shown last. */
  #told = null;
  /** When the game that is shown left, in milliseconds since 1970; null while it is here. */
  #goneAt = null;
  /** The number of a game that is not here any more: it is not asked for again. */
  #lost = null;
  /** The key of the force that was told of last. */
  #toldForce = null;
  #asking = new Asking(() => this.#askOnce(), QUIET_SECONDS);
  /** The game that the address wanted when it was looked at last; "" for none. */
  #addressed = "";
  #typing = 0;

  constructor(node, page) {
    this.#page = page;
    this.#rights = rightsOf(page.admin, page.signIn);
    const { games, game, force, bars, context, results, diagnostics } = this.#parts;
    const left = make(h("div", {}, force, this.#actions.node, bars));
    const right = make(h("div", {}, context, results, diagnostics));
    const columns = make(h("div", { class: "columns" }, left, right));
    this.#board = make(h("div", { hidden: true }, game, columns));
    node.classList.add("neuro");
    node.append(games, this.#board, glossary(GLOSSARY), this.#said);
  }

  /** The server may have something else to show, or the address wants another game. */
  changed() {
    if (this.#follow()) void this.#asking.now();
    else this.#asking.news();
  }

  tick() {
    if (this.#asking.tick() && this.#list !== null) this.#show();
  }

  /** Looks at the game that the address wants. @returns true when it is another one than before */
  #follow() {
    const { game = "" } = this.#page.query();
    if (game === this.#addressed) return false;
    this.#addressed = game;
    const id = /^\d{1,15}$/.test(game) ? Number(game) : null;
    if (id === this.#wanted.id) return false;
    this.#lost = null;
    this.#goneAt = null;
    Object.assign(this.#wanted, { id, name: null, action: null });
    return true;
  }

  /** Has the address want the game that is looked at. With `isSame` it is the one that it wanted, under another number. */
  #address(id, isSame) {
    this.#addressed = String(id);
    this.#page.want({ game: id }, isSame);
  }

  async #askOnce() {
    this.#follow();
    const { query, offset } = this.#wanted;
    const list = await this.#page.view("games", { query, offset, limit: LIMIT });
    if (list === null) return;
    if (list.games.length === 0 && offset > 0) return this.#look({ offset: 0 });
    this.#list = list;
    if (this.#wanted.id === null) this.#pick(list.games);
    if (this.#wanted.id !== null) await this.#askGame();
    this.#show();
  }

  /** Looks at a game unasked: one that waits for a person, or the first. */
  #pick(games) {
    const asks = ({ is_person: isPerson, force }) => isPerson && force !== null;
    const found = games.find(asks) ?? games[0];
    if (found) Object.assign(this.#wanted, { id: found.id, name: found.name });
  }

  async #askGame() {
    const { id, name, action } = this.#wanted;
    if (id !== this.#lost) {
      const query = { game: id, ...(action === null ? {} : { action }) };
      const told = await this.#page.view("game", query);
      if (this.#wanted.id !== id) return;
      // A server that was started again has given the number to another one.
      if (told !== null && (name === null || told.game.name === name)) {
        this.#wanted.name = told.game.name;
        this.#game = told;
        this.#gameAt = performance.now();
        this.#goneAt = null;
        return;
      }
      // The address wants one that nobody has seen here.
      if (name === null) return this.#forget();
      this.#lost = id;
      this.#goneAt ??= Date.now();
    }
    // A game that is started again has another number and the same name.
    const query = name.slice(0, LOOKED_FOR);
    const again = await this.#page.view("games", { query, limit: LIMIT });
    const back = again?.games.findLast((one) => one.name === name);
    if (back && this.#wanted.id === id) this.#lookAt(back, true);
  }

  /** Goes back to a game that it picks itself. */
  #forget() {
    this.#addressed = "";
    this.#page.want({ game: null }, true);
    this.#look({ id: null, name: null });
  }

  /** Looks at a game, one that is here. With `isSame` it was looked at before, under another number. */
  #lookAt({ id, name }, isSame = false) {
    this.#lost = null;
    if (!isSame || this.#addressed !== "") this.#address(id, isSame);
    this.#look({ id, name });
  }

  #look(change) {
    Object.assign(this.#wanted, change);
    void this.#asking.now();
  }

  #show() {
    const { query, id } = this.#wanted;
    const isGone = this.#goneAt !== null;
    const list = { ...this.#list, limit: LIMIT, query, chosen: id };
    showGames(this.#parts.games, list, {
      choose: (one) => {
        this.#wanted.action = null;
        this.#lookAt(one);
      },
      filter: (text) => this.#filter(text),
      turn: (by) => this.#look({ offset: Math.max(0, this.#wanted.offset + by) }),
    });
    this.#board.hidden = this.#game === null;
    if (this.#game !== null) this.#showGame(isGone);
  }

  #showGame(isGone) {
    const { game, force, bars, context, results } = this.#parts;
    const late = isGone ? 0 : performance.now() - this.#gameAt;
    const now = later(this.#game, late);
    const inPlay = isGone ? null : now.force;
    const isAsked = now.game.is_person && inPlay?.steps.at(-1)[0] === "choosing";
    const rights = this.#rights;
    const give = (order, how) => this.#give(order, how);
    showGame(game, { game: now.game, goneAt: this.#goneAt }, { rights, give });
    showForce(force, inPlay, { choose: (action) => this.#look({ action }), isAsked });
    this.#actions.show({
      game: now.game.name,
      actions: now.actions,
      more: now.more_actions,
      chosen: now.action,
      wanted: this.#wanted.action,
      isAsked,
      isGone,
      speaks: now.speaks,
      rights,
      results: now.results,
    });
    showResults(results, now.results);
    // Long, and the same until there is another answer.
    if (this.#told !== this.#game) {
      this.#told = this.#game;
      showBars(bars, now.ended);
      showContext(context, now.context);
      this.#showDiagnostics();
    }
    if (isAsked) this.#announce(now, inPlay);
  }

  #showDiagnostics(change = {}) {
    Object.assign(this.#diagnostics, change);
    showDiagnostics(this.#parts.diagnostics, this.#game.diagnostics, this.#diagnostics, {
      showAll: () => this.#showDiagnostics({ all: true }),
      level: (level) => this.#showDiagnostics({ level }),
    });
  }

  #filter(text) {
    clearTimeout(this.#typing);
    const change = { query: text.trim(), offset: 0 };
    this.#typing = setTimeout(() => this.#look(change), TYPING_MS);
  }

  /** Tells whoever does not see the page that a person is asked; shows the first of the actions to whoever is not at a form. */
  #announce({ game, action }, force) {
    if (force.key === this.#toldForce) return;
    this.#toldForce = force.key;
    patch(this.#said, `${visible(game.name)} asks: ${visible(force.query)}`);
    if (this.#actions.isBusy || force.names.includes(action?.name)) return;
    this.#look({ action: null });
  }

  async #send(name, data, asAnswer) {
    const { game, force } = this.#game;
    const own = { game: game.id, action: name, ...(data === undefined ? {} : { data }) };
    const say = asAnswer?.aloud ? { say: asAnswer.aloud } : {};
    const answer = asAnswer
      ? await this.#page.act("choose", { ...own, force: force.key, ...say })
      : await this.#page.act("send", own);
    await this.#asking.now();
    return answer;
  }

  async #give(order, how) {
    const { game } = this.#game;
    const fields = { game: game.id, ...(how === undefined ? {} : { how }) };
    const { ok, said } = await this.#page.act(order, fields);
    this.#page.tell(ok ? said : `Not done: ${said}`, !ok);
    void this.#asking.now();
  }
}
