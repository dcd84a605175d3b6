import { afterAll, describe, expect, test } from "bun:test";
import { heapStats } from "bun:jsc";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { services } from "../index.ts";
import { HandClock } from "../lib/host/clock.ts";
import { faultsOf } from "../lib/host/service/check.ts";
import { Context, Memory } from "../lib/services/neuro/context.ts";
import { diagnose } from "../lib/services/neuro/diagnostics.ts";
import { Force } from "../lib/services/neuro/session/force.ts";
import { PRIORITIES, type Priority } from "../lib/services/neuro/protocol.ts";
import { Reports } from "../lib/services/neuro/watch/reports.ts";
import { Speech } from "../lib/services/neuro/speech.ts";
import { Queue } from "../lib/services/neuro/turns.ts";
import { configOf, until } from "./kit.ts";
import { enter, gameOf, serving, startNeuro, toldOf, turns } from "./neuro-suite.ts";

const folder = mkdtempSync(join(tmpdir(), "summoner-brains-"));
afterAll(() => rmSync(folder, { recursive: true }));
const module = (name: string, code: string) => {
  const path = join(folder, name);
  writeFileSync(path, code);
  return path;
};
const LAST = module(
  "last.ts",
  "export const chooseForceAction = (_game: string, { actions }: any) => ({ name: actions.at(-1).name });",
);

describe("a module as a brain", () => {
  test("plays, as functions or as a default export", async () => {
    const heard = module(
      "heard.ts",
      `export default {
        said: "",
        addContext(game, message) { this.said += game + ": " + message + ";"; },
        chooseForceAction(_game, { actions }) { return { name: actions[0].name, data: { said: this.said } }; },
      };`,
    );
    for (const [brain, expected] of [
      [LAST, { name: "b", data: undefined }],
      [heard, { name: "a", data: '{"said":"Test Game: Hello.;"}' }],
    ] as const) {
      const server = await startNeuro({ brain });
      const schema = { type: "object" };
      const game = await enter(server, "Test Game", [
        { name: "a", description: "A.", schema },
        "b",
      ]);
      game.send("context", { message: "Hello.", silent: true });
      game.force(["a", "b"]);
      const { name, data } = await game.action();
      expect({ name, data }).toEqual(expected as never);
      expect(gameOf(server)?.brain.name).toBe(brain);
      await server.stop();
    }
  });

  test("plays the games that are its own, beside others", async () => {
    const server = await startNeuro({ brain: LAST, brains: ["A=B Game=random"] });
    const [own, other] = [await enter(server, "A=B Game"), await enter(server, "Other")];
    expect(gameOf(server, "A=B Game")?.brain.name).toBe("random");
    own.force(["a"]);
    other.force(["a", "b"]);
    expect([(await own.action()).name, (await other.action()).name]).toEqual(["a", "b"]);
  });

  test("that will not do keeps the server from starting, and check says so", async () => {
    const faults = async (neuro: object) => {
      const config = configOf({ neuro: { enabled: true, port: 0, ...neuro } });
      return (await faultsOf(services, config)).map(({ key, message }) => [key, message]);
    };
    const none = join(folder, "none.ts");
    const empty = module("empty.ts", "export const x = 1;");
    const broken = module("broken.ts", "export const = 1;");
    const throws = module(
      "throws.ts",
      "export function chooseForceAction() {} throw new Error('no');",
    );
    expect(await faults({ brain: LAST })).toEqual([]);
    expect(await faults({ brain: none })).toEqual([
      ["neuro.brain", `${none}: there is no such module`],
    ]);
    expect(await faults({ brains: [`x=${empty}`] })).toEqual([
      ["neuro.brains", `${empty}: it has no chooseForceAction export`],
    ]);
    expect((await faults({ brain: broken }))[0]?.[1]).toContain(`${broken}: 1:`);
    for (const brain of [none, empty, broken, throws]) {
      expect(startNeuro({ brain })).rejects.toThrow(brain);
    }
    const number = module("number.ts", "export default { chooseForceAction: 1 };");
    expect(startNeuro({ brain: number })).rejects.toThrow("exports no function chooseForceAction");
    expect(() => configOf({ neuro: { brain: "robot" } })).toThrow("neuro.brain: found");
  });

  test("that does whatever it likes harms nobody", async () => {
    const wild = module(
      "wild.ts",
      `export const addContext = async () => { throw new Error("no memory"); };
      export const chooseForceAction = (_game, { query }) => {
        if (query === "hang") return new Promise(() => {});
        if (query === "reject") return Promise.reject(null);
        if (query === "then") return { then() { throw new Error("not yet"); } };
        if (query === "getter") return { get name() { throw new Error("no name"); } };
        return { name: "a" };
      };`,
    );
    const server = await startNeuro({ brain: wild, choice_timeout_secs: 5 });
    const [game, other] = [await enter(server), await enter(server, "Other")];
    game.send("context", { message: "x", silent: true });
    const ends = () => gameOf(server)?.ended.map(({ why }) => why);
    for (const query of ["reject", "then", "getter"]) {
      const before = ends()?.length as number;
      game.force(["a"], { query });
      await until(() => (ends()?.length as number) > before);
    }
    game.force(["a"], { query: "hang" });
    await until(() => gameOf(server)?.force?.state === "choosing");
    server.clock.advance(5000);
    expect(ends()).toEqual(["brain", "brain", "brain", "choice timeout"]);
    expect(toldOf(server)).toMatchObject({ brain_late: 1 });
    for (const one of [game, other]) {
      one.force(["a"], { query: "well" });
      expect((await one.action()).name).toBe("a");
    }
  });
});

