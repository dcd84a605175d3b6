// The page: takes the events of the server, keeps the newest, and has the other modules show them.

import { listenToActions } from "./admin.js";
import { bring, noteChanges, showBrought, tickBrought } from "./brought.js";
import { catchUp, listenToClient, showClient } from "./client.js";
import { listenToClients, offerServices, showClients } from "./clients.js";
import { clusterOf, makeRooms, showCluster } from "./cluster.js";
import { askForClients, isLocked, link, lock, silence, start } from "./connection.js";
import { $, say } from "./elements.js";
import { duration, labelOf, spoken } from "./format.js";
import { listenToKeys } from "./keys.js";
import { listenToLog, makeLog, showLog, takeLines, takeTail } from "./log.js";
import { problemList, tellFailures, worstOf, wrongOf } from "./now.js";
import { partPlace } from "./part.js";
import { addressOf, follow, listenToPlaces, setPlaces, showRail } from "./places.js";
import { drawScores, score, setSilence } from "./score.js";
import { addHistory, addSample, declareSeries, newest } from "./series.js";
import { showServer, showStatus } from "./status.js";

/** The newest tick. */
let tick = null;
/** The last state that was fetched while the page is hidden, or null. */
let glanced = null;
let declared = {};
/** What the places were made of. */
let made = "";
let parts = new Map();
let serverVersion = null;
const now = problemList();
let overview = null;

/** The name of a part as a heading. */
const headed = (name) => name.charAt(0).toUpperCase() + name.slice(1);

function onHello(hello) {
  // Another version of the server has another page.
  if (serverVersion !== null && serverVersion !== hello.version) return location.reload();
  serverVersion = hello.version;
  showServer(hello);
  if (hello.declared) declareSeries(hello.declared);
  addHistory(hello.history, hello.hour);
  takeTail(hello.log);
  catchUp();
  if (!hello.declared) return noteChanges();
  const told = JSON.stringify([hello.declared, hello.rooms]);
  if (told !== made) {
    made = told;
    declared = hello.declared;
    makePlaces(hello.rooms);
  }
  bring(hello.panels);
  noteChanges();
}

/** The headline numbers of a part, as staves. */
function headlinesOf(part) {
  return Object.entries(declared[part])
    .filter(([, { headline }]) => headline)
    .map(([name, one]) => ({ key: `${part}.${name}`, label: labelOf(name, one), declared: one }));
}

/** @param rooms the services that share a room with other servers */
function makePlaces(rooms) {
  const names = Object.keys(declared).filter((part) => part !== "log");
  // The program itself comes after what it runs.
  names.sort((a, b) => (a === "process") - (b === "process"));
  for (const { remove } of parts.values()) remove();
  overview?.remove();
  parts = new Map(names.map((part) => [part, partPlace(part, declared[part], headlinesOf(part))]));
  const groups = names.map((part) => ({
    title: headed(part),
    href: addressOf(part),
    numbers: headlinesOf(part),
  }));
  overview = score("numbers of all services", groups);
  $("score").replaceChildren(overview.node);
  $("panels").replaceChildren(...[...parts.values()].map(({ node }) => node));
  makeLog(declared.log);
  offerServices(names.filter((part) => part !== "process"));
  $("cluster").hidden = true;
  const shared = { name: "cluster", title: "Cluster", node: $("cluster") };
  setPlaces([
    { name: "overview", title: "Overview", node: $("overview") },
    { name: "clients", title: "Clients", node: $("clients") },
    ...(makeRooms(rooms) ? [shared] : []),
    ...names.map((name) => ({ name, title: headed(name), node: parts.get(name).node })),
    { name: "log", title: "Log", node: $("log") },
  ]);
}

function onTick(next, isFirst) {
  tick = next;
  takeLines(next.log.lines);
  // The first tick of a stream comes between two samples, and the history has both.
  if (!isFirst || newest() === 0) addSample({ at: next.at, values: headlines() });
  onLink();
  render();
}

/** Takes the state when other clients were asked for: nothing else is new in it. */
function onClients(next) {
  tick = next;
  if (document.hidden) return;
  showClients(tick);
  showClient(tick);
}

/** Takes the state while the page is hidden: enough for its title and icon. */
function onGlance(state) {
  const { draining, health, problems } = state;
  if (tick !== null) Object.assign(tick, { draining, health, problems });
  glanced = state;
}

function onLink() {
  const silent = silence();
  setSilence(silent);
  showStatus(link, (document.hidden && glanced) || tick, silent);
  if (link !== "lost" || tick === null || document.hidden) return;
  showProblems();
  drawScores();
}

function partOf(part) {
  if (part === "process") return { stats: tick.process };
  return part === "log" ? tick.log : tick.services[part];
}

function headlines() {
  const values = {};
  for (const [part, numbers] of Object.entries(declared)) {
    const stats = partOf(part)?.stats;
    for (const [name, { headline }] of Object.entries(numbers)) {
      if (headline && stats) values[`${part}.${name}`] = stats[name];
    }
  }
  return values;
}

function showProblems() {
  const { problems, at, services } = tick;
  const isLost = link === "lost";
  if (!isLost) tellFailures(problems);
  now.update(problems, at, isLost);
  for (const part of parts.values()) part.problems.update(problems, at, isLost);
  const clients = (part) => services[part]?.stats.clients;
  const all = Object.keys(services).reduce((sum, part) => sum + (clients(part) ?? 0), 0);
  const cluster = clusterOf(tick);
  showRail(
    (place) => (place === "cluster" ? (cluster?.worst ?? null) : worstOf(problems, place)),
    (place) => {
      if (place === "cluster") return cluster && [cluster.nodes, "node"];
      const count = place === "clients" ? all : clients(place);
      return count === undefined ? null : [count, "client"];
    },
  );
  showCluster(tick, isLost);
  const wrong = wrongOf(problems).length;
  say($("menu-wrong"), wrong > 0 && !isLost ? `${wrong} wrong` : "all places");
}

/** Draws the newest tick, unless the page is hidden. */
function render() {
  if (document.hidden || tick === null) return;
  glanced = null;
  $("board").hidden = false;
  showProblems();
  const up = spoken(duration(Math.floor(tick.process.uptime_seconds)));
  const count = Object.keys(tick.services).length;
  say($("running"), `up ${up} · ${count} ${count === 1 ? "service" : "services"}`);
  for (const [part, place] of parts) {
    const told = partOf(part);
    if (told) place.update(told, tick.health[part]);
  }
  showClients(tick);
  showClient(tick);
  showLog(tick.log, tick.log_level);
  drawScores();
  tickBrought();
}

follow((_, isNew) => {
  if (tick === null || !isNew) return;
  render();
  showBrought();
});
$("now").replaceChildren(now.node);
listenToPlaces();
listenToClients(askForClients);
listenToClient();
listenToLog();
listenToActions({ isLocked, lock });
listenToKeys();
document.addEventListener("visibilitychange", render);
void start({ onHello, onTick, onClients, onChanged: noteChanges, onGlance, onLink });
