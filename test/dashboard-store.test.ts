import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { ask, boot, heard, type Peer, until } from "./kit.ts";
import { BROWSER, clock, FAINT, STATUS, stat, Tab, text, TOKEN, WIDE } from "./tab.ts";

/** The program as it runs, in this process: a store, the dashboard and, where it is wanted, a relay. */
async function start(section: object = {}, ...more: "relay"[]) {
  const names = ["store", "web", ...more];
  const overrides = { name: "here", store: section };
  const server = await boot(names, overrides, { token: TOKEN, clock });
  const peers: Peer[] = [];
  return {
    ...server,
    url: server.url("/"),
    async join(): Promise<Peer> {
      const peer = await server.join();
      peers.push(peer);
      return peer;
    },
    /** Everybody leaves, and nothing is kept. */
    async clear() {
      const peer = await this.join();
      while (server.stats()["keys"] !== 0) {
        for (const [key] of server.running().tables?.()[0]?.rows ?? []) {
          await ask(peer, { action: "DEL", key, tree: true });
        }
      }
      for (const one of peers.splice(0)) one.end();
      await until(() => server.stats()["clients"] === 0);
    },
  };
}

type Started = Awaited<ReturnType<typeof start>>;

/** The cells of a table of the store, from the top. */
const rows = (name: string) =>
  `[...document.querySelectorAll("[data-table=${name}] tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent))`;
const shown = (selector: string) =>
  `[...document.querySelectorAll(${JSON.stringify(selector)})].filter((one) => one.checkVisibility()).map((one) => one.textContent)`;

