// Everything that comes from the server is inserted as text, never as markup:
// addresses, log lines and quarantine keys are what a client made them.

/** Milliseconds that the charts show. */
const SPAN_MS = 300_000;
/** Milliseconds over which a rate is taken: steady to read, soon to follow. */
const RATE_MS = 5000;
/** Milliseconds between two samples beyond which what lies between is unknown. */
const GAP_MS = 5000;
/** Milliseconds without a word after which the connection counts as lost, and as dead. */
const LATE_MS = 3500;
const DEAD_MS = 12_000;
const RETRY_MS = 2000;
/** Milliseconds that an answer may take: what waits for one on a dead connection would wait for ever. */
const ANSWER_MS = 10_000;
const PAGE_SIZE = 25;
const LOG_LINES = 200;
/** Milliseconds for which the order of the clients is held after the operator's last move over them. */
const HOLD_MS = 8000;
/** Milliseconds that a press takes at most: not every system tells of its end. */
const PRESS_MS = 3000;
/** Milliseconds for which a button that asks back waits for its second press. */
const ASK_MS = 5000;
const TOAST_MS = 12_000;

const root = document.documentElement;
const $ = (id) => document.getElementById(id);

// --- elements

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

// An unchanged node costs no layout.
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** Removes a row; the focus that it had goes to its neighbour, or to `fallback`. */
function drop(node, fallback) {
  if (node.contains(document.activeElement)) {
    const near = node.nextElementSibling ?? node.previousElementSibling;
    (near?.querySelector("button") ?? fallback).focus();
  }
  node.remove();
}

/** The rows of `body`, one for each key: a row stays the same element for as long as its key is shown. */
function keyedRows(body, make, fallback) {
  const rows = new Map();
  const remove = (key) => {
    const row = rows.get(key);
    rows.delete(key);
    if (row) drop(row.node, fallback());
  };
  const show = (items) => {
    for (const key of rows.keys()) if (!items.has(key)) remove(key);
    const focused = document.activeElement;
    let place = body.firstElementChild;
    for (const [key, item] of items) {
      if (!rows.has(key)) rows.set(key, make(key, item));
      const row = rows.get(key);
      if (row.node === place) place = place.nextElementSibling;
      else body.insertBefore(row.node, place);
      row.item = item;
      row.update(item);
    }
    // A node that moves loses it.
    if (body.contains(focused)) focused.focus({ preventScroll: true });
  };
  return { rows, remove, show };
}

// --- numbers as text

const exact = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });

/** Three digits and a prefix: `["12.3", "k"]`. */
function scaled(value) {
  const step = value < 999.5 ? 0 : Math.min(4, Math.floor(Math.log10(value * 1.0005) / 3));
  const size = value / 1000 ** step;
  const prefix = ["", "k", "M", "G", "T"][step];
  if (step === 0 && size > 0 && size < 0.05) return ["<0.1", prefix];
  const digits = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  const decimals = step > 0 ? digits : Number.isInteger(size) ? 0 : Math.max(0, digits - 1);
  return [size.toFixed(decimals), prefix];
}

function duration(seconds) {
  if (seconds > 0 && seconds < 0.9995) {
    const ms = seconds * 1000;
    return [ms.toFixed(ms < 9.95 ? 1 : 0), "ms"];
  }
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [86_400, 3600, 60].map((unit) => Math.floor(whole / unit));
  if (days > 0) return [`${days}d ${hours % 24}h`, ""];
  if (hours > 0) return [`${hours}h ${minutes % 60}m`, ""];
  if (minutes > 0) return [`${minutes}m ${String(whole % 60).padStart(2, "0")}s`, ""];
  return [String(whole), "s"];
}

/** A value in its unit, as number and unit. */
function amount(value, unit) {
  if (unit === "seconds") return duration(value);
  if (unit !== "bytes" && value < 100_000) return [exact.format(value), ""];
  const [number, prefix] = scaled(value);
  return unit === "bytes" ? [number, `${prefix}B`] : [number + prefix, ""];
}

/** A rate per second, as number and unit; seconds of work per second are a share. */
function rate(value, unit) {
  if (unit === "seconds") return [(value * 100).toFixed(value < 0.0995 ? 1 : 0), "%"];
  const [number, prefix] = scaled(value);
  return unit === "bytes" ? [number, `${prefix}B/s`] : [number + prefix, "/s"];
}

/** To the last digit where that is readable; the title has it anyway. */
function inFull(value, unit) {
  const isCount = unit !== "bytes" && unit !== "seconds";
  return isCount ? exact.format(value) : spoken(amount(value, unit));
}

