import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../lib/host/clock.ts";
import { boot, type Booted, type Peer, turn, until } from "./kit.ts";
import { BROWSER, clock, FAINT, STATUS, stat, Tab, text, TOKEN, WIDE } from "./tab.ts";

const PANEL = "#brought-relay";
/** The cells of a table of the panel, from the top. */
const cells = (name: string) =>
  `[...document.querySelectorAll("${PANEL} [aria-label=${name}] tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent))`;
/** The addresses of a list of the largest, and their numbers. */
const most = (name: string) =>
  `[...document.querySelectorAll("${PANEL} [data-of=most-${name}] li")].map((row) => [row.querySelector("a").textContent, row.querySelector(".number").textContent])`;
const note = (of: string) => text(`${PANEL} [data-of=${of}] header > :last-child`);
const BARRED = `[...document.querySelectorAll("[data-part=relay] .barred tbody tr")].map((row) => [row.cells[0].textContent, row.cells[1].textContent])`;
const WHERE = text("[data-part=relay] [data-of=note]");

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the place of the relay"
    : "the place of the relay: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    let server: Booted;
    let tab: Tab;
    const peers: Peer[] = [];

    beforeAll(async () => {
      server = await boot(
        ["relay", "web"],
        {
          name: "here",
          hyper_parameters: {
            rate_limit_msgs_per_minute: 1_000_000,
            client_timeout_secs: 0,
            throttle_delay_ms: 200,
            backpressure_policy: { throttle_threshold: 3, enable_flow_control: false },
          },
          relay: { outbox_bytes: 64 * 2 ** 20, total_outbox_bytes: 128 * 2 ** 20 },
        },
        { token: TOKEN, clock },
      );
      tab = await Tab.open(server.url("/"));
      await tab.see(STATUS, "ok");
      await tab.go("relay");
    });

    afterEach(async () => {
      for (const peer of peers.splice(0)) peer.end();
      await until(() => server.stats()["clients"] === 0);
      const desk = server.running().quarantine;
      const barred = Array.from(desk?.entries() ?? [], ({ key }) => key);
      for (const key of barred) desk?.lift(key);
      expect(tab.troubles).toEqual([]);
      await tab.go("relay");
    });

    afterAll(async () => {
      tab?.view.close();
      await server?.stop();
    });

    async function join(from: string): Promise<Peer> {
      const peer = await server.join(from);
      peers.push(peer);
      return peer;
    }

    test("with nobody there it says so", async () => {
      await tab.see(
        `[...document.querySelectorAll("[data-part=relay] .empty")].filter((one) => one.checkVisibility()).map((one) => one.textContent)`,
        [
          "Nobody sends.",
          "Nobody has sent anything.",
          "Nobody was refused.",
          "Nobody is held.",
          "Everybody takes what is sent.",
          "Nobody is in quarantine.",
        ],
      );
      expect(await tab.get(note("pressure"))).toBe("fan-out 0: below every rule");
      expect(await tab.get(note("backlog"))).toBe("no sender is paused");
      // The panel shows these numbers itself: else they stand there and under "All numbers" alone.
      const titles = `[...document.querySelectorAll("[data-part=relay] .block h2")].filter((one) => one.checkVisibility()).map((one) => one.textContent)`;
      expect(await tab.get(titles)).not.toContain("pressure");
      expect(await tab.get(stat("relay.throttles"))).toBe(0);
    });

    test("who sends most, and whose lines are refused, each leading to the client", async () => {
      const [loud, quiet] = [await join("127.0.6.1"), await join("127.0.6.2")];
      loud.send("x\n".repeat(500));
      quiet.send("xyz\n");
      quiet.send(`${"x".repeat(70_000)}\n`.repeat(3));
      await tab.see(most("bytes"), [
        [quiet.address, "210 kB"],
        [loud.address, "1.00 kB"],
      ]);
      await tab.see(most("refused"), [[quiet.address, "3"]]);
      await tab.see(`${most("lines")}[0][0]`, loud.address);
      // What is adverse has a place on the time axis once there is some.
      const staves = `[...document.querySelectorAll("[data-part=relay] .score [data-key]")].filter((one) => one.checkVisibility()).map((one) => one.dataset.key)`;
      // The page may have come to know of the first ones all at once, which makes no rate: there are more.
      while (!(await tab.get(`${staves}.includes("relay.refused")`))) {
        quiet.send(`${"x".repeat(70_000)}\n`);
        await tab.get("new Promise((resolve) => setTimeout(resolve, 500))");
      }
      await tab.click(`${PANEL} [data-of=most-refused] li a`);
      await tab.see(text("#client-title"), quiet.address);
      await tab.get("history.back()");
      await tab.click(`${PANEL} [data-of=most-refused] header a`);
      await tab.see("location.hash", "#/clients?service=relay&sort=refused");
    });

    test("which rule acts, and whom it holds", async () => {
      const all: Peer[] = [];
      for (let i = 1; i <= 4; i++) all.push(await join(`127.0.6.${i}`));
      await tab.see(note("pressure"), "fan-out 3: senders meet “throttle”");
      const before = server.stats()["throttles"] as number;
      const first = all[0] as Peer;
      // At one line each 200 ms it is held for as long as this is looked at.
      first.send("x\n".repeat(10_000));
      await tab.see(`${cells("Held")}.map(([who, why]) => [who, why])`, [
        [first.address, "throttle"],
      ]);
      await until(() => (server.stats()["throttles"] as number) > before + 5);
      await tab.see(`Number(${cells("Held")}[0]?.[2].match(/^\\d+/)) >= 2`);
      const rules = `${cells("Rules")}.map(([name, from, does, now]) => [name, from, does, now])`;
      expect(await tab.get(rules)).toEqual([
        ["throttle", "3", "one line each 0.2 s", "▲acts"],
        ["flow control", "300", "one line each 1.0 s", "off"],
        ["disconnect", "500", "closed, and in quarantine for 5 min 00 s", "no"],
      ]);
      first.reset();
      await tab.see(`${cells("Held")}.length`, 0);
    });

    test("what waits in memory, for whom the most waits first", async () => {
      const [sender, slow, reader] = [
        await join("127.0.6.1"),
        await join("127.0.6.2"),
        await join("127.0.6.3"),
      ];
      slow.pause();
      // More than the system takes for a reader that does not read.
      const line = `${"x".repeat(60_000)}\n`;
      const end = (server.stats()["deliveries"] as number) + 400;
      for (let i = 0; i < 200; i++) await sender.sent(line);
      await until(() => server.stats()["deliveries"] === end);
      const waitsFor = (peer: Peer) =>
        server.clients().find(({ address }) => address === peer.address)?.outboxBytes as number;
      await until(() => waitsFor(reader) === 0);
      const shown = `${cells("Backlog")}.map(([who, size]) => [who, size])`;
      // The system may take a little more meanwhile.
      const told = () => [[slow.address, `${(waitsFor(slow) / 1e6).toPrecision(3)} MB`]];
      while (!Bun.deepEquals(await tab.get(shown), told())) await turn();
      expect(waitsFor(slow)).toBeGreaterThan(1e6);
      expect(reader.isClosed).toBe(false);
      slow.resume();
      await tab.see(`${cells("Backlog")}.length`, 0);
    });

    test("a quarantine has pages, is searched, and each is lifted after a question", async () => {
      const desk = server.running().quarantine;
      for (let i = 1; i <= 45; i++) desk?.impose(`10.0.${i % 2}.${i}`, 86_400);
      await tab.see(WHERE, "1 to 20 of 45, the last one first");
      await tab.see(`${BARRED}[0]`, ["10.0.1.45 all ports", "an operator put it there"]);
      await tab.click("[data-part=relay] .turns [data-of=after]");
      await tab.see(`${BARRED}[0][0]`, "10.0.1.25 all ports");
      expect(await tab.get("location.hash")).toBe("#/relay?barred-page=2");
      await tab.get("history.back()");
      await tab.see(`${BARRED}[0][0]`, "10.0.1.45 all ports");
      await tab.fill("[data-part=relay] .find input", "10.0.0.4");
      await tab.see(`${BARRED}.map(([key]) => key)`, [
        "10.0.0.44 all ports",
        "10.0.0.42 all ports",
        "10.0.0.40 all ports",
        "10.0.0.4 all ports",
      ]);
      await tab.signIn();
      const lift = `[data-part=relay] [data-key="10.0.0.42"] button`;
      await tab.click(lift);
      await tab.see(text(lift), "Sure?");
      expect([...(desk?.entries() ?? [])]).toHaveLength(45);
      await tab.click(lift);
      await tab.see(`${BARRED}.length`, 3);
      expect([...(desk?.entries() ?? [])].map(({ key }) => key)).not.toContain("10.0.0.42");
      await tab.signOut();
      await tab.fill("[data-part=relay] .find input", "");
      await tab.see(WHERE, "1 to 20 of 44, the last one first");
    });

    test("fits 360 pixels, readable in the light and in the dark", async () => {
      for (let i = 1; i <= 4; i++) await join(`127.0.6.${i}`);
      (peers[0] as Peer).send("x\n".repeat(1000));
      server.running().quarantine?.impose("2001:db8:1111:2222:3333:4444:5555:6666", 86_400);
      await tab.see(`${cells("Held")}.length`, 1);
      await tab.see(`${BARRED}.length`, 1);
      for (const isDark of [false, true]) {
        await tab.dark(isDark);
        expect(await tab.get(FAINT)).toEqual([]);
        for (const width of [1280, 768, 360]) {
          await tab.view.resize(width, 1000);
          expect([width, await tab.get(WIDE)]).toEqual([width, []]);
        }
        await tab.view.resize(1280, 1000);
      }
      await tab.dark(false);
    });
  },
);

