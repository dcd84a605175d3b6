import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { boot, type Booted, until } from "./kit.ts";
import { BROWSER, clock, FAINT, STATUS, Tab, text, TOKEN, WIDE } from "./tab.ts";

const PANEL = "#brought-web";
/** The rows of a table of the panel as lists of their cells, from the top. */
const rows = (name: string) =>
  `[...document.querySelectorAll("${PANEL} [aria-label='${name}'] tbody tr")].map((row) => [...row.cells].map((cell) => cell.textContent))`;
/** What is said of a route: its answers since the start. */
const answers = (route: string) =>
  `Number(${rows("Routes")}.find(([name]) => name === "${route}")?.at(-1).replaceAll(",", "") ?? 0)`;
const fact = (of: string, name: string) =>
  `[...document.querySelectorAll("${PANEL} [data-of=${of}] dl > div")].find((one) => one.querySelector("dt").textContent === "${name}")?.querySelector("dd").textContent ?? null`;
const NOBODY = "0 browsers of 100";
const SITE = `let ticks = 0;
export default {
  GET: () => new Response("site"),
  mode: "SPACED",
  seconds: 0.5,
  tick() {
    if (++ticks === 2) throw new Error("the second one \\u202e fails");
  },
};`;

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the place of the web service"
    : "the place of the web service: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    let server: Booted;
    let tab: Tab;

    beforeAll(async () => {
      server = await boot(
        ["web"],
        { name: "here", web: { max_streams: 3 } },
        { token: TOKEN, clock },
      );
      tab = await Tab.open(server.url("/"));
      await tab.see(STATUS, "ok");
    });

    beforeEach(async () => {
      await tab.go("web");
      await tab.see(`${rows("Event streams")}.length`, 1);
    });

    afterAll(async () => {
      tab?.view.close();
      await server?.stop();
    });

    test("each route with the answers that were given, and how fast", async () => {
      const before = await tab.get<number>(answers("/readyz"));
      for (let i = 0; i < 12; i++) await server.get("/readyz");
      await tab.see(answers("/readyz"), before + 12);
      const [, , half, most] = await tab.get<string[]>(
        `${rows("Routes")}.find(([name]) => name === "/readyz")`,
      );
      for (const one of [half, most]) expect(one).toMatch(/^\d+(\.\d)? (ms|s)$/);
      const largest = `${rows("Routes")}.map((row) => Number(row.at(-1).replaceAll(",", "")))`;
      const all = await tab.get<number[]>(largest);
      expect(all).toEqual(all.toSorted((a, b) => b - a));
    });

    test("event streams by what they are told; at the bound it says that more are refused", async () => {
      const told = `${rows("Event streams")}.map(([kind, open, addresses, compressed]) => [kind, open, addresses, compressed])`;
      await tab.see(told, [["Differences", "1", "1", "1"]]);
      const note = text(`${PANEL} [data-of=streams] header > :last-child`);
      expect(await tab.get(note)).toBe("1 of 3 open");
      const open = await Promise.all([server.get("/events"), server.get("/events")]);
      expect(open.map(({ status }) => status)).toEqual([200, 200]);
      await tab.see(`${told}.toSorted()`, [
        ["Differences", "1", "1", "1"],
        ["Whole ticks", "2", "1", "2"],
      ]);
      await tab.see(note, "▲3 of 3 open: more are refused");
      // An answer that nothing refers to any more would have ended its stream before.
      for (const { body } of open) await body?.cancel();
      await tab.see(told, [["Differences", "1", "1", "1"]]);
      await tab.click(`${PANEL} [data-of=streams] a`);
      await tab.see("location.hash", "#/clients?service=web&sort=bytes_out");
    });

    test("who is signed in, and what was refused without the token", async () => {
      await tab.see(fact("sessions", "Signed in"), NOBODY);
      const refused = server.stats("web")["unauthorised"] as number;
      await server.get("/admin/drain", { method: "POST" });
      await until(() => server.stats("web")["unauthorised"] === refused + 1);
      const word = refused === 0 ? "1 request" : `${refused + 1} requests`;
      await tab.see(fact("sessions", "Refused"), `${word} without the right token`);
      await tab.signIn();
      await tab.see(fact("sessions", "Signed in"), "1 browser of 100");
      await tab.signOut();
      await tab.see(fact("sessions", "Signed in"), NOBODY);
      expect(tab.troubles).toEqual([]);
    });

    test.each([360, 768, 1440])("fits into %i px, and can be read by night", async (width) => {
      await tab.view.resize(width, 1000);
      await tab.see(WIDE, []);
      await tab.dark(true);
      expect(await tab.get(FAINT)).toEqual([]);
      await tab.dark(false);
      expect(await tab.get(FAINT)).toEqual([]);
      await tab.view.resize(1280, 1000);
    });

    test("without a token it says how to have one; a ticker with what went wrong", async () => {
      const path = `${process.env["TMPDIR"] ?? "/tmp"}/dashboard-web-${process.pid}.ts`;
      await Bun.write(path, SITE);
      const other = await boot(["web"], { name: "there", web: { handler: path } }, { clock });
      const one = await Tab.open(other.url("/#/web"));
      try {
        await one.see(
          text(`${PANEL} [data-of=sessions] .empty`),
          "Nobody can sign in: this server has no token. SUMMONER_TOKEN or web.token_file sets one.",
        );
        await one.see(fact("tickers", "Failed"), "▲1 tick");
        expect(await one.get(fact("tickers", "Last error"))).toContain(
          "the second one \\u202e fails",
        );
        const ticks = `Number.parseInt(${fact("tickers", "Ticks")})`;
        const before = await one.get<number>(ticks);
        await one.see(`${ticks} > ${before}`);
        await other.get("/");
        await one.see(answers("site"), 0);
        await other.get("/mine");
        await one.see(answers("site"), 1);
        expect(one.troubles).toEqual([]);
      } finally {
        one.view.close();
        await other.stop();
        await Bun.file(path).delete();
      }
    });
  },
);
