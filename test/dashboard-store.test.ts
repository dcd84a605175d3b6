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
        const { result } = await ask(peer, { action: "KEYS", limit: 10_000 });
        const tops = (result.keys as string[]).map((key) => key.split("^")[0]);
        for (const key of new Set(tops)) await ask(peer, { action: "DEL", key, tree: true });
      }
      for (const one of peers.splice(0)) one.end();
      await until(() => server.stats()["clients"] === 0);
    },
  };
}

type Started = Awaited<ReturnType<typeof start>>;

const PANEL = "#brought-store";
/** The cells of the list of keys or channels, from the top. */
const rows = (name: "keys" | "channels") =>
  `[...document.querySelectorAll("${PANEL} [data-of=${name}] .list tbody tr")].map((row) => [...row.cells].slice(0, ${name === "keys" ? 2 : 3}).map((cell) => cell.textContent))`;
/** Where one is in the pages of a list. */
const pages = (name: string) => text(`${PANEL} [data-of=${name}] .pages`);
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

    beforeEach(async () => {
      await server?.clear();
      await tab?.go("store");
    });

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
      await tab.see(rows("keys"), []);
      await tab.see(shown(`${PANEL} .empty`), [
        "Nothing was refused.",
        "Nothing is kept on disk: a stop forgets everything.",
        "No key is stored.",
        "Nobody publishes or subscribes.",
      ]);
      // The panel shows them itself.
      expect(await tab.get("document.querySelectorAll('[data-table]').length")).toBe(0);
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
        "misses",
        "subscriptions",
      ]);
      const blocks = await tab.get<string[]>(shown("[data-part=store] .blocks h2"));
      // What was refused, by code, stands in the panel.
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
      await tab.see(rows("keys"), [
        ["users", "1,234"],
        ["orders", "2"],
      ]);
      await tab.see(rows("channels"), [
        ["news^eu", "2", "0"],
        ["news^*", "1", "0"],
      ]);
      await tab.get(`document.querySelector("${PANEL} [data-of=keys] tbody tr").kept = true`);
      const third = await server.join();
      for (let i = 0; i < 3; i++) {
        await ask(third, { action: "PUBLISH", channel: "news^eu", value: i });
      }
      await ask(third, fill("orders", 2000));
      await tab.see(rows("channels"), [
        ["news^eu", "2", "3"],
        ["news^*", "1", "0"],
      ]);
      await tab.see(rows("keys"), [
        ["orders", "2,000"],
        ["users", "1,234"],
      ]);
      // A row stays the same element while its name is shown.
      const users = `document.querySelectorAll("${PANEL} [data-of=keys] tbody tr")[1]`;
      expect(await tab.get(`${users}.kept`)).toBe(true);
      await ask(third, { action: "DEL", key: "users", tree: true });
      await tab.see(rows("keys"), [["orders", "2,000"]]);
      peer.end();
      other.end();
      await tab.see(rows("channels"), []);
    });

    test("a level with many names is shown page by page, from any name on", async () => {
      const peer = await server.join();
      const values = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${1000 + i}^a`, 0]));
      await ask(peer, { action: "MSET", values: values(25) });
      await tab.see(`${rows("keys")}.length`, 25);
      await tab.see(pages("keys"), "1 to 25 of 25, the most keys first");
      await ask(peer, { action: "MSET", values: values(1000) });
      await tab.see(pages("keys"), "1 to 25 of 1,000, the most keys firstBeforeAfter");
      await ask(peer, { action: "MSET", values: values(1001) });
      await tab.see(pages("keys"), "1 to 25 of 1,001, by nameBeforeAfter");
      const first = `${rows("keys")}[0][0]`;
      await tab.click(`${PANEL} [data-of=keys] [data-of=after]`);
      await tab.see(first, "n1025");
      expect(await tab.get("location.hash")).toBe("#/store?page=2");
      await tab.get("document.activeElement.blur()");
      await tab.view.press("]");
      await tab.see(first, "n1050");
      await tab.view.press("[");
      await tab.see(first, "n1025");
      await tab.get("history.go(-3)");
      await tab.see(first, "n1000");
      await tab.fill(`${PANEL} [name=from]`, "n1990");
      await tab.see(
        rows("keys"),
        Array.from({ length: 11 }, (_, i) => [`n${1990 + i}`, "1"]),
      );
      await tab.see(pages("keys"), "991 to 1,001 of 1,001, by name");
      await tab.fill(`${PANEL} [name=from]`, "");
      await tab.see(first, "n1000");
    });

    test("keys are followed down to a value, which operators alone see", async () => {
      const peer = await server.join();
      const value = { name: "Ada", "\u202eevil": `${"x".repeat(5000)}<b>` };
      await ask(peer, { action: "SET", key: "users^42^profile", value, ttl_ms: 100_000_000 });
      await ask(peer, { action: "SET", key: "users^42^profile", value, ttl_ms: 100_000_000 });
      await ask(peer, { action: "SET", key: "users^42", value: 1 });
      await ask(peer, { action: "SET", key: "users^7", value: 2 });
      await tab.see(rows("keys"), [["users", "3"]]);
      const link = (label: string) =>
        `[...document.querySelectorAll("${PANEL} [data-of=keys] a")].find((one) => one.textContent === ${JSON.stringify(label)})`;
      await tab.get(`${link("users")}.click()`);
      await tab.see(rows("keys"), [
        ["42 value", "2"],
        ["7", "1"],
      ]);
      await tab.get(`${link("42")}.click()`);
      await tab.see(rows("keys"), [["profile", "1"]]);
      await tab.see(
        `document.querySelector("${PANEL} .way").innerText.replace(/\\s+/g, " ")`,
        "All keys users 42",
      );
      await tab.get(`${link("profile")}.click()`);
      const value_ = `${PANEL} [data-of=value]`;
      await tab.see(text(`${value_} h3`), "Value of users^42^profile");
      expect(await tab.get(text(`${value_} pre`))).toBeNull();
      const path = "/panels/store/key?path=users%5E42%5Eprofile";
      expect((await server.get(path)).status).toBe(401);
      expect(tab.requests.filter((url) => url.includes("/panels/store/key?"))).toEqual([]);
      await tab.click(`${value_} button`);
      await tab.fill("#sign-in [name=token]", TOKEN);
      await tab.view.press("Enter");
      const json = JSON.stringify(value);
      const shown_ = json.slice(0, 3998).replace("\u202e", "\\u202e");
      await tab.see(text(`${value_} pre`), shown_);
      const facts = `[...document.querySelectorAll("${value_} dd")].map((one) => one.textContent)`;
      const { result } = await ask(peer, { action: "GET", key: "users^42^profile", meta: true });
      await tab.see(facts, [`${result.version}`, "in 1 d 3 h", "5.03 kB"]);
      expect(await tab.get("location.hash")).toBe("#/store?at=users%5E42&key=users%5E42%5Eprofile");
      // A link from elsewhere leads to the same.
      const other = await Tab.open(`${server.url}#/store?at=users`);
      await other.see(`${rows("keys")}.length`, 2);
      other.view.close();
      await ask(peer, { action: "DEL", key: "users^42^profile" });
      await tab.see(text(`${value_} .empty`), "There is no such key any more.");
      await tab.get("history.go(-3)");
      await tab.see(rows("keys"), [["users", "2"]]);
      await tab.signOut();
    });

    test("hits, misses and what was refused are told apart, as they were answered", async () => {
      const peer = await server.join();
      await ask(peer, { action: "SET", key: "there", value: 1 });
      const before = server.stats();
      for (let i = 0; i < 3; i++) await ask(peer, { action: "GET", key: "there" });
      for (let i = 0; i < 2; i++) await ask(peer, { action: "GET", key: "not there" });
      for (let i = 0; i < 4; i++) await ask(peer, { action: "GET" });
      const now = (name: string, more: number) =>
        ((before[name] as number) + more).toLocaleString("en-US");
      const cells = (name: string) =>
        `[...document.querySelectorAll("${PANEL} [aria-label=${name}] tbody tr")].map((row) => [row.cells[0].firstChild.textContent, row.cells[row.cells.length - 1].textContent])`;
      await tab.see(cells("Reads"), [
        ["Hits", now("hits", 3)],
        ["Misses", now("misses", 2)],
      ]);
      await tab.see(cells("Refused"), [["MISSING_FIELD", now("errors_missing_field", 4)]]);
      expect(server.clients().map(({ refused }) => refused)).toContain(4);
    });

    test("a channel is followed to those who subscribe, and to each of them", async () => {
      const [one, two] = [await server.join(), await server.join()];
      for (const peer of [one, two]) await ask(peer, { action: "SUBSCRIBE", channel: "news^eu" });
      await ask(two, { action: "SUBSCRIBE", channel: "news^*" });
      await tab.see(rows("channels"), [
        ["news^eu", "2", "0"],
        ["news^*", "1", "0"],
      ]);
      await tab.click(`${PANEL} [data-of=channels] tbody a`);
      const who = `[...document.querySelectorAll("${PANEL} .who a")].map((one) => one.textContent)`;
      await tab.see(who, [one.address, two.address]);
      expect(await tab.get("location.hash")).toBe("#/store?channel=news%5Eeu");
      one.end();
      await tab.see(who, [two.address]);
      await tab.click(`${PANEL} .who a`);
      await tab.see(text("#client-title"), two.address);
      await tab.get("history.back()");
      await tab.see(who, [two.address]);
      await tab.fill(`${PANEL} [name=channels]`, "news^e");
      await tab.see(rows("channels"), [["news^eu", "1", "0"]]);
      await tab.fill(`${PANEL} [name=channels]`, "");
      await tab.see(`${rows("channels")}.length`, 2);
      await tab.go("store");
    });

    test("names are text, and each is shown however it looks", async () => {
      const peer = await server.join();
      const hostile = `<img src=x onerror="window.caught=1">`;
      const long = "x".repeat(250);
      await ask(peer, fill(hostile, 1));
      for (const channel of [hostile, "  a   b", `${long}^1`, `${long}^2`]) {
        await ask(peer, { action: "SUBSCRIBE", channel });
      }
      await tab.see(rows("keys"), [[hostile, "1"]]);
      await tab.see(`${rows("channels")}.map(([name]) => name)`, [
        "  a   b",
        hostile,
        `${long}^1`,
        `${long}^2`,
      ]);
      expect(await tab.get("[document.querySelector('img'), window.caught ?? null]")).toEqual([
        null,
        null,
      ]);
      expect(
        await tab.get(`document.querySelector("${PANEL} [data-of=channels] tbody bdi").innerText`),
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
              document.querySelector("${PANEL} [data-of=keys] td").getBoundingClientRect(),
              document.querySelector("${PANEL} [data-of=keys]"))`),
          ).toBe(true);
        }
        await tab.view.resize(1280, 1000);
      }
      await tab.dark(false);
      await tab.get("document.querySelectorAll('details').forEach((one) => (one.open = false))");
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
      await tab.go("store");
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
      await one.see(STATUS, "ok");
      await one.go("store");
      await one.see(rows("keys"), [["users", "3"]]);
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
      expect(await one.get("document.querySelectorAll('[data-table]').length")).toBe(0);
      expect(one.troubles).toEqual([]);
      one.view.close();
      peer.end();
      await both.stop();
    });

    test("one that keeps no keys has no panel", async () => {
      const echo = await start({ mode: "echo" });
      const one = await Tab.open(echo.url);
      await one.see(stat("store.clients"), 0);
      expect(await one.get(`document.querySelector("${PANEL}")`)).toBeNull();
      expect(one.troubles).toEqual([]);
      one.view.close();
      await echo.stop();
    });
  },
);