const measure = ({ kind, unit }, value) => (kind === "counter" ? rate : amount)(value, unit);
const spoken = ([number, unit]) => (/^[a-zA-Z]/.test(unit) ? `${number} ${unit}` : number + unit);

const WORDS = { cpu: "CPU", utf8: "UTF-8" };

/** `memory_bytes` is "memory": the figure tells the unit. */
function labelOf(name, { unit }) {
  const bare = unit === "bytes" || unit === "seconds" ? name.replace(`_${unit}`, "") : name;
  return bare.replace(/[a-z0-9]+/g, (word) => WORDS[word] ?? word).replaceAll("_", " ");
}

// --- history

/** The last five minutes of headline numbers, `{ at, values }`, oldest first. */
let samples = [];

function addSample(sample) {
  // A wall clock that was set back would fold the charts.
  while (samples.length > 0 && samples.at(-1).at >= sample.at) samples.pop();
  samples.push(sample);
  while (samples[0].at < sample.at - SPAN_MS) samples.shift();
}

/** What a restarted or long unheard server remembers, after what this page remembers from before. */
function addHistory(history) {
  const first = history[0]?.at ?? Infinity;
  samples = [...samples.filter(({ at }) => at < first), ...history].slice(-SPAN_MS / 1000);
}

/** The change of a counter between two samples; null where it began anew or nobody looked. */
function rateBetween(key, before, after) {
  const more = after.values[key] - before.values[key];
  const ms = after.at - before.at;
  return more >= 0 && ms > 0 && ms <= GAP_MS ? more / (ms / 1000) : null;
}

/** The points of a chart, `[at, value or null]`. */
function pointsOf(key, { kind }) {
  if (kind === "gauge") return samples.map(({ at, values }) => [at, values[key] ?? null]);
  return samples.slice(1).map((sample, i) => [sample.at, rateBetween(key, samples[i], sample)]);
}

/** A counter's rate over the last seconds, or null when it is not known. */
function rateNow(key) {
  const last = samples.length - 1;
  let first = last;
  while (first > 0 && samples[last].at - samples[first].at < RATE_MS) {
    if (rateBetween(key, samples[first - 1], samples[first]) === null) break;
    first--;
  }
  if (first >= last) return null;
  const ms = samples[last].at - samples[first].at;
  return (samples[last].values[key] - samples[first].values[key]) / (ms / 1000);
}

// --- charts

const WIDTH = SPAN_MS / 1000;
const HEIGHT = 40;

/** The outline and the area of points, in the chart's own measure. */
function pathsOf(points, most, end) {
  let [line, area, start, before] = ["", "", null, 0];
  const close = () => {
    if (start !== null) area += `V${HEIGHT}H${start}Z`;
    start = null;
  };
  for (const [at, value] of points) {
    if (value === null || at - before > GAP_MS) close();
    before = at;
    if (value === null) continue;
    const x = Math.round((at - end + SPAN_MS) / 100) / 10;
    const y = (HEIGHT - 1 - (value / (most || 1)) * (HEIGHT - 3)).toFixed(1);
    const step = start === null ? `M${x} ${y}` : `L${x} ${y}`;
    start ??= x;
    line += step;
    area += step;
  }
  close();
  return { line, area };
}

/** A small chart of one number; `said` is where it tells its peak, or the value under the pointer. */
function chart(key, label, declared, said) {
  const [area, line, cursor] = ["area", "line", "cursor"].map((name) =>
    svg("path", { class: name }),
  );
  const measures = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" };
  const node = svg("svg", measures, area, line, cursor);
  let pointed = null;
  const draw = () => {
    const points = pointsOf(key, declared);
    const known = points.filter(([, value]) => value !== null);
    const values = known.map(([, value]) => value);
    const most = Math.max(0, ...values);
    const end = samples.at(-1)?.at ?? 0;
    const paths = pathsOf(points, most, end);
    mark(line, "d", paths.line);
    mark(area, "d", paths.area);
    const text = (value) => spoken(measure(declared, value));
    const least = text(Math.min(most, ...values));
    mark(node, "aria-label", `${label}, last five minutes: ${least} to ${text(most)}`);
    const near = pointed === null ? undefined : nearest(known, end - SPAN_MS * (1 - pointed));
    mark(cursor, "d", near ? `M${(near[0] - end + SPAN_MS) / 1000} 0V${HEIGHT}` : "");
    say(said, near ? `${text(near[1])} at ${clock(near[0])}` : `peak ${text(most)}`);
  };
  const point = (share) => {
    pointed = share;
    draw();
  };
  node.addEventListener("pointermove", ({ clientX }) => {
    const { left, width } = node.getBoundingClientRect();
    point((clientX - left) / width);
  });
  node.addEventListener("pointerleave", () => point(null));
  return { node, draw };
}

