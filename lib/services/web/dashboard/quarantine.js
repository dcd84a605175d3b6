// The quarantine of a service: who is barred, why and for how long, page by page, and the operator's
// means to add and to lift.

import { act, ask } from "./admin.js";
import { $, askingButton, el, keyedRows, mark, say } from "./elements.js";
import { duration, exact, spoken } from "./format.js";
import { follow, here, want } from "./places.js";

/** Rows on a page. */
const LIMIT = 20;
/** Milliseconds after which the server is asked even though nothing was heard of. */
const QUIET_MS = 5000;
/** Milliseconds after the last key before the server is asked. */
const TYPING_MS = 250;

const time = (seconds) => spoken(duration(Math.max(0, Math.floor(seconds))));

/** The block of a service's quarantine; the number of those in it comes with `update`. */
export function quarantineBlock(service) {
  const node = $("quarantine").content.firstElementChild.cloneNode(true);
  const part = (name) => node.querySelector(`[data-of=${name}]`);
  const [none, note, table, filter] = ["none", "note", "table", "filter"].map(part);
  const [before, after] = ["before", "after"].map(part);
  const form = node.querySelector("form");
  const { address, seconds } = form.elements;
  let told = null;
  let toldAt = 0;
  /** What was asked for last, and when. */
  let asked = "";
  let askedAt = -Infinity;
  let isAsking = false;
  let typing = 0;

  const wanted = () => {
    const { query } = here;
    const page = Math.max(1, Math.min(1e6, Math.floor(Number(query.get("barred-page"))) || 1));
    return { text: query.get("barred") ?? "", page };
  };
  const rows = keyedRows(
    node.querySelector("tbody"),
    (key) => row(service, key, look),
    () => address,
  );

  /** Asks for what is wanted, and shows it. */
  async function look() {
    if (isAsking) return;
    isAsking = true;
    askedAt = performance.now();
    const { text, page } = wanted();
    asked = `${text} ${page}`;
    const offset = (page - 1) * LIMIT;
    const query = new URLSearchParams({ service, address: text, limit: LIMIT, offset });
    try {
      told = await ask(`quarantinez?${query}`);
      toldAt = performance.now();
      show();
    } catch {
      // The page says that there is no answer; a later second asks again.
    }
    isAsking = false;
    if (here.place === service && asked !== `${wanted().text} ${wanted().page}`) void look();
  }

  function show() {
    if (told === null) return;
    const { quarantine, total, offset, address: text } = told;
    const late = (performance.now() - toldAt) / 1000;
    rows.show(new Map(quarantine.map((one) => [one.key, { ...one, late }])));
    table.hidden = quarantine.length === 0;
    none.hidden = total > 0;
    say(
      none,
      text === "" ? "Nobody is in quarantine." : "Nobody of that address is in quarantine.",
    );
    const end = offset + quarantine.length;
    const where = `${exact.format(offset + 1)} to ${exact.format(end)} of ${exact.format(total)}, the last one first`;
    say(note, quarantine.length > 0 ? where : total > 0 ? "There is no such page any more." : "");
    const [hasBefore, hasAfter] = [offset > 0, end < total];
    before.hidden = after.hidden = !hasBefore && !hasAfter;
    mark(before, "aria-disabled", hasBefore ? null : true);
    mark(after, "aria-disabled", hasAfter ? null : true);
    filter.closest("label").hidden = total === 0 && text === "";
  }

  const turn = (button, by) => () => {
    if (button.ariaDisabled !== "true") want({ "barred-page": wanted().page + by });
  };
  before.addEventListener("click", turn(before, -1));
  after.addEventListener("click", turn(after, 1));
  filter.addEventListener("input", () => {
    clearTimeout(typing);
    const change = { barred: filter.value.trim(), "barred-page": null };
    typing = setTimeout(() => want(change, true), TYPING_MS);
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const ip = address.value.trim();
    const fields = { service, address: ip, seconds: Number(seconds.value) };
    if (!(await act("quarantine", fields, `Next: put ${ip} in quarantine.`))) return;
    address.value = "";
    void look();
  });
  follow(() => {
    if (here.place !== service || !node.isConnected) return;
    if (document.activeElement !== filter) filter.value = wanted().text;
    if (told !== null) void look();
  });

  let count = -1;
  return {
    node,
    update({ stats: { quarantined = 0 } }) {
      if (here.place !== service || document.hidden) return;
      const isNew = count !== quarantined || askedAt + QUIET_MS < performance.now();
      count = quarantined;
      if (isNew) void look();
      else show();
    },
  };
}

function row(service, key, look) {
  const cell = (name, attributes) => el("td", { "data-of": name, ...attributes });
  const why = cell("why");
  const since = cell("since", { class: "number" });
  const left = cell("left", { class: "number" });
  const lift = askingButton("Lift", key, async () => {
    if (await act("lift", { service, key }, `Next: lift the quarantine of ${key}.`)) void look();
  });
  lift.classList.add("ghost");
  const action = el("td", { class: "action when-may-act" }, lift);
  // One notation for all: an address with its port, or an address whatever the port.
  const isWhole = !/\]:\d+$|^[^:]*:\d+$/.test(key);
  const ports = isWhole ? [el("span", { class: "quiet" }, " all ports")] : [];
  // A long one breaks between its groups.
  const pieces = key.split(/(?<=:)/).flatMap((piece) => [piece, el("wbr")]);
  const name = el("th", { scope: "row" }, el("bdi", {}, ...pieces), ...ports);
  return {
    node: el("tr", { "data-key": key }, name, why, since, left, action),
    update({ why: reason, since_seconds: age, seconds_left: rest, late }) {
      say(why, reason);
      say(since, `${time(age + late)} ago`);
      say(left, `${time(rest - late)} left`);
    },
  };
}
