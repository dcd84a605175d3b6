// The table of the clients: sorted, filtered, page by page. Its order holds still under the pointer.

import { act } from "./admin.js";
import { $, askingButton, el, keyedRows, mark, say } from "./elements.js";
import { amount, duration, exact, scaled, spoken } from "./format.js";

const PAGE_SIZE = 25;
/** Milliseconds after the last move of the pointer over the clients for which their order holds. */
const HOLD_MS = 8000;
/** Milliseconds after which a press counts as ended: not every system reports its end. */
const PRESS_MS = 3000;

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

/** The query for the clients that are shown. */
const query = { sort: "outbox_bytes", order: "desc", offset: 0, service: "", address: "" };
const clients = keyedRows($("rows"), clientRow, () => $("filter"));
let connect;
let asked = true;
let touchedAt = 0;
let pressedAt = 0;

function showSort() {
  const direction = query.order === "asc" ? "ascending" : "descending";
  for (const head of $("columns").children) {
    mark(head, "aria-sort", head.dataset.column === query.sort ? direction : null);
  }
}

function sortBy({ dataset: { column }, classList }) {
  const first = classList.contains("number") ? "desc" : "asc";
  const other = query.order === "asc" ? "desc" : "asc";
  ask({ order: column === query.sort ? other : first, sort: column, offset: 0 });
}

/** Asks for other clients: the stream is opened anew, and the rows stay until it answers. */
function ask(change) {
  Object.assign(query, change);
  asked = true;
  mark($("rows"), "aria-busy", true);
  showSort();
  connect();
}

/** The parameters of the request for the clients. */
export function wantedClients() {
  const { sort, order, offset, service, address } = query;
  const wanted = new URLSearchParams({ sort, order, offset, limit: PAGE_SIZE });
  if (service !== "") wanted.set("service", service);
  if (address !== "") wanted.set("address", address);
  return wanted;
}

/** Clears the filter by service, from the next connection on. */
export function wantAllServices() {
  query.service = $("filter-service").value = "";
}

/** Makes the filter offer these services. */
export function offerServices(services) {
  const options = services.map((name) => el("option", { value: name }, name));
  $("filter-service").replaceChildren(el("option", { value: "" }, "all"), ...options);
  $("filter-service").value = query.service;
}

function clientRow(key, { service, id, address }) {
  const cells = [...$("columns").querySelectorAll("[data-column]")].map((head) => {
    const { dataset, className, textContent: label } = head;
    const attributes = { "data-column": dataset.column, "data-label": label.trim() };
    return el("td", { role: "cell", class: className, ...attributes });
  });
  const kick = askingButton("Kick", address, async () => {
    if (await act("kick", { service, id })) clients.remove(key);
  });
  const action = el("td", { role: "cell", class: "action when-signed-in" }, kick);
  const node = el("tr", { role: "row", "data-key": key }, ...cells, action);
  return {
    node,
    update(row) {
      for (const cell of cells) {
        const { column } = cell.dataset;
        say(cell, CELLS[column](row));
        mark(cell, "data-value", row[column]);
      }
      mark(node, "data-state", row.state);
      mark(node, "data-waiting", row.outbox_bytes > 0 ? "" : null);
      mark(node, "data-refused", row.refused_per_second > 0 ? "" : null);
    },
  };
}

/** The rows in the order in which they stand, so that none moves away under the pointer; new ones below. */
function heldRows(page) {
  const held = new Map();
  for (const { dataset } of $("rows").children) {
    const { key } = dataset;
    held.set(key, page.get(key) ?? { ...clients.rows.get(key).item, state: "gone" });
  }
  for (const [key, row] of page) if (held.size < PAGE_SIZE) held.set(key, row);
  return held;
}

/** Shows a page of clients. */
export function showClients({ total, offset, clients: rows }) {
  if (Date.now() - pressedAt < PRESS_MS) return;
  if (offset > 0 && rows.length === 0) return ask({ offset: 0 });
  const page = new Map(rows.map((row) => [`${row.service}/${row.id}`, row]));
  const isHeld = !asked && Date.now() - touchedAt < HOLD_MS;
  asked = false;
  mark($("rows"), "aria-busy", null);
  clients.show(isHeld ? heldRows(page) : page);
  const isFiltered = query.address !== "" || query.service !== "";
  $("no-clients").hidden = clients.rows.size > 0;
  say($("no-clients"), isFiltered ? "No client matches." : "No client is connected.");
  const end = Math.min(offset + rows.length, total);
  const range = `${exact.format(offset + 1)}–${exact.format(end)} of ${exact.format(total)}`;
  say($("range"), `${isHeld ? "order held · " : ""}${total === 0 ? "none" : range}`);
  mark($("range"), "data-value", total);
  mark($("previous"), "aria-disabled", offset === 0);
  mark($("next"), "aria-disabled", end >= total);
}

function turnPage(button, by) {
  // A disabled button would lose the focus.
  if (button.getAttribute("aria-disabled") === "true") return;
  ask({ offset: Math.max(0, query.offset + by) });
}

/** `reconnect` opens the stream anew, with the parameters of that moment. */
export function listenToClients(reconnect) {
  connect = reconnect;
  showSort();
  for (const button of document.querySelectorAll(".sort")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }
  const rows = $("rows");
  const touch = () => (touchedAt = Date.now());
  rows.addEventListener("pointermove", touch);
  rows.addEventListener("focusin", touch);
  rows.addEventListener("keydown", touch);
  rows.addEventListener("pointerleave", () => (touchedAt = 0));
  rows.addEventListener("pointerdown", () => (pressedAt = Date.now()));
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => (pressedAt = 0));
  }
  let timer = 0;
  $("filter").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => ask({ address: $("filter").value.trim(), offset: 0 }), 250);
  });
  $("filter-service").addEventListener("change", ({ target }) => {
    ask({ service: target.value, offset: 0 });
  });
  $("previous").addEventListener("click", ({ target }) => turnPage(target, -PAGE_SIZE));
  $("next").addEventListener("click", ({ target }) => turnPage(target, PAGE_SIZE));
  addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, select, textarea, dialog");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    event.preventDefault();
    $("filter").focus();
  });
}