function nearest(points, at) {
  const far = ([time]) => Math.abs(time - at);
  return points.toSorted((a, b) => far(a) - far(b))[0];
}

const clock = (at) => new Date(at).toLocaleTimeString("en-GB");

// --- the numbers of a part: its process, its log, a service

/** A headline number: its figure, its chart and, of a counter, the exact total. */
function tile(part, name, declared) {
  const { kind, unit, about } = declared;
  const key = `${part}.${name}`;
  const label = labelOf(name, declared);
  const [number, unitNode, total] = [el("span"), el("span", { class: "unit" }), el("span")];
  const peak = el("span", { class: "peak" });
  const { node: picture, draw } = chart(key, label, declared, peak);
  const figure = el("p", { class: "figure" }, number, unitNode);
  const isCount = kind === "counter" && unit !== "seconds";
  const exactly = isCount ? total : number;
  mark(exactly, "data-stat", key);
  const foot = el("p", { class: "foot" }, total, peak);
  return {
    node: el("div", { class: "tile" }, el("h3", { title: about }, label), figure, picture, foot),
    update(stats) {
      const value = stats[name];
      const shown = kind === "counter" ? rateNow(key) : value;
      const [digits, shownUnit] = shown === null ? ["–", ""] : measure(declared, shown);
      say(number, digits);
      say(unitNode, shownUnit);
      if (isCount) say(total, inFull(value, unit));
      mark(exactly, "data-value", value);
      mark(figure, "title", `${exact.format(value)} ${unit}`);
      draw();
    },
  };
}

/**
 * A table of numbers, `[name, declared]`; what rose in the last seconds shows it. With `isTold`
 * each has its sentence, with `isSparse` those that are zero are left out.
 */
function numberTable(part, title, entries, { isTold = false, isSparse = false } = {}) {
  const none = el("p", { class: "empty" }, "None so far.");
  const lines = entries.map(([name, declared]) => {
    const label = declared.series?.value ?? labelOf(name, declared).replace(title, "").trim();
    const number = el("td", { class: "number", "data-stat": `${part}.${name}` });
    const node = el("tr", {}, el("th", { scope: "row", title: declared.about }, label), number);
    if (isTold) node.append(el("td", { class: "about" }, declared.about));
    return { name, declared, node, number, before: Infinity, roseAt: 0 };
  });
  const show = (line, value) => {
    const { declared, node, number } = line;
    if (declared.kind === "counter" && value > line.before) line.roseAt = Date.now();
    line.before = value;
    say(number, inFull(value, declared.unit));
    mark(number, "data-value", value);
    mark(number, "title", `${exact.format(value)} ${declared.unit}`);
    mark(number, "data-rises", Date.now() - line.roseAt < RATE_MS ? "" : null);
    node.hidden = isSparse && value === 0;
  };
  const body = el("tbody", {}, ...lines.map(({ node }) => node));
  return {
    node: el("div", {}, el("table", { class: "numbers" }, body), none),
    update({ stats }) {
      for (const line of lines) show(line, stats[line.name]);
      none.hidden = lines.some(({ node }) => !node.hidden);
    },
  };
}

/** A titled table of numbers, below the tiles. */
function block(part, title, entries, options) {
  const { node, update } = numberTable(part, title, entries, options);
  return { node: el("section", {}, el("h3", {}, title), node), update };
}

/** Numbers that are one series told apart by a label. */
function seriesBlocks(part, declared) {
  const members = Object.entries(declared).filter(([, { series }]) => series);
  const titleOf = ([, { series }]) => `${series.name} by ${series.label}`;
  return [...Map.groupBy(members, titleOf)].map(([title, entries]) =>
    block(part, title, entries, { isSparse: true }),
  );
}

/** Every number of a part with its sentence, for whoever asks. */
function allNumbers(part, declared) {
  const entries = Object.entries(declared).filter(([, { series }]) => !series);
  const { node, update } = numberTable(part, "", entries, { isTold: true });
  return { node: el("details", {}, el("summary", {}, "All numbers"), node), update };
}

/**
 * What a part shows beyond its declared numbers: `head` beside its name, `blocks` under its tiles.
 * Each is made once, `{ node, update(told) }`, and updated with every tick.
 */
