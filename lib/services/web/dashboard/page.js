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
const PAGE_SIZE = 25;
const LOG_LINES = 200;
/** Milliseconds for which the order of the clients is held after the operator's last move over them. */
const HOLD_MS = 8000;
/** Milliseconds for which a button that asks back waits for its second press. */
const ASK_MS = 5000;
const TOAST_MS = 12_000;

const root = document.documentElement;
const $ = (id) => document.getElementById(id);

// --- elements

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
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
  const [area, line] = [svg("path", { class: "area" }), svg("path", { class: "line" })];
  const cursor = svg("path", { class: "cursor" });
  const node = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none" });
  node.append(area, line, cursor);
  mark(node, "role", "img");
  let pointed = null;
  const draw = () => {
    const points = pointsOf(key, declared);
    const known = points.filter(([, value]) => value !== null).map(([, value]) => value);
    const most = known.reduce((a, b) => Math.max(a, b), 0);
    const end = samples.at(-1)?.at ?? 0;
    const paths = pathsOf(points, most, end);
    mark(line, "d", paths.line);
    mark(area, "d", paths.area);
    const text = (value) => spoken(measure(declared, value));
    const near = pointed === null ? null : nearest(points, end - SPAN_MS * (1 - pointed));
    mark(cursor, "d", near ? `M${(near[0] - end + SPAN_MS) / 1000} 0V${HEIGHT}` : "");
    say(said, near ? `${ago(end - near[0])} ${text(near[1])}` : `peak ${text(most)}`);
    const least = known.reduce((a, b) => Math.min(a, b), most);
    mark(node, "aria-label", `${label}, last five minutes: ${text(least)} to ${text(most)}`);
  };
  node.addEventListener("pointermove", ({ clientX }) => {
    const { left, width } = node.getBoundingClientRect();
    pointed = (clientX - left) / width;
    draw();
  });
  node.addEventListener("pointerleave", () => {
    pointed = null;
    draw();
  });
  return { node, draw };
}

function nearest(points, at) {
  let best = null;
  for (const point of points) {
    if (point[1] === null) continue;
    if (best === null || Math.abs(point[0] - at) < Math.abs(best[0] - at)) best = point;
  }
  return best;
}

