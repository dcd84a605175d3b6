// One client, beside the table: how it has fared in the last minutes, what of it was refused and why,
// what the log says of it, and what may be done with it, each after a question.

import { act, ask as askServer } from "./admin.js";
import { focusClient, focusedClient, rowOf, takeAway } from "./clients.js";
import { $, el, mark, say } from "./elements.js";
import { amount, clock, duration, exact, spoken, visible } from "./format.js";
import { linesAbout } from "./log.js";
import { addressOf, follow, want } from "./places.js";
import { drawScores, score } from "./score.js";
import { FINE_MS } from "./series.js";

/** Milliseconds between two steps of the past that the server keeps, at most. */
const STEP_MS = 6000;
/** The windows in which the client is all there is to read. */
const NARROW = matchMedia("(max-width: 999px)");

const LENGTHS = [
  ["300", "5 minutes"],
  ["3600", "1 hour"],
  ["86400", "1 day"],
];

const bytes = (value) => spoken(amount(value, "bytes"));
const FACTS = [
  ["Messages", ({ messages_in: sent }) => exact.format(sent)],
  ["Refused", ({ refused }) => exact.format(refused)],
  ["Bytes in", ({ bytes_in: size }) => bytes(size)],
  ["Bytes out", ({ bytes_out: size }) => bytes(size)],
  ["Waiting", ({ outbox_bytes: size }) => bytes(size)],
  ["Number", ({ id }) => String(id)],
];

const STAVES = [
  ["messages_per_second", "Messages/s", "messages a second", false],
  ["refused_per_second", "Refused/s", "refused a second", true],
  ["outbox_bytes", "Waiting", "bytes", true],
];

/** The panel that is shown: `{ key, row, samples, ... }`; null while none is. */
let shown = null;
/** The services that can put an address in quarantine. */
let barring = new Set();

const hostOf = (address) => address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");

/** Shows the client that the address names. */
function follows({ place, query }) {
  const key = place === "clients" ? query.get("client") : null;
  if ((shown?.key ?? null) === key) return;
  shown?.score.remove();
  const before = shown?.key ?? null;
  shown = key === null ? null : open(key);
  $("client").hidden = shown === null;
  mark($("board"), "data-with-client", shown === null ? null : "");
  $("client").replaceChildren(...(shown?.nodes ?? []));
  showAlone();
  if (shown !== null) {
    $("client").scrollTop = 0;
    if (NARROW.matches) scrollTo(0, 0);
    if (before === null) shown.title.focus({ preventScroll: true });
    // What the table knows of it, until the server tells more.
    if (shown.row !== null) tell(shown, shown.row);
    if (/^[^/]+\/\d{1,15}$/.test(key)) void look();
    else show(shown, null);
  } else if (before !== null && place === "clients") focusClient(before);
  drawScores();
}

/** In a narrow window the client is all there is to read. */
function showAlone() {
  const isAlone = shown !== null && NARROW.matches;
  $("main").inert = isAlone;
  mark($("client"), "role", isAlone ? "main" : "complementary");
  if (shown !== null) mark(shown.title, "aria-level", isAlone ? 1 : null);
  for (const one of $("client").querySelectorAll("h3")) mark(one, "aria-level", isAlone ? 2 : null);
}

/** Closes the panel. */
export const closeClient = () => want({ client: null });

function open(key) {
  const row = rowOf(key);
  const shut = el("button", { type: "button", class: "ghost" }, "Close ", el("kbd", {}, "Esc"));
  shut.addEventListener("click", closeClient);
  const title = el(
    "h2",
    { id: "client-title", tabindex: "-1" },
    el("bdi", {}, row?.address ?? "Client"),
  );
  const state = el("p", { class: "client-state" });
  const samples = [];
  const numbers = STAVES.map(([name, label, unit, adverse]) => ({
    key: `client ${name}`,
    label,
    declared: {
      kind: "gauge",
      unit: name.endsWith("bytes") ? "bytes" : unit,
      about: label,
      marks: adverse,
    },
    points: () => samples.map((one) => [one.at, one[name]]),
    now: () => samples.at(-1)?.[name] ?? null,
    gap: 2 * STEP_MS,
  }));
  const staves = score("this client", [{ numbers }], true);
  const [kick, bar] = ["Kick", "Quarantine"].map((name) => {
    const button = el(
      "button",
      { type: "button" },
      `${name}… `,
      el("kbd", { "aria-hidden": "true" }, name[0].toLowerCase()),
    );
    button.addEventListener("click", () => question(name.toLowerCase()));
    return button;
  });
  const lines = el("a", { class: "button" }, "Its log lines");
  const actions = el("div", { class: "row" }, kick, bar, lines);
  for (const button of [kick, bar]) button.classList.add("when-may-act");
  const asks = el("div");
  const facts = el("dl", { class: "facts" });
  const values = FACTS.map(([name]) => {
    const value = el("dd");
    facts.append(el("dt", {}, name), value);
    return value;
  });
  const refusals = el("ol", { class: "told refusals", role: "list" });
  const refused = el("section", { hidden: "" }, el("h3", {}, "Last refusals"), refusals);
  const told = el("ol", { class: "told", role: "list" });
  const none = el("p", { class: "empty" }, "Nothing in the last 200 lines.");
  const gone = el("p", { class: "empty", hidden: "" }, "This client is no longer connected.");
  const log = el("section", {}, el("h3", {}, "In the log"), told, none);
  const nodes = [
    el("div", { class: "client-head" }, title, shut),
    state,
    gone,
    actions,
    asks,
    staves.node,
    facts,
    refused,
    log,
  ];
  return {
    key,
    row,
    samples,
    title,
    state,
    score: staves,
    bar,
    lines,
    actions,
    asks,
    values,
    refused,
    refusals,
    told,
    none,
    gone,
    nodes,
  };
}

