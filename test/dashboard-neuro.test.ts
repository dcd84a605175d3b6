import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { boot, type Booted, type Overrides, until } from "./kit.ts";
import { dialGame, gameOf, type TestGame } from "./neuro-suite.ts";
import { BROWSER, clock, FAINT, STATUS, stat, Tab, text, TOKEN, WIDE } from "./tab.ts";

/** Milliseconds for a test: pages are slow to open on a machine that has much to do. */
const TIMEOUT = 60_000;

const CARD = {
  name: "play_card",
  description: "Play a card from the hand.",
  schema: {
    type: "object",
    properties: {
      card: { enum: ["Strike", "Defend", "Bash"] },
      target: { type: "integer", minimum: 0, maximum: 4, description: "From the left, 0 first." },
      tags: { type: "array", items: { type: "string" }, maxItems: 3 },
      where: { type: "object", properties: { x: { type: "number" } }, required: ["x"] },
    },
    required: ["card"],
  },
};
const TURN = { query: "It is your turn.", state: "# Floor 12\n\n- **41** of 80\n" };

const PANEL = "#brought-neuro";
const FORM = `${PANEL} form`;
const ADMIN = "document.documentElement.dataset.admin";
/** The control of a field of the form, by its title. */
const control = (title: string) =>
  `[...document.querySelectorAll("${FORM} .field")].find((one) => one.querySelector(".key").textContent === "${title}").querySelector("input, select, textarea")`;
/** Says of the element with the focus what a person would call it. */
const FOCUSED = `(() => {
  const { activeElement: node } = document;
  return node.getAttribute("aria-label") ?? node.labels?.[0]?.querySelector(".key")?.textContent ?? node.textContent;
})()`;
const GAMES = `[...document.querySelectorAll("${PANEL} nav.games b > .theirs")].map((one) => one.textContent)`;
const QUERY = text(`${PANEL} .query`);
const OUTCOME = text(`${FORM} .outcome`);

