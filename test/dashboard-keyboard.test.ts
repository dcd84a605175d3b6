import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { record, Sender } from "./collector-suite.ts";
import { ask, boot, type Booted, dial, type Peer, until } from "./kit.ts";
import { dialGame, gameOf, type TestGame } from "./neuro-suite.ts";
import { BROWSER, clock, STATUS, Tab, text, TOKEN } from "./tab.ts";

/** Milliseconds for the walk: pages are slow on a machine that has much to do. */
const TIMEOUT = 180_000;

const CARD = {
  name: "play_card",
  description: "Play a card.",
  schema: {
    type: "object",
    properties: { card: { enum: ["Strike", "Defend"] } },
    required: ["card"],
  },
};
const HERE = "document.querySelector('#places [aria-current]').hash";
const ROWS = "[...document.querySelectorAll('#rows tr')].map((row) => row.dataset.key)";
const FOCUSED_ROW = "document.activeElement.closest('#rows tr')?.dataset.key ?? null";
const FOCUS = "document.activeElement.id";
const BUSY = "document.querySelector('#rows').ariaBusy";
const LAST_TOAST = "[...document.querySelectorAll('.toast p')].at(-1)?.textContent ?? null";

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the page by keyboard alone"
    : "the page by keyboard alone: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    let server: Booted;
    let tab: Tab;
    let game: TestGame;
    const peers: Peer[] = [];

    beforeAll(async () => {
      server = await boot(
        ["relay", "store", "neuro", "collector", "web"],
        {
          name: "here",
          hyper_parameters: { client_timeout_secs: 0 },
          neuro: { brain: "web" },
          collector: { durability: "batch" },
        },
        { token: TOKEN, clock },
      );
      for (let i = 1; i <= 30; i++) peers.push(await server.join(`127.0.4.${i}`));
      const store = await dial(server.port("store"));
      peers.push(store);
      await ask(store, { action: "MSET", values: { "users^1": 1, "orders^1": 2 } });
      game = await dialGame(server.port("neuro"), "Slay the Spire");
      game.send("startup");
      await game.next();
      game.register(CARD, "end_turn");
      await until(() => gameOf(server, "Slay the Spire")?.actions.length === 2);
      game.force(["play_card", "end_turn"]);
      const sender = new Sender(server.port("collector"));
      for (let i = 0; i < 20; i++) sender.send(record({ message: `order ${i}`, level: i % 12 }));
      await until(() => server.stats("collector")["written"] === 20);
      tab = await Tab.open(server.url("/"));
      await tab.see(STATUS, "ok");
    }, TIMEOUT);

    afterAll(async () => {
      // Not the browser: whoever opens a tab while it dies would be given one of the dead.
      tab?.view.close();
      game?.close();
      for (const peer of peers) peer.end();
      await server?.stop();
    });

    test(
      "everything can be reached and done, in one go",
      async () => {
        const { view } = tab;
        const press = async (...keys: string[]) => {
          for (const key of keys) await view.press(key);
        };
        /** Chooses a place by its number on the rail. */
        const go = async (place: string) => {
          const at = `[...document.querySelectorAll("#places a")].findIndex((one) => one.hash === "#/${place}") + 1`;
          await press(String(await tab.get(at)));
          await tab.see(HERE, `#/${place}`);
          // Whoever does not see the page is told where they are.
          await tab.see(`document.activeElement.matches(".place:not([hidden]) h1")`);
        };
        const isOpen = (dialog: string) => `document.querySelector("#${dialog}").open`;

        // The first Tab gets to the skip link, and that to the content.
        await press("Tab");
        expect(await tab.get(text(":focus"))).toBe("Skip to the content");
        await press("Enter");
        await tab.see(FOCUS, "overview-title");

        // The time axis, its range, and a stave that is made large.
        await press("t");
        await tab.see("document.activeElement.className", "ticks");
        const at = text("#overview .axis-at");
        await press("ArrowLeft");
        await tab.see(`(${at}) !== "now"`);
        await press("Home", "End", "Escape");
        await tab.see(at, "now");
        const range = "#overview .switch [aria-pressed=true]";
        await press("r");
        await tab.see(text(range), "1 h");
        await press("r");
        await tab.see(text(range), "5 min");
        await tab.tabTo("#overview .stave-name");
        await press("Enter");
        await tab.see("document.activeElement.ariaExpanded", "true");
        await press("Enter");
        await tab.see("document.activeElement.ariaExpanded", "false");

        // The keys; whoever closes them is back where they were.
        await press("?");
        await tab.see(isOpen("keys"));
        await press("Enter");
        await tab.see(isOpen("keys"), false);
        await tab.see("document.activeElement.className", "stave-name");

        // The clients: filtered, turned page by page, sorted.
        await go("clients");
        await press("/");
        await tab.see(FOCUS, "filter");
        await view.type("127.0.4.");
        await tab.see(text("#range"), "1–25 of 30");
        await press("Enter");
        await tab.see(`(${FOCUSED_ROW}) !== null`);
        await press("]");
        await tab.see(text("#range"), "26–30 of 30");
        await tab.see(BUSY, null);
        await press("[");
        await tab.see(text("#range"), "1–25 of 30");
        await tab.see(BUSY, null);
        await press("/");
        await tab.tabTo("[data-column=address] .sort");
        await press("Enter");
        await tab.see("document.querySelector('#columns [aria-sort]').dataset.column", "address");
        await tab.see(BUSY, null);
        expect(await tab.get("document.activeElement.className")).toBe("sort");

        // The table is one stop: what is in its rows is reached by arrows.
        await tab.tabTo("#rows .open");
        const rows = await tab.get<string[]>(ROWS);
        await press("End");
        expect(await tab.get(FOCUSED_ROW)).toBe(rows.at(-1));
        await press("Home", "ArrowDown", "ArrowDown", "ArrowUp");
        expect(await tab.get(FOCUSED_ROW)).toBe(rows[1]);

        // A client, and back to its row.
        await press("Enter");
        await tab.see(FOCUS, "client-title");
        await press("Escape");
        await tab.see(FOCUSED_ROW, rows[1]);
        await press("Enter");
        await tab.see(FOCUS, "client-title");
        const barred = peers.find(({ address }) => `${address}` === addressOf(rows[1])) as Peer;
        await tab.see(text("#client-title"), barred.address);

        // Quarantine while signed out: the token is asked for, and what was asked for goes on.
        await press("q");
        await tab.see("document.activeElement.name", "seconds");
        await press("Escape");
        await tab.see("document.querySelector('.confirm')", null);
        await tab.see(FOCUS, "client-title");
        await press("q");
        await tab.see("document.activeElement.name", "seconds");
        await press("ArrowDown", "Tab");
        expect(await tab.get(text(":focus"))).toBe("Quarantine");
        await press("Enter");
        await tab.see(isOpen("sign-in"));
        await press("Escape");
        await tab.see(isOpen("sign-in"), false);
        expect(barred.isClosed).toBe(false);
        await tab.see("document.activeElement !== document.body");
        await press("q");
        await tab.see("document.activeElement.name", "seconds");
        await press("Enter");
        await tab.see(isOpen("sign-in"));
        await view.type(TOKEN);
        await press("Enter");
        await barred.closed;
        await tab.see("document.querySelector('#client').hidden");
        await tab.see("document.activeElement !== document.body");

        // A kick, from the row.
        await tab.see(`(${ROWS}).includes(${JSON.stringify(rows[1])})`, false);
        await tab.tabTo("#rows .open");
        const key = await tab.get<string>(FOCUSED_ROW);
        const kicked = peers.find(({ address }) => address === addressOf(key)) as Peer;
        await press("k");
        await tab.see(text(":focus"), "Kick");
        await press("Enter");
        await kicked.closed;
        await tab.see(`(${ROWS}).includes(${JSON.stringify(key)})`, false);
        await tab.see("document.activeElement !== document.body");

        // The relay: somebody is let in again.
        await go("relay");
        const host = barred.address.slice(0, barred.address.lastIndexOf(":"));
        const lift = `[data-part=relay] [data-key='${host}'] button`;
        await tab.see(`document.querySelector("${lift}") !== null`);
        await tab.tabTo(lift);
        await press("Enter");
        await tab.see(text(lift), "Sure?");
        await press("Enter");
        await until(() => [...server.running("relay").quarantine!.entries()].length === 0);
        // Out of the field that has the focus now, so that a key is a key again.
        await tab.see(`document.querySelector("[data-part=relay] [data-key='${host}']")`, null);
        await press("Escape");

        // The store: down to a value and back, then its numbers, each with its sentence.
        await go("store");
        const way = `[...document.querySelectorAll("#brought-store .way a")].map((one) => one.textContent)`;
        await tab.see(way, ["All keys"]);
        await tab.see("document.querySelector('#brought-store .list[aria-label=Keys] a') !== null");
        await tab.tabTo("#brought-store .list[aria-label=Keys] a");
        const namespace = await tab.get<string>(text(":focus"));
        expect(["users", "orders"]).toContain(namespace);
        await press("Enter");
        await tab.see(way, ["All keys", namespace]);
        await tab.see("document.activeElement !== document.body");
        await tab.see("document.querySelector('#brought-store a.value') !== null");
        await tab.tabTo("#brought-store a.value");
        await press("Enter");
        const value = text("#brought-store [aria-label=Value]");
        await tab.see(value, namespace === "users" ? "1" : "2");
        // Back over what lies between.
        const isBack = `document.activeElement.matches("#brought-store .way li:first-child a")`;
        while (!(await tab.get(isBack))) await view.press("Tab", { modifiers: ["Shift"] });
        await press("Enter");
        await tab.see(way, ["All keys"]);
        await tab.see("document.activeElement !== document.body");
        await tab.tabTo("[data-part=store] > details summary");
        await press("Enter");
        await tab.see("document.querySelector('[data-part=store] > details').open");
        await press("Enter");

        // A game: a person answers.
        await go("neuro");
        await tab.see("document.querySelector('#brought-neuro form select') !== null");
        await tab.tabTo("#brought-neuro form select");
        await press("ArrowDown");
        await tab.tabTo("#brought-neuro form .main");
        expect(await tab.get(text(":focus"))).toBe("Choose play_card");
        await press("Enter");
        const { id, data } = await game.action();
        expect(JSON.parse(data as string)).toEqual({ card: "Defend" });
        game.result(id, true, "Blocked 5.");
        await tab.see(text("#brought-neuro .bars .end"), "succeeded");

        // The collected log is searched.
        await go("collector");
        await tab.see("document.querySelector('#brought-collector .entries') !== null");
        await press("/");
        await tab.see("document.activeElement.name", "text");
        await view.type("order 19");
        const messages = `[...document.querySelectorAll("#brought-collector .message > bdi")].map((one) => one.textContent)`;
        await tab.see(messages, ["order 19"]);
        await press("Escape");
        await tab.see("document.activeElement === document.body");

        // The log: searched, and its level is changed.
        await go("log");
        await press("/");
        await tab.see(FOCUS, "log-filter");
        await view.type("quarantine");
        await tab.see("new URLSearchParams(location.hash.split('?')[1]).get('q')", "quarantine");
        await tab.tabTo("#log-level");
        await press("ArrowUp");
        await until(() => server.log.level === "DEBUG");
        await press("ArrowDown");
        await until(() => server.log.level === "INFO");
        await tab.tabTo("#lines");

        // Single keys off and on; the others stay.
        await press("?");
        await tab.tabTo("#single-keys");
        await press("Space", "Escape");
        await tab.see(isOpen("keys"), false);
        await press("1");
        expect(await tab.get("location.hash")).toStartWith("#/log");
        await tab.tabTo("#keys-open");
        await press("Enter");
        await tab.see(isOpen("keys"));
        await tab.tabTo("#single-keys");
        await press("Space", "Escape");
        await tab.see(isOpen("keys"), false);
        await tab.see(FOCUS, "keys-open");
        await go("overview");

        // The menu of the server, and out.
        await tab.tabTo("#server-menu summary");
        await press("Enter");
        await tab.tabTo("#drain-open");
        await press("Enter");
        await tab.see(isOpen("drain"));
        // Cancel is where one is, not the grave button.
        expect(await tab.get(text(":focus"))).toBe("Cancel");
        await press("Enter");
        await tab.see(isOpen("drain"), false);
        await tab.see("document.activeElement !== document.body");
        await tab.tabTo("#server-menu summary");
        await press("Enter", "Escape");
        await tab.see("document.querySelector('#server-menu').open", false);
        await press("Enter");
        await tab.tabTo("#sign-out");
        await press("Enter");
        await tab.see("document.documentElement.dataset.admin", "signed-out");
        await tab.see(FOCUS, "sign-in-open");
        expect(await tab.get(LAST_TOAST)).toBe("Signed out.");
        expect(tab.troubles).toEqual([]);
      },
      TIMEOUT,
    );

    /** The address of the client of a row. */
    const addressOf = (key: string | undefined) =>
      server.clients().find(({ id }) => key === `relay/${id}`)?.address ?? "";
  },
);
