import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { record, Sender } from "./collector-suite.ts";
import { ask, boot, type Booted, dial, type Peer, until } from "./kit.ts";
import { dialGame, type TestGame } from "./neuro-suite.ts";
import { HandRoom, NODE, sharing } from "./room-suite.ts";
import { BROWSER, clock, FAINT, STATUS, Tab, text, TOKEN, WIDE } from "./tab.ts";

/** Milliseconds for a test that looks at every place at every width. */
const TIMEOUT = 180_000;

const HOSTILE = `<img src=x onerror="window.caught=1">\u202e\u0007${"long ".repeat(40)}${"W".repeat(600)}`;

/** What an assistive technology, a finger or a keyboard would stumble over in what is shown. */
const FAULTS = `(() => {
  const faults = [];
  const all = (selector) =>
    [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility() && !one.closest("[inert]"));
  const named = (one) =>
    one.getAttribute("aria-label") ??
    document.getElementById(one.getAttribute("aria-labelledby"))?.textContent ?? "";
  const level = (one) => Number(one.getAttribute("aria-level") ?? one.tagName.slice(1));
  let before = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    if (level(heading) > before + 1) faults.push("heading: " + heading.textContent + " " + before + " " + level(heading));
    before = level(heading);
  }
  const tops = all("h1, [aria-level='1']").filter((one) => level(one) === 1).length;
  if (tops !== 1) faults.push("titles: " + tops);
  const mains = all("main, [role=main]").filter((one) => one.getAttribute("role") !== "complementary").length;
  if (mains !== 1) faults.push("mains: " + mains);
  const names = new Set();
  for (const one of all("nav, aside, [role=complementary], section[aria-label], section[aria-labelledby], [role=region], [role=search]")) {
    const name = (one.getAttribute("role") ?? one.tagName) + " " + named(one);
    if (names.has(name)) faults.push("landmark twice: " + name);
    names.add(name);
  }
  const ids = new Set();
  for (const { id } of document.querySelectorAll("[id]")) {
    if (ids.has(id)) faults.push("id twice: " + id);
    ids.add(id);
  }
  const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  for (const one of all(controls)) {
    if (one.closest(".skip, .unseen") || one.type === "checkbox") continue;
    const { width, height } = one.getBoundingClientRect();
    if (width < 24 || height < 24) faults.push("small: " + one.tagName + " " + one.textContent + " " + width + "x" + height);
  }
  for (const one of all("body *")) {
    const { overflowY } = getComputedStyle(one);
    if (!["auto", "scroll"].includes(overflowY) || one.scrollHeight <= one.clientHeight + 1) continue;
    const isReached = one.tabIndex >= 0 || [...one.querySelectorAll(controls)].some((inner) => inner.checkVisibility());
    if (!isReached) faults.push("no key gets there: " + one.tagName + "." + one.className);
  }
  return faults;
})()`;

/** The controls that have no name, as the browser tells them to assistive technologies. */
async function nameless(tab: Tab): Promise<string[]> {
  const roles = ["button", "link", "textbox", "searchbox", "combobox", "slider", "checkbox"];
  const { nodes } = (await tab.view.cdp("Accessibility.getFullAXTree")) as { nodes: any[] };
  return nodes
    .filter(({ ignored, role, name }) => !ignored && roles.includes(role?.value) && !name?.value)
    .map(({ role, nodeId }) => `${role.value} ${nodeId}`);
}

