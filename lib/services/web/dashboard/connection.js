// The event stream: opened, watched, lost and opened again. A browser has six connections to a host
// for all of its tabs, so a hidden page closes its stream and asks for `/varz` instead.

import { askSession, post } from "./admin.js";
import { wantAllServices, wantedClients } from "./clients.js";
import { merged } from "./merge.js";
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
/** The stream as the server knows it, `{ id, secret }`, and the clients that it was asked for; null before it speaks. */
let told = null;
/** True while the server is asked for other clients. */
let isAsking = false;

/** What the stream is asked for: what differs, the clients that are wanted, and nothing that the page has already. */
function asked() {
  const query = wantedClients();
  query.set("differences", 1);
  if (speaker !== null && newest() > 0) {
    query.set("of", speaker);
    query.set("since", newest());
  }
  return `events?${query}`;
}

/** Asks for other clients where others are wanted: the stream stays, and tells of them at once. */
export async function askForClients() {
  const mine = source;
  if (mine === null || told === null || isAsking) return;
  const query = wantedClients().toString();
  if (query === told.query) return;
  isAsking = true;
  const { stream } = told;
  const { status } = await post("events/wanted", {
    stream: stream.id,
    secret: stream.secret,
    query,
  });
  isAsking = false;
  if (mine !== source || told?.stream !== stream) return void askForClients();
  // A stream that the server does not know any more is opened anew.
  if (status !== 200) return status === 401 ? void askSession() : connect();
  told.query = query;
  void askForClients();
}

/** Milliseconds without a word from the server, while the connection is lost. */
export const silence = () => (link === "lost" ? Date.now() - heardAt : 0);

export function connect() {
  close();
  if (document.hidden) return void glance();
  openedAt = Date.now();
  // A browser that opens it again by itself asks for the same clients as now.
  const query = wantedClients().toString();
  const mine = new EventSource(at(asked()));
  source = mine;
  /** All that the server has told. */
  let state = {};
  mine.addEventListener("hello", ({ data }) => {
    // Sessions end with the server that opened them.
    if (link !== "live") void askSession();
    const hello = JSON.parse(data);
    speaker = hello.started_at;
    told = { stream: hello.stream, query };
    page.onHello(hello);
  });
  const onState = (isFirst, lines = []) => {
    link = "live";
    heardAt = Date.now();
    state.log = { ...state.log, lines };
    page.onTick(state, isFirst);
  };
  mine.addEventListener("tick", ({ data }) => {
    state = JSON.parse(data);
    onState(true);
    void askForClients();
  });
  mine.addEventListener("difference", ({ data }) => {
    const news = JSON.parse(data);
    state = merged(state, news);
    if (news.at === undefined) page.onClients(state);
    else onState(false, news.log?.lines);
  });
  mine.addEventListener("changed", ({ data }) => page.onChanged(Object.keys(JSON.parse(data))));
  mine.addEventListener("error", () => void onError(mine));
}

function close() {
  clearTimeout(retry);
  source?.close();
  source = null;
  told = null;
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

/** Connects once the session is known. `wired` has `onHello`, `onTick`, `onClients`, `onChanged`, `onGlance`, and `onLink` for changes of `link`. */
export async function start(wired) {
  page = wired;
  setInterval(watch, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!isLocked()) connect();
  });
  await askSession();
  if (!isLocked()) connect();
}
