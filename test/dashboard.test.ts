import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { services } from "../index.ts";
import { flag } from "../lib/config/option.ts";
import { section } from "../lib/config/section.ts";
import { type Config, settings } from "../lib/config/table.ts";
import type { Services } from "../lib/host/service.ts";
import type { Operator, Quarantined, Running } from "../lib/host/service.ts";
import { boot, NOBODY, type Overrides, type Peer, until } from "./kit.ts";
import { BROWSER, clock, FAINT, STATUS, stat, Tab, text, TOKEN, WIDE } from "./tab.ts";

/** A service that no page has heard of. */
const sundial: Running = {
  addresses: [],
  declared: {
    shadows: { kind: "gauge", unit: "shadows", about: "Shadows cast.", headline: true },
    hours_noon: {
      kind: "counter",
      unit: "hours",
      about: "Hours at <b>noon</b>.",
      series: { name: "hours", label: "sun", value: "noon" },
    },
  },
  stats: () => ({ shadows: 7, hours_noon: 12 }),
  health: () => ({ ok: true, reason: "shining" }),
  clients: () => ({ total: 0, clients: [] }),
  kick: () => null,
  drain: async () => {},
  panel: {
    title: "Shadow",
    files: {
      "panel.css": "#brought-sundial p { font-weight: 700; }",
      "panel.js": `export function mount(node, page) {
        const [told, turn] = ["p", "button"].map((tag) => node.appendChild(document.createElement(tag)));
        turn.onclick = async () => page.tell((await page.act("turn", { by: 3 })).said);
        const changed = async () => (told.textContent = (await page.view("length")).cm + " " + page.admin());
        return { changed, ticked() {} };
      }`,
    },
    views: { length: { about: "Its length.", parameters: {}, read: () => ({ cm: shadow }) } },
    acts: {
      turn: {
        about: "Turns it.",
        fields: { by: "how far" },
        run: ({ by }) => ({ outcome: `turned by ${(shadow = by as number)}` }),
      },
    },
    changes: () => shadow,
  },
};
let shadow = 12;

const { relay, ...others } = services;
const withSundial = {
  services: { relay, sundial: () => sundial, ...others } as Services<Config>,
  settings: {
    ...settings,
    sundial: section("A sundial.", { enabled: flag(false, "Whether it runs.") }),
  },
};

/** The program as it runs, in this process. */
async function start(overrides: Overrides = {}, operator: Operator = NOBODY) {
  const server = await boot(
    ["relay", "sundial", "web"],
    {
      name: "here",
      hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000, client_timeout_secs: 0 },
      ...overrides,
    },
    { operator, token: TOKEN, clock, table: withSundial },
  );
  const peers: Peer[] = [];
  return {
    ...server,
    quarantine: server.running().quarantine as Quarantined,
    url: server.url("/"),
    async join(from?: string): Promise<Peer> {
      const peer = await server.join(from);
      peers.push(peer);
      return peer;
    },
    leave() {
      for (const peer of peers.splice(0)) peer.end();
    },
  };
}

