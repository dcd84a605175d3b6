import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { type Clock, HandClock } from "../lib/host/clock.ts";
import { IsolatedTicker } from "../lib/services/web/ticker/isolated.ts";
import { OwnedShared, RemoteShared, type Shared } from "../lib/services/web/ticker/shared.ts";
import { Ticker, type Ticks, ticksProblem } from "../lib/services/web/ticker/ticker.ts";
import { turn, until } from "./kit.ts";

/** A log that keeps its lines, each with the level in front; a bug's with its stack. */
function logged() {
  const lines: string[] = [];
  return {
    lines,
    info: (message: string) => void lines.push(`info ${message}`),
    warning: (message: string) => void lines.push(`warning ${message}`),
    error: (message: string) => void lines.push(`error ${message}`),
    bug: (error: unknown, context: string) =>
      void lines.push(`bug ${context}: ${error instanceof Error ? error.stack : String(error)}`),
  };
}

/** Lets all that is due in this process happen: a tick ends, the next is planned, and comes. */
async function settle(): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await turn();
}

describe("state that is shared", () => {
  const kinds: [string, () => Shared][] = [
    ["its owner", () => new OwnedShared()],
    [
      "a Worker",
      () => {
        const lent = new OwnedShared().lend((answer) => remote.take(structuredClone(answer)));
        const remote: RemoteShared = new RemoteShared((request) =>
          queueMicrotask(() => lent.take(structuredClone(request))),
        );
        return remote;
      },
    ],
  ];
  describe.each(kinds)("by %s", (_, make) => {
    test("is got as it was set, and forgotten when set to undefined", async () => {
      const shared = make();
      expect(await shared.get("a")).toBeUndefined();
      const value = { n: 1, at: new Date(5), tags: new Set(["x"]) };
      await shared.set("a", value);
      await shared.set("b", null);
      expect(await shared.get<typeof value>("a")).toEqual(value);
      expect(await shared.get("b")).toBeNull();
      await shared.set("a", undefined);
      expect(await shared.get("a")).toBeUndefined();
    });

    test("is copied in and out", async () => {
      const shared = make();
      const given = { list: [1] };
      const setting = shared.set("a", given);
      given.list.push(2);
      await setting;
      given.list.push(3);
      const got = await shared.get<typeof given>("a");
      expect(got).toEqual({ list: [1] });
      got?.list.push(4);
      let inside: typeof given | undefined;
      const made = { list: [7] };
      const updated = await shared.update<typeof given>("a", (value) => {
        inside = value;
        return made;
      });
      expect(inside).toEqual({ list: [1] });
      inside?.list.push(5);
      updated.list.push(6);
      made.list.push(8);
      expect(await shared.get<typeof given>("a")).toEqual({ list: [7] });
    });

    test("loses no update, whether or not its change waits", async () => {
      const shared = make();
      const add = (waits: boolean) =>
        shared.update<number>("n", async (n = 0) => {
          if (waits) await turn();
          return n + 1;
        });
      await Promise.all(Array.from({ length: 50 }, (_, index) => add(index % 2 === 0)));
      expect(await shared.get<number>("n")).toBe(50);
      expect(await shared.update<number>("n", (n = 0) => n + 1)).toBe(51);
    });

    test("is set after the updates that came first", async () => {
      const shared = make();
      const go = Promise.withResolvers<number>();
      const updated = shared.update<number>("n", () => go.promise);
      const set = shared.set("n", 2);
      await settle();
      expect(await shared.get("n")).toBeUndefined();
      go.resolve(1);
      expect(await updated).toBe(1);
      await set;
      expect(await shared.get<number>("n")).toBe(2);
    });

    test("holds up no other key while one is changed", async () => {
      const shared = make();
      const go = Promise.withResolvers<number>();
      const updated = shared.update<number>("a", () => go.promise);
      expect(await shared.update<number>("b", () => 5)).toBe(5);
      go.resolve(1);
      await updated;
    });

    test("stays when a change throws, which rejects that call only", async () => {
      const shared = make();
      await shared.set("n", 1);
      const failing = shared.update<number>("n", () => {
        throw new RangeError("not so");
      });
      const rejecting = shared.update<number>("n", () => Promise.reject(new Error("nor so")));
      const after = shared.update<number>("n", (n = 0) => n + 1);
      expect(await failing.catch((error) => error)).toEqual(new RangeError("not so"));
      expect(await rejecting.catch((error) => error)).toEqual(new Error("nor so"));
      expect(await after).toBe(2);
    });

    test("takes no value that cannot be copied", async () => {
      const shared = make();
      await shared.set("f", 1);
      const words = /^the shared value "f" cannot be copied: /;
      const setting = await shared.set("f", () => {}).catch((error) => error);
      expect(setting).toBeInstanceOf(TypeError);
      expect(setting.message).toMatch(words);
      const updating = await shared.update<any>("f", () => ({ f() {} })).catch((error) => error);
      expect(updating).toBeInstanceOf(TypeError);
      expect(updating.message).toMatch(words);
      expect(await shared.update<number>("f", (n = 0) => n + 1)).toBe(2);
    });
  });

  test("is free again when a Worker ends with its locks, and its update is dropped", async () => {
    const owned = new OwnedShared();
    await owned.set("n", 1);
    const lent = owned.lend((answer) => remote.take(answer));
    const remote: RemoteShared = new RemoteShared((request) => lent.take(request));
    const go = Promise.withResolvers<number>();
    void remote.update<number>("n", () => go.promise);
    void remote.update<number>("n", () => 20);
    const after = owned.update<number>("n", (n = 0) => n + 1);
    await settle();
    lent.end();
    expect(await after).toBe(2);
    go.resolve(10);
    await settle();
    expect(await owned.get<number>("n")).toBe(2);
  });
});