const extras = {
  process(declared) {
    const uptime = el("span", { "data-stat": "process.uptime_seconds" });
    const update = ({ stats: { uptime_seconds: seconds } }) => {
      say(uptime, spoken(duration(seconds)));
      mark(uptime, "data-value", seconds);
    };
    const node = el("p", { title: declared["uptime_seconds"].about }, "up ", uptime);
    return { head: [{ node, update }] };
  },
  relay(declared) {
    const groups = {
      pressure: /^(throttles|flow_controls|pressure_disconnects|backlog_pauses|dropped_.*)$/,
      refused: /^refused_/,
    };
    const blocks = Object.entries(groups).map(([title, group]) => {
      const entries = Object.entries(declared).filter(([name]) => group.test(name));
      return block("relay", title, entries);
    });
    return { blocks };
  },
};

/** Who is in quarantine at a service, and the operator's say in it. */
function quarantineBlock(service) {
  const node = $("quarantine").content.firstElementChild.cloneNode(true);
  const [none, more] = node.querySelectorAll("p");
  const form = node.querySelector("form");
  const { address, seconds } = form.elements;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = { service, address: address.value.trim(), seconds: seconds.valueAsNumber };
    if (await act("quarantine", fields)) address.value = "";
  });
  const make = (key) => quarantineRow(service, key);
  const table = keyedRows(node.querySelector("tbody"), make, () => address);
  return {
    node,
    update({ quarantine, stats: { quarantined = 0 } }) {
      table.show(new Map(quarantine.map((one) => [one.key, one])));
      none.hidden = quarantine.length > 0;
      more.hidden = quarantined <= quarantine.length;
      say(more, `and ${exact.format(quarantined - quarantine.length)} more`);
    },
  };
}

function quarantineRow(service, key) {
  const left = el("td", { class: "number" });
  const lift = el("button", { type: "button", "aria-label": `Lift ${key}` }, "Lift");
  lift.addEventListener("click", () => act("lift", { service, key }));
  const action = el("td", { class: "when-signed-in" }, lift);
  return {
    node: el("tr", { "data-key": key }, el("th", { scope: "row" }, key), left, action),
    update({ seconds_left: seconds }) {
      say(left, spoken(duration(seconds)));
    },
  };
}

/** The panel of the process or a service, made from what it declares. */
function panel(part, declared) {
  const { head = [], blocks = [] } = extras[part]?.(declared) ?? {};
  const tiles = Object.entries(declared)
    .filter(([, { headline }]) => headline)
    .map(([name, number]) => tile(part, name, number));
  const below = [...blocks, ...seriesBlocks(part, declared)];
  const numbers = allNumbers(part, declared);
  const [health, addresses] = [el("p", { class: "health" }), el("p")];
  const title = el("h2", { id: `part-${part}` }, part);
  const nodes = (parts) => parts.map(({ node }) => node);
  const blockRow = el("div", { class: "blocks" }, ...nodes(below));
  const isWide = tiles.length > 3;
  const node = el(
    "section",
    { class: `panel part ${isWide ? "wide" : ""}`, "aria-labelledby": `part-${part}` },
    el("header", {}, title, ...nodes(head), health, addresses),
    el("div", { class: "tiles" }, ...nodes(tiles)),
    blockRow,
    numbers.node,
  );
  mark(node, "data-part", part);
  const all = [...head, ...below, numbers];
  let desk = null;
  return {
    node,
    isWide,
    update(told, well) {
      if (told.quarantine && desk === null) {
        desk = quarantineBlock(part);
        blockRow.append(desk.node);
        all.push(desk);
      }
      for (const one of tiles) one.update(told.stats);
      for (const one of all) one.update(told);
      say(addresses, told.addresses?.join(", ") ?? "");
      say(health, well?.reason ?? "");
      mark(health, "data-ok", well?.ok ?? null);
    },
  };
}

// --- clients

const bytes = (value) => spoken(amount(value, "bytes"));
/** How a row tells what is in each column. */
const CELLS = {
  service: ({ service }) => service,
  address: ({ address }) => address,
  state: ({ state }) => state,
  age_seconds: ({ age_seconds: age }) => spoken(duration(age)),
  lines_in: ({ lines_in: lines }) => exact.format(lines),
  rate: ({ rate: lines }) => (lines === null ? "–" : scaled(lines).join("")),
  bytes_in: ({ bytes_in: size }) => bytes(size),
  bytes_out: ({ bytes_out: size }) => bytes(size),
  outbox_bytes: ({ outbox_bytes: size }) => bytes(size),
};

