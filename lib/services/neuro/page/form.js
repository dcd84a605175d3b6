// The form of one action: its fields, or the same data as JSON, and what became of sending it.

import { h, make, patch, visible } from "../../../host/page/dom.js";
import { fieldAt, group } from "./fields.js";

let lastId = 0;

/** Made once for an action; what is typed in it stays, whatever comes from the server. */
export class ActionForm {
  /** True once somebody has typed in it and it has not been sent. */
  isTouched = false;
  #isSending = false;
  #fields;
  #send;
  /** The fields, or null while the data is shown as JSON. */
  #group = null;
  #area = null;
  #body = make(h("div", { class: "body" }));
  #aloud = make(
    h("input", { type: "text", id: `neuro-aloud-${++lastId}`, dir: "auto", autocomplete: "off" }),
  );
  #speaking = make(
    h(
      "div",
      { class: "field aloud", hidden: true },
      h(
        "label",
        { for: this.#aloud.id },
        h("span", { class: "key" }, "Say with it"),
        h("span", { class: "quiet" }, " optional"),
      ),
      this.#aloud,
      h("p", { class: "about" }, "The character says it aloud, which shows what priorities do."),
    ),
  );
  #buttons = make(h("div", { class: "buttons" }));
  #problem = make(h("p", { class: "wrong", id: `neuro-wrong-${++lastId}`, tabindex: -1 }));
  #outcome = make(h("p", { class: "outcome", role: "status" }));

  /**
   * @param form what the server makes of the schema: a field of kind object, or another that is written as JSON;
   *   null for an action that takes no data, undefined for one that cannot be sent
   * @param send called with the answers and what is said aloud; resolves with `ok`, `said`, and `problems` with the data
   */
  constructor(name, form, send) {
    this.name = name;
    this.#fields = form?.kind === "object" ? form.fields : null;
    this.#send = send;
    this.node = make(
      h(
        "form",
        { novalidate: true, "aria-label": `Data of ${visible(name)}` },
        this.#body,
        this.#speaking,
        this.#problem,
        this.#buttons,
        this.#outcome,
      ),
    );
    this.node.addEventListener("input", () => {
      this.isTouched = true;
      this.say("");
    });
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.node.addEventListener("keydown", (event) => {
      if (event.repeat && event.key === "Enter" && !event.target.matches("textarea"))
        event.preventDefault();
    });
    if (form === undefined) return;
    if (form === null) patch(this.#body, h("p", { class: "empty" }, "It takes no data."));
    else if (this.#fields !== null) this.#asForm(isObject(form.default) ? form.default : {});
    else this.#asJson(form.default ?? form.options?.[0]?.value ?? {});
  }

  get isSending() {
    return this.#isSending;
  }

  /** Goes to its first field, or to its button. */
  focus() {
    (this.#group?.first ?? this.#area ?? this.#buttons.firstElementChild)?.focus();
  }

  #asForm(initial) {
    this.#area = null;
    this.#group = group(this.#fields, initial);
    const isEmpty = this.#fields.length === 0;
    patch(
      this.#body,
      isEmpty ? h("p", { class: "empty" }, "It takes an empty object.") : this.#group.node,
    );
  }

  #asJson(data) {
    this.#group = null;
    const id = `neuro-json-${++lastId}`;
    this.#area = make(
      h("textarea", {
        id,
        class: "code",
        rows: 8,
        spellcheck: "false",
        "aria-describedby": this.#problem.id,
      }),
    );
    this.#area.value = JSON.stringify(data, null, 2);
    this.#area.setSelectionRange(0, 0);
    this.#area.addEventListener("input", () => this.tell([]));
    patch(this.#body, h("label", { for: id, key: id }, "Data, a JSON object"), this.#area);
  }

  /** Changes between fields and JSON with the data that is there; stays where something would be lost. */
  #turn() {
    this.tell([]);
    this.say("");
    if (this.#area === null) this.#asJson(this.#group.data());
    else {
      const data = this.#parsed();
      if (data === null) return;
      const more = Object.keys(data).find((key) => !this.#fields.some(({ name }) => name === key));
      if (more !== undefined) {
        return this.#wrong(`The form has no field for ${visible(more)}: it would be lost.`);
      }
      this.#asForm(data);
    }
    this.focus();
  }

  /** The object in the area; null once it has been told that there is none. */
  #parsed() {
    try {
      const data = JSON.parse(this.#area.value);
      if (isObject(data)) return data;
      this.#wrong("Data is a JSON object, as {}.");
    } catch (error) {
      this.#wrong(`This is no JSON: ${error.message}.`);
    }
    return null;
  }

  #wrong(message) {
    this.tell([{ path: [], message }]);
  }

  async #submit() {
    if (this.#isSending) return;
    this.tell([]);
    // JSON goes as it was typed: numbers with many digits stay what they are.
    if (this.#area !== null && this.#parsed() === null) return;
    const answers = this.#area?.value ?? this.#group?.answer();
    this.#isSending = true;
    try {
      const {
        ok,
        said,
        problems = [],
      } = await this.#send(answers, this.#speaking.hidden ? "" : this.#aloud.value);
      this.say(said, ok);
      if (ok) this.#aloud.value = "";
      this.tell(problems);
    } finally {
      this.#isSending = false;
    }
  }

  /** Shows what is wrong, at its field where there is one, and goes to the first. */
  tell(problems) {
    this.#group?.clear();
    this.#area?.removeAttribute("aria-invalid");
    let first = null;
    const elsewhere = [];
    for (const { path, message } of problems) {
      const text = visible(message)
        .replace(/^./u, (one) => one.toUpperCase())
        .replace(/[^.]$/u, "$&.");
      const field = this.#group === null ? null : fieldAt(this.#group, path);
      if (field === null)
        elsewhere.push(path.length === 0 ? text : `${visible(path.join(" › "))}: ${text}`);
      else field.tell(text);
      first ??= field;
    }
    patch(this.#problem, elsewhere.join(" "));
    if (problems.length === 0) return;
    this.#area?.setAttribute("aria-invalid", "true");
    (first ?? this.#area ?? this.#problem).focus();
  }

  /** Says what has become of it. */
  say(text, ok = true) {
    this.#outcome.setAttribute("data-ok", ok);
    if (this.#outcome.textContent !== text) patch(this.#outcome, text);
  }

  /**
   * Shows its end.
   * @param label of the button that sends @param isOff it cannot be sent at present
   * @param speaks something may be said with it @param rights as in rights.js
   */
  showEnd({ label, isOff, speaks }, rights) {
    this.#speaking.hidden = !speaks;
    const attributes = isOff ? { "aria-disabled": "true" } : rights.attributes();
    const press = (event) => {
      // The second click of a double click sends nothing more.
      if (event.detail > 1 || isOff || !rights.may()) event.preventDefault();
    };
    const other = this.#area === null ? "As JSON" : "As form";
    patch(
      this.#buttons,
      h("button", { class: "main", ...attributes, onclick: press }, label),
      this.#fields?.length > 0 &&
        h("button", { type: "button", onclick: () => this.#turn() }, other),
    );
  }
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