describe("what can be ticked", () => {
  const tick = () => {};

  test("an object or an instance with a tick; the rest is optional", () => {
    class Mine {
      seconds = 0.5;
      tick() {}
    }
    const fields = { mode: "STRICT", immediate: false, deadlineSeconds: 1, start: tick };
    for (const value of [{ tick }, new Mine(), { tick, seconds: 1, stop: tick, ...fields }]) {
      expect(ticksProblem(value)).toBeNull();
    }
  });

  const wrong: [string, unknown, string][] = [
    ["nothing", undefined, "a ticker is an object with a tick function, not undefined"],
    ["null", null, "a ticker is an object with a tick function, not null"],
    ["a function", tick, "a ticker is an object with a tick function, not [Function: tick]"],
    ["no tick", {}, "tick must be a function, not undefined"],
    ["tick", { tick: 1 }, "tick must be a function, not 1"],
    ["start", { tick, start: "x" }, 'start must be a function, not "x"'],
    ["stop", { tick, stop: null }, "stop must be a function, not null"],
    ["seconds 0", { tick, seconds: 0 }, "seconds must be a finite number above 0, not 0"],
    ["seconds below 0", { tick, seconds: -1 }, "seconds must be a finite number above 0, not -1"],
    ["seconds NaN", { tick, seconds: NaN }, "seconds must be a finite number above 0, not NaN"],
    [
      "seconds without end",
      { tick, seconds: Infinity },
      "seconds must be a finite number above 0, not Infinity",
    ],
    [
      "seconds in words",
      { tick, seconds: "1" },
      'seconds must be a finite number above 0, not "1"',
    ],
    ["mode", { tick, mode: "flex" }, 'mode must be FLEX, STRICT or SPACED, not "flex"'],
    ["immediate", { tick, immediate: 1 }, "immediate must be true or false, not 1"],
    [
      "deadline",
      { tick, deadlineSeconds: 0.9 },
      "deadlineSeconds must be a finite number, at least 1, not 0.9",
    ],
    [
      "deadline without end",
      { tick, deadlineSeconds: Infinity },
      "deadlineSeconds must be a finite number, at least 1, not Infinity",
    ],
  ];
  test.each(wrong)("%s: the field is named", (_, value, problem) => {
    expect(ticksProblem(value)).toBe(problem);
    const make = () => new Ticker(value as Ticks, { clock: new HandClock(), log: logged() });
    expect(make).toThrow(new TypeError(problem));
  });
});