/** What of the clients is shown. */
const query = { sort: "outbox_bytes", order: "desc", offset: 0, service: "", address: "" };
const clients = keyedRows($("rows"), clientRow, () => $("filter"));
let asked = true;
let touchedAt = 0;
let pressedAt = 0;

function showSort() {
  const direction = query.order === "asc" ? "ascending" : "descending";
  for (const head of $("columns").children) {
    mark(head, "aria-sort", head.dataset.column === query.sort ? direction : null);
  }
}

function sortBy({ dataset: { column }, classList }) {
  const first = classList.contains("number") ? "desc" : "asc";
  const other = query.order === "asc" ? "desc" : "asc";
  ask({ order: column === query.sort ? other : first, sort: column, offset: 0 });
}

/** Asks for other clients: the stream is opened anew, and what is shown stays until it answers. */
function ask(change) {
  Object.assign(query, change);
  asked = true;
  showSort();
  connect();
}

function clientRow(key, { service, id, address }) {
  const cells = [...$("columns").querySelectorAll("[data-column]")].map((head) => {
    const { dataset, className, textContent: label } = head;
    const attributes = { "data-column": dataset.column, "data-label": label.trim() };
    return el("td", { role: "cell", class: className, ...attributes });
  });
  const kick = askingButton("Kick", address, async () => {
    if (await act("kick", { service, id })) clients.remove(key);
  });
  const action = el("td", { role: "cell", class: "action when-signed-in" }, kick);
  const node = el("tr", { role: "row", "data-key": key }, ...cells, action);
  let before = { at: 0, lines: 0, rate: null };
  return {
    node,
    update(row) {
      before = rateSince(before, row.lines_in);
      const full = { ...row, rate: before.rate };
      for (const cell of cells) {
        const { column } = cell.dataset;
        say(cell, CELLS[column](full));
        mark(cell, "data-value", full[column] ?? "");
      }
      mark(node, "data-state", row.state);
      mark(node, "data-waiting", row.outbox_bytes > 0 ? "" : null);
    },
  };
}

/** A client's lines per second since the tick before; a stream that opens anew ticks out of turn. */
function rateSince(before, lines) {
  const ms = tick.at - before.at;
  if (ms >= 0 && ms < 500) return before;
  const rate = before.at > 0 && ms > 0 ? Math.max(0, lines - before.lines) / (ms / 1000) : null;
  return { at: tick.at, lines, rate };
}

/** A button that acts when it is pressed a second time. */
function askingButton(label, what, run) {
  const button = el("button", { type: "button" });
  let timer = 0;
  const settle = (asks) => {
    clearTimeout(timer);
    say(button, asks ? "Sure?" : label);
    mark(button, "aria-label", asks ? `Press again to ${label} ${what}` : `${label} ${what}`);
    mark(button, "data-asks", asks ? "" : null);
    if (asks) timer = setTimeout(settle, ASK_MS, false);
  };
  settle(false);
  button.addEventListener("click", ({ detail }) => {
    // The second half of a double click, or of a key held down, is no second thought.
    if (detail > 1) return;
    const asks = button.hasAttribute("data-asks");
    settle(!asks);
    if (asks) void run();
  });
  button.addEventListener("keydown", (event) => {
    if (event.key === "Escape") settle(false);
    if (event.repeat && event.key === "Enter") event.preventDefault();
  });
  button.addEventListener("blur", () => settle(false));
  return button;
}

/** The rows as they stand, for as long as the operator points at one: none moves away under the pointer. */
function heldRows(page) {
  const held = new Map();
  for (const { dataset } of $("rows").children) {
    const { key } = dataset;
    held.set(key, page.get(key) ?? { ...clients.rows.get(key).item, state: "gone" });
  }
  for (const [key, row] of page) if (held.size < PAGE_SIZE) held.set(key, row);
  return held;
}

function showClients() {
  if (Date.now() - pressedAt < PRESS_MS) return;
  const { total, offset, clients: rows } = tick.clients;
  if (offset > 0 && rows.length === 0) return ask({ offset: 0 });
  const page = new Map(rows.map((row) => [`${row.service}/${row.id}`, row]));
  const isHeld = !asked && Date.now() - touchedAt < HOLD_MS;
  asked = false;
  clients.show(isHeld ? heldRows(page) : page);
  const isFiltered = query.address !== "" || query.service !== "";
  $("no-clients").hidden = clients.rows.size > 0;
  say($("no-clients"), isFiltered ? "No client matches." : "No client is connected.");
  const end = Math.min(offset + rows.length, total);
  const range = `${exact.format(offset + 1)}–${exact.format(end)} of ${exact.format(total)}`;
  say($("range"), `${isHeld ? "order held · " : ""}${total === 0 ? "none" : range}`);
  mark($("range"), "data-value", total);
  mark($("previous"), "aria-disabled", offset === 0);
  mark($("next"), "aria-disabled", end >= total);
}

