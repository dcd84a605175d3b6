import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { IsolatedTicker } from "../lib/services/web/ticker/isolated.ts";
import { OwnedShared, type Shared } from "../lib/services/web/ticker/shared.ts";
import { turn, until } from "./kit.ts";
import { logged, settle } from "./ticker-suite.ts";

const fixtures = join(import.meta.dir, "fixtures", "ticker");
const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** A ticker in a Worker, not started yet; the clock of the main thread moves by hand. */
function isolated(file: string, path: string | URL = join(fixtures, file)) {
  const clock = new HandClock();
  const log = logged();
  const shared = new OwnedShared();
  const ticker = new IsolatedTicker(path, shared, { clock, log });
  endings.push(async () => {
    const stopped = ticker.stop(1);
    clock.advance(1);
    await stopped;
  });
  const running = () => ticker.status().state === "running";
  const dead = () => ticker.status().state === "dead";
  return {
    clock,
    dead,
    log,
    running,
    shared,
    ticker,
    /** Waits until the shared state has something under a key. */
    async shows(key: string): Promise<unknown> {
      for (;;) {
        const value = await shared.get(key);
        if (value !== undefined) return value;
        await turn();
      }
    },
    /** Moves time while the Worker ticks on, as it does where seconds are real. */
    async live(ms: number) {
      for (let left = ms; left > 0; left -= 20_000) {
        clock.advance(Math.min(left, 20_000));
        const { ticks } = ticker.status();
        await until(() => ticker.status().ticks > ticks);
      }
    },
    /** Waits for a death of the Worker and for the start of the next, `seconds` later. */
    async diesFor(seconds: number) {
      await until(dead);
      const { restarts } = ticker.status();
      clock.advance(seconds * 1000 - 1);
      expect([dead(), ticker.status().restarts]).toEqual([true, restarts]);
      clock.advance(1);
      expect([dead(), ticker.status().restarts]).toEqual([false, restarts + 1]);
    },
  };
}

/** Waits for the next of the Worker's `beats`; all its earlier messages have come then. */
async function beats(shared: Shared): Promise<void> {
  const before = await shared.get<number>("beats");
  while ((await shared.get<number>("beats")) === before) await turn();
}

describe("a ticker in a Worker", () => {
  test("ticks, shares its state, and tells how it is", async () => {
    const { shared, ticker } = isolated("obeys.ts");
    expect(ticker.status()).toMatchObject({ state: "starting", ticks: 0, seconds: null });
    await ticker.start();
    expect(await shared.get<number>("starts")).toBe(1);
    await until(() => ticker.status().ticks >= 3);
    expect(ticker.status()).toMatchObject({
      state: "running",
      errors: 0,
      restarts: 0,
      lastError: null,
      mode: "FLEX",
      seconds: 0.005,
    });
    expect(ticker.status().lastTickMs).toBeNumber();
    expect(ticker.health()).toEqual({ ok: true, reason: "running" });
    expect(await shared.get<number>("ticks")).toBeGreaterThanOrEqual(3);
    const again = await ticker.start().catch((error) => error);
    expect(again).toEqual(new Error("a ticker is started once"));
  });

  test("is found relative to the working directory, or by its URL", async () => {
    const path = join(fixtures, "obeys.ts");
    for (const module of [relative(process.cwd(), path), Bun.pathToFileURL(path)]) {
      const { running, ticker } = isolated("", module);
      await ticker.start();
      expect(running()).toBe(true);
    }
  });

  test("loses no update between the Worker and the main thread", async () => {
    const { shared, shows, ticker } = isolated("adds.ts");
    const add = () => shared.update<number>("sum", async (sum = 0) => sum + 1);
    await ticker.start();
    for (let left = 250; left > 0; left--) await add();
    await Promise.all(Array.from({ length: 250 }, add));
    await shows("added");
    expect(await shared.get<number>("sum")).toBe(1000);
  });

  test("an error in a tick is logged here with its stack, and it ticks on", async () => {
    const { clock, log, shared, ticker } = isolated("obeys.ts");
    await ticker.start();
    await shared.set("order", "throw");
    await until(() => log.lines.length > 0);
    expect(log.lines).toEqual([
      expect.stringMatching(
        /^bug ticker \S+obeys\.ts: an error in a tick: RangeError: thrown as told\n +at .*obeys\.ts/,
      ),
    ]);
    clock.advance(1000);
    await until(() => ticker.status().errors === 1);
    const { ticks } = ticker.status();
    await until(() => ticker.status().ticks > ticks);
    expect(ticker.status()).toMatchObject({ state: "running", lastError: "thrown as told" });
    expect(ticker.health().ok).toBe(true);
  });

  test("a value that cannot be copied is told where it was shared", async () => {
    const { log, shared, ticker } = isolated("obeys.ts");
    await ticker.start();
    await shared.set("order", "share a function");
    await until(() => log.lines.length > 0);
    expect(log.lines[0]).toContain('TypeError: the shared value "f" cannot be copied: ');
  });

  test("messages that its module posts by itself are nobody's business", async () => {
    const { log, shared, shows, ticker } = isolated("obeys.ts");
    await ticker.start();
    await shared.set("order", "post");
    await shows("obeyed");
    expect([ticker.status().state, log.lines]).toEqual(["running", []]);
  });

  test("goes on while ticks follow one another without a pause", async () => {
    const { clock, ticker } = isolated("steady.ts");
    await ticker.start();
    await until(() => ticker.status().ticks > 1000);
    for (let seconds = 0; seconds < 5; seconds++) {
      const { ticks } = ticker.status();
      clock.advance(1000);
      await until(() => ticker.status().ticks > ticks);
    }
    await ticker.stop();
    expect(ticker.status().state).toBe("stopped");
  });
});

