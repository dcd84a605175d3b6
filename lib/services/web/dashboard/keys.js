// Single keys: what each does, and the switch that turns them off.

import { openDialog } from "./admin.js";
import { askAbout, closeClient } from "./client.js";
import { turnPage } from "./clients.js";
import { $, el } from "./elements.js";
import { closeMenu, goTo, here, placeOfKey } from "./places.js";
import { letGo, nextRange } from "./score.js";

const STORED = "summoner.single-keys";

const KEYS = [
  [["1", "to", "9"], "go to a place"],
  [["/"], "filter or search"],
  [["↑", "↓", "Home", "End"], "move over the rows of a table"],
  [["Enter"], "open the client of the row"],
  [["k", "q"], "kick the client, or put its address in quarantine; asks first"],
  [["[", "]"], "the page before, the page after"],
  [["r"], "range: 5 minutes or 1 hour"],
  [["t"], "to the time axis; ← → move there, with Shift ten times as far"],
  [["Esc"], "close what is open, leave a field, let go of the time"],
  [["?"], "these keys"],
];

const seen = (selector) =>
  [...document.querySelectorAll(selector)].find((one) => one.checkVisibility());

/** Turns the page of the clients, or that of the first list with pages in the place. */
function turn(by) {
  if (here.place === "clients") return turnPage(by);
  seen(`.place [data-of=${by < 0 ? "before" : "after"}]:not([aria-disabled])`)?.click();
}

const ACTS = {
  "/": () => {
    if (!seen(".place input[type=search]")) goTo("clients");
    seen(".place input[type=search]")?.focus();
  },
  k: () => askAbout("kick"),
  q: () => askAbout("quarantine"),
  "[": () => turn(-1),
  "]": () => turn(1),
  r: nextRange,
  t: () => seen(".ticks")?.focus(),
  "?": () => openDialog("keys"),
};

function isOn() {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return true;
  }
}

function switchKeys(on) {
  try {
    localStorage.setItem(STORED, on ? "on" : "off");
  } catch {
    // Without a place to keep it, it holds for this page alone.
  }
}

function escape(target) {
  if (closeMenu() || letGo()) return;
  if (here.query.has("client")) closeClient();
  // Out of a field, so that single keys act again.
  else if (target.matches?.("input, select, textarea")) target.blur();
}

function onKey(event) {
  const { target, key } = event;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]") || !$("gate").hidden) return;
  if (key === "Escape") return escape(target);
  if (target.closest?.("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
  if (!$("single-keys").checked) return;
  const place = placeOfKey(key);
  const act = place === null ? ACTS[key] : () => goTo(place);
  if (!act) return;
  event.preventDefault();
  act();
}

export function listenToKeys() {
  const capped = (key) => (key === "to" ? " to " : el("kbd", {}, key));
  const rows = KEYS.flatMap(([keys, what]) => [
    el("dt", {}, ...keys.map(capped)),
    el("dd", {}, what),
  ]);
  $("key-list").append(...rows);
  $("single-keys").checked = isOn();
  $("single-keys").addEventListener("change", ({ target }) => switchKeys(target.checked));
  $("keys-open").addEventListener("click", () => openDialog("keys"));
  addEventListener("keydown", onKey);
}