function turnPage(button, by) {
  // A button that is switched off under the focus would lose it.
  if (button.getAttribute("aria-disabled") === "true") return;
  ask({ offset: Math.max(0, query.offset + by) });
}

function listenToClients() {
  showSort();
  for (const button of document.querySelectorAll(".sort")) {
    button.addEventListener("click", () => sortBy(button.closest("th")));
  }
  const rows = $("rows");
  const touch = () => (touchedAt = Date.now());
  rows.addEventListener("pointermove", touch);
  rows.addEventListener("focusin", touch);
  rows.addEventListener("keydown", touch);
  rows.addEventListener("pointerleave", () => (touchedAt = 0));
  rows.addEventListener("pointerdown", () => (pressedAt = Date.now()));
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => (pressedAt = 0));
  }
  let timer = 0;
  $("filter").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => ask({ address: $("filter").value.trim(), offset: 0 }), 250);
  });
  $("filter-service").addEventListener("change", ({ target }) => {
    ask({ service: target.value, offset: 0 });
  });
  $("previous").addEventListener("click", ({ target }) => turnPage(target, -PAGE_SIZE));
  $("next").addEventListener("click", ({ target }) => turnPage(target, PAGE_SIZE));
  addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, select, textarea, dialog");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
    event.preventDefault();
    $("filter").focus();
  });
}

// --- log

let lastLine;
/** Lines that came and are not shown yet. */
let news = [];

function takeLines(lines) {
  if (lines.length === 0) return;
  lastLine = lines.at(-1);
  news = [...news, ...lines].slice(-LOG_LINES);
}

/** A newly opened stream tells the last lines again: those after the last that is known are new. */
function takeTail(lines) {
  takeLines(lines.slice(lines.lastIndexOf(lastLine) + 1));
}

function lineElement(line) {
  const [, at, level, text] = /^(.*?)\b(DEBUG|INFO|WARNING|ERROR|CRITICAL) (.*)$/s.exec(line) ?? [];
  if (!level) return el("p", {}, line);
  const name = el("b", { class: "level" }, level);
  return el("p", { "data-level": level }, el("time", {}, at.trim()), name, el("span", {}, text));
}

const isAtEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < 24;

function showLog() {
  if (news.length === 0) return;
  const box = $("lines");
  const follows = isAtEnd(box);
  box.append(...news.map(lineElement));
  news = [];
  while (box.childElementCount > LOG_LINES) box.firstElementChild.remove();
  $("no-lines").hidden = true;
  if (follows) box.scrollTop = box.scrollHeight;
}

function listenToLog() {
  const box = $("lines");
  box.addEventListener("scroll", () => ($("log-end").hidden = isAtEnd(box)), { passive: true });
  $("log-end").addEventListener("click", () => {
    box.scrollTop = box.scrollHeight;
    box.focus();
  });
  $("log-least").addEventListener("change", ({ target }) => {
    mark(box, "data-least", target.value);
    box.scrollTop = box.scrollHeight;
  });
  $("log-level").addEventListener("change", ({ target }) =>
    act("log-level", { level: target.value }),
  );
}

// --- what the server tells

/** The newest tick. */
let tick = null;
let declared = {};
let panels = new Map();
let logNumbers = null;
let serverVersion = null;

function onHello(hello) {
  // A page is as old as the server that gave it.
  if (serverVersion !== null && serverVersion !== hello.version) return location.reload();
  serverVersion = hello.version;
  say($("name"), hello.name);
  say($("version"), hello.version);
  addHistory(hello.history);
  takeTail(hello.log);
  if (JSON.stringify(hello.declared) === JSON.stringify(declared)) return;
  declared = hello.declared;
  makePanels();
}

function makePanels() {
  const { log, ...parts } = declared;
  panels = new Map(Object.entries(parts).map(([part, numbers]) => [part, panel(part, numbers)]));
  const inOrder = [...panels.values()].toSorted((a, b) => b.isWide - a.isWide);
  $("panels").replaceChildren(...inOrder.map(({ node }) => node));
  logNumbers?.node.remove();
  logNumbers = allNumbers("log", log);
  $("log").append(logNumbers.node);
  const services = Object.keys(parts).filter((part) => part !== "process");
  const options = services.map((name) => el("option", { value: name }, name));
  $("filter-service").replaceChildren(el("option", { value: "" }, "all"), ...options);
  $("filter-service").value = query.service;
}