describe("GET /quarantinez", () => {
  test("answers pages of who is barred, the last one first", async () => {
    const server = await boot(["relay", "web"]);
    const desk = server.running().quarantine;
    for (let i = 1; i <= 5; i++) desk?.impose(`10.0.0.${i}`, 60);
    server.clock.advance(10_000);
    const get = async (query: string) => (await server.get(`/quarantinez?${query}`)).json();
    const row = (key: string) => ({
      key,
      seconds_left: 50,
      since_seconds: 10,
      why: "an operator put it there",
    });
    expect(await get("limit=2&offset=1")).toEqual({
      service: "relay",
      address: "",
      limit: 2,
      offset: 1,
      total: 5,
      quarantine: [row("10.0.0.4"), row("10.0.0.3")],
    });
    expect((await get("address=0.2")) as object).toMatchObject({
      total: 1,
      quarantine: [row("10.0.0.2")],
    });
    expect(await get("offset=5&limit=1000")).toMatchObject({ total: 5, quarantine: [] });
    for (const [query, why] of [
      ["limit=0", "limit: allowed: a whole number from 1 to 1000"],
      ["limit=1001", "limit: allowed: a whole number from 1 to 1000"],
      ["offset=1000000001", "offset: allowed: a whole number from 0 to 1000000000"],
      ["service=web", "service: allowed: relay"],
      ["x=1", "x: unknown; known: service, address, limit, offset"],
    ]) {
      const answer = await server.get(`/quarantinez?${query}`);
      expect([answer.status, await answer.text()]).toEqual([400, `${why}\n`]);
    }
    await server.stop();
  });
});

describe.skipIf(!BROWSER)("the place of a relay with several threads", () => {
  test("has a row for each, with the units of its numbers", async () => {
    const server = await boot(
      ["relay", "web"],
      { hyper_parameters: { worker_threads: 2, client_timeout_secs: 0 } },
      { token: TOKEN, clock: systemClock },
    );
    const peer = await server.join();
    const tab = await Tab.open(server.url("/"));
    await tab.see(STATUS, "ok");
    await tab.go("relay");
    const table = "[data-part=relay] [data-table=threads]";
    const texts = (rows: string) =>
      `[...document.querySelectorAll("${table} ${rows}")].map((one) => one.textContent)`;
    await tab.see(texts("thead th"), [
      "threads",
      "clients",
      "lines/s",
      "busy",
      "waiting",
      "restarts",
    ]);
    await tab.see(texts("tbody th"), ["thread 1", "thread 2"]);
    await tab.see(`${texts("tbody td:nth-of-type(1)")}.toSorted()`, ["0", "1"]);
    await tab.see(`${texts("tbody td:nth-of-type(3)")}.every((one) => /^[\\d.]+%$/.test(one))`);
    expect(tab.troubles).toEqual([]);
    peer.end();
    tab.view.close();
    await server.stop();
  });
});
