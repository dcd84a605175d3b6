// Finding, making and changing the elements of the page.
// Everything that comes from the server is inserted as text, never as markup:
// clients choose the text of addresses, log lines and quarantine keys.

/** Milliseconds that an asking button waits for its second press. */
const ASK_MS = 5000;

export const root = document.documentElement;
export const $ = (id) => document.getElementById(id);

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

// An unchanged node costs no layout.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Removes a row; the focus that it had goes to its neighbour, or to `fallback`. */
function drop(node, fallback) {
  if (node.contains(document.activeElement)) {
    const near = node.nextElementSibling ?? node.previousElementSibling;
    (near?.querySelector("button") ?? fallback).focus();
  }
  node.remove();
}

/** The rows of `body`, one for each key: a row stays the same element for as long as its key is shown. */
export function keyedRows(body, make, fallback) {
  const rows = new Map();
  const remove = (key) => {
    const row = rows.get(key);
    rows.delete(key);
    if (row) drop(row.node, fallback());
  };
  const show = (items) => {
    for (const key of rows.keys()) if (!items.has(key)) remove(key);
    const focused = document.activeElement;
    let place = body.firstElementChild;
    for (const [key, item] of items) {
      if (!rows.has(key)) rows.set(key, make(key, item));
      const row = rows.get(key);
      if (row.node === place) place = place.nextElementSibling;
      else body.insertBefore(row.node, place);
      row.item = item;
      row.update(item);
    }
    // A node that is moved loses the focus.
    if (body.contains(focused)) focused.focus({ preventScroll: true });
  };
  return { rows, remove, show };
}

/** A button that acts when it is pressed a second time. */
export function askingButton(label, what, run) {
  const button = el("button", { type: "button" });
  let timer = 0;
  const settle = (asks) => {
    clearTimeout(timer);
    say(button, asks ? "Sure?" : label);
    mark(button, "aria-label", asks ? `Press again to ${label} ${what}` : `${label} ${what}`);
    mark(button, "data-asks", asks ? "" : null);
    if (asks) timer = setTimeout(settle, ASK_MS, false);
  };
  settle(false);
  button.addEventListener("click", ({ detail }) => {
    // The second click of a double click, or of a key held down, confirms nothing.
    if (detail > 1) return;
    const asks = button.hasAttribute("data-asks");
    settle(!asks);
    if (asks) void run();
  });
  button.addEventListener("keydown", (event) => {
    if (event.key === "Escape") settle(false);
    if (event.repeat && event.key === "Enter") event.preventDefault();
  });
  button.addEventListener("blur", () => settle(false));
  return button;
}
