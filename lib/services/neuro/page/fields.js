// The fields of a form, made from what the server says of a schema. A field is made once and then
// left to whoever types in it. Its answer goes to the server as it was typed, which says what is
// wrong with it; nothing is judged here.

import { h, make, visible } from "../../../host/page/dom.js";
import { count, counted } from "../../../host/page/numbers.js";

/** Entries that a list begins with, at most. */
const MOST_FIRST = 10;
/** A text that may be longer gets more than a line. */
const LINE = 200;

let lastId = 0;

/** What a field takes, where its control does not show that. */
function takes({ kind, wants, nullable, minItems = 0, maxItems }) {
  const orNull = nullable && kind !== "choice" ? ", or null" : "";
  if (kind === "list") {
    const most = maxItems === undefined ? "" : counted(maxItems, "entry", "entries");
    if (minItems > 0 && most) return minItems === maxItems ? most : `${count(minItems)} to ${most}`;
    if (minItems > 0) return `at least ${counted(minItems, "entry", "entries")}`;
    return most && `at most ${most}`;
  }
  const says = ["whole", "number", "text", "json"].includes(kind) && wants !== "a text";
  return (says ? wants : "") + orNull;
}

/** What surrounds a control: its name, what it takes, and what is wrong with it. */
function framed(field, control, isGroup = false) {
  const id = `neuro-field-${++lastId}`;
  const { title, name, description, required } = field;
  const alias = name !== "" && title !== name && h("code", { class: "quiet" }, ` ${visible(name)}`);
  const optional = !required && h("span", { class: "quiet" }, " optional");
  const label = [h("span", { class: "key" }, visible(title)), alias, optional];
  const wanted = takes(field);
  const about = h(
    "p",
    { class: "about", id: `${id}-about` },
    description !== "" && h("span", { dir: "auto" }, visible(description)),
    wanted !== "" && h("span", { class: "wants" }, visible(wanted)),
  );
  const wrong = make(h("p", { class: "wrong", id: `${id}-wrong` }));
  const parts = isGroup
    ? [h("legend", {}, label), about, control]
    : [h("label", { for: id }, label), control, about];
  const node = make(h(isGroup ? "fieldset" : "div", { class: "field" }, parts, wrong));
  (isGroup ? node : control).setAttribute("aria-describedby", `${id}-about ${id}-wrong`);
  const tell = (text) => {
    wrong.textContent = text;
    if (isGroup) return;
    if (text === "") control.removeAttribute("aria-invalid");
    else control.setAttribute("aria-invalid", "true");
  };
  if (!isGroup) {
    control.id = id;
    if (required && control.type !== "checkbox") control.setAttribute("aria-required", "true");
    control.addEventListener("input", () => tell(""));
  }
  return { node, tell };
}

/** A field of one control. `answer` is what goes to the server, `data` what it looks like as JSON. */
function single(field, control, answer, data = answer) {
  return { ...framed(field, control), answer, data, focus: () => control.focus(), at: () => null };
}

const line = (more) => make(h("input", { type: "text", autocomplete: "off", ...more }));
const area = (more) => make(h("textarea", { rows: 3, spellcheck: "false", ...more }));

