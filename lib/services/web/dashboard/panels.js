// The panel of the process or a service.

import { act } from "./admin.js";
import { $, el, keyedRows, mark, say } from "./elements.js";
import { duration, exact, spoken } from "./format.js";
import { allNumbers, groupBlocks, tile } from "./numbers.js";
import { tableBlock } from "./tables.js";

/** The time since the program's start, beside the name of its panel. */
function uptimeLine(declared) {
  const uptime = el("span", { "data-stat": "process.uptime_seconds" });
  const node = el("p", { title: declared["uptime_seconds"].about }, "up ", uptime);
  return {
    node,
    update({ stats: { uptime_seconds: seconds } }) {
      say(uptime, spoken(duration(seconds)));
      mark(uptime, "data-value", seconds);
    },
  };
}

/** The addresses in quarantine at a service, and the operator's means to add and lift. */
function quarantineBlock(service) {
  const node = $("quarantine").content.firstElementChild.cloneNode(true);
  const [none, more] = node.querySelectorAll("p");
  const form = node.querySelector("form");
  const { address, seconds } = form.elements;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = { service, address: address.value.trim(), seconds: seconds.valueAsNumber };
    if (await act("quarantine", fields)) address.value = "";
  });
  const make = (key) => quarantineRow(service, key);
  const table = keyedRows(node.querySelector("tbody"), make, () => address);
  return {
    node,
    update({ quarantine, stats: { quarantined = 0 } }) {
      table.show(new Map(quarantine.map((one) => [one.key, one])));
      none.hidden = quarantine.length > 0;
      more.hidden = quarantined <= quarantine.length;
      say(more, `and ${exact.format(quarantined - quarantine.length)} more`);
    },
  };
}

function quarantineRow(service, key) {
  const left = el("td", { class: "number" });
  const lift = el("button", { type: "button", "aria-label": `Lift ${key}` }, "Lift");
  lift.addEventListener("click", () => act("lift", { service, key }));
  const action = el("td", { class: "when-signed-in" }, lift);
  return {
    node: el("tr", { "data-key": key }, el("th", { scope: "row" }, key), left, action),
    update({ seconds_left: seconds }) {
      say(left, spoken(duration(seconds)));
    },
  };
}

/** The panel of the process or a service, made from what it declares; `link` leads to one that it brings itself. */
export function panel(part, declared, link) {
  const head = part === "process" ? [uptimeLine(declared)] : [];
  const tiles = Object.entries(declared)
    .filter(([, { headline }]) => headline)
    .map(([name, number]) => tile(part, name, number));
  const below = groupBlocks(part, declared);
  const numbers = allNumbers(part, declared);
  const [health, addresses] = [el("p", { class: "health" }), el("p")];
  const title = el("h2", { id: `part-${part}` }, part);
  const nodes = (parts) => parts.map(({ node }) => node);
  const blockRow = el("div", { class: "blocks" }, ...nodes(below));
  const tableRow = el("div", { class: "blocks tables" });
  const tables = keyedRows(tableRow, tableBlock, () => $("clients"));
  const isWide = tiles.length > 3;
  const node = el(
    "section",
    { class: `panel part ${isWide ? "wide" : ""}`, "aria-labelledby": `part-${part}` },
    el("header", {}, title, ...nodes(head), health, addresses, ...(link ? [link] : [])),
    el("div", { class: "tiles" }, ...nodes(tiles)),
    tableRow,
    blockRow,
    numbers.node,
  );
  mark(node, "data-part", part);
  const all = [...head, ...below, numbers];
  let desk = null;
  return {
    node,
    isWide,
    update(told, well) {
      if (told.quarantine && desk === null) {
        desk = quarantineBlock(part);
        blockRow.append(desk.node);
        all.push(desk);
      }
      for (const one of tiles) one.update(told.stats);
      for (const one of all) one.update(told);
      tables.show(new Map(told.tables?.map((table) => [table.name, table])));
      say(addresses, told.addresses?.join(", ") ?? "");
      say(health, well?.reason ?? "");
      mark(health, "data-ok", well?.ok ?? null);
    },
  };
}
