import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { ClientMore } from "../lib/host/service.ts";
import { boot, type Booted, type Peer, until } from "./kit.ts";
import { BROWSER, clock, STATUS, Tab, text, TOKEN } from "./tab.ts";

if (!BROWSER) console.log("skipped: the clients on the dashboard, because there is no Chromium");

const KEYS = "[...document.querySelectorAll('#rows tr')].map((row) => row.dataset.key)";
const cells = (name: string, of = "textContent") =>
  `[...document.querySelectorAll("#rows [data-column=${name}]")].map((cell) => cell.${of})`;

/** The names of the landmarks that are shown, each with its role; those that are named alike count as one for who hears them. */
const LANDMARKS = `(() => {
  const roles = { NAV: "navigation", MAIN: "main", ASIDE: "complementary", SECTION: "region", FORM: "form" };
  const nameOf = (node) => {
    const by = node.getAttribute("aria-labelledby");
    const named = by === null ? node.getAttribute("aria-label") : document.getElementById(by)?.textContent;
    return (named ?? "").trim().toLowerCase();
  };
  return [...document.querySelectorAll("nav, main, aside, section, form, [role=region]")]
    .filter((node) => node.checkVisibility())
    .map((node) => (node.getAttribute("role") ?? roles[node.tagName]) + " " + nameOf(node))
    .filter((one) => !/^(region|form) $/.test(one));
})()`;