describe("a brain that says that it cannot play", () => {
  test("shows in the health", async () => {
    const sick = module(
      "sick.ts",
      "export default { get trouble() { return 'it sleeps'; }, chooseForceAction: () => ({ name: 'a' }) };",
    );
    const server = await startNeuro({ brain: sick });
    await enter(server);
    expect(server.running().health()).toEqual({
      ok: false,
      reason: `brain ${sick}: it sleeps`,
    });
  });
});

describe("the queue of a brain", () => {
  const force = (priority: Priority) =>
    new Force({ query: "", names: [], state: null, ephemeral: false, priority }, [], 0);

  test("gives turns by priority, then as they came, so many at once", () => {
    const queue = new Queue(1, () => false);
    const begun: string[] = [];
    const forces = new Map<string, Force>();
    const wait = (name: string, priority: Priority) => {
      const one = force(priority);
      forces.set(name, one);
      queue.wait(one, () => void begun.push(name));
    };
    wait("first", "low");
    for (const priority of PRIORITIES) for (const n of [1, 2]) wait(`${priority} ${n}`, priority);
    expect(begun).toEqual(["first"]);
    queue.leave(forces.get("medium 1") as Force);
    for (const name of ["first", "critical 1", "critical 2", "high 1"]) {
      queue.leave(forces.get(name) as Force);
    }
    expect(begun).toEqual(["first", "critical 1", "critical 2", "high 1", "high 2"]);
    queue.leave(forces.get("high 2") as Force);
    expect(begun.at(-1)).toBe("medium 2");
  });

  test("stands a force that ends as it begins", () => {
    const queue = new Queue(1, () => false);
    let begun = 0;
    const first = force("low");
    queue.wait(first, () => {});
    for (let i = 0; i < 10_000; i++) {
      const one = force("low");
      queue.wait(one, () => {
        begun++;
        queue.leave(one);
      });
    }
    queue.leave(first);
    expect(begun).toBe(10_000);
  });
});

