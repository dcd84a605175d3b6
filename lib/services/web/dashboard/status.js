// The head of the page, its title and its icon: the server's name and its state.

import { $, mark, root, say } from "./elements.js";
import { clock, duration, exact, spoken, visible } from "./format.js";
import { wrongOf } from "./now.js";
import { glyphOf } from "./places.js";

/** Shows the server's name and version. */
export function showServer({ name, version }) {
  say($("name"), visible(name));
  $("name").title = visible(name);
  say($("version"), version);
}

/** The state, and its word. */
function stateOf(link, tick) {
  if (link === "locked") return ["locked", "Signed out"];
  if (link === "lost") return ["lost", tick?.draining ? "Stopped" : "No data"];
  if (tick === null) return ["connecting", "Connecting"];
  if (tick.draining) return ["draining", "Draining"];
  const worst = wrongOf(tick.problems)[0]?.severity;
  if (worst === undefined) return ["ok", "OK"];
  return worst === "failing" ? ["failing", "Failing"] : ["warning", "Warning"];
}

/** Shows the state of the connection (`link`), the newest tick, or null before the first, and the silence in milliseconds. */
export function showStatus(link, tick, silentMs) {
  const [state, word] = stateOf(link, tick);
  if (root.dataset.status !== state) $("sign").replaceChildren(signOf(state));
  mark(root, "data-status", state);
  say($("word"), word);
  const wrong = tick === null ? 0 : wrongOf(tick.problems).length;
  const isTold = wrong > 0 && ["failing", "warning", "draining"].includes(state);
  $("wrong-count").hidden = !isTold;
  say($("wrong-count"), `${wrong} wrong`);
  const seconds = spoken(duration(Math.floor(silentMs / 1000)));
  const shown = tick === null ? "" : ` Shown is ${clock(tick.at)}.`;
  say($("since"), state === "lost" ? `No data for ${seconds}, retrying.${shown}` : "");
  const title = [isTold ? `${word} (${wrong})` : word, $("name").textContent];
  if (tick !== null && state !== "locked") {
    const clients = clientCount(tick);
    title.splice(1, 0, `${exact.format(clients)} ${clients === 1 ? "client" : "clients"}`);
  }
  if (document.title !== title.join(" · ")) document.title = title.join(" · ");
  mark($("icon"), "href", iconOf(state));
}

/** The clients of all services together; pages like this one are none. */
export function clientCount({ services }) {
  const counts = Object.values(services).map(({ stats }) => stats.clients ?? 0);
  return counts.reduce((sum, count) => sum + count, 0);
}

const SIGNS = { lost: "gone", connecting: "gone", locked: "gone" };
const signOf = (state) => glyphOf(SIGNS[state] ?? state);

/** A picture for each state: a ring with a point, a triangle, a square, a broken ring. */
function iconOf(state) {
  const ink = matchMedia("(prefers-color-scheme: dark)").matches ? "#e6e8e3" : "#1c1d1a";
  const ring = (colour, more = "") =>
    `<circle cx="8" cy="8" r="6" fill="none" stroke="${colour}" stroke-width="2" ${more}/>`;
  const warning = `<path d="M8 .8 15.6 15H.4z" fill="#d98a00"/><path d="M7.2 6h1.6v4.4H7.2zM7.2 11.6h1.6v1.6H7.2z" fill="#1c1d1a"/>`;
  const gone = `${ring("#8a8d86", 'stroke-dasharray="4 3.5"')}<path d="m4.5 4.5 7 7" stroke="#8a8d86" stroke-width="2"/>`;
  const pictures = {
    ok: `${ring(ink)}<circle cx="8" cy="8" r="2.2" fill="${ink}"/>`,
    warning,
    draining: warning,
    failing: `<rect width="16" height="16" rx="2" fill="#c8281e"/><path d="M6.9 3h2.2v6.4H6.9zM6.9 11h2.2v2.2H6.9z" fill="#fff"/>`,
    lost: gone,
  };
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${pictures[state] ?? ring("#8a8d86")}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(picture)}`;
}
