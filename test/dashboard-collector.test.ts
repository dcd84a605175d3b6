import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Fields, record, Sender } from "./collector-suite.ts";
import { boot, type Booted, dial, type Overrides, until } from "./kit.ts";
import { mounted, unmount } from "./small-disk.ts";
import { BROWSER, clock, FAINT, STATUS, Tab, text, TOKEN, WIDE } from "./tab.ts";

/** Milliseconds for a test: pages are slow to open on a machine that has much to do. */
const TIMEOUT = 60_000;

const folder = mkdtempSync(join(tmpdir(), "collector-page-"));
const small = join(folder, "small-disk");
const hasSmallDisk = mounted(small, "size=256k");
if (!hasSmallDisk) console.log("full disk: SKIPPED, mounting a tmpfs is not permitted here");
afterAll(() => {
  if (hasSmallDisk) unmount(small);
  rmSync(folder, { recursive: true });
});

const PANEL = "#brought-collector";
const LIST = `${PANEL} .entries`;
const SEARCH = `${PANEL} [name=text]`;
/** The numbers of the entries that are shown, from the top. */
const NUMBERS = `[...document.querySelectorAll("${LIST} .sequence")].map((one) => Number(one.textContent))`;
const MESSAGES = `[...document.querySelectorAll("${LIST} .message > bdi")].map((one) => one.textContent)`;
const LEVELS = `[...new Set([...document.querySelectorAll("${LIST} li")].map((one) => one.dataset.level))].toSorted()`;
const REACHED = text(`${PANEL} .reached span`);
const NOTE = text(`${PANEL} [data-of=search] header span`);
const EMPTY = text(`${PANEL} [data-of=search] .empty`);
/** Says of the element with the focus what a person would call it. */
const FOCUSED = `(() => {
  const { activeElement: node } = document;
  return node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent ?? node.textContent;
})()`;
const fact = (of: string, name: string) =>
  `[...document.querySelectorAll("${PANEL} [data-of=${of}] dl > div")].find((one) => one.querySelector("dt").textContent === "${name}")?.querySelector("dd").textContent ?? null`;
const button = (label: string) =>
  `[...document.querySelectorAll("${PANEL} button")].find((one) => one.textContent === "${label}")`;
/** From a number down to another one. */
const down = (from: number, to: number) =>
  Array.from({ length: from - to + 1 }, (_, i) => from - i);

async function start(own: Overrides = {}): Promise<Booted> {
  const collector = { durability: "batch", ...own };
  return boot(["web", "collector"], { name: "here", collector }, { token: TOKEN, clock });
}

/** Sends records on a connection of their own, and waits until they are written. */
async function send(server: Booted, ...all: readonly Fields[]): Promise<void> {
  const before = server.stats("collector")["written"] as number;
  const sender = new Sender(server.port("collector"));
  sender.send(...all.map(record));
  await until(() => server.stats("collector")["written"] === before + all.length);
  sender.end();
}

const messages = (count: number, from = 0): Fields[] =>
  Array.from({ length: count }, (_, i) => ({
    message: `order ${from + i}`,
    hostname: `ingest-${(from + i) % 3}`,
    loggerName: "orders",
    level: (from + i) % 12,
  }));

/** Opens a page and looks at the panel. */
async function open(on: Booted, width = 1280): Promise<Tab> {
  const tab = await Tab.open(on.url("/"), width);
  await tab.see(`document.querySelector("${PANEL}") !== null`);
  await look(tab);
  return tab;
}