/** A ticker in this process, started, on a clock moved by hand; its ticks take as long as the test says. */
async function ticking(fields: Partial<Ticks>, hand = new HandClock(), clock: Clock = hand) {
  const log = logged();
  const begun: number[] = [];
  let held: PromiseWithResolvers<void> | null = null;
  let hold = false;
  const ticks: Ticks = {
    tick() {
      begun.push(hand.now());
      if (!hold) return;
      held = Promise.withResolvers();
      return held.promise;
    },
    ...fields,
  };
  const shared = new OwnedShared();
  const ticker = new Ticker(ticks, { clock, log });
  const starting = ticker.start(shared);
  await settle();
  return {
    begun,
    log,
    shared,
    starting,
    ticker,
    /** Moves time; the clock fires what is due on the way, and the event loop turns. */
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 100) {
        hand.advance(Math.min(left, 100));
        await settle();
      }
    },
    /** The next ticks do not end by themselves. */
    hold() {
      hold = true;
    },
    /** Ends the tick that runs, and lets later ones end by themselves. */
    async release(error?: Error) {
      hold = false;
      if (error === undefined) held?.resolve();
      else held?.reject(error);
      await settle();
    },
  };
}

/** A clock whose jobs all come late, as when something else keeps the event loop busy. */
function lagging(hand: HandClock, lagMs: number): Clock {
  return {
    now: () => hand.now(),
    wall: () => hand.wall(),
    every: (ms, job) => hand.every(ms, job),
    after: (ms, job) => hand.after(ms + lagMs, job),
  };
}

