// The table of the clients: sorted, filtered, page by page, as the address wants it. Its order holds
// still under the pointer, and it is one stop on the way of the Tab key.

import { act } from "./admin.js";
import { clusterOf } from "./cluster.js";
import { $, askingButton, el, keyedRows, mark, say } from "./elements.js";
import { amount, duration, exact, scaled, spoken } from "./format.js";
import { follow, here, want } from "./places.js";
import { clientCount } from "./status.js";

const PAGE_SIZE = 25;
/** Milliseconds after the last move of the pointer over the clients for which their order holds. */
const HOLD_MS = 8000;
/** Milliseconds after which a press counts as ended: not every system reports its end. */
const PRESS_MS = 3000;
/** Milliseconds after the last key before other clients are asked for. */
const TYPING_MS = 250;
const SORT = "outbox_bytes";

const bytes = (value) => spoken(amount(value, "bytes"));
/** The text of each column for a row. */
const CELLS = {
  service: ({ service }) => service,
  address: ({ address }) => address,
  state: ({ state }) => state,
  age_seconds: ({ age_seconds: age }) => spoken(duration(age)),
  messages_in: ({ messages_in: messages }) => exact.format(messages),
  messages_per_second: ({ messages_per_second: rate }) => scaled(rate).join(""),
  refused: ({ refused }) => exact.format(refused),
  refused_per_second: ({ refused_per_second: rate }) => scaled(rate).join(""),
  bytes_in: ({ bytes_in: size }) => bytes(size),
  bytes_out: ({ bytes_out: size }) => bytes(size),
  outbox_bytes: ({ outbox_bytes: size }) => bytes(size),
};
const TEXTS = ["service", "address", "state"];

const clients = keyedRows($("rows"), clientRow, () => $("filter"));
let askServer;
/** The table that was wanted last; "" where none was. */
let asked = "";
let isAsked = true;
let touchedAt = 0;
let pressedAt = 0;
/** The row that has the table's stop of the Tab key. */
let active = null;
/** Clients that an operator has closed from here, while a tick on its way may still hold them. */
const closed = new Set();
/** The services whose clients are offered; null before they are known. */
let services = null;

const wantedOrder = (sort) => (TEXTS.includes(sort) ? "asc" : "desc");

/** What the address wants of the clients. */
function wanted() {
  const { query } = here;
  const given = query.get("sort");
  const sort = Object.hasOwn(CELLS, given ?? "") ? given : SORT;
  const order = ["asc", "desc"].includes(query.get("order"))
    ? query.get("order")
    : wantedOrder(sort);
  const page = Math.max(1, Math.min(1e6, Math.floor(Number(query.get("page"))) || 1));
  const service = query.get("service") ?? "";
  const isKnown = services === null || services.includes(service);
  return { sort, order, page, service: isKnown ? service : "", address: query.get("q") ?? "" };
}

/** The parameters of the request for the clients; none while another place is shown. */
export function wantedClients() {
  if (here.place !== "clients") return new URLSearchParams();
  const { sort, order, page, service, address } = wanted();
  const offset = (page - 1) * PAGE_SIZE;
  const query = new URLSearchParams({ sort, order, offset, limit: PAGE_SIZE });
  // Those who watch are told of where they are asked for: nobody else counts them as clients.
  if (service !== "") query.set("service", service);
  else query.set("viewers", 0);
  const client = here.query.get("client") ?? "";
  if (/^[^/]+\/\d{1,15}$/.test(client)) query.set("client", client);
  if (address !== "") query.set("address", address);
  return query;
}

/** Asks for no service by its name: the server refuses one that is gone after a restart. */
export function wantAllServices() {
  if (here.place === "clients") want({ service: null, client: null }, true);
}

/** True if this page of clients is the one that is wanted. */
function isWanted({ sort, order, offset, service, address }) {
  const now = wanted();
  const isPage = offset === (now.page - 1) * PAGE_SIZE && sort === now.sort && order === now.order;
  return isPage && (service ?? "") === now.service && (address ?? "") === now.address;
}

/** Makes the filter offer these services. */
export function offerServices(names) {
  services = names;
  const options = services.map((name) => el("option", { value: name }, name));
  $("filter-service").replaceChildren(el("option", { value: "" }, "all"), ...options);
  showWanted();
}

