// The head of the page, its title and its icon: the server's name and its status.

import { $, el, mark, root, say } from "./elements.js";
import { duration, exact, spoken } from "./format.js";

const COLOURS = { ok: "#1a8f4a", failing: "#d0342c", draining: "#c77700", lost: "#d0342c" };

/** Shows the server's name and version. */
export function showServer({ name, version }) {
  say($("name"), name);
  say($("version"), version);
}

/** Shows the time without an event. */
export function showSilence(ms) {
  say($("since"), `no word for ${spoken(duration(Math.floor(ms / 1000)))}, trying again`);
}

/** The status in one word, with its reasons. */
function statusOf(link, tick) {
  if (link === "locked") return ["locked", "Signed out", []];
  if (link === "lost") return ["lost", tick?.draining ? "Stopped" : "Connection lost", []];
  if (tick === null) return ["connecting", "Connecting", []];
  const failing = Object.entries(tick.health).filter(([, { ok }]) => !ok);
  const reasons = failing.map(([name, { reason }]) => `${name}: ${reason}`);
  if (tick.draining) return ["draining", "Draining", reasons];
  return failing.length > 0 ? ["failing", "Failing", reasons] : ["ok", "OK", []];
}

/** Shows the state of the connection (`link`) and the newest tick, or null before the first. */
export function showStatus(link, tick) {
  const [status, word, reasons] = statusOf(link, tick);
  if (status !== "lost") say($("since"), "");
  mark(root, "data-status", status);
  say($("word"), word);
  const list = $("reasons");
  const shown = [...list.children].map((item) => item.textContent);
  if (String(shown) !== String(reasons)) {
    list.replaceChildren(...reasons.map((reason) => el("li", {}, reason)));
  }
  const title = [word, $("name").textContent];
  if (tick) {
    const count = clientCount(tick);
    title.splice(1, 0, `${exact.format(count)} client${count === 1 ? "" : "s"}`);
  }
  if (document.title !== title.join(" · ")) document.title = title.join(" · ");
  mark($("icon"), "href", iconOf(status));
}

/** The clients of all services together. */
function clientCount({ services }) {
  const counts = Object.values(services).map(({ stats }) => stats.clients ?? 0);
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A disc in the colour of the status for `ok` and `failing`, a ring for any other. */
function iconOf(status) {
  const colour = COLOURS[status] ?? "#6b7482";
  const fill = status === "ok" || status === "failing" ? colour : "none";
  const disc = `<circle cx="8" cy="8" r="5.5" fill="${fill}" stroke="${colour}" stroke-width="3"/>`;
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${disc}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(picture)}`;
}
