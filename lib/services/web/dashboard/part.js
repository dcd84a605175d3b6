// The place of the process or a service: what is wrong with it, its numbers over time, and what it holds.

import { act } from "./admin.js";
import { $, el, keyedRows, mark, say } from "./elements.js";
import { duration, exact, spoken } from "./format.js";
import { allNumbers, groupBlocks } from "./numbers.js";
import { problemList } from "./now.js";
import { score } from "./score.js";
import { tableBlock } from "./tables.js";

/** The addresses in quarantine at a service, and the operator's means to add and lift. */
function quarantineBlock(service) {
  const node = $("quarantine").content.firstElementChild.cloneNode(true);
  const [none, more] = node.querySelectorAll("p");
  const form = node.querySelector("form");
  const { address, seconds } = form.elements;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const ip = address.value.trim();
    const fields = { service, address: ip, seconds: Number(seconds.value) };
    if (await act("quarantine", fields, `Next: put ${ip} in quarantine.`)) address.value = "";
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
  const lift = el(
    "button",
    { type: "button", class: "ghost", "aria-label": `Lift ${key}` },
    "Lift",
  );
  const next = `Next: lift the quarantine of ${key}.`;
  lift.addEventListener("click", () => act("lift", { service, key }, next));
  const action = el("td", { class: "action when-may-act" }, lift);
  const name = el("th", { scope: "row" }, el("bdi", {}, key));
  return {
    node: el("tr", { "data-key": key }, name, left, action),
    update({ seconds_left: seconds }) {
      say(left, `${spoken(duration(seconds))} left`);
    },
  };
}

/** The place of the process or a service, made from what it declares; `numbers` are those of its staves. */
export function partPlace(part, declared, numbers) {
  const problems = problemList(part);
  const staves = score(`numbers of ${part}`, [{ numbers }]);
  const below = groupBlocks(part, declared);
  const all = allNumbers(part, declared);
  const [health, addresses] = [el("span", { class: "health" }), el("span")];
  const titleId = `part-${part}`;
  const title = el("h1", { id: titleId, tabindex: "-1" }, part);
  const tableRow = el("div", { class: "blocks tables" });
  const tables = keyedRows(tableRow, tableBlock, () => title);
  const desk = el("div", { class: "desk" });
  const node = el(
    "section",
    { class: "place", "aria-labelledby": titleId, hidden: "" },
    el("header", { class: "head" }, title, el("p", { class: "quiet" }, health, " ", addresses)),
    problems.node,
    staves.node,
    tableRow,
    desk,
    el("div", { class: "room" }),
    el("div", { class: "blocks" }, ...below.map((one) => one.node)),
    all.node,
  );
  mark(node, "data-part", part);
  const updates = [...below, all];
  let quarantine = null;
  return {
    node,
    problems,
    remove: staves.remove,
    update(told, well) {
      if (told.quarantine && quarantine === null) {
        quarantine = quarantineBlock(part);
        desk.append(quarantine.node);
        updates.push(quarantine);
      }
      for (const one of updates) one.update(told);
      tables.show(new Map(told.tables?.map((table) => [table.name, table])));
      // What is wrong stands first among the problems, right below.
      health.hidden = well?.ok === false;
      say(health, well?.reason ?? "");
      const where = told.addresses?.join(", ") ?? "";
      say(addresses, where !== "" && well?.ok ? `on ${where}` : where);
    },
  };
}