describe("the schedule", () => {
  test("FLEX, the default: one period after the last due time", async () => {
    const { begun, hold, pass, release, ticker } = await ticking({ seconds: 1 });
    expect(ticker.status().mode).toBe("FLEX");
    expect(begun).toEqual([0]);
    await pass(900);
    hold();
    await pass(500);
    expect(begun).toEqual([0, 1000]);
    await release();
    await pass(1600);
    expect(begun).toEqual([0, 1000, 2000, 3000]);
  });

  test("FLEX: a tick that ends as the next is due keeps the schedule", async () => {
    const { begun, hold, pass, release } = await ticking({ seconds: 1 });
    hold();
    await pass(2000);
    await release();
    await pass(999);
    expect(begun).toEqual([0, 1000, 2000]);
    await pass(1);
    expect(begun).toEqual([0, 1000, 2000, 3000]);
  });

  test("FLEX: a tick that is late comes at once, and the schedule starts anew from there", async () => {
    // By less than a period, and by more than two.
    for (const end of [2300, 4300]) {
      const { begun, hold, pass, release } = await ticking({ seconds: 1 });
      hold();
      await pass(end);
      expect(begun).toEqual([0, 1000]);
      await release();
      expect(begun).toEqual([0, 1000, end]);
      await pass(2000);
      expect(begun).toEqual([0, 1000, end, end + 1000, end + 2000]);
    }
  });

  test("FLEX: a busy event loop moves the schedule from a whole period on", async () => {
    for (const [lagMs, times] of [
      [900, [0, 1900, 2900, 3900]],
      [1000, [0, 2000, 4000]],
    ] as const) {
      const hand = new HandClock();
      const { begun, pass } = await ticking({ seconds: 1 }, hand, lagging(hand, lagMs));
      await pass(4500);
      expect(begun).toEqual([...times]);
    }
  });

  test("STRICT: what was missed is made up back to back, with a turn of the event loop between", async () => {
    const { begun, hold, pass, release } = await ticking({ seconds: 1, mode: "STRICT" });
    hold();
    await pass(3999);
    expect(begun).toEqual([0, 1000]);
    const seen: number[] = [];
    const released = release();
    for (let turns = 0; turns < 4; turns++) {
      seen.push(begun.length);
      await turn();
    }
    await released;
    // Not two at a time: others had their turn between them.
    expect(seen).toContain(3);
    expect(begun).toEqual([0, 1000, 3999, 3999]);
    await pass(1001);
    expect(begun).toEqual([0, 1000, 3999, 3999, 4000, 5000]);
  });

  test("STRICT: the tick that is due as one ends is not missed", async () => {
    const { begun, hold, pass, release } = await ticking({ seconds: 1, mode: "STRICT" });
    hold();
    await pass(3000);
    await release();
    expect(begun).toEqual([0, 1000, 3000, 3000]);
    await pass(1000);
    expect(begun).toEqual([0, 1000, 3000, 3000, 4000]);
  });

  test("SPACED: one period after the end of the last tick", async () => {
    const { begun, hold, pass, release } = await ticking({ seconds: 1, mode: "SPACED" });
    hold();
    await pass(1400);
    await release();
    await pass(999);
    expect(begun).toEqual([0, 1000]);
    await pass(1);
    expect(begun).toEqual([0, 1000, 2400]);
    await pass(1000);
    expect(begun).toEqual([0, 1000, 2400, 3400]);
  });

  test.each(["FLEX", "STRICT", "SPACED"] as const)("%s: not immediate", async (mode) => {
    const { begun, pass, ticker } = await ticking({ seconds: 1, mode, immediate: false });
    expect(ticker.status().nextInMs).toBe(1000);
    await pass(999);
    expect(begun).toEqual([]);
    await pass(1);
    await pass(1000);
    expect(begun).toEqual([1000, 2000]);
  });

  test.each([{ seconds: 1 }, {}])("%j: ticks never overlap", async (fields) => {
    const { begun, hold, pass, release, ticker } = await ticking(fields);
    hold();
    await pass(1000);
    const before = begun.length;
    await pass(20_000);
    expect(begun.length).toBe(before);
    await release();
    expect(begun.length).toBeGreaterThan(before);
    await ticker.stop();
  });

  test("continuous: at once, again and again, and the event loop turns", async () => {
    const { begun, ticker } = await ticking({ immediate: false });
    await until(() => begun.length >= 100);
    expect(ticker.status()).toMatchObject({ seconds: null, state: "running" });
    await ticker.stop();
    const { length } = begun;
    await settle();
    expect(begun.length).toBe(length);
  });
});