describe("speech", () => {
  function speaking() {
    const clock = new HandClock();
    const told: [boolean, string | undefined][] = [];
    const listener = {
      sendSpeechFinished: (isFinal: boolean, why?: string) => void told.push([isFinal, why]),
    };
    let silences = 0;
    const speech = new Speech(
      clock,
      () => ({ wordsPerMinute: 60, announces: true }),
      () => void silences++,
    );
    // Three sentences of 2, 3 and 1 seconds.
    expect(speech.say("One two. Three four five! Six?", listener)).toBe(true);
    expect(speech.say("Me too.", listener)).toBe(false);
    return { clock, told, speech, silences: () => silences };
  }

  test("takes its time, and says each segment's end and the last one", () => {
    const { clock, told, speech, silences } = speaking();
    clock.advance(1999);
    expect(told).toEqual([]);
    clock.advance(1);
    clock.advance(3000);
    expect([told, speech.isSpeaking, silences()]).toEqual([
      [
        [false, undefined],
        [false, undefined],
      ],
      true,
      0,
    ]);
    clock.advance(1000);
    expect([told.at(-1), speech.isSpeaking, silences()]).toEqual([[true, undefined], false, 1]);
    clock.advance(100_000);
    expect(told).toHaveLength(3);
  });

  test.each([
    ["low", 6000, undefined],
    ["medium", 2000, undefined],
    ["high", 500, undefined],
    ["critical", 0, "interrupted"],
  ] as const)("is hastened by a force of priority %s: it ends after %i ms", (priority, ms, why) => {
    const { clock, told, speech, silences } = speaking();
    speech.hasten(priority);
    speech.hasten(priority);
    if (ms > 0) {
      clock.advance(ms - 1);
      expect(speech.isSpeaking).toBe(true);
      clock.advance(1);
    }
    expect([speech.isSpeaking, silences(), told.at(-1)]).toEqual([false, 1, [true, why]]);
    expect(told.filter(([isFinal]) => isFinal)).toHaveLength(1);
  });

  test("is the beginning of a text without end", () => {
    const clock = new HandClock();
    const speech = new Speech(
      clock,
      () => ({ wordsPerMinute: 60, announces: false }),
      () => {},
    );
    expect(speech.say("word ".repeat(100_000), { sendSpeechFinished: () => {} })).toBe(true);
    clock.advance(399_000);
    expect(speech.isSpeaking).toBe(true);
    clock.advance(1000);
    expect(speech.isSpeaking).toBe(false);
  });

  test("is nothing where nothing is spoken", () => {
    const speech = new Speech(
      new HandClock(),
      () => ({ wordsPerMinute: 0, announces: true }),
      () => {},
    );
    expect(speech.say("One.", { sendSpeechFinished: () => {} })).toBe(false);
    expect(speech.isSpeaking).toBe(false);
  });
});

describe("what is kept", () => {
  test("of context is the newest, for the games that were heard last", () => {
    const memory = new Memory();
    const entry = (text: string) => ({
      kind: "context" as const,
      at: 0,
      text,
      silent: true,
      failed: false,
    });
    for (let i = 0; i < 1500; i++) memory.add("a", entry(`${i}`));
    expect([memory.of("a").length, memory.of("a").at(0)?.text]).toEqual([1000, "500"]);
    memory.add("a", entry("x".repeat(2_000_000)));
    expect(memory.of("a").at(-1)?.text.length).toBe(256 * 1024 + 3);
    const large = new Context();
    for (let i = 0; i < 10; i++) large.add(entry("x".repeat(200_000)));
    expect(large.entries.length).toBe(5);
    for (let i = 0; i < 1000; i++) memory.add(`game ${i}`, entry("x"));
    expect([memory.of("a"), memory.of("game 0").length]).toEqual([[], 1]);
    memory.forget("game 0");
    expect(memory.of("game 0")).toEqual([]);
  });

  test("of context is first forgotten what belongs to games that have gone, then the most", () => {
    const here = new Set<string>();
    const memory = new Memory((game) => here.has(game));
    const add = (game: string, text: string) =>
      memory.add(game, { kind: "context", at: 0, text, silent: true, failed: false });
    const most = "x".repeat(250_000);
    here.add("here");
    add("here", "It is your turn.");
    for (let i = 0; i < 100; i++) for (let j = 0; j < 4; j++) add(`gone ${i}`, most);
    const kept = (name: string) =>
      Array.from({ length: 100 }, (_, i) => memory.of(`${name} ${i}`)).filter(
        ({ length }) => length > 0,
      ).length;
    expect(kept("gone")).toBe(67);
    expect(memory.of("gone 0")).toEqual([]);
    expect(memory.of("gone 99").length).toBe(4);
    expect(memory.of("here").length).toBe(1);
    for (let i = 0; i < 100; i++) {
      here.add(`large ${i}`);
      for (let j = 0; j < 4; j++) add(`large ${i}`, most);
    }
    expect([kept("gone"), kept("large"), memory.of("here").length]).toEqual([0, 67, 1]);
    for (let i = 0; i < 2000; i++) add(`small ${i}`, "x");
    expect(memory.of("here").length).toBe(1);
  });

  test("of a long text is its beginning, and not the rest of it in memory", () => {
    const used = () => {
      Bun.gc(true);
      return heapStats().heapSize + heapStats().extraMemorySize;
    };
    const memory = new Memory();
    const before = used();
    for (let i = 0; i < 50; i++) {
      // As it comes from a frame: a text whose bytes are all its own.
      const { text } = JSON.parse(JSON.stringify({ text: `${i}${"x".repeat(4_000_000)}` }));
      memory.add(`game ${i}`, { kind: "context", at: 0, text, silent: true, failed: false });
    }
    expect(used() - before).toBeLessThan(50_000_000);
    expect(memory.of("game 49")[0]?.text).toStartWith("49xxx");
  });

  test("of reports is each once, with how often, and the log is not flooded", () => {
    const clock = new HandClock();
    const lines: string[] = [];
    const log = {
      info: (line: string) => lines.push(line),
      warning: (line: string) => lines.push(line),
    };
    const reports = new Reports(clock, log as never);
    for (let i = 0; i < 1000; i++) {
      clock.advance(1);
      reports.add("Game\u001b", diagnose("empty_game", {}));
      reports.add(null, diagnose("not_json", { why: `${i}` }));
    }
    const [report, ...others] = reports.of("Game\u001b");
    expect(others).toEqual([]);
    expect(report).toMatchObject({
      times: 1000,
      firstAt: clock.wall() - 999,
      lastAt: clock.wall(),
    });
    expect(reports.of("").length).toBe(100);
    clock.advance(2000);
    expect(lines.length).toBeLessThan(10);
    expect(lines[0]).toBe(
      "neuro: Game\\x1b: N121 A game has the empty name. Send the display name of your game as game.",
    );
    expect(lines).toContain("neuro: 999 more of N121 of Game\\x1b");
    const ends = diagnose("not_json", { why: "999" }).text;
    expect(lines).toContain(`neuro: 999 more of N101 of a connection, the last: ${ends}`);
    expect(reports.counts).toEqual({ error: 1000, warning: 1000, info: 0 });
  });
});