describe.skipIf(!BROWSER)("the clients on the dashboard", () => {
  let server: Booted;
  let tab: Tab;
  const peers: Peer[] = [];

  beforeAll(async () => {
    server = await boot(
      ["relay", "store", "neuro", "web"],
      {
        name: "here",
        hyper_parameters: { rate_limit_msgs_per_minute: 1000, client_timeout_secs: 0 },
      },
      { token: TOKEN, clock },
    );
    tab = await Tab.open(server.url("/"));
    await tab.see(STATUS, "ok");
  });

  afterEach(async () => {
    await tab?.startClock().catch(() => {});
    for (const peer of peers.splice(0)) peer.end();
    await until(() => server.stats()["clients"] === 0);
  });

  afterAll(async () => {
    tab?.view.close();
    await server?.stop();
  });

  async function join(from?: string): Promise<Peer & { readonly id: number }> {
    const peer = await server.join(from);
    peers.push(peer);
    const { id } = server.clients().find(({ address }) => address === peer.address)!;
    return Object.assign(peer, { id });
  }

  test("are sorted, filtered, turned and opened over the one stream that there is", async () => {
    const joined: Awaited<ReturnType<typeof join>>[] = [];
    for (let i = 0; i < 30; i++) joined.push(await join(`127.0.1.${i + 1}`));
    for (const [i, peer] of joined.entries()) peer.send("x\n".repeat(i + 1));
    await tab.go("clients");
    const streams = () => tab.requests.filter((url) => url.includes("/events?")).length;
    const before = streams();
    await tab.sort("messages_in");
    await tab.see(`${cells("messages_in")}[0]`, "30");
    await tab.click("#next");
    await tab.see(`${cells("messages_in")}.length`, 5);
    await tab.filter("127.0.1.3:");
    await tab.see(KEYS, [`relay/${joined[2]?.id}`]);
    await tab.click("#rows .open");
    await tab.see(text("#client-title"), joined[2]?.address);
    await tab.see(`(${text(".client-state")}).startsWith("open · relay · connected for ")`);
    await tab.view.press("Escape");
    await tab.filter("");
    await tab.go("overview");
    expect(streams()).toBe(before);
    expect(server.stats("web")["streams"]).toBe(1);
  });

  test("are counted alike in the title, the rail and the table: those who watch are none", async () => {
    await join();
    await join();
    const other = await fetch(server.url("/events"));
    await until(() => server.stats("web")["streams"] === 2);
    await tab.go("clients");
    await tab.see("document.title", "OK · 2 clients · here");
    await tab.see(text("#range"), "1–2 of 2");
    expect(await tab.get(text("#counted"))).toBe("2 connected");
    expect(await tab.get(text("#places [href='#/clients'] .count"))).toBe("2");
    // They are told of where they are asked for.
    await tab.go("clients?service=web");
    await tab.see(text("#range"), "1–2 of 2");
    expect(await tab.get(`[...new Set(${cells("service")})]`)).toEqual(["web"]);
    await other.body?.cancel();
    await tab.go("clients");
  });

  test("one tells its last refusals, and how it fared before anybody looked", async () => {
    const peer = await join();
    peer.send(Buffer.from("\xff\n", "latin1"));
    peer.send(`${"x".repeat(70_000)}\n`.repeat(20));
    const info = () => server.clients()[0]!;
    await until(() => info().refused === 21 && info().refusedPerSecond === 0);
    await tab.go(`clients?client=relay/${peer.id}`);
    const items =
      "[...document.querySelectorAll('#client .refusals li')].map((one) => one.textContent)";
    await tab.see(`${items}.length`, 2);
    const [last, first] = await tab.get<string[]>(items);
    expect(last).toMatch(
      /^\d\d:\d\d:\d\d oversize with its envelope it has more than 65536 bytes \(20 times\)$/,
    );
    expect(first).toMatch(/^\d\d:\d\d:\d\d utf8 it is not valid UTF-8$/);
    // It was refused nothing since it is looked at.
    const stave = "#client [data-key='client refused_per_second']";
    const more = server.running().client?.(peer.id) as ClientMore | null;
    expect(more?.past.some((step) => step.refusedPerSecond > 0)).toBe(true);
    await tab.see(`parseFloat(${text(`${stave} .stave-most`)}) > 0`);
    expect(await tab.get(`document.querySelector("${stave} .stave-now").dataset.value`)).toBe("0");
    // One whose address names nobody says so, and one of no service is let go.
    await tab.go("clients?client=relay/999999");
    await tab.see("document.querySelector('#client .empty').checkVisibility()");
    await tab.go("clients?client=nonsense");
    await tab.see("document.querySelector('#client .empty').checkVisibility()");
    await tab.get("location.hash = '#/clients?client=nothing/1'");
    await tab.see("document.querySelector('#client').hidden");
    await tab.see(STATUS, "ok");
    expect(await tab.get("location.hash")).toBe("#/clients");
  });

  test("a held order holds back nobody: who is kicked goes, who comes is there, who moved on says so", async () => {
    const joined: Awaited<ReturnType<typeof join>>[] = [];
    for (let i = 0; i < 26; i++) joined.push(await join(`127.0.2.${i + 1}`));
    for (const [i, peer] of joined.entries()) peer.send("x\n".repeat(40 - i));
    await until(() => server.clients().every(({ messagesIn }) => messagesIn > 0));
    await tab.signIn();
    await tab.go("clients?sort=messages_in");
    const key = (i: number) => `relay/${joined[i]?.id}`;
    await tab.see(
      KEYS,
      joined.slice(0, 25).map((_, i) => key(i)),
    );
    const [x, y] = await tab.get<[number, number]>(
      "(({ x, y }) => [x, y])(document.querySelector('#rows td').getBoundingClientRect())",
    );
    await tab.stopClock();
    await tab.mouse(x + 5, y + 5);
    await tab.see("document.querySelector('#rows tr:hover') !== null");
    joined[25]?.send("x\n".repeat(30));
    await tab.see(`${KEYS}.at(-1)`, key(25));
    await tab.see(`${cells("state")}.at(-2)`, "off page");
    expect(await tab.get(`${KEYS}.slice(0, 25)`)).toEqual(
      joined.slice(0, 25).map((_, i) => key(i)),
    );
    // From its panel, after a question.
    await tab.get(`location.hash = "#/clients?sort=messages_in&client=${key(3)}"`);
    await tab.see(text("#client-title"), joined[3]?.address);
    await tab.see("document.querySelector('.client-state').textContent !== ''");
    await tab.view.press("k");
    await tab.see(text(":focus"), "Kick");
    expect(joined[3]?.isClosed).toBe(false);
    await tab.view.press("Enter");
    await joined[3]?.closed;
    await tab.see(`${KEYS}.includes("${key(3)}")`, false);
    await tab.mouse(5, 5);
    await tab.see(
      KEYS,
      [0, 1, 2, 25, ...Array.from({ length: 21 }, (_, i) => i + 4)].map(key).sort((a, b) => {
        const sent = (of: string) =>
          server.clients().find(({ id }) => of === `relay/${id}`)!.messagesIn;
        return sent(b) - sent(a);
      }),
    );
    await tab.startClock();
    await tab.signOut();
  });

  test("a row is one stop of the Tab key, and arrows get to all that is in it", async () => {
    await join();
    await join();
    await tab.signIn();
    await tab.go("clients");
    await tab.see(`${KEYS}.length`, 2);
    await tab.get("document.querySelector('#next').focus()");
    await tab.tabTo("#rows .open");
    await tab.view.press("ArrowRight");
    expect(await tab.get("document.activeElement.className")).toContain("kick");
    await tab.view.press("ArrowDown");
    expect(await tab.get("document.activeElement.className")).toBe("open");
    await tab.view.press("Tab");
    expect(await tab.get("document.activeElement.closest('#rows')")).toBeNull();
    await tab.signOut();
  });

  test("in a narrow window a client is the page", async () => {
    const peer = await join();
    await tab.go(`clients?client=relay/${peer.id}`);
    await tab.see(text("#client-title"), peer.address);
    const seen =
      "[document.querySelector('#rows').checkVisibility(), document.querySelector('#client').checkVisibility()]";
    expect(await tab.get(seen)).toEqual([true, true]);
    await tab.view.resize(999, 1000);
    await tab.see(
      "[document.querySelector('#main').inert, document.querySelector('#client').role]",
      [true, "main"],
    );
    await tab.view.resize(1280, 1000);
    await tab.see("document.querySelector('#main').inert", false);
    await tab.view.press("Escape");
    await tab.see("document.querySelector('#client').hidden");
  });

  test("no two landmarks of a place have the same name", async () => {
    const peer = await join();
    const places = await tab.get<string[]>(
      "[...document.querySelectorAll('#places a')].map((link) => decodeURIComponent(link.hash.slice(2)))",
    );
    expect(places).toContain("neuro");
    for (const place of [...places, `clients?client=relay/${peer.id}`]) {
      await tab.get(`location.hash = "#/${place}"`);
      await tab.see(`${LANDMARKS}.some((one) => one.startsWith("region "))`);
      const found = await tab.get<string[]>(LANDMARKS);
      expect([place, found.toSorted()]).toEqual([place, [...new Set(found)].toSorted()]);
    }
    await tab.go("overview");
  });

  test("nothing went wrong in the page", () => {
    // The address of a service that there is not was asked for.
    expect(tab.troubles.filter((one) => !one.includes("400 (Bad Request)"))).toEqual([]);
  });
});