function onTick(next, isFirst) {
  tick = next;
  takeLines(next.log.lines);
  // The first one comes between two samples, and the history has them all.
  if (!isFirst || samples.length === 0) addSample({ at: next.at, values: headlines() });
  link = "live";
  heardAt = Date.now();
  showStatus();
  render();
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

/** Nothing is drawn that nobody sees; the numbers are kept for when somebody does. */
function render() {
  if (document.hidden || tick === null) return;
  $("board").hidden = false;
  for (const [part, { node, update }] of panels) {
    const told = partOf(part);
    node.hidden = !told;
    if (told) update(told, tick.health[part]);
  }
  logNumbers?.update(tick.log);
  showClients();
  showLog();
  if (document.activeElement !== $("log-level")) $("log-level").value = tick.log_level;
}

// --- the connection

let source = null;
/** `live`, `lost` (trying again) or `locked` (the server wants its token first). */
let link = "connecting";
let heardAt = Date.now();
let openedAt = 0;
let retry = 0;

function connect() {
  clearTimeout(retry);
  source?.close();
  openedAt = Date.now();
  const { sort, order, offset, service, address } = query;
  const wanted = new URLSearchParams({ sort, order, offset, limit: PAGE_SIZE });
  if (service !== "") wanted.set("service", service);
  if (address !== "") wanted.set("address", address);
  const mine = new EventSource(`/events?${wanted}`);
  source = mine;
  let isFirst = true;
  mine.addEventListener("hello", ({ data }) => {
    isFirst = true;
    // Sessions end with the server that opened them.
    if (link !== "live") void askSession();
    onHello(JSON.parse(data));
  });
  mine.addEventListener("tick", ({ data }) => {
    onTick(JSON.parse(data), isFirst);
    isFirst = false;
  });
  mine.addEventListener("error", () => void onError(mine));
}

/** A broken stream is opened again by the browser; a refused one is not. */
async function onError(mine) {
  if (mine !== source) return;
  link = "lost";
  showStatus();
  if (mine.readyState !== EventSource.CLOSED) return;
  await askSession();
  if (mine !== source || link === "locked") return;
  // It may be the filter that is refused: a service that is gone after a restart.
  if (openedAt > heardAt) query.service = $("filter-service").value = "";
  retry = setTimeout(connect, RETRY_MS);
}

/** Tells a silence from calm, and a connection that slept through its end from one that lives. */
function watch() {
  if (link === "locked") return;
  const silent = Date.now() - heardAt;
  if (silent > LATE_MS && link === "live") {
    link = "lost";
    showStatus();
  }
  if (link !== "lost") return;
  say($("since"), `no word for ${spoken(duration(Math.floor(silent / 1000)))}, trying again`);
  if (Date.now() - Math.max(heardAt, openedAt) > DEAD_MS) connect();
}

// --- status

const COLOURS = { ok: "#1a8f4a", failing: "#d0342c", draining: "#c77700", lost: "#d0342c" };

/** The status in one word, with its reasons. */
function statusNow() {
  if (link === "locked") return ["locked", "Signed out", []];
  if (link === "lost") return ["lost", tick?.draining ? "Stopped" : "Connection lost", []];
  if (tick === null) return ["connecting", "Connecting", []];
  const ill = Object.entries(tick.health).filter(([, { ok }]) => !ok);
  const reasons = ill.map(([name, { reason }]) => `${name}: ${reason}`);
  if (tick.draining) return ["draining", "Draining", reasons];
  return ill.length > 0 ? ["failing", "Failing", reasons] : ["ok", "OK", []];
}

function showStatus() {
  const [status, word, reasons] = statusNow();
  if (status !== "lost") say($("since"), "");
  mark(root, "data-status", status);
  say($("word"), word);
  const list = $("reasons");
  const shown = [...list.children].map((item) => item.textContent);
  if (String(shown) !== String(reasons)) {
    list.replaceChildren(...reasons.map((reason) => el("li", {}, reason)));
  }
  const title = [word, $("name").textContent];
  if (tick) title.splice(1, 0, `${exact.format(clientCount())} clients`);
  if (document.title !== title.join(" · ")) document.title = title.join(" · ");
  mark($("icon"), "href", iconOf(status));
}

function clientCount() {
  const counts = Object.values(tick.services).map(({ stats }) => stats.clients ?? 0);
  return counts.reduce((sum, count) => sum + count, 0);
}

/** A disc in the colour of the status; a ring where nothing is known. */
function iconOf(status) {
  const colour = COLOURS[status] ?? "#6b7482";
  const fill = status === "ok" || status === "failing" ? colour : "none";
  const disc = `<circle cx="8" cy="8" r="5.5" fill="${fill}" stroke="${colour}" stroke-width="3"/>`;
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${disc}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(picture)}`;
}

// --- acting

function toast(text, isWrong = false) {
  const shut = el("button", { type: "button", "aria-label": "Dismiss" }, "×");
  const node = el("div", { class: "toast" }, el("p", {}, text), shut);
  if (isWrong) node.classList.add("wrong");
  const leave = () => (node.matches(":hover, :focus-within") ? later() : node.remove());
  const later = () => setTimeout(leave, TOAST_MS);
  shut.addEventListener("click", () => node.remove());
  $("toasts").append(node);
  while ($("toasts").childElementCount > 3) $("toasts").firstElementChild.remove();
  later();
}

/** @returns the status and what the server said; 0 when it did not answer */
async function post(path, fields) {
  const headers = { "content-type": "application/json", "x-summoner-page": "1" };
  const signal = AbortSignal.timeout(ANSWER_MS);
  const body = JSON.stringify(fields);
  try {
    const answer = await fetch(path, { method: "POST", headers, body, signal });
    const text = (await answer.text()).trim();
    const isJson = answer.headers.get("content-type")?.startsWith("application/json");
    return { status: answer.status, said: isJson ? JSON.parse(text).outcome : text };
  } catch {
    return { status: 0, said: "The server does not answer." };
  }
}

/** Carries out an admin action and tells its outcome. @returns whether it was done */
async function act(name, fields = {}) {
  const { status, said } = await post(`/admin/${name}`, fields);
  const done = status === 200;
  toast(done ? said.charAt(0).toUpperCase() + said.slice(1) : `Not done: ${said}`, !done);
  if (status === 401) {
    await askSession();
    openDialog("sign-in");
  }
  return done;
}

/** Asks what this page may do; without leave to read, the sign-in form is all there is. */
async function askSession() {
  let session;
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    session = await (await fetch("/session", { cache: "no-store", signal })).json();
  } catch {
    return;
  }
  mark(root, "data-admin", session.admin);
  $("log-level").disabled = session.admin !== "signed-in";
  const wasLocked = link === "locked";
  if (session.read === wasLocked) lock(!session.read);
}

function lock(isLocked) {
  link = isLocked ? "locked" : "connecting";
  $("gate").hidden = !isLocked;
  if (isLocked) {
    $("board").hidden = true;
    source?.close();
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    $("gate").querySelector("[name=token]").focus();
  } else connect();
  showStatus();
}

async function signIn(event) {
  event.preventDefault();
  const form = event.target;
  const { status, said } = await post("/login", { token: form.elements.token.value });
  const wrong = form.querySelector(".wrong");
  say(wrong, status === 204 ? "" : said);
  form.elements.token.value = "";
  if (status !== 204) return form.elements.token.focus();
  await askSession();
  form.closest("dialog")?.close();
  // What opened the dialog, and gets the focus back, may be hidden by now.
  const { activeElement: back, body } = document;
  if (back === body || !back.checkVisibility()) $("sign-out").focus();
  toast("Signed in.");
}

async function signOut() {
  const { status, said } = await post("/logout", {});
  toast(status === 204 ? "Signed out." : said, status !== 204);
  await askSession();
  if (link !== "locked") $("sign-in-open").focus();
}

function openDialog(id) {
  if (!$(id).open) $(id).showModal();
}

function listenToActions() {
  for (const form of document.querySelectorAll("[data-sign-in]")) {
    form.addEventListener("submit", signIn);
  }
  for (const button of document.querySelectorAll("[data-close]")) {
    button.addEventListener("click", () => button.closest("dialog").close());
  }
  $("sign-in-open").addEventListener("click", () => openDialog("sign-in"));
  $("sign-out").addEventListener("click", signOut);
  $("reload").addEventListener("click", () => act("reload"));
  $("drain-open").addEventListener("click", () => openDialog("drain"));
  $("drain-now").addEventListener("click", () => act("drain"));
}

listenToClients();
listenToLog();
listenToActions();
document.addEventListener("visibilitychange", render);
setInterval(watch, 1000);
void askSession().then(() => {
  if (link !== "locked") connect();
});
