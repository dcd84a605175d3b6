import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
} from "bun:test";
import { systemClock } from "../lib/host/clock.ts";
import { boot, type Booted, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";
import { HandRoom, NODE, sharing } from "./room-suite.ts";
import { BROWSER, clock, STATUS, Tab, text, TOKEN, WIDE } from "./tab.ts";

const OTHER = { ...NODE, name: "two", address: "10.0.0.2:8888", clients: 1234, isSelf: false };
const NEW = {
  ...OTHER,
  name: "three",
  version: "9.9.9",
  clients: 1,
  linesPerSecond: 0,
  delayP50Ms: null,
  delayP99Ms: null,
  sinceMs: 4000,
};
const LEFT = { ...OTHER, name: "four", goneMs: 65_000 };
const HOSTILE = `<img src=x onerror="window.caught=1">\u202e\u0007${"W".repeat(300)}`;

/** The texts of each row, cell by cell. */
const ROWS = `[...document.querySelectorAll(".nodes tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent.trim()))`;
const NAMES = `[...document.querySelectorAll(".nodes tbody bdi")].map((one) => one.textContent)`;
const SUM = `[...document.querySelector(".nodes tfoot tr").cells].map((cell) => cell.textContent)`;
const TROUBLES = `[...document.querySelectorAll("#cluster .problems li")].map((one) => [one.dataset.severity, one.querySelector(".what").textContent])`;
const PLACES = `[...document.querySelectorAll("#places a")].map((one) => one.hash)`;
const OVERVIEW = `document.querySelector("#one-of").checkVisibility() ? document.querySelector("#one-of").textContent : null`;
const LAST_TOAST = "[...document.querySelectorAll('.toast p')].at(-1)?.textContent ?? null";

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the place of the cluster"
    : "the place of the cluster: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    const room = new HandRoom();
    let server: Booted;
    let tab: Tab;

    beforeAll(async () => {
      server = await boot(
        ["relay", "web"],
        { name: "here", hyper_parameters: { client_timeout_secs: 0 } },
        { token: TOKEN, clock, table: sharing(room) },
      );
      tab = await Tab.open(server.url("/"));
      await tab.see(STATUS, "ok");
    });

    beforeEach(async () => {
      Object.assign(room, new HandRoom());
      room.kicked.length = 0;
      await tab.go("cluster");
    });

    afterEach(async () => {
      expect(tab.troubles).toEqual([]);
      expect(await tab.get("window.caught ?? null")).toBe(null);
    });

    afterAll(async () => {
      tab?.view.close();
      await server?.stop();
    });

    test("a room of one", async () => {
      await tab.see(ROWS, [
        [
          "one this server",
          "10.0.0.1:8888",
          "0.1.0",
          "12",
          "40",
          "0.4 ms",
          "2.5 ms",
          "1 h 01 min ago",
        ],
      ]);
      expect(await tab.get(SUM)).toEqual(["1 node", "12", "40", ""]);
      expect(await tab.get(text("#cluster h2"))).toBe("Room main");
      expect(await tab.get(text("#cluster .room-head span"))).toBe(
        "of relay, ordered at redis://10.0.0.9:6379",
      );
      expect(await tab.get(text("#cluster-counted"))).toBe("12 clients in all");
      await tab.see(
        `[...document.querySelectorAll("#cluster .nothing")].filter((one) => one.checkVisibility()).map((one) => one.textContent)`,
        ["Lines pass: the order is there."],
      );
      expect(await tab.get(text("#places [href='#/cluster'] .count"))).toBe("1");
      expect(await tab.get("document.querySelector('.nodes a').hash")).toBe(
        "#/clients?service=relay",
      );
    });

    test("nodes come, leave and come again; the clients of all that are there are summed", async () => {
      room.all = [NODE, OTHER, NEW, LEFT];
      await tab.see(`${ROWS}.slice(1).map(([name, , ...rest]) => [name, ...rest])`, [
        ["two", "0.1.0", "1,234", "40", "0.4 ms", "2.5 ms", "1 h 01 min ago"],
        ["three", "9.9.9", "1", "0", "–", "–", "4 s ago"],
        ["four left", "0.1.0", "–", "–", "–", "–", "left 1 min 05 s ago"],
      ]);
      expect(await tab.get(SUM)).toEqual(["3 nodes, 1 left", "1,247", "80", ""]);
      expect(await tab.get(text("#cluster-counted"))).toBe("1,247 clients in all");
      await tab.go("clients");
      await tab.see(text("#counted"), "0 connected here, 1,247 in the whole room");
      await tab.go("cluster");
      const other = `[...document.querySelectorAll(".nodes [data-other]")].map((one) => one.textContent)`;
      expect(await tab.get(other)).toEqual(["9.9.9"]);
      // One that comes again under its name is another one than the one that left.
      room.all = [NODE, OTHER, { ...LEFT, name: "two" }];
      await tab.see(NAMES, ["one", "two", "two"]);
      room.all = [NODE];
      await tab.see(NAMES, ["one"]);
    });

    test("while the order is away it says so, since when, and at every place", async () => {
      room.all = [NODE, OTHER];
      room.trouble = { reason: "nothing was heard for 3 s", since: clock.now() - 42_000 };
      const words = "No lines pass: nothing was heard for 3 s. Senders wait, and lose nothing.";
      await tab.see(TROUBLES, [["failing", words]]);
      expect(await tab.get<string>(text("#cluster .since"))).toMatch(/^4\d s$/);
      await tab.see(
        `document.querySelector("#cluster .nothing:last-of-type").checkVisibility()`,
        false,
      );
      const link = "document.querySelector(`#places [href='#/cluster']`)";
      await tab.see(`${link}.ariaLabel`, "Cluster, failing, 2 nodes");
      await tab.go("overview");
      await tab.see(OVERVIEW, "one of 2 nodes, and the order is away");
      room.trouble = null;
      await tab.see(OVERVIEW, "one of 2 nodes");
      await tab.click("#one-of");
      await tab.see("document.activeElement.id", "cluster-title");
      await tab.see(TROUBLES, []);
    });

    test("lines that were lost stay told", async () => {
      room.lostLines = 1;
      await tab.see(TROUBLES, [
        [
          "note",
          "1 line of another server never reached the clients of this server, since it started.",
        ],
      ]);
      room.lostLines = 1312;
      await tab.see(TROUBLES, [
        [
          "note",
          "1,312 lines of others never reached the clients of this server, since it started.",
        ],
      ]);
    });

    test("nothing that others have chosen is taken for anything but a text", async () => {
      const hostile = { name: HOSTILE, address: HOSTILE, version: HOSTILE };
      room.name = HOSTILE;
      room.server = `redis://${HOSTILE}`;
      room.trouble = { reason: HOSTILE, since: clock.now() };
      room.all = [
        { ...NODE, ...hostile },
        { ...OTHER, name: "__proto__" },
        { ...LEFT, ...hostile },
      ];
      const shown = HOSTILE.replace("\u202e", "\\u202e").replace("\u0007", "\\u0007");
      await tab.see(NAMES, [shown, "__proto__", shown]);
      expect(await tab.get("document.querySelectorAll('#cluster img').length")).toBe(0);
      for (const width of [360, 720, 1280]) {
        await tab.view.resize(width, 1000);
        expect({ width, wide: await tab.get(WIDE) }).toEqual({ width, wide: [] });
      }
    });

    test("a client of any node is kicked by its number, after a question", async () => {
      room.all = [NODE, OTHER, LEFT];
      const offered = `[...document.querySelectorAll("#cluster select option")].map((one) => one.value)`;
      await tab.see(offered, ["one", "two"]);
      expect(await tab.get("document.querySelector('#cluster form').checkVisibility()")).toBe(true);
      await tab.get("document.querySelector('#cluster select').value = 'two'");
      await tab.fill("#cluster [name=id]", "12x");
      await tab.view.press("Enter");
      await tab.see(text("#cluster form button"), "Sure?");
      await tab.view.press("Enter");
      await tab.see("document.querySelector('#cluster [name=id]').ariaInvalid", "true");
      expect(room.kicked).toEqual([]);
      await tab.fill("#cluster [name=id]", "12");
      await tab.view.press("Enter");
      await tab.see(text("#cluster form button"), "Sure?");
      await tab.view.press("Enter");
      // Whoever has no right to act is asked for the token, and told what follows.
      await tab.see(text("#sign-in-next"), "Next: kick client 12 of node two.");
      expect(room.kicked).toEqual([]);
      await tab.fill("#sign-in [name=token]", TOKEN);
      await tab.view.press("Enter");
      await until(() => room.kicked.length === 1);
      expect(room.kicked).toEqual(["two/12"]);
      await tab.see(LAST_TOAST, "Closed client 12 of relay on node two, 10.0.0.7:4000");
      await tab.see("document.querySelector('#cluster [name=id]').value", "");
      room.found = Promise.resolve(null);
      await tab.fill("#cluster [name=id]", "13");
      await tab.click("#cluster form button");
      await tab.click("#cluster form button");
      await tab.see(LAST_TOAST, "Not done: node two has no client 13; it may have left");
      // The browser tells of every answer of this kind.
      await tab.see("true");
      expect(tab.troubles.splice(0)).toEqual([expect.stringContaining("404 (Not Found)")]);
      await tab.signOut();
    });

    test("the keyboard gets there, and to all that can be done there", async () => {
      room.all = [NODE, OTHER];
      await tab.go("overview");
      await tab.view.press("3");
      await tab.see("document.activeElement.id", "cluster-title");
      await tab.see(NAMES, ["one", "two"]);
      for (const one of [".nodes a", "#cluster [name=id]", "#cluster select", "#cluster button"]) {
        await tab.view.press("Tab");
        await tab.see(`document.activeElement.matches(${JSON.stringify(one)})`);
      }
      // Out of the field, so that single keys act again.
      await tab.view.press("Escape");
      await tab.view.press("1");
      await tab.see("document.activeElement.id", "overview-title");
    });

    test("who chooses a node keeps the list and the choice while numbers change", async () => {
      room.all = [NODE, OTHER];
      const select = "document.querySelector('#cluster select')";
      await tab.see(`${select}.options.length`, 2);
      await tab.get(`(${select}.value = "two", window.option = ${select}.options[1])`);
      room.all = [NODE, { ...OTHER, clients: 5 }];
      await tab.see(`${ROWS}[1][3]`, "5");
      expect(await tab.get(`window.option === ${select}.options[1]`)).toBe(true);
      room.all = [NODE, NEW, OTHER];
      await tab.see(`${select}.options.length`, 3);
      expect(await tab.get(`${select}.value`)).toBe("two");
    });
  },
);

