// Who sends most, and whose lines are refused, each with the way to the client.

import { h, patch } from "../../../host/page/dom.js";
import { bytes, count, rate } from "../../../host/page/numbers.js";
import { bar, empty } from "../../../host/page/pieces.js";

const LISTS = [
  ["lines", "Most lines", "messages_per_second", rate, "Nobody sends."],
  ["bytes", "Most bytes sent", "bytes_in", bytes, "Nobody has sent anything."],
  ["refused", "Most lines refused", "refused", count, "Nobody was refused."],
];

function list([name, title, sort, shown, none], clients, page) {
  const largest = clients[0]?.value ?? 0;
  const row = ({ id, address, value }) =>
    h(
      "li",
      { key: id },
      h("a", { href: page.clientAddress(id) }, address),
      bar(value / largest),
      h("span", { class: "number" }, shown(value)),
    );
  const all = h(
    "a",
    { href: page.clientsAddress(sort) },
    "all",
    h("span", { class: "unseen" }, ` by ${title.toLowerCase()}`),
  );
  return h(
    "section",
    { key: name, "data-of": `most-${name}` },
    h("header", {}, h("h3", { tabindex: -1 }, title), all),
    clients.length === 0 ? empty(none) : h("ol", { key: "list" }, clients.map(row)),
  );
}

/** Shows the lists. */
export function showMost(node, most, page) {
  patch(
    node,
    LISTS.map((one) => list(one, most[one[0]], page)),
  );
}