function showWanted() {
  const { sort, order, service, address } = wanted();
  const direction = order === "asc" ? "ascending" : "descending";
  for (const head of $("columns").children) {
    mark(head, "aria-sort", head.dataset.column === sort ? direction : null);
  }
  $("filter-service").value = service;
  $("sort-by").value = sort;
  if (document.activeElement !== $("filter")) $("filter").value = address;
}

/** Asks for other clients when the address wants others; the rows stay until the answer is there. */
function ask() {
  showWanted();
  const next = wantedClients();
  // Who is looked at is no part of the table.
  next.delete("client");
  if (next.toString() !== asked) {
    asked = next.toString();
    isAsked = true;
    if (asked !== "") mark($("rows"), "aria-busy", true);
  }
  void askServer();
}

function sortBy(column) {
  const { sort, order } = wanted();
  const other = order === "asc" ? "desc" : "asc";
  want({ sort: column, order: column === sort ? other : null, page: null });
}

function clientRow(key, { service, id, address }) {
  const cells = [...$("columns").querySelectorAll("[data-column]")].map((head) => {
    const { dataset, className, textContent: label } = head;
    const attributes = { "data-column": dataset.column, "data-label": label.trim() };
    const role = dataset.column === "address" ? "rowheader" : "cell";
    return el("td", { role, class: className, ...attributes });
  });
  const open = el("button", { type: "button", class: "open", tabindex: "-1" });
  open.addEventListener("click", () =>
    want({ client: here.query.get("client") === key ? null : key }),
  );
  cells[0].append(open);
  const next = `Next: kick ${address}.`;
  const kick = askingButton("Kick", address, async () => {
    if (await act("kick", { service, id }, next)) takeAway(key);
  });
  kick.classList.add("ghost", "kick");
  kick.tabIndex = -1;
  const action = el("td", { role: "cell", class: "action when-may-act" }, kick);
  const node = el("tr", { role: "row", "data-key": key }, ...cells, action);
  return {
    node,
    buttons: [open, kick],
    update(row) {
      for (const cell of cells) {
        const { column } = cell.dataset;
        say(column === "address" ? open : cell, CELLS[column](row));
        mark(cell, "data-value", row[column]);
      }
      mark(node, "data-state", row.state);
      mark(node, "data-refused", row.refused_per_second > 0 ? "" : null);
    },
  };
}

/** Takes away the row of a client that an operator has closed: its order holds for nobody. */
export function takeAway(key) {
  closed.add(key);
  const node = clients.rows.get(key)?.node;
  const near = node?.nextElementSibling ?? node?.previousElementSibling;
  if (active === key) active = near?.dataset.key ?? null;
  clients.remove(key);
  showActive();
}

/**
 * The rows in the order in which they stand, so that none moves away under the pointer; those that
 * have come to the page stand below. A row that is not on it any more says so.
 */
function heldRows(page, isWhole) {
  const held = new Map();
  const left = isWhole ? "gone" : "off page";
  for (const { dataset } of $("rows").children) {
    const { key } = dataset;
    held.set(key, page.get(key) ?? { ...clients.rows.get(key).item, state: left });
  }
  for (const [key, row] of page) if (!held.has(key)) held.set(key, row);
  return held;
}

/** One row has the stop of the Tab key. */
function showActive() {
  if (!clients.rows.has(active)) active = $("rows").firstElementChild?.dataset.key ?? null;
  const chosen = here.query.get("client");
  for (const [key, { node, buttons }] of clients.rows) {
    buttons[0].tabIndex = key === active ? 0 : -1;
    mark(buttons[0], "aria-expanded", key === chosen);
    mark(node, "data-chosen", key === chosen ? "" : null);
  }
}

/** A row with its age, in seconds. */
export function aged(row, at) {
  return { ...row, age_seconds: Math.max(0, Math.floor((at - row.connected_at) / 1000)) };
}

