// The rules of pressure: which of them acts, and which senders it holds.

import { h, patch } from "../../../host/page/dom.js";
import { age, count, counted, rate } from "../../../host/page/numbers.js";
import { adverse, empty, head, quiet, table } from "../../../host/page/pieces.js";
import { RULES } from "./words.js";

const GLOSS = "What happens to a sender by the number of others that its lines go to.";

function state({ enabled, acts }) {
  if (!enabled) return h("span", { class: "quiet" }, "off");
  return acts ? adverse("acts") : h("span", { class: "quiet" }, "no");
}

/** Shows them. @param late milliseconds since they were told */
export function showPressure(node, pressure, page, late) {
  if (pressure === null) {
    patch(
      node,
      head("Pressure", null, GLOSS),
      empty("The plain backend holds nobody: it has no rules."),
    );
    return;
  }
  const { fan_out: fanOut, rules, held, clients } = pressure;
  const { dropped_reports: reports, dropped_commands: commands } = pressure;
  const active = rules.find(({ acts }) => acts);
  const meets = active ? `senders meet “${RULES[active.name].name}”` : "below every rule";
  const columns = [
    ["Rule", ({ name }) => RULES[name].name],
    ["From fan-out", ({ from }) => count(from), { number: true }],
    ["What it does", ({ name, ms }) => RULES[name].does(ms), { drop: 1 }],
    ["Now", state],
    ["Since the start", ({ times }) => quiet(times, count(times)), { number: true }],
  ];
  const who = [
    ["Held", ({ id, address }) => h("a", { href: page.clientAddress(id) }, address)],
    ["Why", () => (active ? RULES[active.name].name : "until its wait is over")],
    ["For", ({ since_ms: ms }) => age(ms + late), { number: true }],
    ["Lines", (one) => rate(one.lines_per_second), { number: true, drop: 1 }],
  ];
  const more = held - clients.length;
  patch(
    node,
    head("Pressure", `fan-out ${count(fanOut)}: ${meets}`, GLOSS),
    table("Rules", columns, rules, ({ name }) => name),
    held === 0 ? empty("Nobody is held.") : table("Held", who, clients, ({ id }) => id),
    more > 0 && h("p", { class: "quiet", key: "more" }, `and ${count(more)} more`),
    reports + commands > 0 &&
      h(
        "p",
        { class: "quiet", key: "dropped" },
        `Dropped since queues were full: ${counted(reports, "report")}, ${counted(commands, "command")}.`,
      ),
  );
}
