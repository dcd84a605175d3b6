// Describing elements, and bringing the page to what is described: an element stays for as long as
// its key (or its place and tag) does, so that focus, selection, scrolling and open boxes survive.
// Text is only ever inserted as text: clients choose much of what is shown here.

/** Describes an element; of the kids, what is null, false or "" is left out. */
export function h(tag, attributes, ...kids) {
  return { tag, attributes: attributes ?? {}, kids: solid(kids) };
}

function solid(kids) {
  return kids.flat(Infinity).filter((kid) => kid || kid === 0);
}

function setOne(node, name, value) {
  if (name.startsWith("on")) node[name] = value;
  else if (name === "style") {
    // Unlike the attribute, this needs no leave from the content security policy.
    for (const [property, set] of Object.entries(value ?? {}))
      node.style.setProperty(property, set);
  } else if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

function setAttributes(node, attributes) {
  const before = node.described?.attributes ?? {};
  for (const name of Object.keys(before)) if (!(name in attributes)) setOne(node, name, null);
  for (const [name, value] of Object.entries(attributes)) {
    if (name !== "key" && before[name] !== value) setOne(node, name, value);
  }
}

/** The element that stands for a description, or a new one. */
function elementFor(kid, keyed, place) {
  const { key } = kid.attributes;
  const found = key === undefined ? place : keyed.get(key);
  const isSame =
    found?.described?.tag === kid.tag &&
    (key !== undefined || !("key" in found.described.attributes));
  return isSame ? found : document.createElement(kid.tag);
}

function textFor(text, place) {
  const node = place?.nodeType === Node.TEXT_NODE ? place : document.createTextNode("");
  if (node.data !== text) node.data = text;
  return node;
}

function fill(parent, kids) {
  const keyed = new Map();
  const wanted = new Set(kids.map((kid) => kid.attributes?.key ?? kid));
  const gone = [];
  for (const node of parent.childNodes) {
    const key = node.described?.attributes.key;
    if (key === undefined) continue;
    if (wanted.has(key)) keyed.set(key, node);
    else gone.push(node);
  }
  for (const node of gone) node.remove();
  let place = parent.firstChild;
  for (const kid of kids) {
    const isElement = kid instanceof Node;
    const isText = typeof kid !== "object";
    const node = isElement
      ? kid
      : isText
        ? textFor(String(kid), place)
        : elementFor(kid, keyed, place);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    if (isElement || isText || node.described === kid) continue;
    fill(node, kid.kids);
    setAttributes(node, kid.attributes);
    node.described = kid;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

/**
 * Brings what is in `parent` to what is described; an element among the kids is put in as it is.
 * A focus that would be lost goes to the nearest heading that takes one.
 */
export function patch(parent, ...kids) {
  const focused = document.activeElement;
  fill(parent, solid(kids));
  if (focused === document.activeElement || focused === document.body) return;
  const heading = () => {
    for (let one = parent; one; one = one.parentElement) {
      const found = one.querySelector("[tabindex='-1']:is(h2, h3, h4)");
      if (found) return found;
    }
    return null;
  };
  (focused.isConnected ? focused : heading())?.focus({ preventScroll: true });
}

/** Makes an element that nothing brings to anything: its owner changes it. */
export function make(description) {
  const box = document.createElement("div");
  fill(box, [description]);
  return box.firstElementChild;
}

/** What reorders the text around it, or takes no room. */
const TURNING = "\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff";
const UNSEEN = new RegExp(`[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f${TURNING}]`, "g");
const escaped = (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** Text of a client with what cannot be seen, or turns the text around it, made visible. */
export const visible = (text) =>
  String(text).toWellFormed().replaceAll("\r\n", "\n").replace(UNSEEN, escaped);

/** A name that a client has chosen: on one line, apart from the direction of the text around it. */
export function theirs(name, attributes) {
  const shown = visible(name).replace(/[\n\t]/g, (one) => (one === "\n" ? "\\n" : "\\t"));
  return h(
    "bdi",
    { class: "theirs", title: shown, ...attributes },
    shown === "" ? "(no name)" : shown,
  );
}