describe("a ticker in this process", () => {
  test("hands the shared state to its start hook, waits for it, and keeps `this`", async () => {
    const go = Promise.withResolvers<void>();
    class Mine {
      seconds = 1;
      #shared: Shared | null = null;
      seen: unknown = null;

      async start(shared: Shared) {
        await go.promise;
        this.#shared = shared;
      }

      tick() {
        this.seen = this.#shared;
      }
    }
    const mine = new Mine();
    const shared = new OwnedShared();
    const ticker = new Ticker(mine, { clock: new HandClock(), log: logged() });
    const started = ticker.start(shared);
    await settle();
    expect(mine.seen).toBeNull();
    expect(ticker.status().state).toBe("starting");
    go.resolve();
    await started;
    expect(ticker.status().state).toBe("running");
    await settle();
    expect(mine.seen).toBe(shared);
    const again = await ticker.start(shared).catch((error) => error);
    expect(again).toEqual(new Error("a ticker is started once"));
  });

  test("tells how it is", async () => {
    const { hold, pass, release, ticker } = await ticking({ seconds: 2, mode: "SPACED" });
    const idle = {
      state: "running",
      ticks: 1,
      errors: 0,
      restarts: 0,
      tickingMs: null,
      lastTickMs: 0,
      lastError: null,
      nextInMs: 2000,
      mode: "SPACED",
      seconds: 2,
    } as const;
    expect(ticker.status()).toEqual(idle);
    hold();
    await pass(2300);
    expect(ticker.status()).toEqual({ ...idle, tickingMs: 300, nextInMs: null });
    await release();
    await pass(500);
    expect(ticker.status()).toEqual({ ...idle, ticks: 2, lastTickMs: 300, nextInMs: 1500 });
    await ticker.stop();
    expect(ticker.status()).toMatchObject({ state: "stopped", nextInMs: null });
  });

  test("logs an error with its stack, counts it, and ticks on", async () => {
    const errors = [new RangeError("first"), "second"];
    const { log, pass, ticker } = await ticking({
      seconds: 1,
      tick() {
        const error = errors.shift();
        if (error instanceof Error) throw error;
        if (error !== undefined) return Promise.reject(error);
      },
    });
    expect(ticker.status()).toMatchObject({ errors: 1, ticks: 1, lastError: "first" });
    await pass(1000);
    expect(ticker.status()).toMatchObject({ errors: 2, ticks: 2, lastError: "second" });
    await pass(1000);
    expect(ticker.status()).toMatchObject({ errors: 2, ticks: 3, state: "running" });
    expect(ticker.health().ok).toBe(true);
    expect(log.lines).toEqual([
      expect.stringMatching(/^bug an error in a tick: RangeError: first\n +at .*ticker\.test\.ts/),
      "bug an error in a tick: second",
    ]);
  });

  test("logs ten errors a second at most", async () => {
    let left = 25;
    const { log, pass, ticker } = await ticking({
      tick() {
        if (left-- > 0) throw new Error("again");
      },
    });
    await until(() => left <= 0);
    expect(ticker.status().errors).toBe(25);
    expect(log.lines.length).toBe(11);
    expect(log.lines[10]).toBe(
      "warning more errors in ticks within a second are counted, not logged",
    );
    await pass(1000);
    left = 1;
    await until(() => left <= 0);
    expect(log.lines.length).toBe(12);
    await ticker.stop();
  });

  test("dies of an error in its start hook, and only it", async () => {
    let stops = 0;
    const { begun, log, pass, starting, ticker } = await ticking({
      seconds: 1,
      start: () => Promise.reject(new RangeError("no start")),
      stop: () => void stops++,
    });
    await starting;
    await pass(5000);
    expect(begun).toEqual([]);
    expect(ticker.status()).toMatchObject({ state: "dead", nextInMs: null });
    expect(ticker.health()).toEqual({
      ok: false,
      reason: "died (the start hook failed: no start)",
    });
    expect(log.lines).toEqual([
      expect.stringMatching(
        /^bug the ticker died: the start hook failed: RangeError: no start\n +at /,
      ),
    ]);
    await ticker.stop();
    expect([stops, ticker.status().state]).toEqual([0, "stopped"]);
  });

  const deadlines: [Partial<Ticks>, number][] = [
    [{ seconds: 1 }, 30],
    [{ seconds: 5 }, 50],
    [{}, 30],
    [{ seconds: 100, deadlineSeconds: 2 }, 2],
  ];
  test.each(deadlines)("%j: is not well after %d s in a tick", async (fields, seconds) => {
    const hand = new HandClock();
    const ticker = new Ticker(
      { ...fields, tick: () => new Promise(() => {}) },
      { clock: hand, log: logged() },
    );
    await ticker.start(new OwnedShared());
    await until(() => ticker.status().tickingMs !== null);
    hand.advance(seconds * 1000);
    expect(ticker.health()).toEqual({ ok: true, reason: "running" });
    hand.advance(1);
    expect(ticker.health()).toEqual({
      ok: false,
      reason: `a tick has run for longer than ${seconds} s`,
    });
  });

  test("is not well when its start hook does not end", async () => {
    const { pass, ticker } = await ticking({
      deadlineSeconds: 1,
      start: () => new Promise(() => {}),
    });
    await pass(1000);
    expect(ticker.health()).toEqual({ ok: true, reason: "starting" });
    await pass(1);
    expect(ticker.health().reason).toBe("the start hook has run for longer than 1 s");
  });
});