/** A request that sets so many keys of a namespace. */
const fill = (name: string, count: number) => ({
  action: "MSET",
  values: Object.fromEntries(Array.from({ length: count }, (_, i) => [`${name}^${i}`, i])),
});

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the dashboard of a store"
    : "the dashboard of a store: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    let server: Started;
    let tab: Tab;

    beforeAll(async () => {
      // Silent channels are forgotten at once, so that each test begins with none.
      server = await start({ replay_bytes: 0, replay_messages: 0 });
      tab = await Tab.open(server.url);
      await tab.see(STATUS, "ok");
      await tab.go("store");
    });

    beforeEach(() => server?.clear());

    afterAll(async () => {
      // Not the browser: whoever opens a tab while it dies would be given one of the dead.
      tab?.view.close();
      await server?.stop();
    });

    test("without a relay there is a place of the store, and none of a relay", async () => {
      expect(await tab.get(shown("#places .to"))).toEqual([
        "Overview",
        "Clients",
        "Web",
        "Store",
        "Process",
        "Log",
      ]);
      expect(await tab.get(text("[data-part=store] .health"))).toBe("listening");
      await tab.see(rows("namespaces"), []);
      expect(await tab.get(shown("[data-part=store] .tables .empty"))).toEqual(["None.", "None."]);
      expect(await tab.get(shown("[data-part=store] .tables thead"))).toEqual([
        "namespaceskeys",
        "channelssubscribersmessages",
      ]);
    });

    test("shows each of its numbers, exactly", async () => {
      const [peer, other] = [await server.join(), await server.join()];
      await ask(peer, fill("users", 1234));
      await ask(peer, { action: "SUBSCRIBE", channel: "news" });
      await ask(other, { action: "GET", key: "nothing" });
      for (let i = 0; i < 5; i++)
        await ask(other, { action: "PUBLISH", channel: "news", value: i });
      await tab.see(stat("store.keys"), 1234);
      await tab.see(stat("store.published"), server.stats()["published"]);
      await tab.see(stat("store.bytes_out"), server.stats()["bytes_out"]);
      for (const [name, value] of Object.entries(server.stats())) {
        expect([name, await tab.get(stat(`store.${name}`))]).toEqual([name, value]);
      }
      // What is bad news is shown only when there is some.
      await tab.see(shown("[data-part=store] .stave-name"), [
        "clients",
        "keys",
        "memory",
        "requests",
        "refused",
        "subscriptions",
      ]);
      const blocks = await tab.get<string[]>(shown("[data-part=store] .blocks h2"));
      expect(blocks.slice(-2)).toEqual(["commands by action", "closed by reason"]);
      const published = "tr:has([data-stat='store.requests_publish'])";
      expect(await tab.get(text(`${published} th`))).toBe("PUBLISH");
      expect(await tab.get(text(`${published} td`))).toBe("5");
    });

    test("shows the namespaces and the channels as they come, change and go", async () => {
      const [peer, other] = [await server.join(), await server.join()];
      await ask(peer, fill("users", 1234));
      await ask(peer, fill("orders", 2));
      for (const one of [peer, other]) await ask(one, { action: "SUBSCRIBE", channel: "news^eu" });
      await ask(other, { action: "SUBSCRIBE", channel: "news^*" });
      await tab.see(rows("namespaces"), [
        ["users", "1,234"],
        ["orders", "2"],
      ]);
      await tab.see(rows("channels"), [
        ["news^eu", "2", "0"],
        ["news^*", "1", "0"],
      ]);
      expect(await tab.get(shown("[data-part=store] .tables .empty"))).toEqual([]);
      await tab.get(`document.querySelector("[data-table=namespaces] tbody tr").kept = true`);
      const third = await server.join();
      for (let i = 0; i < 3; i++) {
        await ask(third, { action: "PUBLISH", channel: "news^eu", value: i });
      }
      await ask(third, fill("orders", 2000));
      await tab.see(rows("channels"), [
        ["news^eu", "2", "3"],
        ["news^*", "1", "0"],
      ]);
      await tab.see(rows("namespaces"), [
        ["orders", "2,000"],
        ["users", "1,234"],
      ]);
      // A row stays the same element while its name is shown.
      const users = `document.querySelectorAll("[data-table=namespaces] tbody tr")[1]`;
      expect(await tab.get(`${users}.kept`)).toBe(true);
      expect(await tab.get(`${users}.cells[1].title`)).toBe("1,234 keys");
      await ask(third, { action: "DEL", key: "users", tree: true });
      await tab.see(rows("namespaces"), [["orders", "2,000"]]);
      peer.end();
      other.end();
      await tab.see(rows("channels"), []);
    });

    test("tells how many more there are", async () => {
      const peer = await server.join();
      const more = shown("[data-table=namespaces] .more");
      const values = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}^a`, 0]));
      await ask(peer, { action: "MSET", values: values(20) });
      await tab.see(`${rows("namespaces")}.length`, 20);
      expect(await tab.get(more)).toEqual([]);
      await ask(peer, { action: "MSET", values: values(1000) });
      await tab.see(more, ["The largest 20 of 1,000."]);
      await ask(peer, { action: "MSET", values: values(1001) });
      await tab.see(more, ["The largest 20 of 1,000 that were looked at; there are more."]);
      for (let i = 0; i < 1001; i++) await ask(peer, { action: "DEL", key: `n${i}^a` });
      await tab.see(rows("namespaces"), []);
    });

    test("names are text, and each is shown however it looks", async () => {
      const peer = await server.join();
      const hostile = `<img src=x onerror="window.caught=1">`;
      const long = "x".repeat(256);
      await ask(peer, fill(hostile, 1));
      for (const channel of [hostile, "  a   b", `${long}^1`, `${long}^2`]) {
        await ask(peer, { action: "SUBSCRIBE", channel });
      }
      await tab.see(rows("namespaces"), [[hostile, "1"]]);
      await tab.see(`${rows("channels")}.map(([name]) => name)`, [
        "  a   b",
        hostile,
        `${long}…`,
        `${long}…`,
      ]);
      expect(await tab.get("[document.querySelector('img'), window.caught ?? null]")).toEqual([
        null,
        null,
      ]);
      expect(
        await tab.get("document.querySelector('[data-table=channels] tr span').innerText"),
      ).toBe("  a   b");
    });

    test("fits 360 pixels with long names, readable in the light and in the dark", async () => {
      const peer = await server.join();
      const long = (letter: string) => letter.repeat(200);
      await ask(peer, fill(long("N"), 1234));
      for (const letter of "abcdefgh") await ask(peer, fill(long(letter), 1));
      for (const channel of [long("C"), "news"]) await ask(peer, { action: "SUBSCRIBE", channel });
      await tab.see(`${rows("channels")}.length`, 2);
      await tab.get(
        "document.querySelectorAll('details:not(.menu)').forEach((one) => (one.open = true))",
      );
      for (const isDark of [false, true]) {
        await tab.dark(isDark);
        expect(await tab.get(FAINT)).toEqual([]);
        for (const width of [1280, 360]) {
          await tab.view.resize(width, 1000);
          expect(await tab.get(WIDE)).toEqual([]);
          // The numbers stay in sight beside them.
          expect(
            await tab.get(`(({ right }, box) => right <= box.getBoundingClientRect().right)(
              document.querySelector("[data-table=namespaces] td").getBoundingClientRect(),
              document.querySelector("[data-table=namespaces] .scroll"))`),
          ).toBe(true);
        }
        await tab.view.resize(1280, 1000);
      }
      await tab.dark(false);
      await tab.get("document.querySelectorAll('details').forEach((one) => (one.open = false))");
    });

    test("a long table is scrolled by keyboard, and a short one is no stop on the way", async () => {
      const peer = await server.join();
      await ask(peer, fill("short", 1));
      for (let i = 0; i < 15; i++) await ask(peer, { action: "SUBSCRIBE", channel: `c${i}` });
      const box = "[data-table=channels] .scroll";
      await tab.see(`document.querySelector("${box}").tabIndex`, 0);
      expect(
        await tab.get(`document.querySelector("[data-table=namespaces] .scroll").tabIndex`),
      ).toBe(-1);
      await tab.get("document.activeElement.blur()");
      await tab.tabTo(box);
      await tab.view.press("ArrowDown");
      await tab.see(`document.querySelector("${box}").scrollTop > 0`);
      const head = `document.querySelector("${box} th").getBoundingClientRect().top`;
      expect(
        await tab.get(`${head} === document.querySelector("${box}").getBoundingClientRect().top`),
      ).toBe(true);
      expect(await tab.get(`document.querySelector("${box}").ariaLabel`)).toBe("channels");
    });

    test("an operator kicks one of its clients", async () => {
      const victim = await server.join();
      await ask(victim, { action: "SUBSCRIBE", channel: "news" });
      await tab.see(rows("channels"), [["news", "1", "0"]]);
      await tab.signIn();
      const id = server.clients()[0]?.id as number;
      await tab.go("clients");
      const kick = `#rows [data-key="store/${id}"] .kick`;
      await tab.see(`document.querySelector('${kick}') !== null`);
      await tab.click(kick);
      await tab.see(text(kick), "Sure?");
      await tab.click(kick);
      expect(await heard(victim)).toMatchObject({ event: "closed", reason: "kicked" });
      await victim.closed;
      await tab.see(rows("channels"), []);
      await tab.see(stat("store.closed_kicked"), 1);
    });

    test("nothing went wrong in the page", () => {
      expect(tab.troubles).toEqual([]);
    });

    test("with a relay beside it, each has its panel and its numbers", async () => {
      const both = await start({}, "relay");
      const peer = await both.join();
      await ask(peer, fill("users", 3));
      const one = await Tab.open(both.url);
      await one.see(rows("namespaces"), [["users", "3"]]);
      expect(await one.get(shown("#places .to"))).toEqual([
        "Overview",
        "Clients",
        "Relay",
        "Web",
        "Store",
        "Process",
        "Log",
      ]);
      await one.see(stat("relay.clients"), 0);
      await one.see(stat("store.clients"), 1);
      expect(
        await one.get("document.querySelectorAll('[data-part=relay] [data-table]').length"),
      ).toBe(0);
      expect(one.troubles).toEqual([]);
      one.view.close();
      peer.end();
      await both.stop();
    });

    test("one that keeps no keys has no tables", async () => {
      const echo = await start({ mode: "echo" });
      const one = await Tab.open(echo.url);
      await one.see(stat("store.clients"), 0);
      expect(await one.get("document.querySelectorAll('[data-table]').length")).toBe(0);
      expect(one.troubles).toEqual([]);
      one.view.close();
      await echo.stop();
    });
  },
);
