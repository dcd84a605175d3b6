// The places of the page: the rail that leads to them, the address that names the one that is shown
// together with what is wanted there (`#/clients?sort=refused`), and the keys 1 to 9.

import { $, el, mark, say, svg } from "./elements.js";
import { exact } from "./format.js";

/** What is shown: a place, and what is wanted there. */
export let here = { place: "overview", query: new URLSearchParams() };

/** The places in the order of the rail, by name: `{ node, title, link, count, glyph }`. */
const places = new Map();
/** Called with `here` and true when the place is another one. */
const followers = [];
/** Called before a place is drawn anew. */
export const follow = (run) => followers.push(run);

/** The address of a place with what is wanted there. */
export function addressOf(place, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== "");
  const text = new URLSearchParams(given).toString();
  return `#/${encodeURIComponent(place)}${text === "" ? "" : `?${text}`}`;
}

/** Changes what is wanted at the place that is shown. What is typed takes the address's place; all else can be gone back from. */
export function want(changes, isTyped = false) {
  const query = { ...Object.fromEntries(here.query), ...changes };
  const address = addressOf(here.place, query);
  if (address === location.hash) return;
  if (isTyped) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  read();
}

/** Shows a place. */
export function goTo(place, query = {}) {
  const address = addressOf(place, query);
  if (address === location.hash) return;
  history.pushState(null, "", address);
  read();
}

/** Reads what the address names. A place that is not there, or not yet, is the overview. */
function read(isFirst = false) {
  const [, path = "", text = ""] = /^#\/([^?]*)\??(.*)$/.exec(location.hash) ?? [];
  let name = "overview";
  try {
    if (places.has(decodeURIComponent(path))) name = decodeURIComponent(path);
  } catch {
    // Not an address of this page.
  }
  const isNew = name !== here.place;
  here = { place: name, query: new URLSearchParams(text) };
  show();
  openMenu(false);
  for (const run of followers) run(here, isNew);
  if (!isNew || isFirst) return;
  scrollTo(0, 0);
  places.get(name).node.querySelector("h1")?.focus({ preventScroll: true });
}

function show() {
  for (const [name, { node, link }] of places) {
    node.hidden = name !== here.place;
    mark(link, "aria-current", name === here.place ? "page" : null);
  }
  say($("menu-place"), places.get(here.place)?.title ?? "");
}

function entry(name, title) {
  const [key, glyph, count] = [el("kbd", { "aria-hidden": "true" }), el("span"), el("span")];
  mark(count, "class", "count quiet");
  const link = el("a", { href: addressOf(name) }, key, el("span", { class: "to" }, title));
  link.append(glyph, count);
  return { item: el("li", {}, link), link, key, glyph, count };
}

/** Makes the rail; `all` are the places, `{ name, title, node }`, in order. */
export function setPlaces(all) {
  places.clear();
  for (const { name, title, node } of all) {
    places.set(name, { node, title, ...entry(name, title) });
  }
  for (const [at, { key, link }] of [...places.values()].entries()) {
    say(key, at < 9 ? String(at + 1) : "");
    if (at < 9) link.title = `Key ${at + 1}`;
  }
  $("places").replaceChildren(...[...places.values()].map(({ item }) => item));
  read(true);
}

export const titleOf = (place) => places.get(place)?.title ?? place;

/** Shows at each place the worst that is wrong there, and how many it has of what: `[12, "client"]`, or null. */
export function showRail(worstOf, countOf) {
  for (const [name, { title, link, glyph, count }] of places) {
    const worst = name === "overview" ? null : worstOf(name);
    const [many, noun] = countOf(name) ?? [null, ""];
    const shown = many === null ? "" : exact.format(many);
    const counted = many === null ? null : `${shown} ${noun}${many === 1 ? "" : "s"}`;
    mark(link, "aria-label", [title, worst, counted].filter((one) => one !== null).join(", "));
    const picture =
      worst === null ? [] : [glyphOf(worst), el("span", { class: "unseen" }, `, ${worst}`)];
    if (glyph.dataset.worst !== String(worst)) glyph.replaceChildren(...picture);
    mark(glyph, "data-worst", worst);
    say(count, shown);
  }
}

/** The sign of a severity or state; the word beside it says the same. */
export function glyphOf(severity) {
  const paths = {
    failing: "M1 1h10v10H1z",
    warning: "M6 .8 11.6 11H.4z",
    note: "M6 3.5a2.5 2.5 0 1 0 .01 0z",
    ok: "M6 1.5a4.5 4.5 0 1 0 .01 0zM6 3a3 3 0 1 1-.01 0z",
    draining: "M6 1.5v9M2 7l4 4 4-4",
  };
  const path = svg("path", { d: paths[severity] ?? paths.ok, "fill-rule": "evenodd" });
  const attributes = { class: `glyph ${severity}`, viewBox: "0 0 12 12", "aria-hidden": "true" };
  return svg("svg", attributes, path);
}

function openMenu(isOpen) {
  mark($("menu"), "aria-expanded", isOpen);
  mark($("rail"), "data-open", isOpen ? "" : null);
}

/** Goes to the place of a key, if it has one. */
export function placeOfKey(key) {
  return /^[1-9]$/.test(key) ? ([...places.keys()][key - 1] ?? null) : null;
}

/** Closes the menu of the places. @returns false when it was not open */
export function closeMenu() {
  if (!$("rail").hasAttribute("data-open")) return false;
  openMenu(false);
  $("menu").focus();
  return true;
}

export function listenToPlaces() {
  addEventListener("popstate", () => read());
  addEventListener("hashchange", () => read());
  $("menu").addEventListener("click", () => openMenu(!$("rail").hasAttribute("data-open")));
  // The address is the place's: the link to the content must not take it.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    const titles = [...document.querySelectorAll(".place h1, #client-title")];
    titles.find((title) => title.checkVisibility())?.focus();
  });
}