/** Asks the server how the client has fared before it was looked at, or while this page was not connected. */
async function look() {
  const panel = shown;
  if (panel === null) return;
  const [service, id] = panel.key.split("/");
  let found = null;
  try {
    found = await askServer(`connz?${new URLSearchParams({ service, id, limit: 1 })}`);
  } catch {
    // The head of the page says that the server does not answer, or there is no such client.
  }
  if (panel !== shown || !found?.past) return;
  const { at, ...values } = found.past;
  const names = Object.keys(values);
  const steps = at.map((time, i) => ({
    at: time,
    ...Object.fromEntries(names.map((name) => [name, values[name][i]])),
  }));
  const { samples } = panel;
  const isMissed = (step) => samples.every(({ at }) => Math.abs(at - step.at) > STEP_MS / 2);
  samples.push(...steps.filter(isMissed));
  samples.sort((a, b) => a.at - b.at);
  panel.score.draw();
}

/** After a new connection: what has been missed. */
export const catchUp = () => void look();

function show(panel, row, at, refusals = []) {
  panel.gone.hidden = row !== null;
  panel.actions.hidden = row === null;
  if (row === null) {
    panel.asks.replaceChildren();
    return say(panel.state, "");
  }
  panel.row = row;
  const { samples } = panel;
  if (samples.length === 0 || samples.at(-1).at < at) samples.push({ at, ...row });
  while (samples[0].at < at - FINE_MS) samples.shift();
  tell(panel, row);
  showRefusals(panel, refusals);
  panel.score.draw();
}

function tell(panel, row) {
  say(panel.title.firstElementChild, row.address);
  say(
    panel.state,
    `${row.state} · ${row.service} · connected for ${spoken(duration(row.age_seconds))}`,
  );
  mark(panel.state, "data-state", row.state);
  panel.bar.hidden = !barring.has(row.service);
  panel.lines.href = addressOf("log", { q: row.address });
  for (const [i, [, text]] of FACTS.entries()) say(panel.values[i], text(row));
  const lines = linesAbout(row.address).slice(-8).toReversed();
  const items = lines.map((line) => el("li", {}, line));
  if (panel.told.textContent !== lines.join("")) panel.told.replaceChildren(...items);
  panel.none.hidden = lines.length > 0;
}

function showRefusals({ refused, refusals }, told) {
  refused.hidden = told.length === 0;
  const key = JSON.stringify(told);
  if (refusals.dataset.key === key) return;
  refusals.dataset.key = key;
  const items = told.map(({ at, code, words, times }) => {
    const often = times > 1 ? ` (${exact.format(times)} times)` : "";
    const time = el("time", { datetime: new Date(at).toISOString() }, clock(at));
    return el("li", {}, time, " ", el("b", {}, code), " ", el("bdi", {}, visible(words)), often);
  });
  refusals.replaceChildren(...items);
}

/** Brings the panel up to a tick. */
export function showClient({ at, services, client }) {
  barring = new Set(Object.keys(services).filter((name) => services[name].quarantine));
  // The server may not have been asked for this one yet.
  if (shown === null || client?.key !== shown.key) return;
  show(shown, client.row ?? null, at, client.refusals);
}

/** Asks whether to kick the client, or to put its address in quarantine. */
function question(name) {
  const { row, asks, key } = shown;
  if (row === null || (name === "quarantine" && !barring.has(row.service))) return;
  const isKick = name === "kick";
  const host = hostOf(row.address);
  const text = isKick
    ? `Kick ${row.address}? It gets a notice, its connection closes, and it may come back at once.`
    : `Quarantine ${host}? All its connections close, and it is turned away until the time is over.`;
  const length = el(
    "select",
    { name: "seconds" },
    ...LENGTHS.map(([value, label]) => el("option", { value }, label)),
  );
  const yes = el("button", { class: "main grave" }, isKick ? "Kick" : "Quarantine");
  const no = el("button", { type: "button" }, "Cancel");
  const choice = isKick ? [] : [el("label", {}, el("span", { class: "quiet" }, "For"), length)];
  const form = el(
    "form",
    { class: "confirm", "aria-label": text },
    el("p", {}, text),
    ...choice,
    el("div", { class: "row" }, yes, no),
  );
  const shut = () => {
    // Another question may have been asked meanwhile.
    if (!form.isConnected) return;
    asks.replaceChildren();
    shown?.title.focus();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { service, id } = row;
    const fields = isKick
      ? { service, id }
      : { service, address: host, seconds: Number(length.value) };
    const done = await act(name, fields, `Next: ${name} ${isKick ? row.address : host}.`);
    if (done && isKick) takeAway(key);
    if (shown?.key !== key) return;
    if (done) closeClient();
    else shut();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      shut();
    } else if (event.key === "Enter" && event.target === length) {
      // As in a field: of itself a choice does not answer the question.
      event.preventDefault();
      form.requestSubmit();
    }
  });
  no.addEventListener("click", shut);
  asks.replaceChildren(form);
  (isKick ? yes : length).focus();
}

/** Asks about the client that is shown, or that of the row with the focus. */
export function askAbout(name) {
  if (document.documentElement.dataset.admin === "off") return;
  const key = focusedClient() ?? shown?.key;
  if (!key) return;
  if (shown?.key !== key) want({ client: key });
  question(name);
}

export function listenToClient() {
  follow(follows);
  NARROW.addEventListener("change", showAlone);
}