describe.skipIf(!BROWSER)("the place of a room on a real server", () => {
  for (const program of PROGRAMS) {
    test(`of ${program}: who joins, acts, is cut off and leaves is seen`, async () => {
      const store = await RoomServer.start(program, "--appendonly", "yes");
      onTestFinished(() => store.stop());
      const join = async (node: string) => {
        const cluster = { url: store.url, node };
        const made = await boot(
          ["relay", "web"],
          { cluster, hyper_parameters: { client_timeout_secs: 0 } },
          { token: TOKEN, clock: systemClock },
        );
        onTestFinished(() => made.stop());
        return made;
      };
      const here = await join("here");
      const tab = await Tab.open(here.url("/"));
      onTestFinished(() => tab.view.close());
      await tab.see(STATUS, "ok");
      await tab.signIn();
      await tab.go("cluster");
      await tab.see(NAMES, ["here"]);
      const there = await join("there");
      const peer = await there.join();
      await tab.see(`${ROWS}.map(([name, , , clients]) => [name, clients])`, [
        ["here this server", "0"],
        ["there", "1"],
      ]);
      await tab.get("document.querySelector('#cluster select').value = 'there'");
      await tab.fill("#cluster [name=id]", String(there.clients()[0]?.id));
      await tab.click("#cluster form button");
      await tab.click("#cluster form button");
      expect(await peer.next()).toBe("Warning: You have been disconnected by an operator.");
      await store.stop("SIGKILL");
      await tab.see(`${TROUBLES}.map(([severity]) => severity)`, ["failing"]);
      await tab.see(STATUS, "failing");
      await store.start();
      await tab.see(TROUBLES, []);
      await tab.see(STATUS, "ok");
      await there.stop();
      await tab.see(`${ROWS}.map(([name]) => name)`, ["here this server", "there left"]);
      expect(tab.troubles).toEqual([]);
    });
  }
});

describe.skipIf(!BROWSER)("a server that shares no room", () => {
  test("has no such place, and one that comes to share it has", async () => {
    const alone = await boot(["relay", "web"], {}, { token: TOKEN, clock });
    const tab = await Tab.open(alone.url("/"));
    await tab.see(STATUS, "ok");
    expect(await tab.get(PLACES)).toEqual([
      "#/overview",
      "#/clients",
      "#/relay",
      "#/web",
      "#/process",
      "#/log",
    ]);
    expect(await tab.get(OVERVIEW)).toBe(null);
    const port = alone.port("web");
    await alone.stop();
    await tab.see(STATUS, "lost");
    const table = sharing(new HandRoom());
    const server = await boot(["relay", "web"], { web: { port } }, { token: TOKEN, clock, table });
    await tab.see(STATUS, "ok");
    await tab.see(PLACES, [
      "#/overview",
      "#/clients",
      "#/cluster",
      "#/relay",
      "#/web",
      "#/process",
      "#/log",
    ]);
    await tab.go("overview");
    await tab.see(OVERVIEW, "the only node");
    expect(tab.troubles.filter((one) => !one.includes("ERR_CONNECTION"))).toEqual([]);
    tab.view.close();
    await server.stop();
  });
});