/** A way to a port, on which all that is under way can fall silent. */
async function between(port: number) {
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer((near) => {
    const far = connect({ port, host: "127.0.0.1" });
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    near.pipe(far).pipe(near);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        for (const one of pair) one.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    stall() {
      for (const [near, far] of pairs) far.unpipe(near);
    },
    stop() {
      for (const [near] of pairs) near.destroy();
      server.close();
    },
  };
}

type Started = Awaited<ReturnType<typeof start>>;

/** The values of a column of the clients, from the top. */
const column = (name: string, of = "dataset.value") =>
  `[...document.querySelectorAll("#rows [data-column=${name}]")].map((cell) => cell.${of})`;
const STAVE = `document.querySelector('#overview [data-key="relay.lines_in"]')`;
const KEYS = "[...document.querySelectorAll('#rows tr')].map((row) => row.dataset.key)";
const logged = (line: string) =>
  `[...document.querySelectorAll("#lines span")].some((one) => one.textContent === ${JSON.stringify(line)})`;
const LAST_TOAST = "[...document.querySelectorAll('.toast p')].at(-1)?.textContent ?? null";

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the dashboard"
    : "the dashboard: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    let server: Started;
    let tab: Tab;
    const operated: string[] = [];

    beforeAll(async () => {
      server = await start(
        {},
        {
          reload: () => ({ ok: true, outcome: "nothing has changed" }),
          drain: (why) => void operated.push(why),
        },
      );
      tab = await Tab.open(server.url);
      await tab.see(STATUS, "ok");
    });

    beforeEach(() => server?.leave());

    afterAll(async () => {
      server?.leave();
      // Not the browser: whoever opens a tab while it dies would be given one of the dead.
      tab?.view.close();
      await server?.stop();
    });

    test("shows exactly what was sent", async () => {
      const [a, b, c] = [await server.join(), await server.join(), await server.join()];
      const before = server.stats();
      for (let i = 0; i < 1234; i++) a.send(`{"n":${i}}\n`);
      b.send("one\ntwo\n");
      await until(() => c.lines.length === 1236);
      const sent = (name: string) => (before[name] as number) + 1236;
      await tab.see(stat("relay.lines_in"), sent("lines_in"));
      await tab.see(stat("relay.deliveries"), (before["deliveries"] as number) + 2472);
      await tab.see(stat("relay.clients"), 3);
      await tab.see(stat("relay.bytes_out"), server.stats()["bytes_out"]);
      await tab.go("relay");
      expect(await tab.get(text("[data-part=relay] details tr:nth-child(3)"))).toBe(
        `lines in${sent("lines_in").toLocaleString("en-US")}Lines that clients sent, refused ones included.`,
      );
      for (const [name, value] of Object.entries(server.stats())) {
        expect([name, await tab.get(stat(`relay.${name}`))]).toEqual([name, value]);
      }
      expect(await tab.get<string>(text('[data-stat="relay.lines_in"]'))).toBe(
        sent("lines_in").toLocaleString("en-US"),
      );
      await tab.go("clients");
      const row = `[...document.querySelectorAll("#rows tr")].find((row) => row.textContent.includes("${a.address}"))`;
      const cell = (name: string) => `${row}?.querySelector("[data-column=${name}]").dataset.value`;
      await tab.see(cell("messages_in"), "1234");
      const info = server.clients().find(({ address }) => address === a.address);
      expect(await tab.get(cell("bytes_in"))).toBe(String(info?.bytesIn));
      expect(await tab.get(cell("state"))).toBe("open");
      expect(await tab.get("document.title")).toBe("OK · 3 clients · here");
      // Lines that come show in the rate, and as the most of its stave.
      await tab.go("overview");
      const rate = `Number(${STAVE}.querySelector(".stave-now").dataset.value)`;
      while ((await tab.get(rate)) === 0) a.send("more\n");
      expect(await tab.get(`${STAVE}.querySelector(".stave-most").textContent`)).toMatch(
        /^[1-9][0-9.]*k?\/s$/,
      );
      expect(await tab.get<string>(`${STAVE}.querySelector(".line").getAttribute("d")`)).toMatch(
        /^(M\d+ \d+(h4|(L\d+ \d+)+))+$/,
      );
    });

    test("a page that is opened late knows what was", async () => {
      const peak = `${STAVE}.querySelector(".stave-most").textContent`;
      const before = await tab.get<string>(peak);
      await tab.view.reload();
      await tab.see(STATUS, "ok");
      expect(await tab.get<string>(peak)).toBe(before);
      // The hour remembers it too.
      await tab.view.press("r");
      await tab.see(`document.querySelector(".switch [aria-pressed=true]").textContent`, "1 h");
      await tab.see(`/^[1-9][0-9.]*k?\\/s$/.test(${peak})`);
      await tab.view.press("r");
    });

    test("a service that it has never heard of has its place", async () => {
      const panel = "[data-part=sundial]";
      await tab.go("sundial");
      expect(await tab.get(text("#places [aria-current] .to"))).toBe("Sundial");
      await tab.see(text(`${panel} h1`), "sundial");
      expect(await tab.get(text(`${panel} .health`))).toBe("shining");
      expect(await tab.get(text(`${panel} .stave-now`))).toBe("7");
      expect(await tab.get(text(`${panel} .blocks h2`))).toBe("hours by sun");
      expect(await tab.get(text(`${panel} .blocks tr`))).toBe("noon12");
      expect(await tab.get(`document.querySelector("${panel} b") === null`)).toBe(true);
    });

    test("a panel that a service brings is shown, acts, and is told of what changes", async () => {
      const brought = "#brought-sundial";
      expect(await tab.get(text(`${brought} h2`))).toBe("Shadow");
      await tab.go("sundial");
      await tab.see(text(`${brought} p`), "12 signed-out");
      expect(
        await tab.get(`getComputedStyle(document.querySelector("${brought} p")).fontWeight`),
      ).toBe("700");
      await tab.click(`${brought} button`);
      await tab.see("document.querySelector('#sign-in').open");
      await tab.fill("#sign-in [name=token]", TOKEN);
      await tab.view.press("Enter");
      // What was asked for goes on.
      await tab.see(LAST_TOAST, "Turned by 3");
      await tab.see(text(`${brought} p`), "3 signed-in");
      await tab.signOut();
    });

    test("sorts, filters and turns the pages of the clients", async () => {
      const peers: Peer[] = [];
      for (let i = 0; i < 30; i++) peers.push(await server.join(`127.0.1.${i + 1}`));
      for (const [i, peer] of peers.entries()) peer.send("x\n".repeat(i + 1));
      await tab.go("clients");
      await tab.get("document.querySelector('[data-part=relay]').kept = true");
      await tab.get("document.querySelector('#filter-service').focus()");
      await tab.view.press("ArrowDown");
      await tab.see(`[...new Set(${column("service")})]`, ["relay"]);
      await tab.sort("messages_in");
      const counts = (from: number, to: number) =>
        Array.from({ length: Math.abs(to - from) + 1 }, (_, i) =>
          String(from < to ? from + i : from - i),
        );
      await tab.see(column("messages_in"), counts(30, 6));
      expect(await tab.get("document.querySelectorAll('[aria-sort]').length")).toBe(1);
      expect(await tab.get("location.hash")).toBe("#/clients?service=relay&sort=messages_in");
      expect(await tab.get(text("#range"))).toBe("1–25 of 30");
      await tab.click("#next");
      await tab.see(column("messages_in"), counts(5, 1));
      expect(await tab.get(text("#range"))).toBe("26–30 of 30");
      await tab.sort("messages_in", "ascending");
      await tab.see(column("messages_in"), counts(1, 25));
      await tab.filter("127.0.1.3:");
      await tab.see(column("address"), [peers[2]?.address]);
      await tab.filter("nowhere");
      await tab.see("document.querySelector('#no-clients').checkVisibility()");
      expect(await tab.get(text("#no-clients"))).toBe("No client matches.");
      await tab.filter("");
      await tab.get("document.querySelector('#filter-service').focus()");
      await tab.view.press("End");
      await tab.see(column("service"), ["web"]);
      await tab.view.press("Home");
      // The places are the same elements as before, and the way back leads to what was wanted.
      expect(await tab.get("document.querySelector('[data-part=relay]').kept")).toBe(true);
    });

    test("tells who is refused lines, and how fast", async () => {
      const [loud, quiet] = [await server.join("127.0.5.1"), await server.join("127.0.5.2")];
      quiet.send("x\n");
      await tab.filter("127.0.5.");
      await tab.sort("refused");
      // A rate is one of the last seconds.
      const isSome = `${column("refused_per_second")}.map((rate) => rate >= 0.01 && rate <= 3)`;
      const all = ["refused", "messages_in", "address"].map((name) => column(name));
      const seen = tab.see(`[${all.join()}, ${isSome}]`, [
        ["3", "0"],
        ["3", "1"],
        [loud.address, quiet.address],
        [true, false],
      ]);
      // Longer than a line may be, with its envelope.
      loud.send(`${"x".repeat(70_000)}\n`.repeat(3));
      await seen;
      await tab.sort("messages_per_second");
      await tab.filter("");
    });

    test("no row moves away under the pointer", async () => {
      const [a, b] = [await server.join("127.0.2.1"), await server.join("127.0.2.2")];
      a.send("x\nx\n");
      b.send("x\n");
      await tab.filter("127.0.2.");
      await tab.sort("messages_in");
      await tab.see(column("messages_in"), ["2", "1"]);
      const [x, y] = await tab.get<[number, number]>(
        "(({ x, y }) => [x, y])(document.querySelector('#rows td').getBoundingClientRect())",
      );
      // The order holds for some seconds.
      await tab.stopClock();
      await tab.mouse(x + 5, y + 5);
      await tab.see("document.querySelector('#rows tr:hover') !== null");
      b.send("x\n".repeat(8));
      await tab.see(column("messages_in"), ["2", "9"]);
      expect(await tab.get("document.querySelector('#held').checkVisibility()")).toBe(true);
      b.end();
      await tab.see(column("state", "textContent"), ["open", "gone"]);
      await tab.mouse(5, 5);
      await tab.see(column("address"), [a.address]);
      await tab.startClock();
      await tab.filter("");
    });

    test("what clients choose to say is text", async () => {
      const hostile = `<img src=x onerror="window.caught=1">`;
      server.log.warning(hostile);
      server.quarantine.impose(hostile, 60);
      await tab.see(logged(hostile));
      await tab.go("relay");
      await tab.see(text("[data-part=relay] .barred tbody bdi"), hostile);
      expect(await tab.get("[document.querySelector('img'), window.caught ?? null]")).toEqual([
        null,
        null,
      ]);
      server.quarantine.lift(hostile);
    });

    test("the log keeps 200 lines, follows at its end alone, and hides what is not asked for", async () => {
      await tab.go("log");
      for (let i = 0; i < 250; i++) server.log.info(`line ${i}`);
      server.log.error("it broke");
      await tab.see(logged("it broke"));
      const box = "document.querySelector('#lines')";
      expect(await tab.get(`${box}.childElementCount`)).toBe(200);
      const atEnd = `${box}.scrollHeight - ${box}.scrollTop - ${box}.clientHeight < 2`;
      await tab.see(atEnd);
      await tab.get(`${box}.scrollTop = 500`);
      await tab.see("document.querySelector('#log-end').checkVisibility()");
      server.log.info("one more");
      await tab.see(logged("one more"));
      expect(await tab.get(atEnd)).toBe(false);
      await tab.click("#log-end");
      await tab.see(atEnd);
      const seen = `[...${box}.children].filter((line) => line.checkVisibility()).map((line) => line.lastElementChild.textContent)`;
      await tab.get("document.querySelector('#log-least').focus()");
      await tab.view.press("End");
      await tab.see(seen, ["it broke"]);
      await tab.view.press("Home");
      await tab.see(`${seen}.length`, 200);
      await tab.fill("#log-filter", "one MORE");
      await tab.see(seen, ["one more"]);
      await tab.fill("#log-filter", "");
      await tab.see(`${seen}.length`, 200);
    });

    test("draws nothing while nobody looks, and catches up", async () => {
      const peer = await server.join();
      await tab.see(stat("relay.clients"), 1);
      const hide = (isHidden: boolean) =>
        tab.get(`(() => {
          Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        })()`);
      await hide(true);
      peer.end();
      server.log.info("behind its back");
      await tab.see("document.title", "OK · 0 clients · here");
      expect(await tab.get(stat("relay.clients"))).toBe(1);
      await hide(false);
      await tab.see(stat("relay.clients"), 0);
      await tab.see(`(${text("#lines")}).includes("behind its back")`);
    });

    test("fits 360 pixels, and is readable in the light and in the dark", async () => {
      await tab.signIn();
      const peer = await server.join();
      server.quarantine.impose("2001:db8:1111:2222:3333:4444:5555:6666", 86_400);
      server.log.error("x".repeat(200));
      await tab.see(logged("x".repeat(200)));
      await tab.get(
        "document.querySelectorAll('details:not(.menu)').forEach((one) => (one.open = true))",
      );
      const { id } = server.clients().find(({ address }) => address === peer.address)!;
      const places = ["overview", "clients", "relay", "sundial", "web", "process", "log"];
      for (const isDark of [false, true]) {
        await tab.dark(isDark);
        for (const place of [...places, `clients?client=relay/${id}`]) {
          await tab.get(`location.hash = "#/${place}"`);
          await tab.see("document.querySelector('#client').hidden", !place.includes("?"));
          expect([place, await tab.get(FAINT)]).toEqual([place, []]);
          for (const width of [1280, 768, 360]) {
            await tab.view.resize(width, 1000);
            expect([place, width, await tab.get(WIDE)]).toEqual([place, width, []]);
          }
          await tab.view.resize(1280, 1000);
        }
        await tab.get("document.querySelector('#drain').showModal()");
        expect([await tab.get(WIDE), await tab.get(FAINT)]).toEqual([[], []]);
        await tab.get("document.querySelector('#drain').close()");
      }
      await tab.dark(false);
      server.quarantine.lift("2001:db8:1111:2222:3333:4444:5555:6666");
      await tab.signOut();
    });

    test("acts by mouse: signs in, kicks, imposes and lifts", async () => {
      const [victim, other] = [await server.join("127.0.3.1"), await server.join("127.0.3.2")];
      expect(await tab.get("document.querySelector('#drain-open').checkVisibility()")).toBe(false);
      await tab.go("clients");
      await tab.click("#sign-in-open");
      await tab.fill("#sign-in [name=token]", "no such token at all");
      await tab.click("#sign-in .main");
      await tab.see(text("#sign-in .wrong"), "This token is wrong.");
      await tab.fill("#sign-in [name=token]", TOKEN);
      await tab.click("#sign-in .main");
      await tab.see("document.querySelector('#sign-in').open", false);
      expect(await tab.get("document.documentElement.dataset.admin")).toBe("signed-in");

      const { id } = server.clients().find(({ address }) => address === victim.address)!;
      const kick = `#rows [data-key="relay/${id}"] .kick`;
      await tab.see(`document.querySelector('${kick}') !== null`);
      await tab.click(kick);
      await tab.see(text(kick), "Sure?");
      expect(victim.isClosed).toBe(false);
      await tab.click(kick);
      expect(await victim.next()).toBe("Warning: You have been disconnected by an operator.");
      await victim.closed;
      await tab.see(`${KEYS}.includes("relay/${id}")`, false);
      await tab.see(LAST_TOAST, `Closed client ${id} of relay, ${victim.address}`);

      await tab.go("relay");
      const form = "[data-part=relay] .impose";
      await tab.fill(`${form} [name=address]`, "127.0.3.300");
      await tab.click(`${form} button`);
      await tab.see(LAST_TOAST, "Not done: address: found 127.0.3.300; allowed: an IP address");
      await tab.fill(`${form} [name=address]`, "127.0.3.2");
      await tab.get(`document.querySelector("${form} [name=seconds]").focus()`);
      await tab.view.press("End");
      await tab.click(`${form} button`);
      expect(await other.next()).toBe(
        "Warning: You are in quarantine. Please come back in 86400 seconds.",
      );
      await tab.see(LAST_TOAST, "127.0.3.2 is in quarantine for 86400 s");
      const barred = `[data-part=relay] [data-key="127.0.3.2"]`;
      await tab.see(`/^127.0.3.2 all ports.*(1 d|23 h).* left/.test(${text(barred)})`);
      await tab.see(text(`${barred} [data-of=why]`), "an operator put it there");
      await tab.click(`${barred} button`);
      await tab.see(text(`${barred} button`), "Sure?");
      await tab.click(`${barred} button`);
      await tab.see(`document.querySelector('${barred}')`, null);
      const back = await server.join("127.0.3.2");
      expect(back.isClosed).toBe(false);
    });

    test("a focused button keeps the focus when its row moves at last", async () => {
      const [a, b] = [await server.join("127.0.5.1"), await server.join("127.0.5.2")];
      a.send("x\nx\n");
      b.send("x\n");
      await tab.go("clients");
      await tab.sort("messages_in");
      await tab.filter("127.0.5.");
      await tab.see(column("address"), [a.address, b.address]);
      await tab.stopClock();
      await tab.get("document.querySelectorAll('#rows .kick')[1].focus()");
      b.send("x\n".repeat(8));
      await tab.see(column("messages_in"), ["2", "9"]);
      await tab.stopClock(10_000);
      await tab.see(column("messages_in"), ["9", "2"]);
      expect(await tab.get(text("tr:has(:focus) .open"))).toBe(b.address);
      await tab.startClock();
      await tab.filter("");
    });

    test("acts by keyboard alone", async () => {
      const { view } = tab;
      await tab.signOut();
      const peers = [await server.join("127.0.4.1"), await server.join("127.0.4.2")];
      await tab.go("overview");
      await view.reload();
      await tab.see(STATUS, "ok");
      // The first Tab gets to the skip link, and that to the content.
      await view.press("Tab");
      expect(await tab.get(text(":focus"))).toBe("Skip to the content");
      await view.press("Enter");
      await tab.see("document.activeElement.id", "overview-title");
      await view.press("?");
      await tab.see("document.querySelector('#keys').open");
      await view.press("Escape");
      await tab.see("document.querySelector('#keys').open", false);
      await view.press("2");
      await tab.see("document.activeElement.id", "clients-title");
      await view.press("/");
      expect(await tab.get("document.activeElement.id")).toBe("filter");
      await tab.filter("127.0.4.");
      await tab.see(`${KEYS}.length`, 2);
      // The table is one stop: what is in its rows is reached by arrows.
      await tab.tabTo("#rows .open");
      const focused = "document.activeElement.closest('tr')?.dataset.key ?? null";
      const [first, second] = await tab.get<[string, string]>(KEYS);
      expect(await tab.get(focused)).toBe(first);
      await view.press("ArrowDown");
      expect(await tab.get(focused)).toBe(second);
      await view.press("Home");
      expect(await tab.get(focused)).toBe(first);
      await view.press("End");
      await view.press("Enter");
      await tab.see("document.activeElement.id", "client-title");
      const victim = server.clients().find(({ id }) => second === `relay/${id}`);
      await tab.see(text("#client-title"), victim?.address);
      await view.press("k");
      await tab.see("document.querySelector('.confirm') !== null");
      expect(await tab.get(text(":focus"))).toBe("Kick");
      await view.press("Escape");
      await tab.see("document.querySelector('.confirm')", null);
      // Whoever is not signed in is asked for the token, and what was asked for goes on.
      await view.press("k");
      await view.press("Enter");
      await tab.see("document.querySelector('#sign-in').open");
      await tab.see(text("#sign-in-next"), `Next: kick ${victim?.address}.`);
      await view.type(TOKEN);
      await view.press("Enter");
      const peer = peers.find(({ address }) => address === victim?.address) as Peer;
      expect(await peer.next()).toBe("Warning: You have been disconnected by an operator.");
      await tab.see(`${KEYS}.length`, 1);
      await tab.see("document.querySelector('#client').hidden");
      await tab.see(`[${focused} ?? document.activeElement.id].every(Boolean)`);

      server.quarantine.impose("127.0.4.9", 86_400);
      await view.press("Escape");
      await tab.get("document.activeElement.blur()");
      await view.press("3");
      await tab.see(
        "document.querySelector('[data-key=\"127.0.4.9\"]')?.checkVisibility() ?? false",
      );
      await tab.tabTo("[data-key='127.0.4.9'] button");
      await view.press("Space");
      await tab.see("document.activeElement.textContent", "Sure?");
      await view.press("Space");
      await until(() => [...server.quarantine.entries()].length === 0);
      await tab.see("document.activeElement.name", "address");

      await tab.go("log");
      await tab.tabTo("#log-level");
      await view.press("ArrowUp");
      await until(() => server.log.level === "DEBUG");
      await view.press("ArrowDown");
      await until(() => server.log.level === "INFO");
      await tab.go("clients");
    });

    test("single keys can be switched off, and the address remembers where one is", async () => {
      const { view } = tab;
      const hash = "location.hash";
      await tab.go("overview");
      await view.press("t");
      await tab.see("document.activeElement.className", "ticks");
      await view.press("ArrowLeft");
      await tab.see("document.querySelector('#overview .axis-at').textContent !== 'now'");
      await view.press("Escape");
      await tab.see(text("#overview .axis-at"), "now");
      await view.press("2");
      await tab.see(hash, "#/clients");
      await tab.get("history.back()");
      await tab.see(hash, "#/overview");
      await tab.see("document.querySelector('#overview').checkVisibility()");
      await tab.get("history.forward()");
      await tab.see("document.querySelector('#clients').checkVisibility()");
      await view.press("?");
      await tab.click("#single-keys");
      await view.press("Escape");
      await view.press("1");
      expect(await tab.get(hash)).toBe("#/clients");
      await view.reload();
      await tab.see(STATUS, "ok");
      await view.press("1");
      expect(await tab.get(hash)).toBe("#/clients");
      await tab.click("#keys-open");
      await tab.click("#single-keys");
      await view.press("Escape");
      await view.press("1");
      await tab.see(hash, "#/overview");
    });

    test("what is wrong is told first, and leads to the client behind it", async () => {
      const loud = await server.join("127.0.6.1");
      const told = "[...document.querySelectorAll('#now li')].map((one) => one.dataset.severity)";
      await tab.see(told, []);
      await tab.go("overview");
      loud.send(`${"x".repeat(70_000)}\n`.repeat(30));
      await tab.see(told, ["warning"]);
      await tab.see(STATUS, "warning");
      expect(await tab.get(text("#now .what"))).toEndWith(
        ` messages a second are refused from ${loud.address}.`,
      );
      expect(await tab.get(text("#places [data-worst=warning]"))).toBe(", warning");
      await tab.click("#now a");
      await tab.see(text("#client-title"), loud.address);
      await tab.see(text("#client .facts dd:nth-of-type(2)"), "30");
      loud.end();
      await tab.see(`${text("#client .empty")}`, "This client is no longer connected.");
      await tab.go("overview");
      await tab.see(told, []);
      await tab.see(text("#now .nothing"), "Nothing is wrong.");
    });

    test("reloads, and drains when it is meant", async () => {
      await tab.choose("#reload");
      await tab.see(LAST_TOAST, "Nothing has changed");
      await tab.choose("#drain-open");
      await tab.view.press("Enter");
      expect(await tab.get("document.querySelector('#drain').open")).toBe(false);
      expect(operated).toEqual([]);
      await tab.choose("#drain-open");
      await tab.click("#drain-now");
      await tab.see(LAST_TOAST, "Draining");
      expect(operated).toHaveLength(1);
    });

    test("tells what is wrong, in words", async () => {
      const relay = server.running();
      relay.health = () => ({ ok: false, reason: "cannot listen" });
      await tab.see(text("#word"), "Failing");
      await tab.go("overview");
      expect(await tab.get(text("#now .what"))).toBe("Cannot listen.");
      expect(await tab.get(text("#wrong-count"))).toBe("1 wrong");
      expect(await tab.get("document.title")).toStartWith("Failing (1) · ");
      delete (relay as Partial<Running>).health;
      await tab.see(text("#word"), "OK");
      await tab.see(text("#now .what"), null);
    });

    test("nothing went wrong in the page, and nothing left its host", async () => {
      // These two are what a wrong token and a wrong address were answered.
      const refused = ["401 (Unauthorized)", "400 (Bad Request)"];
      const rest = tab.troubles.filter((one) => !refused.some((status) => one.includes(status)));
      expect(rest).toEqual([]);
      expect(tab.requests.length).toBeGreaterThan(10);
      const foreign = (url: string) => !url.startsWith(server.url) && !url.startsWith("data:");
      expect(tab.requests.filter(foreign)).toEqual(["about:blank"].filter(foreign).slice(1));
      expect(tab.requests.filter((url) => url.endsWith("favicon.ico"))).toEqual([]);
    });

    test("a server that stops, and comes back", async () => {
      let first = await start();
      const one = await Tab.open(first.url, 800);
      await one.see(STATUS, "ok");
      const peer = await first.join();
      peer.send("x\n".repeat(500));
      await one.see(stat("relay.lines_in"), 500);
      await one.get(`(() => {
        window.statuses = [];
        new MutationObserver(() => statuses.push(${STATUS})).observe(document.documentElement, {
          attributeFilter: ["data-status"],
        });
      })()`);
      await first.stop();
      await one.see(STATUS, "lost");
      expect(await one.get("statuses")).toEqual(["draining", "lost"]);
      await one.see(`/^No data for \\d+ s, retrying. Shown is [\\d:]+.$/.test(${text("#since")})`);
      expect(await one.get("document.title")).toBe("Stopped · 0 clients · here");
      first = await start({ web: { port: first.port("web") } });
      await one.see(STATUS, "ok");
      await one.see(stat("relay.lines_in"), 0);
      (await first.join()).send("x\n");
      await one.see(stat("relay.lines_in"), 1);
      await one.see(`${stat("relay.clients")}`, 1);
      const said = await one.get<string>(
        "[...document.querySelectorAll('.stave-now, .stave-most')].map((node) => node.textContent).join()",
      );
      expect(said).not.toMatch(/[-−]|NaN|Infinity/);
      const paths = await one.get<string[]>(
        "[...document.querySelectorAll('.line')].map((line) => line.getAttribute('d'))",
      );
      for (const path of paths) expect(path ?? "").toMatch(/^(M-?\d+ \d+(L-?\d+ \d+)*(h4)?)*$/);
      one.view.close();
      first.leave();
      await first.stop();
    });

    test("a stream that is refused, and one that falls asleep, are opened again", async () => {
      const crowded = await start({ web: { max_streams: 2 } });
      const others = [];
      for (let i = 0; i < 2; i++) {
        const reader = (await fetch(`${crowded.url}events`)).body?.getReader();
        await reader?.read();
        others.push(reader);
      }
      const sleeper = await between(crowded.port("web"));
      const one = await Tab.open(sleeper.url, 800);
      await one.see(STATUS, "lost");
      for (const reader of others) await reader?.cancel();
      await one.see(STATUS, "ok");
      sleeper.stall();
      await one.get(
        "(({ now }, start) => (Date.now = () => start + 8 * (now() - start)))(Date, Date.now())",
      );
      await one.see(STATUS, "lost");
      await one.see(STATUS, "ok");
      one.view.close();
      sleeper.stop();
      await crowded.stop();
    });

    test("off loopback the token comes first", async () => {
      const open = await start({ web: { host: "0.0.0.0" } });
      const one = await Tab.open(open.url, 360);
      await one.see(STATUS, "locked");
      expect(await one.get("document.activeElement.name")).toBe("token");
      expect(await one.get("document.querySelector('#board').checkVisibility()")).toBe(false);
      expect(await one.get(text("#panels"))).toBe("");
      expect([await one.get(WIDE), await one.get(FAINT)]).toEqual([[], []]);
      await one.view.type(TOKEN);
      await one.view.press("Enter");
      await one.see(STATUS, "ok");
      await one.see(stat("relay.clients"), 0);
      expect(await one.get("document.querySelector('#gate').checkVisibility()")).toBe(false);
      await one.choose("#sign-out");
      await one.see(STATUS, "locked");
      expect(await one.get("document.querySelector('#board').checkVisibility()")).toBe(false);
      one.view.close();
      await open.stop();
    });
  },
);