async function look(tab: Tab): Promise<void> {
  await tab.go("collector");
  await tab.get(`document.querySelector("${PANEL}").scrollIntoView()`);
  await tab.see(`document.querySelector("${PANEL} .doors") !== null`);
}

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the Collector panel"
    : "the Collector panel: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    let server: Booted;
    let tab: Tab;

    beforeAll(async () => {
      server = await start({ max_file_bytes: 8000, backup_count: 1000, hash_chain: true });
      tab = await open(server);
      await tab.see(STATUS, "ok");
    }, TIMEOUT);

    afterAll(async () => {
      tab?.view.close();
      await server?.stop();
    });

    test(
      "tells a stranger where programs send to, and who can read it",
      async () => {
        await tab.see(EMPTY, "No entry yet. Programs send theirs to one of the doors above.");
        const rows = `[...document.querySelectorAll("${PANEL} .doors tbody tr")].map((row) => [row.querySelector(".where")?.textContent ?? "", row.cells[1].textContent])`;
        const [tcp, grpc] = server.running("collector").addresses;
        expect(await tab.get(rows)).toEqual([
          [`127.0.0.1:${tcp?.port}`, "open"],
          [`127.0.0.1:${grpc?.port}`, "open"],
          ["", "off"],
          ["", "off"],
          ["", "off"],
        ]);
        // The doors stand here alone.
        expect(await tab.get("document.querySelectorAll('[data-table]').length")).toBe(0);
        expect(await tab.get<string>(text(`${PANEL} [data-of=search] .gloss`))).toContain(
          "whoever may see this page can read all of it",
        );
        await tab.click(`${PANEL} .glossary summary`);
        await tab.see(`document.querySelector("${PANEL} .glossary dl").checkVisibility()`);
        await tab.click(`${PANEL} .glossary summary`);
      },
      TIMEOUT,
    );

    test(
      "shows the entries of one door, and how far back doors are known",
      async () => {
        const path = join(folder, "doors.log");
        const before = await start({ path });
        await send(before, ...messages(5));
        await before.stop();
        const own = await start({ path, lines: true });
        const port = own.running("collector").addresses.find(({ door }) => door === "lines")?.port;
        await send(own, ...messages(4, 5));
        const peer = await dial(port as number);
        peer.send(
          `{"msg":"order 9","level":"info"}\n{"msg":"order 10","level":"error"}\norder 11\n`,
        );
        await until(() => own.stats("collector")["written"] === 7);
        await send(own, ...messages(3, 12));
        const sent = { tcp: [14, 13, 12, 8, 7, 6, 5], lines: [11, 10, 9] };

        const page = await open(own);
        await page.see(NUMBERS, down(14, 0));
        const doors = `[...document.querySelectorAll("${LIST} .door")].map((one) => one.textContent)`;
        expect(await page.get(doors)).toEqual(
          down(14, 0).map((n) => (n < 5 ? "" : sent.lines.includes(n) ? "lines" : "tcp")),
        );
        // Only those that are open.
        const choices = `[...document.querySelectorAll("${PANEL} [aria-label=Door] button")].map((one) => one.textContent)`;
        expect(await page.get(choices)).toEqual(["all doors", "tcp", "grpc", "lines"]);
        for (const door of ["tcp", "lines"] as const) {
          await page.get(`${button(door)}.click()`);
          await page.see(NUMBERS, sent[door]);
          await page.see(REACHED, "Searched back to entry 5: of older ones the door is not known.");
          expect(await page.get(`${button("Older")} ?? null`)).toBe(null);
        }
        await page.get(`${button("error")}.click()`);
        await page.see(NUMBERS, [10]);
        await page.get(`${button("all")}.click()`);
        await page.fill(SEARCH, "order 1");
        await page.see(NUMBERS, [11, 10]);
        await page.get(`${button("grpc")}.click()`);
        await page.see(EMPTY, "No entry matches.");
        await page.get(`${button("lines")}.click()`);
        await page.see(NUMBERS, [11, 10]);
        // What comes is filtered too.
        await send(own, { message: "order 15" });
        peer.send("order 16\n");
        await page.see(NUMBERS, [16, 11, 10]);
        await page.get(`${button("all doors")}.click()`);
        await page.see(NUMBERS, [...down(16, 10), 1]);
        await page.fill(SEARCH, "");
        await page.see(REACHED, "Nothing older is left.");
        for (const width of [1280, 768, 360]) {
          await page.view.resize(width, 1000);
          expect([width, await page.get(WIDE)]).toEqual([width, []]);
        }
        expect(page.troubles).toEqual([]);
        page.view.close();
        peer.end();
        await own.stop();
      },
      TIMEOUT,
    );

    test(
      "goes on while it is above the window",
      async () => {
        const own = await start();
        const page = await open(own);
        // Nothing of it is left in the window, nor near that.
        await page.get("document.body.style.paddingBottom = '3000px'");
        await page.get("scrollTo(0, document.documentElement.scrollHeight)");
        await page.see(`document.querySelector("${PANEL}").getBoundingClientRect().bottom < -500`);
        await send(own, { message: "unseen" });
        await page.see(`${MESSAGES}[0] ?? null`, "unseen");
        page.view.close();
        await own.stop();
      },
      TIMEOUT,
    );

    test(
      "follows what comes, and tells of doors and files",
      async () => {
        await send(server, ...messages(60));
        await tab.see(NUMBERS, down(59, 0));
        await send(server, ...messages(60, 60));
        await tab.see(NUMBERS, down(119, 0));
        await tab.see(NOTE, "120 entries, the newest first");
        await tab.see(`/^\\d+ files of 1,000, /.test(${fact("files", "Rotated")})`);
        await tab.see(`/^119:[0-9a-f]{16} /.test(${fact("files", "Chain")})`);
        const entries = `document.querySelector("${PANEL} .doors tbody tr").cells[4].textContent`;
        await tab.see(entries, "120");
        const first = `document.querySelector("${LIST} li")`;
        await tab.get(`${first}.kept = true`);
        await send(server, { message: "one more", level: 11 });
        await tab.see(`${MESSAGES}[0]`, "one more");
        // Each column stands in the list, the level too.
        const sides = `(({ left, right }) => [left, right])`;
        expect(
          await tab.get(`(([from, to]) =>
            [...document.querySelectorAll("${LIST} li > *")].map((one) => ${sides}(one.getBoundingClientRect()))
              .filter(([left, right]) => left < from || right > to))(
            ${sides}(document.querySelector("${LIST}").getBoundingClientRect()))`),
        ).toEqual([]);
        // The rows that were there are the same elements.
        expect(await tab.get(`${first}.nextElementSibling.kept`)).toBe(true);
        expect(await tab.get(`${first}.querySelector(".level").textContent`)).toBe("■ critical");
      },
      TIMEOUT,
    );

    test(
      "tells what was refused, and why",
      async () => {
        new Sender(server.port("collector")).send(Buffer.from([0xff, 0, 0, 0]));
        const told = text(`${PANEL} .doors .adverse-line`);
        await tab.see(told, "1 refused, oversized: they were too long");
      },
      TIMEOUT,
    );

    test(
      "searches by text and by level, and marks what it found",
      async () => {
        await tab.fill(SEARCH, "ORDER 11");
        await tab.see(NUMBERS, [...down(119, 110), 11]);
        expect(await tab.get(text(`${LIST} mark`))).toBe("order 11");
        await tab.see(REACHED, "Nothing older is left.");
        await tab.see(text(`${PANEL} [role=status]`), "11 entries found. Nothing older is left.");
        await tab.fill(SEARCH, "");
        await tab.see(`${NUMBERS}.length`, 100);
        await tab.get(`${button("warning")}.click()`);
        await tab.see(LEVELS, ["critical", "error", "warning"]);
        await tab.see(`${NUMBERS}.length`, 31);
        await tab.get(`${button("critical")}.click()`);
        await tab.see(LEVELS, ["critical"]);
        await tab.fill(SEARCH, "no such text");
        await tab.see(EMPTY, "No entry matches.");
        // What comes is filtered too.
        await send(
          server,
          { message: "no such text", level: 3 },
          { message: "No Such Text", level: 11 },
        );
        await tab.see(MESSAGES, ["No Such Text"]);
        await tab.fill(SEARCH, "");
        await tab.get(`${button("all")}.click()`);
        await tab.see(`${MESSAGES}[1]`, "no such text");
      },
      TIMEOUT,
    );

    test(
      "goes back page by page, and by number",
      async () => {
        await tab.see(`${NUMBERS}.length`, 100);
        await tab.see(REACHED, "Searched back to entry 23.");
        await tab.get(`${button("Older")}.click()`);
        await tab.see(NUMBERS, down(122, 0));
        expect(await tab.get(`${button("Older")} ?? null`)).toBe(null);
        await tab.fill(`${PANEL} [name=from]`, "20");
        await tab.fill(`${PANEL} [name=to]`, "24");
        await tab.see(NUMBERS, down(24, 20));
        await tab.see(REACHED, "Searched back to entry 20, as was wanted.");
        for (const name of ["from", "to"]) await tab.fill(`${PANEL} [name=${name}]`, "");
        await tab.see(`${NUMBERS}[0]`, 122);
      },
      TIMEOUT,
    );

    test(
      "follows no more when told so, and catches up",
      async () => {
        await tab.get(`${button("Follow")}.click()`);
        await tab.see(`${button("Follow")}.ariaPressed`, "false");
        await send(server, { message: "unseen" });
        const entries = `document.querySelector("${PANEL} .doors tbody tr").cells[4].textContent`;
        await tab.see(entries, "124");
        expect(await tab.get(`${NUMBERS}[0]`)).toBe(122);
        await tab.get(`${button("Follow")}.click()`);
        await tab.see(`${MESSAGES}[0]`, "unseen");
      },
      TIMEOUT,
    );

    test(
      "is used by keyboard alone, and nobody is taken away from where they are",
      async () => {
        await tab.get("document.activeElement.blur()");
        await tab.tabTo(SEARCH);
        await tab.view.type("order 5");
        await tab.see(NUMBERS, [...down(59, 50), 5]);
        expect(await tab.get(FOCUSED)).toBe("Search");
        // What is typed stays while entries come and others are asked for.
        await send(server, { message: "order 500" });
        await tab.see(`${MESSAGES}[0]`, "order 500");
        expect(await tab.get(`document.activeElement.value`)).toBe("order 5");
        expect(await tab.get(`document.activeElement.selectionStart`)).toBe(7);
        await tab.tabTo(`${PANEL} .switch button:nth-child(5)`);
        await tab.view.press("Enter");
        await tab.see(LEVELS, ["critical", "error", "warning"]);
        expect(await tab.get(FOCUSED)).toBe("warning");
        await tab.tabTo(LIST);
        expect(await tab.get(FOCUSED)).toBe("Entries");
        await send(server, { message: "order 501", level: 10 });
        await tab.see(`${MESSAGES}[0]`, "order 501");
        expect(await tab.get(FOCUSED)).toBe("Entries");
        await tab.get(`${button("all")}.click()`);
        await tab.fill(SEARCH, "");
        await tab.see(`${NUMBERS}.length`, 100);
        await tab.get(`document.querySelector("${LIST}").focus()`);
        await tab.view.press("End");
        await tab.see(`document.querySelector("${LIST}").scrollTop > 0`);
        await tab.tabTo(`${PANEL} .reached button`);
        await tab.view.press("Enter");
        await tab.see(`${NUMBERS}.at(-1)`, 0);
        // The button is gone; the focus is near where it was.
        expect(await tab.get(FOCUSED)).toBe("Entries");
      },
      TIMEOUT,
    );

    test(
      "whatever programs log is text, and no window is too narrow for it",
      async () => {
        const long = "x".repeat(3000);
        const odd = `<img src=x onerror="window.caught=1"> \u202egnp.exe مرحبا\u0000\n${long}`;
        const all = { message: odd, hostname: odd, loggerName: odd, timestamp: odd, filename: odd };
        await send(server, ...[9, 10, 11, 3].map((level) => ({ ...all, level })));
        await tab.see(`${MESSAGES}[0].includes("onerror")`);
        expect(
          await tab.get(`[document.querySelector("${PANEL} img"), window.caught ?? null]`),
        ).toEqual([null, null]);
        for (const isDark of [false, true]) {
          await tab.dark(isDark);
          expect(await tab.get(FAINT)).toEqual([]);
          for (const width of [1280, 768, 360]) {
            await tab.view.resize(width, 1000);
            expect([width, await tab.get(WIDE)]).toEqual([width, []]);
          }
        }
        await tab.view.resize(1280, 1000);
        await tab.dark(false);
      },
      TIMEOUT,
    );

    test(
      "keeps a thousand entries, and comes back from far",
      async () => {
        // The long entries go, and whatever stands below them comes up.
        await look(tab);
        await send(server, ...messages(1500, 1000));
        const last = server.stats("collector")["records"] as number;
        await tab.see(`${NUMBERS}[0]`, last - 1);
        // However much of them came while they were followed, a search begins with a hundred.
        await tab.get(`document.querySelector("${SEARCH}").focus()`);
        await tab.view.press("Enter");
        await tab.see(`${NUMBERS}.length`, 100);
        for (let pages = 2; pages <= 10; pages++) {
          await tab.see(`document.querySelector("${PANEL} .reached button").ariaDisabled`, null);
          await tab.get(`${button("Older")}.click()`);
          await tab.see(`${NUMBERS}.length`, pages * 100);
        }
        await tab.get(`${button("Older")}.click()`);
        await tab.see(NUMBERS, down(last - 101, last - 1100));
        await tab.see(
          `(${text(`${PANEL} [data-of=search] .adverse-line`)}).endsWith("are not shown any more.")`,
        );
        // What comes takes nobody away from there; following begins at the newest again.
        expect(await tab.get(`${button("Follow")}.ariaPressed`)).toBe("false");
        await send(server, { message: "back" });
        const entries = `document.querySelector("${PANEL} .doors tbody tr").cells[4].textContent`;
        await tab.see(entries, (last + 1).toLocaleString("en-US"));
        expect(await tab.get(`${NUMBERS}[0]`)).toBe(last - 101);
        await tab.get(`${button("Follow")}.click()`);
        await tab.see(NUMBERS, down(last, last - 99));
      },
      TIMEOUT,
    );

    test("nothing went wrong in the page", () => {
      expect(tab.troubles).toEqual([]);
    });

    test.skipIf(!hasSmallDisk)(
      "tells of a full disk what to do, and when it is over",
      async () => {
        const path = join(small, "_main.log");
        const own = { path, max_retries: 0, buffer_size: 100, max_file_bytes: 2 ** 20 };
        const full = await start(own);
        const sender = new Sender(full.port("collector"));
        const total = 3000;
        sender.send(...messages(total).map(record));
        await until(() => full.stats("collector")["blocked"] === 1);
        const page = await open(full);
        await page.see(STATUS, "failing");
        const blocked = (name: string) => fact("state", name);
        await page.see(
          `(${blocked("Nothing is written")})?.startsWith("cannot write: no space left on device, for ")`,
        );
        await page.see(
          `(${blocked("What to do")})?.startsWith("Make room on the disk of ${small}.")`,
        );
        const written = full.stats("collector")["written"] as number;
        await page.see(blocked("Last written"), `entry ${(written - 1).toLocaleString("en-US")}`);
        await until(() => (full.stats("collector")["pending"] as number) >= 100);
        await page.see(`(${blocked("Senders")})?.startsWith("They wait")`);
        await page.see(
          `document.querySelector("${PANEL} .doors tbody tr").cells[1].textContent`,
          "▲waits",
        );
        await page.see(fact("files", "Disk"), "▲0 B of 262 kB free");
        // What is written can be searched meanwhile.
        await page.see(`${NUMBERS}[0]`, written - 1);
        for (const width of [1280, 360]) {
          await page.view.resize(width, 1000);
          expect([width, await page.get(WIDE)]).toEqual([width, []]);
        }
        Bun.spawnSync(["mount", "-o", "remount,size=8m", small]);
        await until(() => full.stats("collector")["written"] === total);
        await look(page);
        await page.see(`document.querySelector("${PANEL} .blocked")`, null);
        await page.see(STATUS, "ok");
        await page.see(`${NUMBERS}[0]`, total - 1);
        expect(page.troubles).toEqual([]);
        page.view.close();
        sender.end();
        await full.stop();
      },
      TIMEOUT,
    );
  },
);