function ago(ms) {
  const seconds = Math.round(ms / 1000);
  return `−${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

// --- the numbers of a part: its process, its log, a service

/** A headline number: its figure, its chart and, of a counter, the exact total. */
function tile(part, name, declared) {
  const key = `${part}.${name}`;
  const label = labelOf(name, declared);
  const [number, unit] = [el("span"), el("span", { class: "unit" })];
  const counts = declared.kind === "counter" && declared.unit !== "seconds";
  const total = el("span", { "data-stat": key });
  const peak = el("span", { class: "peak" });
  const { node, draw } = chart(key, label, declared, peak);
  const figure = el("p", { class: "figure" }, number, unit);
  const foot = el("p", { class: "foot" }, counts ? total : "", peak);
  if (!counts) mark(number, "data-stat", key);
  return {
    node: el(
      "div",
      { class: "tile" },
      el("h3", { title: declared.about }, label),
      figure,
      node,
      foot,
    ),
    update(stats) {
      const value = stats[name];
      const shown = declared.kind === "counter" ? rateNow(key) : value;
      const [text, in_] = shown === null ? ["–", ""] : measure(declared, shown);
      say(number, text);
      say(unit, in_);
      if (counts) say(total, inFull(value, declared.unit));
      mark(counts ? total : number, "data-value", value);
      mark(figure, "title", `${exact.format(value)} ${declared.unit}`);
      draw();
    },
  };
}

/**
 * A table of numbers; what rose in the last seconds shows it. With `told` each has its sentence,
 * with `sparse` those that are zero are left out.
 */
function numberTable(part, rows, { told = false, sparse = false } = {}) {
  const none = el("p", { class: "empty" }, "None so far.");
  const lines = rows.map(({ name, label, declared }) => {
    const number = el("td", { class: "number", "data-stat": `${part}.${name}` });
    const node = el("tr", {}, el("th", { scope: "row", title: declared.about }, label), number);
    if (told) node.append(el("td", { class: "about" }, declared.about));
    return { name, declared, node, number, before: Infinity, roseAt: 0 };
  });
  const body = el("tbody", {}, ...lines.map(({ node }) => node));
  const show = (line, value) => {
    const { declared, node, number } = line;
    if (declared.kind === "counter" && value > line.before) line.roseAt = Date.now();
    line.before = value;
    say(number, inFull(value, declared.unit));
    mark(number, "data-value", value);
    mark(number, "title", `${exact.format(value)} ${declared.unit}`);
    mark(number, "data-rises", Date.now() - line.roseAt < RATE_MS ? "" : null);
    node.hidden = sparse && value === 0;
  };
  return {
    node: el("div", {}, el("table", { class: "numbers" }, body), none),
    update(stats) {
      for (const line of lines) show(line, stats[line.name]);
      none.hidden = lines.some(({ node }) => !node.hidden);
    },
  };
}

function rowsOf(declared, names) {
  return names.map((name) => ({
    name,
    label: labelOf(name, declared[name]),
    declared: declared[name],
  }));
}

function block(title, ...children) {
  return el("section", { class: "block" }, el("h3", {}, title), ...children);
}

function numberBlock(part, title, rows, options) {
  const table = numberTable(part, rows, options);
  return { node: block(title, table.node), update: ({ stats }) => table.update(stats) };
}

/** Numbers that are one series told apart by a label. */
function seriesBlocks(part, declared) {
  const groups = Map.groupBy(
    Object.entries(declared).filter(([, { series }]) => series),
    ([, { series }]) => `${series.name} by ${series.label}`,
  );
  return [...groups].map(([title, members]) => {
    const rows = members.map(([name, one]) => ({ name, label: one.series.value, declared: one }));
    return numberBlock(part, title, rows, { sparse: true });
  });
}

/** Every number of a part with its sentence, for whoever asks. */
function allNumbers(part, declared) {
  const names = Object.keys(declared).filter((name) => !declared[name].series);
  const table = numberTable(part, rowsOf(declared, names), { told: true });
  const summary = el("summary", {}, "All numbers");
  const node = el("details", {}, summary, table.node);
  return { node, update: ({ stats }) => table.update(stats) };
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
    return { head: { node, update } };
  },
  relay(declared) {
    const groups = {
      pressure: /^(throttles|flow_controls|pressure_disconnects|backlog_pauses|dropped_.*)$/,
      refused: /^refused_/,
    };
    const blocks = Object.entries(groups).map(([title, group]) => {
      const names = Object.keys(declared).filter((name) => group.test(name));
      const rows = rowsOf(declared, names);
      for (const row of rows) row.label = row.label.replace(`${title} `, "");
      return numberBlock("relay", title, rows);
    });
    return { blocks };
  },
};

/** Who is in quarantine at a service, and the operator's say in it. */
function quarantineBlock(service) {
  const [body, none, more] = [
    el("tbody"),
    el("p", { class: "empty" }),
    el("p", { class: "quiet" }),
  ];
  say(none, "Nobody.");
  const form = imposeForm(service);
  const table = keyedRows(
    body,
    (key) => quarantineRow(service, key),
    () => form.elements.address,
  );
  const list = el("div", { class: "scroll" }, el("table", { class: "numbers" }, body));
  return {
    node: block("quarantine", list, none, more, form),
    update({ quarantine, stats }) {
      table.show(new Map(quarantine.map((one) => [one.key, one])));
      none.hidden = quarantine.length > 0;
      const untold = (stats.quarantined ?? 0) - quarantine.length;
      more.hidden = untold <= 0 || quarantine.length < 100;
      say(more, `and ${exact.format(untold)} more`);
    },
  };
}

function quarantineRow(service, key) {
  const left = el("td", { class: "number" });
  const lift = el("button", { type: "button", "aria-label": `Lift ${key}` }, "Lift");
  lift.addEventListener("click", () => act("lift", { service, key }));
  const name = el("th", { scope: "row" }, key);
  return {
    node: el("tr", { "data-key": key }, name, left, el("td", { class: "when-signed-in" }, lift)),
    update({ seconds_left: seconds }) {
      say(left, spoken(duration(seconds)));
    },
  };
}

function imposeForm(service) {
  const address = el("input", {
    name: "address",
    required: "",
    spellcheck: "false",
    placeholder: "IP address",
    "aria-label": "IP address to put in quarantine",
  });
  const seconds = el("input", {
    name: "seconds",
    type: "number",
    min: "1",
    max: "31536000",
    value: "300",
    required: "",
    "aria-label": "Seconds of quarantine",
  });
  const term = el("label", { class: "quiet" }, "for ", seconds, " s");
  const form = el(
    "form",
    { class: "impose when-signed-in" },
    address,
    term,
    el("button", {}, "Quarantine"),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = { service, address: address.value.trim(), seconds: seconds.valueAsNumber };
    if (await act("quarantine", fields)) address.value = "";
  });
  return form;
}

/** The panel of the process or a service, made from what it declares. */
function panel(part, declared) {
  const { head, blocks = [] } = extras[part]?.(declared) ?? {};
  const tiles = Object.entries(declared)
    .filter(([, { headline }]) => headline)
    .map(([name, number]) => tile(part, name, number));
  const below = [...blocks, ...seriesBlocks(part, declared)];
  const numbers = allNumbers(part, declared);
  const [health, addresses] = [el("p", { class: "health" }), el("p", { class: "addresses" })];
  const title = el("h2", { id: `part-${part}` }, part);
  const blockRow = el("div", { class: "blocks" }, ...below.map(({ node }) => node));
  let desk = null;
  return {
    isWide: tiles.length > 3,
    node: el(
      "section",
      {
        class: tiles.length > 3 ? "panel part wide" : "panel part",
        "data-part": part,
        "aria-labelledby": `part-${part}`,
      },
      el("header", {}, title, ...(head ? [head.node] : []), health, addresses),
      el("div", { class: "tiles" }, ...tiles.map(({ node }) => node)),
      blockRow,
      numbers.node,
    ),
    update(told, well) {
      head?.update(told);
      for (const one of tiles) one.update(told.stats);
      for (const one of [...below, numbers]) one.update(told);
      if (told.quarantine) {
        if (!desk) blockRow.append((desk = quarantineBlock(part)).node);
        desk.update(told);
      }
      say(addresses, told.addresses?.join(", ") ?? "");
      say(health, well?.reason ?? "");
      mark(health, "data-ok", well?.ok ?? null);
    },
  };
}

// --- clients

const COLUMNS = [
  { key: "service", label: "Service" },
  { key: "address", label: "Address" },
  { key: "state", label: "State" },
  { key: "age_seconds", label: "Age", text: (row) => spoken(duration(row.age_seconds)) },
  { key: "lines_in", label: "Lines", text: (row) => exact.format(row.lines_in) },
  { label: "Lines/s", text: (row) => (row.rate === null ? "–" : scaled(row.rate).join("")) },
  { key: "bytes_in", label: "In", text: (row) => spoken(amount(row.bytes_in, "bytes")) },
  { key: "bytes_out", label: "Out", text: (row) => spoken(amount(row.bytes_out, "bytes")) },
  {
    key: "outbox_bytes",
    label: "Outbox",
    text: (row) => spoken(amount(row.outbox_bytes, "bytes")),
  },
];
const isText = (key) => ["service", "address", "state"].includes(key);

/** What of the clients is shown. */
const query = { sort: "outbox_bytes", order: "desc", offset: 0, service: "", address: "" };
const clients = keyedRows($("rows"), clientRow, () => $("filter"));
let asked = true;
let touchedAt = 0;
let isPressed = false;

function makeColumns() {
  for (const { key, label } of COLUMNS) {
    const head = el("th", { role: "columnheader", scope: "col", "data-column": key ?? "rate" });
    if (!isText(key)) head.classList.add("number");
    if (key) {
      const button = el("button", { type: "button", class: "sort" }, label);
      button.addEventListener("click", () => sortBy(key));
      head.append(button);
    } else head.append(label);
    $("columns").append(head);
  }
  const last = el("th", { role: "columnheader", scope: "col", class: "when-signed-in" });
  last.append(el("span", { class: "unseen" }, "Actions"));
  $("columns").append(last);
  showSort();
}

function showSort() {
  const direction = query.order === "asc" ? "ascending" : "descending";
  for (const head of $("columns").children) {
    mark(head, "aria-sort", head.dataset.column === query.sort ? direction : null);
  }
}

function sortBy(key) {
  const first = isText(key) ? "asc" : "desc";
  const other = query.order === "asc" ? "desc" : "asc";
  ask({ order: key === query.sort ? other : first, sort: key, offset: 0 });
}

/** Asks for other clients: the stream is opened anew, and what is shown stays until it answers. */
function ask(change) {
  Object.assign(query, change);
  asked = true;
  showSort();
  connect();
}

function clientRow(key, { service, id, address }) {
  const cells = COLUMNS.map(({ key: column = "rate", label }) => {
    const attributes = { role: "cell", "data-column": column, "data-label": label };
    return el("td", { ...attributes, ...(isText(column) ? {} : { class: "number" }) });
  });
  const kick = askingButton("Kick", address, async () => {
    if (await act("kick", { service, id })) clients.remove(key);
  });
  const action = el("td", { role: "cell", class: "action when-signed-in" }, kick);
  const node = el("tr", { role: "row", "data-key": key }, ...cells, action);
  const before = { at: 0, lines: 0, rate: null };
  return {
    node,
    update(row) {
      const { at } = tick;
      if (at - before.at > 500 || at < before.at) {
        const seconds = (at - before.at) / 1000;
        before.rate = before.at > 0 ? Math.max(0, row.lines_in - before.lines) / seconds : null;
        Object.assign(before, { at, lines: row.lines_in });
      }
      const full = { ...row, rate: before.rate };
      COLUMNS.forEach(({ key: column = "rate", text }, i) => {
        say(cells[i], text ? text(full) : full[column]);
        mark(cells[i], "data-value", full[column] ?? "");
      });
      mark(node, "data-state", row.state);
      mark(node, "data-waiting", row.outbox_bytes > 0 ? "" : null);
    },
  };
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
  for (const { dataset, cells } of $("rows").children) {
    const { key } = dataset;
    const gone = Object.fromEntries(
      [...cells].map((cell) => [cell.dataset.column, cell.dataset.value]),
    );
    held.set(key, page.get(key) ?? { ...gone, state: "gone", outbox_bytes: 0 });
  }
  for (const [key, row] of page) if (held.size < PAGE_SIZE) held.set(key, row);
  return held;
}

function showClients() {
  if (isPressed) return;
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
  const rows = $("rows");
  const touch = () => (touchedAt = Date.now());
  rows.addEventListener("pointermove", touch);
  rows.addEventListener("focusin", touch);
  rows.addEventListener("keydown", touch);
  rows.addEventListener("pointerleave", () => (touchedAt = 0));
  rows.addEventListener("pointerdown", () => (isPressed = true));
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => (isPressed = false));
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
  if (tick.clients) showClients();
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
  const count = Object.values(tick?.services ?? {}).reduce(
    (n, { stats }) => n + (stats.clients ?? 0),
    0,
  );
  const title = [word, ...(tick ? [`${exact.format(count)} clients`] : []), $("name").textContent];
  if (document.title !== title.join(" · ")) document.title = title.join(" · ");
  mark($("icon"), "href", iconOf(status));
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
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(fields) });
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
    session = await (await fetch("/session", { cache: "no-store" })).json();
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
    $("gate").querySelector("input").focus();
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

makeColumns();
listenToClients();
listenToLog();
listenToActions();
document.addEventListener("visibilitychange", render);
setInterval(watch, 1000);
void askSession().then(() => {
  if (link !== "locked") connect();
});