describe("a ticker in a Worker dies and is started again", () => {
  const deaths: [string, string, boolean][] = [
    ["exit", "exit code 3", false],
    ["throw outside", "uncaught RangeError: thrown outside", true],
    ["reject outside", "uncaught RangeError: rejected outside", true],
    ["throw a string outside", "uncaught error: only words", false],
  ];
  test.each(deaths)(
    "%s: one line for the death, one for the start",
    async (order, reason, stack) => {
      const { clock, dead, diesFor, log, shared, shows, ticker } = isolated("obeys.ts");
      await ticker.start();
      await until(() => ticker.status().ticks > 0);
      await shared.set("order", order);
      await until(dead);
      const { ticks } = ticker.status();
      expect(ticker.status()).toMatchObject({ lastError: reason, nextInMs: null, tickingMs: null });
      expect(ticker.health()).toEqual({
        ok: false,
        reason: `died (${reason}); starting again in 1 s`,
      });
      const died = `ticker ${join(fixtures, "obeys.ts")} died (${reason}); starting again in 1 s`;
      expect(log.lines).toEqual([
        stack
          ? expect.stringMatching(/^bug [^\n]+: RangeError: [^\n]+\n +at .*obeys\.ts/)
          : `error ${died}`,
      ]);
      expect(log.lines[0]).toContain(died);
      await diesFor(1);
      expect(ticker.health()).toEqual({ ok: false, reason: `died (${reason}); starting again` });
      await until(() => ticker.status().ticks > ticks);
      expect(await shows("starts")).toBe(2);
      expect(ticker.status()).toMatchObject({ state: "running", restarts: 1, lastError: reason });
      expect(ticker.health()).toEqual({ ok: true, reason: "running" });
      expect(log.lines.slice(1)).toEqual([
        `info ticker ${join(fixtures, "obeys.ts")} is started again`,
      ]);
      clock.advance(10_000);
      expect(ticker.status().restarts).toBe(1);
    },
  );

  test("with a lock: it is given back, and the update dropped", async () => {
    const { dead, shared, shows, ticker } = isolated("obeys.ts");
    await ticker.start();
    await shared.set("held", 1);
    await shared.set("order", "die with the lock");
    await shows("holding");
    expect(await shared.update<number>("held", (n = 0) => n + 1)).toBe(2);
    await until(dead);
    expect(ticker.health().reason).toContain("exit code 4");
  });

  test("a loop that never ends: no sign of life for longer than the deadline", async () => {
    const { clock, dead, log, shared, shows, ticker } = isolated("obeys.ts");
    await ticker.start();
    await shared.set("order", "spin");
    await shows("spinning");
    clock.advance(31_000);
    expect([dead(), ticker.health().ok]).toEqual([false, true]);
    clock.advance(1000);
    expect(dead()).toBe(true);
    expect(log.lines).toEqual([
      expect.stringMatching(
        /^error ticker \S+ died \(no sign of life for 31 s\); starting again in 1 s$/,
      ),
    ]);
    clock.advance(1000);
    const { ticks } = ticker.status();
    await until(() => ticker.status().ticks > ticks);
  });

  test("a tick that never settles: past the deadline, for all its signs of life", async () => {
    const { clock, dead, log, shared, shows, ticker } = isolated("obeys.ts");
    await ticker.start();
    await shared.set("order", "wait");
    await shows("waiting");
    clock.advance(1000);
    await until(() => ticker.status().tickingMs !== null);
    for (let seconds = 0; seconds <= 30; seconds++) {
      expect(dead()).toBe(false);
      const { tickingMs } = ticker.status();
      clock.advance(1000);
      await until(() => ticker.status().tickingMs !== tickingMs);
    }
    clock.advance(1000);
    expect(dead()).toBe(true);
    expect(log.lines[0]).toContain("died (a tick has run for longer than 30 s)");
  });

  test("a start hook that never settles: past the ticker's own deadline", async () => {
    const { clock, dead, log, shared, ticker } = isolated("never-starts.ts");
    const started = ticker.start();
    for (let seconds = 0; seconds < 4; seconds++) {
      await beats(shared);
      expect(dead()).toBe(false);
      clock.advance(1000);
    }
    await started;
    expect(dead()).toBe(true);
    expect(log.lines).toEqual([
      expect.stringMatching(/died \(the start hook has run for longer than 2 s\); starting again/),
    ]);
  });

  test("a module that never loads: past the deadline of those that say nothing", async () => {
    const { clock, dead, log, ticker } = isolated("never-loads.ts");
    const started = ticker.start();
    clock.advance(30_000);
    expect([dead(), ticker.health()]).toEqual([false, { ok: true, reason: "starting" }]);
    clock.advance(1000);
    await started;
    expect(log.lines).toEqual([
      expect.stringMatching(/died \(not loaded within 30 s\); starting again/),
    ]);
  });

  test("waits longer before each start, up to a minute", async () => {
    const { diesFor, log, running, ticker } = isolated("fails.ts");
    await ticker.start();
    expect(ticker.health().reason).toBe(
      "died (the start hook failed: no start); starting again in 1 s",
    );
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) await diesFor(seconds);
    expect(running()).toBe(false);
    const died = log.lines.filter((line) => line.startsWith("bug "));
    expect(died.slice(0, 2)).toEqual([
      expect.stringMatching(
        /died \(the start hook failed: no start\); starting again in 1 s: RangeError: no start\n +at /,
      ),
      expect.stringContaining("starting again in 2 s"),
    ]);
    expect(log.lines.filter((line) => line.startsWith("info ")).length).toBe(8);
  });

  test("waits a second again once it has run well for a minute", async () => {
    const { clock, dead, diesFor, live, running, shared, ticker } = isolated("obeys.ts");
    const dies = async (waitSeconds: number) => {
      await until(running);
      await shared.set("order", "exit");
      await diesFor(waitSeconds);
    };
    await ticker.start();
    await dies(1);
    await dies(2);
    await until(running);
    await live(59_999);
    await dies(4);
    await until(running);
    await live(60_000);
    await shared.set("order", "exit");
    await until(dead);
    expect(ticker.health().reason).toBe("died (exit code 3); starting again in 1 s");
    clock.advance(999);
    expect(ticker.health().reason).toBe("died (exit code 3); starting again in 1 s");
    clock.advance(1);
    await dies(2);
  });

  const unfit: [string, RegExp][] = [
    ["missing.ts", /^error ticker (\S+) died \(cannot load \1: Cannot find module '\1'\); /],
    [
      "throws-on-load.ts",
      /^bug ticker (\S+) died \(cannot load \1: no load\); .+\n +at .*throws-on/,
    ],
    [
      "throws-when-made.ts",
      /^bug .+ \(cannot make a ticker of \S+: no making\); .+\n +at .*throws-when/,
    ],
  ];
  test.each(unfit)("%s: cannot be ticked", async (file, line) => {
    const { dead, diesFor, log, ticker } = isolated(file);
    await ticker.start();
    expect(dead()).toBe(true);
    expect(log.lines).toEqual([expect.stringMatching(line)]);
    await diesFor(1);
    await until(dead);
    expect(log.lines.length).toBe(3);
  });

  test.each([
    ["not-a-ticker.ts", "seconds must be "],
    ["no-default.ts", "there is no default export"],
  ])("%s: holds no ticker, and is not loaded again", async (file, why) => {
    const { clock, log, ticker } = isolated(file);
    await ticker.start();
    const reason = `${join(fixtures, file)} is not a ticker: ${why}`;
    expect(log.lines).toEqual([expect.stringContaining(`error ticker ${reason}`)]);
    expect(log.lines[0]).toEndWith("; it is not started again");
    expect(ticker.health()).toEqual({ ok: false, reason: expect.stringContaining(reason) });
    clock.advance(100_000);
    expect(ticker.status()).toMatchObject({ state: "stopped", restarts: 0 });
    expect(log.lines).toHaveLength(1);
  });

  test("a module that cannot be read is told with its place, and taken when it is mended", async () => {
    const folder = mkdtempSync(join(tmpdir(), "summoner-ticker-"));
    const path = join(folder, "broken.ts");
    await Bun.write(path, "export default {\n  tick() {,\n};\n");
    const { diesFor, log, running, ticker } = isolated("", path);
    endings.push(() => rmSync(folder, { recursive: true }));
    await ticker.start();
    expect(log.lines).toEqual([
      `error ticker ${path} died (cannot load ${path}: Unexpected , at ${path}:2:11); starting again in 1 s`,
    ]);
    await Bun.write(path, "export default { seconds: 7, tick() {} };\n");
    await diesFor(1);
    await until(running);
    expect(ticker.status().seconds).toBe(7);
  });
});

