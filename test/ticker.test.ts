import { describe, expect, test } from "bun:test";
import { type Clock, HandClock } from "../lib/host/clock.ts";
import { OwnedShared, RemoteShared, type Shared } from "../lib/services/web/ticker/shared.ts";
import { Ticker, type Ticks, ticksProblem } from "../lib/services/web/ticker/ticker.ts";
import { turn, until } from "./kit.ts";
import { logged, settle } from "./ticker-suite.ts";

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
