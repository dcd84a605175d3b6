// The place of the process or a service: what is wrong with it, its numbers over time, and what it holds.

import { isLeftOver } from "./brought.js";
import { el, keyedRows, mark, say } from "./elements.js";
import { allNumbers, groupBlocks } from "./numbers.js";
import { problemList } from "./now.js";
import { quarantineBlock } from "./quarantine.js";
import { score } from "./score.js";
import { tableBlock } from "./tables.js";

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
    el("div", { class: "room" }),
    desk,
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
      const left = told.tables?.filter((table) => isLeftOver(part, "tables", table.name));
      tables.show(new Map(left?.map((table) => [table.name, table])));
      // What is wrong stands first among the problems, right below.
      health.hidden = well?.ok === false;
      say(health, well?.reason ?? "");
      const where = told.addresses?.join(", ") ?? "";
      say(addresses, where !== "" && well?.ok ? `on ${where}` : where);
    },
  };
}
