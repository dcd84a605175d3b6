// The doors: where each listens, who is connected, what comes in and what was refused.

import { h, patch, visible } from "../../../host/page/dom.js";
import { count, rate } from "../../../host/page/numbers.js";
import { adverse, head } from "../../../host/page/pieces.js";

const GLOSS =
  "The ways in. Whatever comes by any of them gets the next number, and stands in one file.";

/** A cell with a number; nothing is quiet. */
const number = (value, shown = count(value)) =>
  h("td", { class: !value ? "number zero" : "number" }, shown);

function refusals({ reasons, again, kept_whole: keptWhole }) {
  const refused = ({ name, why, count: times }) =>
    h("p", { class: "adverse-line", key: name }, `${count(times)} refused, ${name}: ${why}`);
  const more = [
    again > 0 && `${count(again)} came again, and are there once`,
    keptWhole > 0 && `${count(keptWhole)} were not understood, and are kept as they came`,
  ].filter(Boolean);
  return [reasons.map(refused), more.length > 0 && h("p", { class: "quiet" }, more.join("; "))];
}

function row(door, isFull, perSecond) {
  const { name, title, addresses, clients, records, refused, trouble } = door;
  const isOpen = addresses.length > 0;
  const state = !isOpen
    ? "off"
    : trouble !== null
      ? adverse(visible(trouble))
      : isFull
        ? adverse("waits")
        : "open";
  const where = addresses.map((one) => h("code", {}, visible(one)));
  return h(
    "tr",
    { key: name, class: isOpen ? null : "off" },
    h(
      "th",
      { scope: "row" },
      title,
      isOpen ? h("p", { class: "where" }, where) : null,
      refusals(door),
    ),
    h("td", {}, state),
    number(clients ?? 0, clients === null ? "" : count(clients)),
    number(perSecond, rate(perSecond)),
    number(records),
    number(refused, refused > 0 ? adverse(count(refused)) : "0"),
  );
}

/** Shows all doors. @param perSecond gives the entries of late by a door's name */
export function showDoors(node, { doors, is_full: isFull }, perSecond) {
  const column = (name, isNumber) =>
    h("th", { scope: "col", class: isNumber ? "number" : null }, name);
  const columns = [
    column("Door"),
    column("State"),
    column("Connected", true),
    column("Now", true),
    column("Entries", true),
    column("Refused", true),
  ];
  patch(
    node,
    head("Doors", null, GLOSS),
    h(
      "table",
      { class: "doors" },
      h("thead", {}, h("tr", {}, columns)),
      h(
        "tbody",
        {},
        doors.map((door) => row(door, isFull, perSecond(door.name))),
      ),
    ),
  );
}
