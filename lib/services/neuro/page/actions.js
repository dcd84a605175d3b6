// The actions of a game: which there are, which are asked for, and the form of the one that is chosen.

import { h, make, patch, theirs, visible } from "../../../host/page/dom.js";
import { ActionForm } from "./form.js";
import { empty, head, scrolling, warning } from "../../../host/page/pieces.js";
import { counted, span } from "../../../host/page/numbers.js";

/** So many are listed at once; a filter finds the others. */
const LISTED = 40;
/** So many actions need no filter. */
const FEW = 12;
/** Forms that are kept with what was typed in them. */
const KEPT_FORMS = 20;

/** Milliseconds after the form or the meaning of its button has changed in which a press was meant for what was there before. */
const MEANT_MS = 1500;
const MOOT =
  "It was not sent: what the game asks for has just changed. Press again if you mean this.";

const GLOSS = {
  asked: "The game asks for one of those that are marked: fill in its form and choose it.",
  free: "What the brain may do in the game. Sent from here, an action goes to the game without having been asked for.",
};

/** The part of the page that lists actions and holds their forms. */
export class Actions {
  #acts;
  #filter = "";
  /** What is shown, as it was given. */
  #data = null;
  /** Forms by game and action: a game that comes back finds its form as it was. */
  #forms = new Map();
  /** What is shown: the game, the form and its shape as text, what is said of the action, the id it was sent with. */
  #open = null;
  /** When the form was changed for another without having been chosen, and when what it shows was asked for last. */
  #changedAt = -Infinity;
  #askedAt = -Infinity;
  #pane = make(h("div", { class: "pane" }));

  /** @param acts `choose(name)`; `hold(name)` is told which one somebody is at; `send(name, answers, asAnswer)`, as an answer with what is said `aloud` or else null, resolves with `ok`, `said`, and `id` or `problems` */
  constructor(node, acts) {
    this.node = node;
    this.#acts = acts;
  }