describe("the stop of a ticker in a Worker", () => {
  test("waits for the tick that runs and the stop hook, and starts nothing again", async () => {
    const { clock, log, shared, shows, ticker } = isolated("obeys.ts");
    await ticker.start();
    await shared.set("order", "wait for go");
    await shows("waiting");
    let done = false;
    const stopped = Promise.all([ticker.stop(), ticker.stop(60_000)]).then(() => {
      done = true;
    });
    clock.advance(1000);
    await until(() => ticker.status().tickingMs !== null);
    expect(done).toBe(false);
    expect(await shared.get("stops")).toBeUndefined();
    await shared.set("go", true);
    await stopped;
    expect(await shared.get<string>("obeyed")).toBe("wait for go");
    expect(await shared.get<number>("stops")).toBe(1);
    const status = ticker.status();
    expect(status.state).toBe("stopped");
    expect(status.ticks).toBe((await shared.get<number>("ticks")) as number);
    expect(ticker.health()).toEqual({ ok: true, reason: "stopped" });
    await ticker.stop();
    clock.advance(120_000);
    await settle();
    expect(ticker.status()).toEqual(status);
    expect(log.lines).toEqual([]);
  });

  test("cuts a Worker that does not end, at the deadline", async () => {
    const { clock, log, shared, shows, ticker } = isolated("obeys.ts");
    await ticker.start();
    await shared.set("order", "spin");
    await shows("spinning");
    let done = false;
    const stopped = ticker.stop(5000).then(() => {
      done = true;
    });
    clock.advance(4999);
    await settle();
    expect(done).toBe(false);
    clock.advance(1);
    await stopped;
    expect(ticker.status().state).toBe("stopped");
    expect(log.lines).toEqual([
      `warning ticker ${join(fixtures, "obeys.ts")} has not stopped in time and is cut`,
    ]);
    clock.advance(120_000);
    await settle();
    expect(ticker.status()).toMatchObject({ state: "stopped", restarts: 0 });
    expect(log.lines.length).toBe(1);
  });

  test("ends by the ticker's own deadline where there is no other", async () => {
    const { clock, log, shared, ticker } = isolated("never-stops.ts");
    await ticker.start();
    let done = false;
    const stopped = ticker.stop().then(() => {
      done = true;
    });
    // The first check asks for its state, the second hears of the stop hook.
    for (let seconds = 0; seconds < 5; seconds++) {
      await beats(shared);
      expect(done).toBe(false);
      clock.advance(1000);
    }
    await stopped;
    expect(log.lines).toEqual([
      expect.stringMatching(/^error .+ died \(the stop hook has run for longer than 2 s\)$/),
    ]);
    expect(ticker.status().state).toBe("stopped");
    clock.advance(120_000);
    expect(ticker.status().restarts).toBe(0);
  });

  test("is immediate while the next start is waited for", async () => {
    const { clock, dead, log, ticker } = isolated("fails.ts");
    await ticker.start();
    expect(dead()).toBe(true);
    await ticker.stop();
    expect(ticker.status().state).toBe("stopped");
    expect(ticker.health()).toEqual({ ok: true, reason: "stopped" });
    clock.advance(120_000);
    expect(log.lines.length).toBe(1);
  });

  test("is immediate before the start, which then cannot be", async () => {
    const { ticker } = isolated("obeys.ts");
    await ticker.stop();
    const started = await ticker.start().catch((error) => error);
    expect(started).toEqual(new Error("a ticker is started once"));
  });

  test("while it loads: never ticks", async () => {
    const { shared, ticker } = isolated("obeys.ts");
    const started = ticker.start();
    await ticker.stop();
    await started;
    expect(ticker.status().state).toBe("stopped");
    expect(await shared.get("ticks")).toBeUndefined();
  });
});
