// The panels that services bring themselves: each loaded once the server has named it, and told to
// look again when something has changed and somebody sees it. While nobody does, it asks for nothing.

import { ask, askToken, perform, toast } from "./admin.js";
import { el, root } from "./elements.js";
import { addressOf, follow, here, want } from "./places.js";
import { at } from "./server.js";

/**
 * The room around the window within which a panel counts as seen. One that is above it does, however
 * far: whoever reads on below it must not find old numbers on the way back.
 */
const MARGIN = "1000000px 0px 200px";

/** By service; there for as long as the page is. */
const panels = new Map();
/** What panels show themselves, by service: `tables`, and `groups` of numbers. */
const replaced = new Map();

/** True for one of the `tables` or `groups` of a service that its panel does not show itself. */
export const isLeftOver = (service, kind, name) => !replaced.get(service)?.[kind].includes(name);

const watcher = new IntersectionObserver(onSeen, { rootMargin: MARGIN });

/** What a panel may do with the page. */
function pageOf(service) {
  return {
    /** What a view of the service shows, or null where it has nothing of the kind; @throws Error without an answer */
    view: (name, query = {}) => ask(`panels/${service}/${name}?${new URLSearchParams(query)}`),
    /** Carries out an act; `next` says what follows for whoever has to sign in first. @returns `ok`, `said` and what else the service answers */
    act: (name, fields = {}, next = null) => perform(`${service}/${name}`, fields, next),
    /** What the address wants in the place of the service, texts by name; nothing while another place is shown. */
    query: () => (here.place === service ? Object.fromEntries(here.query) : {}),
    /** Wants something else there: null takes a name away. With `isTyped` nothing can be gone back to. */
    want: (changes, isTyped = false) => here.place === service && want(changes, isTyped),
    /** The address of the place with this wanted there. */
    address: (query) => addressOf(service, query),
    /** The address of a client of the service, and of all its clients in an order. */
    clientAddress: (id) => addressOf("clients", { client: `${service}/${id}` }),
    clientsAddress: (sort) => addressOf("clients", { service, sort }),
    /** Shows a sentence for a while. */
    tell: toast,
    /** The right to act: "off" without a token at the server, "signed-out" or "signed-in". */
    admin: () => root.dataset.admin,
    signIn: () => void askToken(null),
  };
}

/** Makes the panels that are not here yet; `told` is what the server says of them. */
export function bring(told) {
  for (const { service, title, styles, tables, groups } of told) {
    replaced.set(service, { tables, groups });
    if (panels.has(service)) {
      roomOf(service)?.append(panels.get(service).node);
      continue;
    }
    const id = `brought-${service}`;
    const body = el("div");
    const heading = el("h2", { id: `${id}-title` }, title);
    const head = el("header", {}, heading);
    // The place may have the same name.
    const attributes = { id, class: "part", "aria-label": `Panel ${title}`, tabindex: "-1" };
    const node = el("section", attributes, head, body);
    const panel = { service, title, node, mounted: null, isSeen: false, isStale: false };
    panels.set(service, panel);
    roomOf(service)?.append(node);
    void load(panel, body, styles);
  }
}

/** Where the panel of a service stands in its place. */
const roomOf = (service) =>
  document.querySelector(`#panels [data-part="${CSS.escape(service)}"] .room`);

async function load(panel, body, styles) {
  const folder = `dashboard/panels/${panel.service}`;
  for (const name of styles) {
    document.head.append(el("link", { rel: "stylesheet", href: at(`${folder}/${name}`) }));
  }
  try {
    const { mount } = await import(at(`${folder}/panel.js`));
    panel.mounted = mount(body, pageOf(panel.service));
    panel.isStale = true;
    watcher.observe(panel.node);
  } catch (error) {
    body.replaceChildren(el("p", { class: "wrong" }, `It cannot be shown: ${error.message}`));
  }
}

function onSeen(entries) {
  for (const { target, isIntersecting } of entries) {
    const panel = [...panels.values()].find(({ node }) => node === target);
    panel.isSeen = isIntersecting;
    refresh(panel);
  }
}

/** Has a panel look again, if it has reason to and somebody sees it. */
function refresh(panel) {
  if (panel.mounted === null || !panel.isStale || !panel.isSeen || document.hidden) return;
  panel.isStale = false;
  panel.mounted.changed();
}

/** Notes which services have something else to show; all of them have after a new connection. */
export function noteChanges(services = panels.keys()) {
  for (const service of services) {
    const panel = panels.get(service);
    if (panel === undefined) continue;
    panel.isStale = true;
    refresh(panel);
  }
}

/** Once a second: brings what is shown up to the time. */
export function tickBrought() {
  for (const panel of panels.values()) {
    refresh(panel);
    if (panel.isSeen && !document.hidden) panel.mounted?.ticked();
  }
}

/** Shows what came while another place was shown. */
export function showBrought() {
  for (const panel of panels.values()) refresh(panel);
}

// The address wants something else in the place that is shown.
follow(({ place }, isNew) => {
  if (!isNew && panels.has(place)) noteChanges([place]);
});