const KINDS = {
  choice(field, initial) {
    const { options, required } = field;
    const at = options.findIndex(({ value }) => JSON.stringify(value) === JSON.stringify(initial));
    const label = ({ text, title }) =>
      visible(title === "" ? text : `${title} (${text})`) || "(empty)";
    const none = !required && h("option", { value: "" }, "– left out –");
    const control = make(
      h(
        "select",
        {},
        none,
        options.map((one, i) => h("option", { value: i }, label(one))),
      ),
    );
    control.value = at >= 0 ? String(at) : required ? "0" : "";
    const chosen = () => options[control.value];
    const isGiven = () => control.value !== "";
    return single(
      field,
      control,
      () => (isGiven() ? chosen().text || '""' : ""),
      () => (isGiven() ? chosen().value : undefined),
    );
  },

  flag(field, initial) {
    if (!field.required || field.nullable) {
      const options = [true, false, ...(field.nullable ? [null] : [])].map((value) => ({
        value,
        text: String(value),
        title: value === null ? "" : value ? "yes" : "no",
      }));
      return KINDS.choice({ ...field, options }, initial);
    }
    const control = make(h("input", { type: "checkbox" }));
    control.checked = initial === true;
    return single(field, control, () => control.checked);
  },

  whole: number,
  number,

  text(field, initial) {
    const isLong =
      field.maxLength > LINE || (typeof initial === "string" && initial.includes("\n"));
    const control = (isLong ? area : line)({ dir: "auto" });
    // Nothing typed is no answer; an empty text is written in quotes.
    control.value = initial === "" ? '""' : (initial ?? "");
    const data = () =>
      control.value === '""' ? "" : control.value === "" ? undefined : control.value;
    return single(field, control, () => control.value, data);
  },

  json(field, initial) {
    const control = area({ class: "code" });
    control.value = initial === undefined ? "" : JSON.stringify(initial, null, 2);
    const data = () => (control.value.trim() === "" ? undefined : jsonOr(control.value));
    return single(field, control, () => control.value, data);
  },

  object(field, initial) {
    const inner = group(field.fields, isObject(initial) ? initial : {});
    const isGiven = make(h("input", { type: "checkbox" }));
    isGiven.checked = field.required || initial !== undefined;
    const show = () => (inner.node.hidden = !isGiven.checked);
    isGiven.addEventListener("change", show);
    show();
    const unseen = h("span", { class: "unseen" }, `: ${visible(field.title)}`);
    const give = !field.required && h("label", { class: "give" }, isGiven, "give it", unseen);
    const box = make(h("div", { class: "inside" }, give, inner.node));
    return {
      ...framed(field, box, true),
      answer: () => (isGiven.checked ? inner.answer() : ""),
      data: () => (isGiven.checked ? inner.data() : undefined),
      focus: () => (isGiven.checked && inner.first ? inner.first.focus() : isGiven.focus()),
      at: inner.at,
    };
  },

  list(field, initial) {
    const items = [];
    const rows = make(h("ol", { class: "entries" }));
    const add = make(h("button", { type: "button" }, "Add an entry"));
    const label = () => `${field.title} ${items.length + 1}`;
    const insert = (value) => {
      const title = field.item.title || label();
      const item = fieldOf({ ...field.item, title, name: title }, value);
      const remove = make(
        h(
          "button",
          { type: "button", class: "plain", "aria-label": `Remove ${visible(label())}` },
          "Remove",
        ),
      );
      const row = make(h("li", {}, item.node, remove));
      remove.addEventListener("click", () => {
        const at = items.indexOf(item);
        items.splice(at, 1);
        row.remove();
        (items[at] ?? items[at - 1] ?? add).focus();
      });
      items.push(item);
      rows.append(row);
      return item;
    };
    add.addEventListener("click", () => insert(undefined).focus());
    const first = field.required ? Math.min(field.minItems ?? 0, MOST_FIRST) : 0;
    for (const value of Array.isArray(initial) ? initial : Array(first).fill(undefined))
      insert(value);
    const isLeftOut = () => items.length === 0 && !field.required;
    const box = make(h("div", { class: "inside" }, rows, add));
    return {
      ...framed(field, box, true),
      answer: () => (isLeftOut() ? "" : items.map((item) => item.answer())),
      data: () => (isLeftOut() ? undefined : given(items.map((item) => item.data()))),
      focus: () => (items[0] ?? add).focus(),
      at: (key) => items[Number(key)] ?? null,
    };
  },
};

function number(field, initial) {
  const control = line({ inputmode: field.kind === "whole" ? "numeric" : "decimal" });
  control.value = initial === undefined ? "" : String(initial);
  const data = () => (control.value.trim() === "" ? undefined : jsonOr(control.value));
  return single(field, control, () => control.value, data);
}

const given = (values) => values.filter((value) => value !== undefined);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** The value of a JSON text; the text itself where it is none. */
function jsonOr(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Makes a field; a kind that this page does not know is written as JSON. */
function fieldOf(field, initial = field.default) {
  const make = Object.hasOwn(KINDS, field.kind) ? KINDS[field.kind] : KINDS.json;
  return make(field, initial);
}

/** The fields of an object. */
export function group(fields, initial = {}) {
  const own = (name) => (Object.hasOwn(initial, name) ? initial[name] : undefined);
  const made = new Map(fields.map((field) => [field.name, fieldOf(field, own(field.name))]));
  const node = make(
    h(
      "div",
      { class: "fields" },
      [...made.values()].map((one) => one.node),
    ),
  );
  const all = (read) => {
    const entries = [...made].map(([name, one]) => [name, read(one)]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  };
  return {
    node,
    first: made.values().next().value ?? null,
    answer: () => all((one) => one.answer()),
    data: () => all((one) => one.data()),
    at: (name) => made.get(name) ?? null,
    clear() {
      for (const one of node.querySelectorAll(".wrong")) one.textContent = "";
      for (const one of node.querySelectorAll("[aria-invalid]"))
        one.removeAttribute("aria-invalid");
    },
  };
}

/** The field at a path, or the innermost around it; null when there is none. */
export function fieldAt(fields, path) {
  let found = null;
  let here = fields;
  for (const key of path) {
    const next = here.at(key);
    if (next === null) break;
    found = here = next;
  }
  return found;
}
