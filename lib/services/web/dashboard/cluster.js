// The place of the cluster: the rooms that services share with other servers, their nodes, what is
// wrong with their order, and the means to close a client of any node.

import { act } from "./admin.js";
import { $, askingButton, el, keyedRows, mark, say } from "./elements.js";
import { amount, duration, exact, scaled, spoken, visible } from "./format.js";
import { problemList } from "./now.js";
import { addressOf, glyphOf, here } from "./places.js";

/** Characters of a name where there is room for one line. */
const SHORT = 40;

/** The services that share a room, as the server greets with them. */
let services = [];
const blocks = new Map();

const time = (ms) => spoken(duration(Math.max(0, Math.floor(ms / 1000))));
const short = (name) => (name.length > SHORT ? `${name.slice(0, SHORT)}…` : name);
const isThere = ({ left_at: leftAt }) => (leftAt ?? null) === null;
const delay = (ms) => ((ms ?? null) === null ? "–" : spoken(amount(ms, "ms")));
const plural = (count, noun) => `${exact.format(count)} ${noun}${count === 1 ? "" : "s"}`;

/** Makes a block for each service that shares a room. @returns true where there is one */
export function makeRooms(names) {
  services = names;
  blocks.clear();
  for (const service of names) blocks.set(service, roomBlock(service));
  $("rooms").replaceChildren(...[...blocks.values()].map(({ node }) => node));
  return names.length > 0;
}

/** The rooms of a tick, `[service, room]`. */
const roomsIn = (tick) =>
  services.flatMap((service) => {
    const room = tick.services[service]?.room;
    return room ? [[service, room]] : [];
  });

/** The worst that is wrong with the rooms, the nodes that are there, and their clients; null without a room. */
export function clusterOf(tick) {
  const rooms = roomsIn(tick).map(([, room]) => room);
  if (rooms.length === 0) return null;
  const isAway = rooms.some(({ trouble }) => trouble);
  const nodes = Math.max(...rooms.map((room) => countOf(room).there));
  const lost = Math.max(...rooms.map((room) => countOf(room).lost));
  const worst = isAway ? "failing" : lost > 0 ? "warning" : null;
  return { worst, nodes, lost, clients: rooms.reduce((sum, room) => sum + room.clients, 0) };
}

function countOf({ nodes, more }) {
  const there = nodes.filter(isThere).length;
  const lost = nodes.filter((node) => node.is_lost).length;
  return { there: there + more, left: nodes.length - there - lost, lost };
}

/** Says on the overview that this server is one of several, and whether their order is there. */
function showMark(cluster, isLost) {
  const link = $("one-of");
  link.hidden = cluster === null || isLost;
  if (cluster === null) return;
  const { worst, nodes, lost } = cluster;
  if (link.dataset.worst !== String(worst)) {
    link.firstElementChild.replaceChildren(glyphOf(worst ?? "ok"));
  }
  mark(link, "data-worst", worst);
  const among = nodes === 1 ? "the only node" : `one of ${exact.format(nodes)} nodes`;
  const one = lost === 0 ? among : `${among}, ${exact.format(lost)} lost`;
  say(link.lastElementChild, worst === "failing" ? `${one}, and the order is away` : one);
}

/** Shows the rooms of a tick; with `isLost` nothing is known of them any more. */
export function showCluster(tick, isLost) {
  const cluster = clusterOf(tick);
  showMark(cluster, isLost);
  if (here.place !== "cluster") return;
  for (const [service, room] of roomsIn(tick)) blocks.get(service).update(room, tick.at, isLost);
  say($("cluster-counted"), `${plural(cluster?.clients ?? 0, "client")} in all`);
}

/** What is wrong with a room, as problems of its service. */
function troublesOf(service, { trouble, lost_lines: lost, nodes }) {
  const troubles = [];
  if (trouble) {
    const text = `No lines pass: ${trouble.reason}. Senders wait, and lose nothing.`;
    const { since } = trouble;
    troubles.push({ key: "order", severity: "failing", part: service, text, since });
  }
  for (const { name, left_at: since } of nodes.filter((node) => node.is_lost)) {
    const text = `There is no sign of the node ${visible(short(name))}: it was killed, or is cut off. That is shown for an hour, or until it is back.`;
    troubles.push({ key: `lost ${name}`, severity: "warning", part: service, text, since });
  }
  if (lost > 0) {
    const are = lost === 1 ? "1 line of another server" : `${exact.format(lost)} lines of others`;
    const text = `${are} never reached the clients of this server, since it started.`;
    troubles.push({ key: "lost", severity: "note", part: service, text, since: null });
  }
  return troubles;
}

const HEADS = [
  ["Node", ""],
  ["Address", ""],
  ["Version", ""],
  ["Clients", "number"],
  ["Lines/s", "number"],
  ["Delay p50", "number"],
  ["Delay p99", "number"],
  ["Joined", "number"],
];