/** Shows the page of clients of a tick, where it has one. */
export function showClients(tick) {
  if (here.place !== "clients" || !tick.clients) return;
  if (Date.now() - pressedAt < PRESS_MS) return;
  const { total, offset, keys, rows } = tick.clients;
  if (isAsked && !isWanted(tick.clients)) return;
  if (offset > 0 && keys.length === 0) return want({ page: null }, true);
  for (const key of closed) if (!Object.hasOwn(rows, key)) closed.delete(key);
  const page = new Map(
    keys.filter((key) => !closed.has(key)).map((key) => [key, aged(rows[key], tick.at)]),
  );
  const isHeld = !isAsked && Date.now() - touchedAt < HOLD_MS;
  isAsked = false;
  mark($("rows"), "aria-busy", null);
  const isFocused = $("rows").contains(document.activeElement);
  clients.show(isHeld ? heldRows(page, total === keys.length) : page);
  showActive();
  // On another page other rows have come: the next key is for one of them, not for the filter.
  if (isFocused && !$("rows").contains(document.activeElement)) focusClient(active);
  const { address, service } = wanted();
  const isFiltered = address !== "" || service !== "";
  $("no-clients").hidden = clients.rows.size > 0;
  say($("no-clients"), isFiltered ? "No client matches." : "No client is connected.");
  const end = Math.min(offset + keys.length, total);
  const range = `${exact.format(offset + 1)}–${exact.format(end)} of ${exact.format(total)}`;
  $("held").hidden = !isHeld;
  say($("range"), total === 0 ? "none" : range);
  mark($("range"), "data-value", total);
  mark($("previous"), "aria-disabled", offset === 0);
  mark($("next"), "aria-disabled", end >= total);
  const count = `${exact.format(clientCount(tick))} connected`;
  const cluster = clusterOf(tick);
  const all = cluster && `${count} here, ${exact.format(cluster.clients)} in the whole room`;
  say($("counted"), all ?? count);
}

/** Turns the page of the clients, if there is one that way. */
export function turnPage(by) {
  // A disabled button would lose the focus.
  const button = $(by < 0 ? "previous" : "next");
  if (here.place !== "clients" || button.getAttribute("aria-disabled") === "true") return;
  const page = wanted().page + by;
  want({ page: page <= 1 ? null : page });
}

/** The client of the row that has the focus, or null. */
export const focusedClient = () => document.activeElement?.closest("#rows tr")?.dataset.key ?? null;

/** The row of a client, or null where none is shown. */
export const rowOf = (key) => clients.rows.get(key)?.item ?? null;

/** Gives the focus to the row of a client, where it is shown. */
export function focusClient(key) {
  const row = clients.rows.get(key) ?? clients.rows.get(active);
  (row?.buttons[0] ?? $("filter")).focus();
}

/** From the name of a client to what may be done with it, and back. */
function moveInRow(event) {
  const { buttons } = clients.rows.get(event.target.closest("tr")?.dataset.key) ?? {};
  const next = { ArrowRight: 1, ArrowLeft: 0 }[event.key];
  if (next === undefined || !buttons?.[next].checkVisibility()) return;
  event.preventDefault();
  buttons[next].focus();
}

function moveRow(event) {
  moveInRow(event);
  const by = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
  if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const rows = [...$("rows").children];
  const from = rows.indexOf(event.target.closest("tr"));
  const next = rows[Math.max(0, Math.min(rows.length - 1, from + by))];
  active = next.dataset.key;
  showActive();
  clients.rows.get(active).buttons[0].focus();
  if (here.query.has("client")) want({ client: active }, true);
}

/** `askForClients` asks the server for the clients that are wanted at that moment. */
export function listenToClients(askForClients) {
  askServer = askForClients;
  for (const button of document.querySelectorAll(".sort")) {
    const { column } = button.closest("th").dataset;
    button.addEventListener("click", () => sortBy(column));
    $("sort-by").append(el("option", { value: column }, button.textContent));
  }
  $("sort-by").addEventListener("change", ({ target }) => {
    want({ sort: target.value, order: null, page: null });
  });
  const rows = $("rows");
  const touch = () => (touchedAt = Date.now());
  rows.addEventListener("pointermove", touch);
  rows.addEventListener("focusin", ({ target }) => {
    touch();
    active = target.closest("tr")?.dataset.key ?? active;
    showActive();
  });
  rows.addEventListener("keydown", touch);
  rows.addEventListener("keydown", moveRow);
  rows.addEventListener("pointerleave", () => (touchedAt = 0));
  rows.addEventListener("pointerdown", () => (pressedAt = Date.now()));
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => (pressedAt = 0));
  }
  let timer = 0;
  $("filter").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => want({ q: $("filter").value.trim(), page: null }, true), TYPING_MS);
  });
  $("filter").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || active === null) return;
    // Or the same press would open the client whose row gets the focus.
    event.preventDefault();
    focusClient(active);
  });
  $("filter-service").addEventListener("change", ({ target }) => {
    want({ service: target.value, page: null });
  });
  $("previous").addEventListener("click", () => turnPage(-1));
  $("next").addEventListener("click", () => turnPage(1));
  follow(ask);
}