  /** True while somebody is at the form or has typed in it. */
  get isBusy() {
    if (this.#open === null) return false;
    const isAt = this.#pane.contains(document.activeElement) || this.#pane.matches(":hover");
    return isAt || this.#open.form.isTouched;
  }

  /**
   * @param data `game`, its name; `actions` as `{ name, forced }`, and how many `more` there are; `chosen`, the one
   *   that is told of, with `description`, `form` and `trouble`; `isAsked`: a person plays, and the game asks; `isGone`; `speaks`;
   *   `wanted`, the name that a person chose, or null; `rights`; `results`
   */
  show(data) {
    this.#data = data;
    const { actions, more, rights, isAsked } = data;
    const pane = this.#showPane();
    const isEmpty = actions.length === 0;
    patch(
      this.node,
      head(
        "Actions",
        `${counted(actions.length + more, "action")} registered`,
        isAsked ? GLOSS.asked : GLOSS.free,
      ),
      isEmpty &&
        empty("No action is registered. The game does so with the command actions/register."),
      rights.note(),
      h("div", { class: "choosing", key: "choosing" }, this.#list(), pane),
    );
  }

  #list() {
    const { actions, more, isGone } = this.#data;
    const wanted = this.#filter.toLowerCase();
    const found = actions.filter(({ name }) => name.toLowerCase().includes(wanted));
    const shown = this.#open?.form.name;
    const entry = ({ name, forced }) => {
      const attributes = { type: "button", "aria-current": name === shown ? "true" : null };
      const mark = forced && !isGone && h("span", { class: "forced" }, "asked for");
      const choose = () => this.#acts.choose(name);
      return h(
        "li",
        { key: name },
        h("button", { ...attributes, onclick: choose }, h("code", {}, theirs(name)), mark),
      );
    };
    const others = Math.max(0, found.length - LISTED) + more;
    const filter = h("input", {
      type: "search",
      "aria-label": "Filter actions by name",
      placeholder: "name contains…",
      spellcheck: "false",
      autocomplete: "off",
      oninput: ({ target }) => this.#narrow(target.value),
    });
    return h(
      "div",
      { class: "names", key: "names" },
      actions.length > FEW && h("div", { class: "tools", key: "filter" }, filter),
      h("ul", { "aria-label": "Actions", key: "list" }, found.slice(0, LISTED).map(entry)),
      found.length === 0 &&
        actions.length > 0 &&
        h("p", { class: "empty", key: "none" }, "No action matches."),
      others > 0 && h("p", { class: "quiet", key: "more" }, `and ${counted(others, "other")}`),
    );
  }

  #narrow(text) {
    this.#filter = text.trim();
    this.show(this.#data);
  }

  #showPane() {
    if (this.#open?.game !== this.#data.game) {
      this.#open = null;
      this.#changedAt = this.#askedAt = -Infinity;
    }
    if (this.#isToOpen()) this.#openForm();
    // What somebody is at is what is asked for from now on, whatever the server would show first.
    if (this.#open !== null && this.isBusy) this.#acts.hold(this.#open.form.name);
    if (this.#open === null) {
      patch(this.#pane);
      return this.#pane;
    }
    const state = this.#stateOf(this.#open);
    if (state.isAnswer) this.#askedAt = performance.now();
    this.#open.form.showEnd(state, this.#data.rights);
    this.#follow(this.#open);
    patch(this.#pane, state.about, this.#open.form.node);
    return this.#pane;
  }

  /** True if the form of the chosen action is to be shown: nobody is taken away from a form but by their own choice. */
  #isToOpen() {
    const { chosen, wanted } = this.#data;
    if (chosen === null) return false;
    return chosen.name === wanted || chosen.name === this.#open?.form.name || !this.isBusy;
  }

  /** Shows the form of the chosen action; its fields stay as they are while somebody has typed in them. */
  #openForm() {
    const { game, chosen } = this.#data;
    const key = JSON.stringify([game, chosen.name]);
    const shape = JSON.stringify(chosen.form);
    let open = this.#forms.get(key);
    if (
      open === undefined ||
      (open.shape !== shape && !(open === this.#open ? this.isBusy : open.form.isTouched))
    ) {
      open = this.#make(key, shape);
    }
    open.description = chosen.description;
    open.trouble = chosen.trouble;
    open.isOld = open.shape !== shape;
    const isOther = this.#open !== null && this.#open !== open;
    if (isOther && chosen.name !== this.#data.wanted) this.#changedAt = performance.now();
    this.#open = open;
  }

  #make(key, shape) {
    const { game, chosen } = this.#data;
    const open = { game, shape, sentId: null };
    const send = (answers, aloud) => this.#send(open, answers, aloud);
    open.form = new ActionForm(
      chosen.name,
      chosen.trouble === null ? chosen.form : undefined,
      send,
    );
    this.#forms.delete(key);
    this.#forms.set(key, open);
    const [oldest] = this.#forms.keys();
    if (this.#forms.size > KEPT_FORMS) this.#forms.delete(oldest);
    return open;
  }

  /** Takes the form that the game has now, in place of the one that was filled in. */
  #renew() {
    const { game, chosen } = this.#data;
    const shape = JSON.stringify(chosen.form);
    this.#open = this.#make(JSON.stringify([game, chosen.name]), shape);
    this.show(this.#data);
    this.#open.form.focus();
  }

  /** What is said above a form, whether it can be sent, and what its button is called. */
  #stateOf({ form, description, trouble, isOld }) {
    const { actions, isAsked, isGone } = this.#data;
    const here = actions.find(({ name }) => name === form.name);
    const isAnswer = isAsked && here?.forced === true;
    const why = isGone
      ? "The game has left: this cannot be sent. What you typed stays; when the game is back, it can be."
      : here === undefined
        ? "The game has taken this action back. What you typed stays, in case it registers it again."
        : trouble === null
          ? null
          : `It cannot be sent: ${visible(trouble)}`;
    const renew = () =>
      h("button", { type: "button", onclick: () => this.#renew() }, "Take the new form");
    const warned = why ?? (isOld && ["The game has changed what this action takes. ", renew()]);
    const unsaid = h("span", { class: "quiet" }, "The game does not say what it does.");
    const forced = isAnswer && h("span", { class: "forced" }, "asked for");
    const told = { class: "description", dir: "auto", key: "about" };
    Object.assign(told, scrolling(description ?? "", "Description"));
    const about = [
      h("h4", { class: "which", key: "which" }, h("code", {}, theirs(form.name)), forced),
      h("p", told, visible(description) || unsaid),
      warned && warning("warned", warned),
    ];
    const label = [isAnswer ? "Choose " : "Send ", theirs(form.name)];
    const speaks = isAnswer && this.#data.speaks;
    return { about, isOff: why !== null, label, isAnswer, speaks };
  }

  async #send(open, answers, aloud) {
    const { name } = open.form;
    const { isAnswer } = this.#stateOf(open);
    const since =
      performance.now() - Math.max(this.#changedAt, isAnswer ? -Infinity : this.#askedAt);
    this.#changedAt = -Infinity;
    if (!isAnswer) this.#askedAt = -Infinity;
    if (since < MEANT_MS) return { ok: false, said: MOOT };
    open.sentId = null;
    const answer = await this.#acts.send(name, answers, isAnswer ? { aloud } : null);
    open.sentId = answer.id ?? null;
    if (answer.ok) open.form.isTouched = false;
    return answer;
  }

  /** Says what has become of the action that was sent last from a form. */
  #follow(open) {
    if (open.sentId === null || open.form.isSending) return;
    const found = this.#data.results.find(({ id }) => id === open.sentId);
    if (found === undefined || found.state === "waiting") return;
    const { state, success, message, ms } = found;
    const how = state !== "answered" ? "No result" : success ? "It succeeded" : "It failed";
    open.form.say(
      `${how} after ${span(ms)}${message === "" ? "." : `: ${visible(message)}`}`,
      success === true,
    );
    open.sentId = null;
  }
}
