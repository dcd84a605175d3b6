// The event stream: opened, watched, lost and opened again. A browser has six connections to a host
// for all of its tabs, so a hidden page closes its stream and asks for `/varz` instead.

import { askSession } from "./admin.js";
import { wantAllServices, wantedClients } from "./clients.js";
import { newest } from "./series.js";
import { at } from "./server.js";

/** Milliseconds without an event after which the connection counts as lost. */
const LATE_MS = 3500;
/** Milliseconds without an event after which a lost connection is opened anew. */
const DEAD_MS = 12_000;
const RETRY_MS = 2000;
/** Milliseconds between two requests of a hidden page, for its title and icon. */
const GLANCE_MS = 2000;

let source = null;
/** `connecting`, `live`, `lost` (trying again) or `locked` (the server wants its token first). */
export let link = "connecting";
let heardAt = Date.now();
let openedAt = 0;
let retry = 0;
let glancedAt = 0;
/** The start of the server that spoke last, in milliseconds since 1970; null before the first. */
let speaker = null;
/** The functions given to `start`. */
let page;

/** What the stream is asked for: the clients that are wanted, and nothing that the page has already. */
function asked() {
  const query = wantedClients();
  if (speaker !== null && newest() > 0) {
    query.set("of", speaker);
    query.set("since", newest());
  }
  return query.size === 0 ? "events" : `events?${query}`;
}

/** Milliseconds without a word from the server, while the connection is lost. */
export const silence = () => (link === "lost" ? Date.now() - heardAt : 0);

export function connect() {
  close();
  if (document.hidden) return void glance();
  openedAt = Date.now();
  const mine = new EventSource(at(asked()));
  source = mine;
  let isFirst = true;
  mine.addEventListener("hello", ({ data }) => {
    isFirst = true;
    // Sessions end with the server that opened them.
    if (link !== "live") void askSession();
    const hello = JSON.parse(data);
    speaker = hello.started_at;
    page.onHello(hello);
  });
  mine.addEventListener("tick", ({ data }) => {
    const tick = JSON.parse(data);
    link = "live";
    heardAt = Date.now();
    page.onTick(tick, isFirst);
    isFirst = false;
  });
  mine.addEventListener("changed", ({ data }) => page.onChanged(Object.keys(JSON.parse(data))));
  mine.addEventListener("error", () => void onError(mine));
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
}

/** Asks for the state once, in place of the stream. */
async function glance() {
  glancedAt = Date.now();
  try {
    const answer = await fetch(at("varz"), { signal: AbortSignal.timeout(GLANCE_MS) });
    if (!document.hidden || isLocked()) return;
    if (!answer.ok) return void (await askSession());
    const now = await answer.json();
    if (document.hidden) page.onGlance(now);
    link = "live";
  } catch {
    link = "lost";
  }
  page.onLink();
}

export const isLocked = () => link === "locked";

/** Ends the connection while the server wants its token, or connects anew. */
export function lock(locks) {
  link = locks ? "locked" : "connecting";
  if (locks) close();
  else connect();
  page.onLink();
}

/** Opens a refused stream again after a while; the browser does so for a broken one. */
async function onError(mine) {
  if (mine !== source) return;
  link = "lost";
  page.onLink();
  if (mine.readyState !== EventSource.CLOSED) return;
  await askSession();
  if (mine !== source || isLocked()) return;
  // The server refuses a filter by a service that is gone after a restart.
  if (openedAt > heardAt) wantAllServices();
  retry = setTimeout(connect, RETRY_MS);
}

/** Counts a silent connection as lost, and opens it anew when it stays silent. */
function watch() {
  if (isLocked()) return;
  if (document.hidden) {
    if (Date.now() - glancedAt >= GLANCE_MS) void glance();
    return;
  }
  const silent = Date.now() - heardAt;
  if (silent > LATE_MS && link === "live") {
    link = "lost";
    page.onLink();
  }
  if (link !== "lost") return;
  page.onLink();
  if (Date.now() - Math.max(heardAt, openedAt) > DEAD_MS) connect();
}

/** Connects once the session is known. `wired` has `onHello`, `onTick`, `onChanged`, `onGlance`, and `onLink` for changes of `link`. */
export async function start(wired) {
  page = wired;
  setInterval(watch, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!isLocked()) connect();
  });
  await askSession();
  if (!isLocked()) connect();
}