function roomBlock(service) {
  const [title, order, counted] = [el("h2"), el("span", { class: "quiet" }), el("span")];
  mark(counted, "class", "quiet");
  const head = el("header", { class: "room-head" }, title, order);
  const problems = problemList(service);
  const passing = el("p", { class: "nothing" }, glyphOf("ok"), "Lines pass: the order is there.");
  const heads = HEADS.map(([name, kind]) =>
    el("th", { role: "columnheader", scope: "col", class: kind }, name),
  );
  const body = el("tbody", { role: "rowgroup" });
  const [clients, lines] = ["Clients", "Lines/s"].map((label) =>
    el("td", { role: "cell", class: "number", "data-label": label }),
  );
  const sum = el(
    "tr",
    { role: "row" },
    el("th", { role: "rowheader", scope: "row", colspan: "3" }, counted),
    clients,
    lines,
    el("td", { role: "cell", colspan: "3" }),
  );
  const table = el(
    "table",
    // Their roles by name: in a narrow window they are no table for the browser.
    { role: "table", class: "numbers nodes", "aria-label": `Nodes of the room of ${service}` },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads)),
    body,
    el("tfoot", { role: "rowgroup" }, sum),
  );
  const form = kickForm(service);
  const node = el("section", { class: "room-block" }, head, problems.node, passing, table);
  node.append(form.node);
  const rows = keyedRows(
    body,
    () => nodeRow(service),
    () => $("cluster-title"),
  );
  return {
    node,
    update(room, at, isLost) {
      const { name, server, nodes, more } = room;
      say(title, `Room ${visible(short(name))}`);
      mark(title, "title", visible(name));
      mark(node, "aria-label", `Room of ${service}`);
      say(order, `of ${service}, ordered at ${server}`);
      problems.update(troublesOf(service, room), at, isLost);
      passing.hidden = isLost || Boolean(room.trouble);
      const own = nodes.find((one) => one.is_self)?.version;
      rows.show(byName(nodes, { at, own }));
      form.update(nodes);
      const { there, left, lost } = countOf(room);
      const some = (number, what) => (number === 0 ? "" : `, ${exact.format(number)} ${what}`);
      const gone = some(left, "left") + some(lost, "lost");
      const untold = more === 0 ? "" : `, ${exact.format(more)} of them not shown`;
      say(counted, plural(there, "node") + gone + untold);
      say(clients, exact.format(room.clients));
      const all = nodes.filter(isThere);
      say(lines, rate(all.reduce((total, one) => total + one.lines_per_second, 0)));
    },
  };
}

const rate = (value) => scaled(value).join("");

/** Nodes by their names: one that left may come again under its name, and both are shown. */
function byName(nodes, more) {
  const named = new Map();
  for (const node of nodes) {
    const key = isThere(node) ? `here ${node.name}` : `left ${node.name} ${node.joined_at}`;
    named.set(key, { ...node, ...more });
  }
  return named;
}

function nodeRow(service) {
  const [name, tag] = [el("bdi"), el("span", { class: "tag" })];
  const cells = HEADS.slice(1).map(([label, kind]) =>
    el("td", { role: "cell", class: kind, "data-label": label }),
  );
  const [address, version, clients, lines, p50, p99, since] = cells;
  mark(address, "class", "address");
  const link = el("a", { href: addressOf("clients", { service }), "data-label": "Clients" });
  const head = el("th", { role: "rowheader", scope: "row" }, name, " ", tag);
  const node = el("tr", { role: "row" }, head, ...cells);
  return {
    node,
    update(one) {
      const isHere = isThere(one);
      mark(node, "data-node", one.name);
      mark(node, "data-gone", isHere ? null : "");
      say(name, visible(one.name));
      mark(name, "title", visible(one.name));
      const gone = one.is_lost ? "lost" : "left";
      say(tag, one.is_self ? "this server" : isHere ? "" : gone);
      tag.hidden = tag.textContent === "";
      say(address, visible(one.address));
      say(version, visible(short(one.version)));
      const isOther = isHere && one.own !== undefined && one.version !== one.own;
      mark(version, "data-other", isOther ? "" : null);
      mark(version, "title", isOther ? "Another version than this server's" : null);
      const count = isHere ? exact.format(one.clients) : "–";
      if (one.is_self) {
        if (link.parentElement !== clients) clients.replaceChildren(link);
        say(link, count);
        mark(link, "aria-label", `${plural(one.clients, "client")} of this server`);
      } else say(clients, count);
      say(lines, isHere ? rate(one.lines_per_second) : "–");
      say(p50, isHere ? delay(one.delay_p50_ms) : "–");
      say(p99, isHere ? delay(one.delay_p99_ms) : "–");
      const ago = `${time(one.at - (isHere ? one.joined_at : one.left_at))} ago`;
      say(since, isHere ? ago : `${gone} ${ago}`);
    },
  };
}

/** Closes a client of a node by its number. */
function kickForm(service) {
  const nodes = el("select", { name: "node" });
  const number = el("input", {
    name: "id",
    inputmode: "numeric",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "its number",
  });
  const button = askingButton("Kick", "the client", async () => {
    const id = Number(number.value.trim());
    if (!Number.isSafeInteger(id) || id < 1) {
      mark(number, "aria-invalid", true);
      return number.focus();
    }
    const node = nodes.value;
    const next = `Next: kick client ${id} of node ${visible(short(node))}.`;
    if (await act("kick", { service, node, id }, next)) number.value = "";
  });
  number.addEventListener("input", () => mark(number, "aria-invalid", null));
  const label = (text, field) => el("label", {}, el("span", { class: "quiet" }, text), field);
  const note = "The number of a client stands on the page of its own server.";
  const form = el(
    "form",
    { class: "impose when-may-act", "aria-label": `Kick a client of any node of ${service}` },
    label("Client", number),
    label("of node", nodes),
    button,
    el("span", { class: "quiet" }, note),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.click();
  });
  let shown = "";
  return {
    node: form,
    update(all) {
      const names = all.filter(isThere).map(({ name }) => name);
      const key = JSON.stringify(names);
      // Whoever chooses among them must not lose the list.
      if (key === shown) return;
      shown = key;
      const chosen = nodes.value;
      const options = names.map((name) => el("option", { value: name }, visible(short(name))));
      nodes.replaceChildren(...options);
      if (names.includes(chosen)) nodes.value = chosen;
    },
  };
}
