// The page: takes the events of the server, keeps the newest, and has the other modules show them.

import { listenToActions } from "./admin.js";
import { bring, linkTo, noteChanges, tickBrought } from "./brought.js";
import { addHistory, addSample, samples } from "./charts.js";
import { listenToClients, offerServices, showClients } from "./clients.js";
import { connect, isLocked, link, lock, start } from "./connection.js";
import { $ } from "./elements.js";
import { listenToLog, makeLog, showLog, takeLines, takeTail } from "./log.js";
import { panel } from "./panels.js";
import { showServer, showStatus } from "./status.js";

/** The newest tick. */
let tick = null;
/** The last state that was fetched while the page is hidden, or null. */
let glanced = null;
let declared = {};
let panels = new Map();
let serverVersion = null;

function onHello(hello) {
  // Another version of the server has another page.
  if (serverVersion !== null && serverVersion !== hello.version) return location.reload();
  serverVersion = hello.version;
  showServer(hello);
  addHistory(hello.history);
  takeTail(hello.log);
  bring(hello.panels);
  noteChanges();
  if (JSON.stringify(hello.declared) === JSON.stringify(declared)) return;
  declared = hello.declared;
  makePanels();
}

function makePanels() {
  const { log, ...parts } = declared;
  const made = ([part, numbers]) => [part, panel(part, numbers, linkTo(part))];
  panels = new Map(Object.entries(parts).map(made));
  const inOrder = [...panels.values()].toSorted((a, b) => b.isWide - a.isWide);
  $("panels").replaceChildren(...inOrder.map(({ node }) => node));
  makeLog(log);
  const services = Object.keys(parts).filter((part) => part !== "process");
  offerServices(services);
}

function onTick(next, isFirst) {
  tick = next;
  takeLines(next.log.lines);
  // The first tick of a stream comes between two samples, and the history has both.
  if (!isFirst || samples.length === 0) addSample({ at: next.at, values: headlines() });
  onLink();
  render();
}

/** Takes the state while the page is hidden: enough for its title and icon. */
function onGlance(now) {
  if (tick !== null) Object.assign(tick, { draining: now.draining, health: now.health });
  glanced = now;
}

const onLink = () => showStatus(link, (document.hidden && glanced) || tick);

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

/** Draws the newest tick, unless the page is hidden. */
function render() {
  if (document.hidden || tick === null) return;
  glanced = null;
  $("board").hidden = false;
  for (const [part, { node, update }] of panels) {
    const told = partOf(part);
    node.hidden = !told;
    if (told) update(told, tick.health[part]);
  }
  showClients(tick.clients);
  showLog(tick.log, tick.log_level);
  tickBrought();
}

listenToClients(connect);
listenToLog();
listenToActions({ isLocked, lock });
document.addEventListener("visibilitychange", render);
void start({ onHello, onTick, onChanged: noteChanges, onGlance, onLink });