test("what a game's own log does not take, the number of further ones stays out of too", () => {
  const clock = new HandClock();
  const lines: string[] = [];
  const inFile: string[] = [];
  const to = (where: string[]) => {
    const add = (line: string) => void where.push(line);
    return { info: add, warning: add };
  };
  const reports = new Reports(clock, to(lines));
  for (const why of ["a", "b"]) reports.add("Spire", diagnose("not_json", { why }), to(inFile));
  clock.advance(2000);
  const last = diagnose("not_json", { why: "b" }).text;
  expect(inFile[1]).toBe(`neuro: 1 more of N101 of Spire, the last: ${last}`);
  expect(lines).toEqual([]);
});

describe("whoever watches", () => {
  test("is told of games, events and frames, and harms nobody by failing", async () => {
    const server = await startNeuro();
    const seen: string[] = [];
    const stop = serving(server).watch({
      game: (one, isHere) => void seen.push(`${one.name} ${isHere}`),
      event: (_one, event) =>
        void seen.push(event.kind === "force" ? `force ${event.state}` : event.kind),
      frame: ({ direction, text }) => void seen.push(`${direction} ${JSON.parse(text).command}`),
    });
    const harm = serving(server).watch({
      event: () => {
        throw new Error("not my day");
      },
    });
    const game = await enter(server);
    game.force(["a"]);
    const { id } = await game.action();
    game.result(id, true);
    await until(() => gameOf(server)?.force === null && gameOf(server)?.ended.length === 1);
    expect(seen).toEqual([
      "in startup",
      "Test Game true",
      "startup",
      "out startup",
      "in actions/register",
      "registered",
      "in actions/force",
      "force queued",
      "force choosing",
      "context",
      "action",
      "force sent",
      "out action",
      "in action/result",
      "result",
      "force succeeded",
    ]);
    expect(server.printed()).toContain("not my day");
    stop();
    harm();
    game.close();
    await until(() => server.stats()["games"] === 0);
    await turns();
    expect(seen).toHaveLength(16);
  });
});