async function start(
  section: object = {},
  overrides: Overrides = {},
  token: string | null = TOKEN,
) {
  const neuro = { brain: "web", random_delay_ms: 0, ...section };
  const options = { clock, ...(token === null ? {} : { token }) };
  return boot(["web", "neuro"], { name: "here", neuro, ...overrides }, options);
}

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the Neuro panel"
    : "the Neuro panel: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    let server: Booted;
    let tab: Tab;
    const games: TestGame[] = [];

    beforeAll(async () => {
      server = await start();
      tab = await open(server);
    }, TIMEOUT);

    afterEach(async () => {
      for (const game of games.splice(0)) game.close();
      await until(() => server.stats("neuro")["games"] === 0);
      // That a game has left, and what a form is told, is answered with a status that browsers tell of.
      const expected = /status of 40[049] .*\/(panels|admin)\/neuro\//;
      expect(tab.troubles.filter((one) => !expected.test(one))).toEqual([]);
    });

    afterAll(async () => {
      tab?.view.close();
      await server?.stop();
    });

    /** Opens a page and looks at the panel. */
    async function open(on: Booted, width = 1280): Promise<Tab> {
      const opened = await Tab.open(on.url("/"), width);
      await opened.see(STATUS, "ok");
      await opened.see(`document.querySelector("${PANEL}") !== null`);
      await opened.go("neuro");
      await opened.get(`document.querySelector("${PANEL}").scrollIntoView()`);
      await opened.see(`document.querySelector("${PANEL} .nobody, ${PANEL} .games") !== null`);
      // The games stand there alone.
      expect(await opened.get("document.querySelectorAll('[data-table]').length")).toBe(0);
      return opened;
    }

    async function join(name: string, ...actions: (string | object)[]): Promise<TestGame> {
      const game = await dialGame(server.port("neuro"), name);
      games.push(game);
      game.send("startup");
      await game.next();
      if (actions.length > 0) game.register(...actions);
      await until(() => gameOf(server, name)?.actions.length === actions.length);
      return game;
    }

    /** Signs in, where no test before has. */
    async function signedIn(): Promise<void> {
      if ((await tab.get(ADMIN)) !== "signed-in") await tab.signIn();
      await tab.see(ADMIN, "signed-in");
    }

    /** Shows a game, if another one is shown. */
    async function look(name: string): Promise<void> {
      await tab.see(`${GAMES}.includes(${JSON.stringify(name)})`);
      await tab.get(
        `[...document.querySelectorAll("${PANEL} nav.games button")].find((one) => one.textContent.startsWith(${JSON.stringify(name)})).click()`,
      );
      await tab.see(text(`${PANEL} .name`), name);
    }

    test(
      "tells a stranger what to do",
      async () => {
        await tab.see(
          `document.querySelector("${PANEL} .nobody p").textContent`,
          `No game is here. Start yours with NEURO_SDK_WS_URL=ws://127.0.0.1:${server.port("neuro")}.`,
        );
        await tab.click(`${PANEL} .glossary summary`);
        await tab.see(`document.querySelector("${PANEL} .glossary dl").checkVisibility()`);
        await tab.click(`${PANEL} .glossary summary`);
      },
      TIMEOUT,
    );

    test(
      "has each number of its service once, and titles without underscores",
      async () => {
        await tab.see(
          `[...document.querySelectorAll("[data-part=neuro] .blocks h2")].map((one) => one.textContent)`,
          ["diagnostics", "forces ended by how", "closed by reason"],
        );
      },
      TIMEOUT,
    );

    test(
      "asks for the token where it is needed, and gives it no act before",
      async () => {
        if ((await tab.get(ADMIN)) === "signed-in") await tab.signOut();
        const game = await join("Signed out", "wave");
        await look("Signed out");
        expect(await tab.get(text(`${PANEL} .rights`))).toBe("To act from here, sign in.");
        await tab.click(`${FORM} .main`);
        await tab.see("document.querySelector('#sign-in').open");
        await tab.fill("#sign-in [name=token]", TOKEN);
        await tab.view.press("Enter");
        await tab.see("document.documentElement.dataset.admin", "signed-in");
        await tab.see(`document.querySelector("${PANEL} .rights")`, null);
        expect(game.frames).toEqual([]);
        await tab.click(`${FORM} .main`);
        expect((await game.action()).name).toBe("wave");
      },
      TIMEOUT,
    );

    test(
      "a person answers a force by keyboard alone",
      async () => {
        await signedIn();
        const game = await join("Slay the Spire", CARD, "end_turn", "say");
        game.force(["play_card", "end_turn"], {
          ...TURN,
          priority: "high",
          ephemeral_context: true,
        });
        await look("Slay the Spire");
        await tab.see(QUERY, "It is your turn.");
        await tab.see(
          `[...document.querySelectorAll("${PANEL} .names li")].map((one) => one.textContent)`,
          ["play_cardasked for", "end_turnasked for", "say"],
        );
        const manners = await tab.get<string>(text(`${PANEL} .manners`));
        expect(manners).toContain("high priority: what is being said is cut short");
        expect(manners).toContain("ephemeral: what it says is forgotten");
        expect(await tab.get(text(`${PANEL} .states [aria-current]`))).toMatch(/^choosing/);
        await tab.see(
          text(`${PANEL} .states + .gloss`),
          "It waits for a person to choose one of these actions.",
        );
        expect(await tab.get(text(`${PANEL} .markdown strong`))).toBe("41");

        await tab.get("document.activeElement.blur()");
        await tab.tabTo(`${FORM} select`);
        expect(await tab.get(FOCUSED)).toBe("card");
        await tab.view.press("ArrowDown");
        await tab.view.press("Tab");
        expect(await tab.get(FOCUSED)).toBe("target");
        await tab.view.type("2");
        await tab.tabTo(`${FORM} .main`);
        expect(await tab.get(FOCUSED)).toBe("Choose play_card");
        await tab.view.press("Enter");
        const { id, name, data } = await game.action();
        expect([name, JSON.parse(data as string)]).toEqual([
          "play_card",
          { card: "Defend", target: 2 },
        ]);
        game.result(id, true, "Blocked 5.");
        await tab.see(`(${OUTCOME}).startsWith("It succeeded after ")`);
        expect(await tab.get<string>(OUTCOME)).toEndWith(": Blocked 5.");
        expect(await tab.get(FOCUSED)).toMatch(/play_card$/);
        await tab.see(`document.querySelector("${PANEL} .query")`, null);
        await tab.see(text(`${PANEL} .bars .end`), "succeeded");
        expect(await tab.get(`document.querySelector("${PANEL} .phases").ariaLabel`)).toMatch(
          /^queued .*, choosing .*, sent /,
        );
        await tab.see(text(`${PANEL} .results .said`), "Blocked 5.");
      },
      TIMEOUT,
    );

    test(
      "what is wrong is told at its field, and then it goes",
      async () => {
        await signedIn();
        const game = await join("Wrong fields", CARD);
        await look("Wrong fields");
        await tab.see(text(`${FORM} .main`), "Send play_card");
        await tab.get(`${control("target")}.focus()`);
        await tab.view.type("nine");
        await tab.view.press("Enter");
        const wrong = `${control("target")}.closest(".field").querySelector(".wrong").textContent`;
        await tab.see(wrong, "Found nine; wanted a whole number from 0 to 4.");
        expect(await tab.get(FOCUSED)).toBe("target");
        expect(await tab.get(`${control("target")}.ariaInvalid`)).toBe("true");
        expect(await tab.get(OUTCOME)).toBe("It was not sent.");
        await tab.get(`${control("target")}.select()`);
        await tab.view.type("4");
        await tab.see(`${control("target")}.ariaInvalid`, null);
        // An entry of a list, and a group of its own.
        await tab.get(`document.querySelector("${FORM} .entries + button").click()`);
        await tab.view.type("fast");
        await tab.get(`document.querySelector("${FORM} .give input").click()`);
        await tab.get(`${control("x")}.focus()`);
        await tab.view.type("far");
        await tab.view.press("Enter");
        await tab.see(`${control("x")}.ariaInvalid`, "true");
        expect(await tab.get(FOCUSED)).toBe("x");
        await tab.get(`${control("x")}.select()`);
        await tab.view.type("0.5");
        await tab.view.press("Enter");
        const { id, data } = await game.action();
        expect(JSON.parse(data as string)).toEqual({
          card: "Strike",
          target: 4,
          tags: ["fast"],
          where: { x: 0.5 },
        });
        game.result(id, false, "No such enemy.");
        await tab.see(`/^It failed after .*: No such enemy\\.$/.test(${OUTCOME})`);
      },
      TIMEOUT,
    );

    test(
      "the same data can be written as JSON",
      async () => {
        await signedIn();
        const game = await join("As JSON", CARD);
        await look("As JSON");
        await tab.get(`${control("target")}.focus()`);
        await tab.view.type("3");
        await tab.click(`${FORM} .buttons button:last-child`);
        const area = `document.querySelector("${FORM} textarea")`;
        await tab.see(`JSON.parse(${area}.value)`, { card: "Strike", target: 3 });
        await tab.see(`document.activeElement === ${area}`);
        await tab.fill(`${FORM} textarea`, "{oops");
        await tab.click(`${FORM} .main`);
        await tab.see(`(${text(`${FORM} > .wrong`)}).startsWith("This is no JSON: ")`);
        await tab.fill(`${FORM} textarea`, '{"card": "Hug"}');
        await tab.click(`${FORM} .main`);
        await tab.see(`(${text(`${FORM} > .wrong`)}).startsWith("card: ")`);
        await tab.fill(`${FORM} textarea`, '{"card": "Bash", "big": 12345678901234567890}');
        await tab.click(`${FORM} .buttons button:last-child`);
        await tab.see(text(`${FORM} > .wrong`), "The form has no field for big: it would be lost.");
        await tab.click(`${FORM} .main`);
        expect((await game.action()).data).toBe('{"card": "Bash", "big": 12345678901234567890}');
        await tab.fill(`${FORM} textarea`, '{"card": "Bash"}');
        await tab.click(`${FORM} .buttons button:last-child`);
        await tab.see(`${control("card")}.selectedOptions[0].textContent`, "Bash");
      },
      TIMEOUT,
    );

    test(
      "a fault of the game is told with its cure",
      async () => {
        await signedIn();
        const game = await join("Careless", "a");
        await look("Careless");
        expect(await tab.get(text(`${PANEL} [data-of=diagnostics] .empty`))).toStartWith("Nothing");
        game.send("actions/force", { query: "Go.", action_names: ["b"] });
        const first = `document.querySelector("${PANEL} .diagnostics li")?.innerText ?? ""`;
        await tab.see(`(${first}).includes("error")`);
        const told = await tab.get<string>(first);
        expect(told).toContain("N212");
        expect(told).toContain("Cure: ");
        game.send("actions/force", { query: "Go.", action_names: ["b"] });
        await tab.see(`(${first}).includes("2 times, ")`);
        await tab.see(`(${text(`${PANEL} nav.games .adverse`)})`, " ▲ 2 errors");
      },
      TIMEOUT,
    );

    test(
      "nobody is taken away from a form: neither by news, nor by a game that leaves and comes back",
      async () => {
        await signedIn();
        const first = await join("Comes back", CARD, "end_turn");
        await look("Comes back");
        await tab.get(`${control("target")}.focus()`);
        await tab.view.type("1");
        await tab.get(`${control("target")}.kept = true`);
        const stays = async () => {
          expect(await tab.get(`${control("target")}.kept`)).toBe(true);
          expect(await tab.get(`${control("target")}.value`)).toBe("1");
          expect(await tab.get(FOCUSED)).toBe("target");
        };
        // News, and a force for another action.
        first.send("context", { message: "Something has happened.", silent: true });
        await tab.see(`(${text(`${PANEL} .context`)} ?? "").includes("Something has happened.")`);
        first.force(["end_turn"]);
        await tab.see(QUERY, "Go.");
        await stays();
        // The game takes the action back, and has another one of the name then.
        const warned = text(`${FORM}`.replace("form", ".pane .adverse-line"));
        first.send("actions/unregister", { action_names: ["play_card"] });
        await tab.see(`(${warned} ?? "").includes("taken this action back")`);
        await stays();
        first.register({ ...CARD, schema: { ...CARD.schema, required: [] } });
        await tab.see(`(${warned} ?? "").includes("has changed what this action takes")`);
        await stays();
        first.close();
        await tab.see(`(${warned} ?? "").includes("The game has left")`);
        await tab.see(`(${text(`${PANEL} .gone`)} ?? "").includes("The game has left")`);
        await stays();
        expect(await tab.get(`document.querySelector("${FORM} .main").ariaDisabled`)).toBe("true");
        const again = await join("Comes back", CARD);
        await tab.see(`document.querySelector("${PANEL} .gone")`, null);
        await tab.see(`document.querySelector("${FORM} .main").ariaDisabled`, null);
        await stays();
        await tab.view.press("Enter");
        expect(JSON.parse((await again.action()).data as string)).toEqual({
          card: "Strike",
          target: 1,
        });
      },
      TIMEOUT,
    );

    test(
      "a choice that comes too late is not sent as something else",
      async () => {
        await signedIn();
        const game = await join("Too late", "a", "b", "c");
        await look("Too late");
        // Whoever points at the form is at it.
        await tab.mouse(5, 5);
        const press = () => tab.get(`document.querySelector("${FORM} .main").click()`);
        const moot = `(${OUTCOME}).startsWith("It was not sent: what the game asks for has just")`;
        // However slow this is, the presses come right after the changes.
        await tab.get("(performance.now = ((at) => () => at)(performance.now()))");
        game.force(["a"]);
        await tab.see(text(`${FORM} .main`), "Choose a");
        // Nobody is at the form: it is changed for what is asked for now.
        game.force(["b"]);
        await tab.see(text(`${FORM} .main`), "Choose b");
        await press();
        await tab.see(moot);
        // Somebody is at the form: it stays, but is no answer any more.
        await tab.get(`document.querySelector("${FORM} .main").focus()`);
        game.force(["c"]);
        await tab.see(text(`${FORM} .main`), "Send b");
        await tab.get(`document.querySelector("${FORM} .outcome").replaceChildren()`);
        await press();
        await tab.see(moot);
        expect(game.frames).toEqual([]);
        await tab.get("delete performance.now");
        await tab.get(`document.querySelector("${PANEL} .chip").click()`);
        await tab.see(text(`${FORM} .main`), "Choose c");
        await press();
        expect((await game.action()).name).toBe("c");
      },
      TIMEOUT,
    );

    test(
      "what is said with a choice is spoken, where there is a voice",
      async () => {
        const voiced = await start({ speech: { words_per_minute: 6000 } });
        const game = await dialGame(voiced.port("neuro"), "Voiced");
        game.send("startup");
        await game.next();
        game.register("a");
        const page = await open(voiced);
        await page.signIn();
        await page.get(`document.querySelector("${PANEL}").scrollIntoView()`);
        const aloud = `document.querySelector("${FORM} .aloud")`;
        await page.see(`${aloud}?.hidden ?? false`);
        game.force(["a"]);
        await page.see(`${aloud}.hidden`, false);
        await page.get(`${aloud}.querySelector("input").focus()`);
        await page.view.type("Here I come.");
        await page.view.press("Enter");
        expect((await game.action()).name).toBe("a");
        expect(await game.next()).toEqual({ command: "speech_finished", data: { isFinal: true } });
        expect(page.troubles).toEqual([]);
        page.view.close();
        game.close();
        await voiced.stop();
      },
      TIMEOUT,
    );

    test(
      "orders are given after a question, which Escape takes back",
      async () => {
        await signedIn();
        const game = await join("Ordered", "a");
        await look("Ordered");
        const button = (at: number) => `${PANEL} .orders button:nth-child(${at})`;
        await tab.get(`document.querySelector("${button(2)}").focus()`);
        await tab.view.press("Enter");
        await tab.see("document.querySelector('.neuro-question')?.open ?? false");
        expect(await tab.get(FOCUSED)).toBe("Cancel");
        await tab.view.press("Escape");
        await tab.see("document.querySelector('.neuro-question')", null);
        expect(await tab.get(FOCUSED)).toBe("Shut down…");
        const order = async (at: number) => {
          await tab.click(button(at));
          await tab.see("document.querySelector('.neuro-question')?.open ?? false");
          await tab.click(".neuro-question .main");
        };
        await order(2);
        expect(await game.next()).toEqual({
          command: "shutdown/graceful",
          data: { wants_shutdown: true },
        });
        await order(1);
        expect(await game.next()).toEqual({ command: "actions/reregister_all" });
        await order(3);
        await game.closed;
        await tab.see(`(${text(`${PANEL} .gone`)} ?? "").includes("The game has left")`);
      },
      TIMEOUT,
    );

    test(
      "whatever games call things is text, and no window is too narrow for it",
      async () => {
        await signedIn();
        const long = `a-very-long-name-${"that-someone-thought-was-funny-".repeat(9)}`;
        const odd = [
          `<img src=x onerror="window.caught=1">`,
          "\u202egnp.exe\u202c.agent",
          "مرحبا orders",
          long,
          "line\nbreak\ttab\u0000nul",
        ];
        const all = odd.join(" ");
        const schema = {
          type: "object",
          description: all,
          required: odd,
          properties: Object.fromEntries(
            odd.map((key) => [key, { enum: odd, title: `${key}!`, description: all }]),
          ),
        };
        const actions = odd.map((name) => ({ name, description: all, schema }));
        for (const name of odd) {
          const game = await join(name, ...actions);
          game.send("context", { message: all, silent: false });
          game.force(odd, { query: all, state: `${odd.join("\n")}\n${"*_`".repeat(3000)}` });
          game.send("action/result", { id: all, success: true });
        }
        await tab.see(`${GAMES}.length`, odd.length);
        const [first = ""] = odd;
        await look(first);
        await tab.see(`(${QUERY} ?? "").startsWith(${JSON.stringify(first)})`);
        expect(await tab.get(`[...(${GAMES})]`)).toEqual([
          first,
          "\\u202egnp.exe\\u202c.agent",
          "مرحبا orders",
          expect.stringMatching(/^a-very-long-name-/),
          "line\\nbreak\\ttab\\u0000nul",
        ]);
        expect(
          await tab.get(`[document.querySelector("${PANEL} img"), window.caught ?? null]`),
        ).toEqual([null, null]);
        expect(
          await tab.get<number>(`document.querySelectorAll("${PANEL} .markdown *").length`),
        ).toBeLessThan(2100);
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
      "a thousand games are found by name and page by page",
      async () => {
        // A connection carries 32 games.
        const sockets = await Promise.all(
          Array.from({ length: 32 }, (_, i) => dialGame(server.port("neuro"), `Fleet ${i}`)),
        );
        games.push(...sockets);
        for (const [i, { socket }] of sockets.entries()) {
          for (let j = 0; j < 32; j++) {
            socket.send(JSON.stringify({ command: "startup", game: `Fleet ${i} ${j}` }));
          }
        }
        await until(() => server.stats("neuro")["games"] === 1024);
        const range = text(`${PANEL} .pager span`);
        await tab.see(range, "1–12 of 1,024");
        expect(await tab.get(`${GAMES}.length`)).toBe(12);
        await tab.click(`${PANEL} [aria-label="Next games"]`);
        await tab.see(range, "13–24 of 1,024");
        await tab.fill(`${PANEL} .tools [type=search]`, "fleet 31 31");
        await tab.see(GAMES, ["Fleet 31 31"]);
        expect(await tab.get(range)).toBe("1–1 of 1");
        await tab.fill(`${PANEL} .tools [type=search]`, "nowhere");
        await tab.see(text(`${PANEL} [data-of=games] .empty`), "No game matches.");
        expect(await tab.get("document.activeElement.type")).toBe("search");
        await tab.fill(`${PANEL} .tools [type=search]`, "");
        await tab.see(range, "1–12 of 1,024");
      },
      TIMEOUT,
    );

    test(
      "the chosen game is in the address: a link leads to it, and back leads back",
      async () => {
        const [one, other] = [await join("First of two", "a"), await join("Second of two", "b")];
        await look("First of two");
        await look("Second of two");
        const id = gameOf(server, "Second of two")?.id;
        await tab.see("location.hash", `#/neuro?game=${id}`);
        await tab.get("history.back()");
        await tab.see(text(`${PANEL} .name`), "First of two");
        const second = await Tab.open(`${server.url("/")}#/neuro?game=${id}`);
        await second.see(text(`${PANEL} .name`), "Second of two");
        // One that is not there is none: it picks one itself.
        await second.get(`location.hash = "#/neuro?game=999999"`);
        await second.see("location.hash", "#/neuro");
        await second.see(text(`${PANEL} .name`), "First of two");
        second.view.close();
        one.close();
        other.close();
      },
      TIMEOUT,
    );

    test(
      "a game that has much to tell is asked for once a second at most",
      async () => {
        const game = await join("Talks much", "a");
        await look("Talks much");
        const asked = () =>
          tab.requests.filter((url) => url.includes("/panels/neuro/game?")).length;
        const seconds = `document.querySelector("[data-stat='process.uptime_seconds']").dataset.value`;
        const [before, from] = [asked(), Number(await tab.get(seconds))];
        // News come all the time, and no second without them.
        let sent = 0;
        while (Number(await tab.get(seconds)) < from + 8) {
          game.send("context", { message: `${sent++}`, silent: true });
        }
        expect(asked() - before).toBeWithin(2, 13);
      },
      TIMEOUT,
    );

    test(
      "asks for nothing while nobody looks, and catches up",
      async () => {
        const game = await join("Unseen", "a");
        await look("Unseen");
        const asked = () => tab.requests.filter((url) => url.includes("/panels/neuro/")).length;
        const uptime = stat("process.uptime_seconds");
        const news = async (message: string) => {
          game.send("context", { message, silent: true });
          // The page hears of it before the state of the second after the next.
          const before = await tab.get<number>(uptime);
          await tab.see(`${uptime} > ${before + 2}`);
        };
        await tab.go("overview");
        await news("settles");
        const before = asked();
        await news("behind its back");
        await news("once more");
        expect(asked()).toBe(before);
        await tab.go("neuro");
        await tab.see(`(${text(`${PANEL} .context`)} ?? "").includes("once more")`);
      },
      TIMEOUT,
    );

    test(
      "without a token at the server, it says how to get one",
      async () => {
        const other = await start({}, {}, null);
        const game = await dialGame(other.port("neuro"), "No token");
        game.send("startup");
        await game.next();
        game.register("a");
        const page = await open(other);
        await page.see(`(${text(`${PANEL} .rights`)} ?? "").includes("SUMMONER_TOKEN")`);
        expect(await page.get(`document.querySelector("${FORM} .main").ariaDisabled`)).toBe("true");
        await page.click(`${FORM} .main`);
        await page.click(`${PANEL} .orders button`);
        expect(await page.get("document.querySelector('dialog[open]')")).toBe(null);
        expect(page.troubles).toEqual([]);
        expect(game.frames).toEqual([]);
        page.view.close();
        game.close();
        await other.stop();
      },
      TIMEOUT,
    );
  },
);