describe("the stop of a ticker in this process", () => {
  test("between ticks: none comes any more, and the stop hook runs once", async () => {
    let stops = 0;
    const { begun, pass, ticker } = await ticking({ seconds: 1, stop: () => void stops++ });
    await Promise.all([ticker.stop(), ticker.stop()]);
    await ticker.stop();
    await pass(5000);
    expect([begun, stops]).toEqual([[0], 1]);
    expect(ticker.health()).toEqual({ ok: true, reason: "stopped" });
  });

  test.each([{ seconds: 1 }, {}])("%j, during a tick: waits for its end", async (fields) => {
    const happened: string[] = [];
    const go = Promise.withResolvers<void>();
    const { pass, ticker } = await ticking({
      ...fields,
      async tick() {
        happened.push("tick");
        await go.promise;
        happened.push("ticked");
      },
      async stop() {
        await turn();
        happened.push("stop");
      },
    });
    const stopped = ticker.stop().then(() => happened.push("stopped"));
    await pass(5000);
    expect(happened).toEqual(["tick"]);
    go.resolve();
    await stopped;
    await pass(5000);
    expect(happened).toEqual(["tick", "ticked", "stop", "stopped"]);
  });

  test("by the tick itself: runs the stop hook after it", async () => {
    const happened: string[] = [];
    const ticker: Ticker = new Ticker(
      {
        async tick() {
          void ticker.stop();
          await settle();
          happened.push("ticked");
        },
        stop: () => void happened.push("stop"),
      },
      { clock: new HandClock(), log: logged() },
    );
    await ticker.start(new OwnedShared());
    await until(() => ticker.status().state === "stopped");
    expect(happened).toEqual(["ticked", "stop"]);
  });

  test("during the start hook: waits for it, ticks never", async () => {
    const go = Promise.withResolvers<void>();
    let stops = 0;
    const { begun, pass, ticker } = await ticking({
      start: () => go.promise,
      stop: () => void stops++,
    });
    const stopped = ticker.stop();
    await settle();
    expect(stops).toBe(0);
    go.resolve();
    await stopped;
    await pass(100);
    expect([begun, stops, ticker.status().state]).toEqual([[], 1, "stopped"]);
  });

  test("before its start: no hook runs, and it cannot be started", async () => {
    let calls = 0;
    const call = () => void calls++;
    const ticker = new Ticker(
      { start: call, tick: call, stop: call },
      { clock: new HandClock(), log: logged() },
    );
    await ticker.stop();
    const started = await ticker.start(new OwnedShared()).catch((error) => error);
    expect(started).toEqual(new Error("a ticker is started once"));
    expect(calls).toBe(0);
  });

  test("an error in the stop hook is logged, no more", async () => {
    const { log, ticker } = await ticking({
      seconds: 1,
      stop() {
        throw new RangeError("no stop");
      },
    });
    await ticker.stop();
    expect(ticker.status()).toMatchObject({ state: "stopped", lastError: "no stop" });
    expect(log.lines).toEqual([
      expect.stringMatching(/^bug the stop hook of the ticker failed: RangeError: no stop\n +at /),
    ]);
  });

  test("a tick that does not end is waited for until the deadline, in vain", async () => {
    let stops = 0;
    const go = Promise.withResolvers<void>();
    const { log, pass, ticker } = await ticking({
      tick: () => go.promise,
      stop: () => void stops++,
    });
    let done = false;
    const stopped = ticker.stop(2000).then(() => {
      done = true;
    });
    await pass(1999);
    expect(done).toBe(false);
    await pass(1);
    await stopped;
    expect([stops, log.lines]).toEqual([
      0,
      ["warning the ticker has not stopped in time: a tick still runs"],
    ]);
    // Should it end after all, the hook runs as promised.
    go.resolve();
    await ticker.stop();
    expect([stops, ticker.status().state]).toEqual([1, "stopped"]);
  });
});

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

/** Waits until the Worker's `beats` have gone on, and with them whatever it said before. */
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
    ["not-a-ticker.ts", /^error ticker (\S+) died \(\1 is not a ticker: seconds must be /],
    [
      "no-default.ts",
      /^error ticker (\S+) died \(\1 is not a ticker: there is no default export\); /,
    ],
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
    // The first check asks what it is at, the second hears of the stop hook.
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