describe.skipIf(!BROWSER)(
  BROWSER
    ? "the page for everybody"
    : "the page for everybody: no browser here; install chromium or set BUN_CHROME_PATH",
  () => {
    let server: Booted;
    let tab: Tab;
    let game: TestGame;
    let client: number;
    /** Sends more than is allowed, all the time. */
    let loud: Timer;
    const peers: Peer[] = [];
    const room = new HandRoom();

    beforeAll(async () => {
      server = await boot(
        ["relay", "store", "neuro", "collector", "web"],
        {
          name: `x\u202egnp ${"W".repeat(50)}`,
          hyper_parameters: { client_timeout_secs: 0, rate_limit_msgs_per_minute: 20 },
          neuro: { brain: "web" },
          collector: { durability: "batch" },
        },
        { token: TOKEN, clock, table: sharing(room) },
      );
      room.lostLines = 12;
      room.trouble = { reason: HOSTILE, since: clock.now() };
      room.all = [
        NODE,
        { ...NODE, name: HOSTILE, address: HOSTILE, version: HOSTILE, isSelf: false },
        { ...NODE, name: "three", version: "9.9.9", isSelf: false },
        { ...NODE, name: "four", goneMs: 65_000, isSelf: false },
      ];
      for (let i = 1; i <= 12; i++) peers.push(await server.join(`127.0.7.${i}`));
      loud = setInterval(() => {
        for (const peer of peers.slice(0, 3)) peer.send("x\n".repeat(10));
      }, 50);
      await until(() => server.clients().some(({ refused }) => refused > 0));
      client = server.clients().find(({ refused }) => refused > 0)?.id as number;
      server.running("relay").quarantine!.impose("2001:db8:1111:2222:3333:4444:5555:6666", 86_400);
      const store = await dial(server.port("store"));
      peers.push(store);
      await ask(store, { action: "MSET", values: { "users^1": HOSTILE, "orders^eu^1": 2 } });
      await ask(store, { action: "SUBSCRIBE", channel: "C".repeat(200) });
      game = await dialGame(server.port("neuro"), HOSTILE.slice(0, 300));
      game.send("startup");
      await game.next();
      const action = { name: "a".repeat(120), description: HOSTILE, schema: null };
      game.register(action, "wait");
      game.send("context", { message: HOSTILE, silent: true });
      game.force([action.name, "wait"], { query: HOSTILE, state: `# State\n\n${HOSTILE}` });
      await until(() => server.stats("neuro")["forces"] === 1);
      const sender = new Sender(server.port("collector"));
      for (let i = 0; i < 30; i++) {
        sender.send(record({ message: i % 3 ? `order ${i}` : HOSTILE, level: i % 12 }));
      }
      await until(() => server.stats("collector")["written"] === 30);
      server.log.error(HOSTILE);
      tab = await Tab.open(server.url("/"), 1440);
      await tab.see(STATUS, "warning");
      await tab.view.cdp("Accessibility.enable");
    }, TIMEOUT);

    afterAll(async () => {
      // Not the browser: whoever opens a tab while it dies would be given one of the dead.
      tab?.view.close();
      clearInterval(loud);
      game?.close();
      for (const peer of peers) peer.end();
      await server?.stop();
    });

    /** What there is to see, and how one knows that it is there. */
    const places = (): readonly (readonly [hash: string, there: string])[] => [
      ["overview", "#overview .problems li"],
      ["clients", "#rows tr"],
      [`clients?client=relay/${client}`, "#client .facts dd:not(:empty)"],
      ["cluster", ".nodes tbody tr"],
      ["relay", "[data-part=relay] [data-key^='2001:']"],
      ["store", "[data-part=store] .stave-now"],
      ["neuro", "#brought-neuro form"],
      ["collector", "#brought-collector .entries li"],
      ["web", "[data-part=web] .stave-now"],
      ["process", "[data-part=process] .stave-now"],
      ["log", "#lines p"],
    ];

    /** Shows a place, with all that is folded away. */
    async function show(hash: string, there: string): Promise<void> {
      await tab.get(`location.hash = ${JSON.stringify(`#/${hash}`)}`);
      await tab.see(`document.querySelector(${JSON.stringify(there)})?.checkVisibility() ?? false`);
      await tab.get(
        "document.querySelectorAll('details:not(.menu)').forEach((one) => (one.open = true))",
      );
    }

    async function found(): Promise<unknown[]> {
      const faults: string[] = [];
      for (const script of [FAULTS, WIDE, FAINT]) faults.push(...(await tab.get<string[]>(script)));
      return [...faults, ...(await nameless(tab))];
    }

    test.each([1440, 720, 360])(
      "nothing is in anybody's way in a window of %d px, in the light and in the dark",
      async (width) => {
        await tab.view.resize(width, 900);
        for (const isDark of [false, true]) {
          await tab.dark(isDark);
          for (const [hash, there] of places()) {
            await show(hash, there);
            expect({ hash, isDark, found: await found() }).toEqual({ hash, isDark, found: [] });
          }
        }
        await tab.dark(false);
      },
      TIMEOUT,
    );

    test(
      "nor in its dialogs and menus, signed in",
      async () => {
        await tab.view.resize(360, 900);
        await show("clients", "#rows tr");
        await tab.signIn();
        await tab.click("#menu");
        await tab.see("document.querySelector('#places').checkVisibility()");
        expect(await found()).toEqual([]);
        await tab.view.press("Escape");
        await tab.see("document.activeElement.id", "menu");
        for (const dialog of ["keys", "drain", "sign-in"]) {
          await tab.get(`document.querySelector("#${dialog}").showModal()`);
          expect({ dialog, found: await tab.get(WIDE) }).toEqual({ dialog, found: [] });
          expect({ dialog, found: await tab.get(FAINT) }).toEqual({ dialog, found: [] });
          expect({ dialog, nameless: await nameless(tab) }).toEqual({ dialog, nameless: [] });
          await tab.get(`document.querySelector("#${dialog}").close()`);
        }
        await show(`clients?client=relay/${client}`, "#client .facts dd:not(:empty)");
        await tab.view.press("q");
        await tab.see("document.activeElement.name", "seconds");
        expect(await found()).toEqual([]);
        await tab.view.press("Escape");
        await tab.view.resize(1440, 900);
        await tab.signOut();
      },
      TIMEOUT,
    );

    test("tells who does not see it where one is, what is wrong, and what a number means", async () => {
      await show("overview", "#overview .problems li");
      const { nodes } = (await tab.view.cdp("Accessibility.getFullAXTree")) as { nodes: any[] };
      const told = nodes
        .filter(({ ignored }) => !ignored)
        .map(({ role, name }) => `${role?.value} ${name?.value ?? ""}`);
      expect(told).toContain("link Relay, warning, 12 clients");
      expect(told).toContain("slider Time in numbers of all services");
      expect(told.some((one) => one.startsWith("link Client, of relay: "))).toBe(true);
      await tab.view.press("t");
      await tab.see("document.activeElement.ariaValueText.startsWith('now: clients 12, ')");
      await tab.view.press("ArrowLeft");
      await tab.see("/^[0-9:]{8}: clients 12, /.test(document.activeElement.ariaValueText)");
      await tab.view.press("Escape");
    });

    test("a new failure is told once, and nothing else is", async () => {
      const said = text("#told");
      expect(await tab.get(said)).toBe("");
      await tab.get(`(() => {
        window.told = [];
        new MutationObserver(() => told.push(document.querySelector("#told").textContent))
          .observe(document.querySelector("#told"), { childList: true, characterData: true, subtree: true });
      })()`);
      const relay = server.running("relay");
      let tries = 0;
      relay.health = () => ({ ok: false, reason: `cannot listen, try ${++tries}` });
      await tab.see(STATUS, "failing");
      await until(() => tries > 3);
      await tab.see(`(${text("#now .what")} ?? "").includes("Cannot listen, try 1.")`, false);
      expect(await tab.get("told.length")).toBe(1);
      expect(await tab.get<string>(said)).toStartWith("relay fails: Cannot listen, try ");
      delete (relay as { health?: unknown }).health;
      await tab.see(STATUS, "warning");
    });

    test("where the system chooses the colours, what is chosen stays seen", async () => {
      const features = [{ name: "forced-colors", value: "active" }];
      await tab.view.cdp("Emulation.setEmulatedMedia", { features });
      await show(`clients?client=relay/${client}`, "#client .facts dd:not(:empty)");
      const outlined = (selector: string) =>
        `getComputedStyle(document.querySelector(${JSON.stringify(selector)})).outlineStyle`;
      expect(await tab.get(outlined("#places [aria-current]"))).toBe("solid");
      await show("neuro", "#brought-neuro form");
      expect(await tab.get(outlined("#brought-neuro .games [aria-current]"))).toBe("solid");
      await tab.view.cdp("Emulation.setEmulatedMedia", { features: [] });
    });

    test("on paper it is dark on light, without what is pressed", async () => {
      const features = [{ name: "prefers-color-scheme", value: "dark" }];
      await tab.view.cdp("Emulation.setEmulatedMedia", { media: "print", features });
      await show("overview", "#overview .problems li");
      expect(await tab.get("getComputedStyle(document.body).color")).toBe("rgb(27, 29, 26)");
      for (const one of ["#rail", ".top .actions", "#overview .switch"]) {
        expect([one, await tab.get(`document.querySelector("${one}").checkVisibility()`)]).toEqual([
          one,
          false,
        ]);
      }
      await tab.view.cdp("Emulation.setEmulatedMedia", { media: "", features: [] });
    });

    test("whoever wants no motion gets none", async () => {
      const moving = async (value: string) => {
        const features = [{ name: "prefers-reduced-motion", value }];
        await tab.view.cdp("Emulation.setEmulatedMedia", { features });
        return tab.get(`(() => {
          const node = document.createElement("div");
          node.className = "toast";
          document.querySelector("#toasts").append(node);
          const name = getComputedStyle(node).animationName;
          node.remove();
          return name;
        })()`);
      };
      expect([await moving("no-preference"), await moving("reduce")]).toEqual(["rise", "none"]);
      await tab.view.cdp("Emulation.setEmulatedMedia", { features: [] });
    });

    test("a finger has room", async () => {
      await tab.view.resize(360, 740);
      const metrics = { width: 360, height: 740, deviceScaleFactor: 1, mobile: true };
      await tab.view.cdp("Emulation.setDeviceMetricsOverride", metrics);
      await tab.view.cdp("Emulation.setTouchEmulationEnabled", { enabled: true });
      await tab.see("matchMedia('(pointer: coarse)').matches");
      for (const [hash, there] of places()) {
        await show(hash, there);
        const low = `[...document.querySelectorAll("button:not(.stave-name), input:not([type=checkbox]), select, summary, .problems a")]
          .filter((one) => one.checkVisibility() && !one.closest(".rights"))
          .filter((one) => one.getBoundingClientRect().height < 36)
          .map((one) => one.className + " " + one.textContent)`;
        expect({ hash, low: await tab.get(low) }).toEqual({ hash, low: [] });
      }
      await tab.view.cdp("Emulation.setTouchEmulationEnabled", { enabled: false });
      await tab.view.cdp("Emulation.clearDeviceMetricsOverride");
      await tab.view.resize(1440, 900);
    });

    test("nothing went wrong in the page", async () => {
      expect(tab.troubles).toEqual([]);
      expect(await tab.get("window.caught ?? null")).toBe(null);
    });
  },
);

describe.skipIf(!BROWSER)("the state of the page", () => {
  const ICON = "decodeURIComponent(document.querySelector('#icon').href)";
  const TITLE = "document.title.split(' · ')[0]";

  test(
    "stands in its icon and title: well, warning, failing, gone",
    async () => {
      const server = await boot(
        ["relay", "web"],
        { name: "here", hyper_parameters: { client_timeout_secs: 0 } },
        { token: TOKEN, clock },
      );
      const tab = await Tab.open(server.url("/"));
      const icons = new Set<string>();
      const state = async (status: string, title: string) => {
        await tab.see(STATUS, status);
        await tab.see(TITLE, title);
        icons.add(await tab.get<string>(ICON));
      };
      await state("ok", "OK");
      const loud = await server.join();
      loud.send(`${"x".repeat(70_000)}\n`.repeat(30));
      await state("warning", "Warning (1)");
      const relay = server.running("relay");
      relay.health = () => ({ ok: false, reason: "cannot listen" });
      await state("failing", "Failing (2)");
      delete (relay as { health?: unknown }).health;
      loud.end();
      await server.stop();
      await state("lost", "Stopped");
      expect(icons.size).toBe(4);
      await tab.see(`/^No data for \\d+ s, retrying\\./.test(${text("#since")})`);
      expect(await tab.get(text("#now .nothing"))).toMatch(
        /^What is wrong now is not known: the server does not answer\. At [\d:]{8} .* wrong\.$/,
      );
      tab.view.close();
    },
    TIMEOUT,
  );

  test(
    "too many wrong tokens: it says how long to wait",
    async () => {
      const server = await boot(["relay", "web"], {}, { token: TOKEN, clock });
      const tab = await Tab.open(server.url("/"));
      await tab.see(STATUS, "ok");
      await until(() => server.stats("web")["streams"] === 1);
      for (;;) {
        const { status } = await server.post(
          "/login",
          { token: "wrong" },
          { "x-summoner-page": "1" },
        );
        if (status === 429) break;
      }
      await tab.click("#sign-in-open");
      await tab.fill("#sign-in [name=token]", "no such token");
      await tab.view.press("Enter");
      await tab.see(
        `/^Too many wrong tokens from your address: try again in \\d+ s\\.$/.test(${text("#sign-in .wrong")})`,
      );
      tab.view.close();
      await server.stop();
    },
    TIMEOUT,
  );

  test(
    "a server of another version brings its own page",
    async () => {
      const server = await boot(["relay", "web"], {}, { token: TOKEN, clock });
      const { version } = (await (await server.get("/varz")).json()) as { version: string };
      const other = version.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));
      const way = await renamed(server.port("web"), version, other);
      const tab = await Tab.open(way.url);
      await tab.see(STATUS, "ok");
      await tab.get("window.old = true");
      way.rename();
      // While it goes from one page to the other it cannot be asked.
      const isOld = () => tab.get("window.old ?? false").catch(() => true);
      while (await isOld()) await new Promise((resolve) => setImmediate(resolve));
      await tab.see(STATUS, "ok");
      await tab.see(text("#version"), other);
      tab.view.close();
      way.stop();
      await server.stop();
    },
    TIMEOUT,
  );
});

/** A way to a port that, once told so, says another version of the server. */
async function renamed(port: number, version: string, other: string) {
  const sockets = new Set<Socket>();
  let isRenamed = false;
  const server = createServer((near) => {
    const far = connect({ port, host: "127.0.0.1" });
    // What is not compressed can be altered.
    near.on("data", (bytes) =>
      far.write(bytes.toString("latin1").replace(/accept-encoding/i, "x-ccept-encoding"), "latin1"),
    );
    far.on("data", (bytes) => {
      const said = bytes.toString("latin1");
      near.write(
        isRenamed ? said.replaceAll(`"version":"${version}"`, `"version":"${other}"`) : said,
        "latin1",
      );
    });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        near.destroy();
        far.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    rename() {
      isRenamed = true;
      for (const socket of sockets) socket.destroy();
    },
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
