import { describe, expect, test } from "bun:test";
import { load } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { noJson, wrong, type WrongKind } from "../lib/services/neuro/brains/faults/wrong.ts";
import { LlmBrain } from "../lib/services/neuro/brains/llm/llm.ts";
import { Random } from "../lib/services/neuro/random.ts";
import { type DataRules, rulesOf } from "../lib/services/neuro/schema/rules.ts";
import { chatEndpoint, calls } from "./chat-endpoint.ts";
import { type Booted, until } from "./kit.ts";
import { enter, gameOf, serving, startNeuro, type TestGame, toldOf, turns } from "./neuro-suite.ts";

const PLAY = {
  name: "play",
  description: "Plays a card.",
  schema: {
    type: "object",
    properties: {
      suit: { enum: ["hearts", "spades"] },
      rank: { type: "integer", minimum: 1, maximum: 13 },
    },
    required: ["suit", "rank"],
  },
};

/** A game whose choices all have one fault. */
async function faulty(fault: string, actions: readonly (string | object)[], more: object = {}) {
  const server = await startNeuro({ faults: [fault], fault_rate: 1, ...more });
  return { server, game: await enter(server, "Test Game", actions) };
}

const problemsOf = async (data: string) => {
  const rules = rulesOf(PLAY) as DataRules;
  return rules.problemsOf(JSON.parse(data));
};
const reportsOf = (server: Booted) =>
  serving(server)
    .reports.of("Test Game")
    .map(({ diagnostic }) => diagnostic);

describe("a fault in the data", () => {
  test.each([
    ["enum", /^\/suit|suit/],
    ["type", /wanted a /],
    ["missing", /is missing/],
  ])("%s: is sent, is told, and the game's failure has it tried again", async (fault, problem) => {
    const { server, game } = await faulty(fault, [PLAY]);
    game.force(["play"]);
    for (let tries = 0; tries < 3; tries++) {
      const { id, name, data } = await game.action();
      expect(name).toBe("play");
      expect((await problemsOf(data as string)).join()).toMatch(problem);
      game.result(id, false, "That is wrong.");
    }
    const { data } = await game.action();
    expect((await problemsOf(data as string)).length).toBeGreaterThan(0);
    expect(toldOf(server)).toEqual({ [`fault_${fault}`]: 4, retried: 3 });
    const found = reportsOf(server).filter(({ name }) => name === `fault_${fault}`);
    expect(found[0]).toMatchObject({ severity: "info" });
    expect(found[0]?.text).toStartWith(`Fault on purpose (${fault}): play is sent with`);
    expect(server.stats()["faults"]).toBe(4);
    expect(server.printed()).toContain(`neuro: Test Game: ${found[0]?.code} Fault on purpose`);
  });

  test("json: is no JSON, for actions without a schema too", async () => {
    const { server, game } = await faulty("json", [PLAY, "wait"]);
    for (const name of ["play", "wait"]) {
      game.force([name]);
      const { id, data } = await game.action();
      expect(() => JSON.parse(data as string)).toThrow();
      game.result(id, true);
      await until(() => gameOf(server)?.force === null);
    }
    expect(toldOf(server)).toEqual({ fault_json: 2 });
  });

  test("is none where the schema has nothing of the kind", async () => {
    const { server, game } = await faulty("enum", ["wait"]);
    game.force(["wait"]);
    expect((await game.action()).data).toBeUndefined();
    expect([toldOf(server), server.stats()["faults"]]).toEqual([{}, 0]);
  });

  test("gives way to the next one that can be made", async () => {
    const server = await startNeuro({ faults: ["enum=1", "json=1"] });
    const game = await enter(server, "Test Game", ["wait", PLAY]);
    game.force(["wait"]);
    game.result((await game.action()).id, true);
    await until(() => gameOf(server)?.force === null);
    game.force(["play"]);
    await game.action();
    expect(toldOf(server)).toEqual({ fault_json: 1, fault_enum: 1 });
  });

  test("comes with what a model has chosen too, not with what cannot be sent anyway", async () => {
    const endpoint = chatEndpoint((_asked, count) =>
      calls("play", { suit: "hearts", rank: count === 1 ? 99 : 7 }),
    );
    const llm = { base_url: endpoint.baseUrl, model: "m" };
    const { server, game } = await faulty("missing", [PLAY], { brain: "llm", llm });
    game.force(["play"]);
    const { data } = await game.action();
    expect(['{"suit":"hearts"}', '{"rank":7}']).toContain(data as string);
    expect(toldOf(server)).toEqual({ bad_choice: 1, fault_missing: 1 });
    expect(gameOf(server)?.brain).toBeInstanceOf(LlmBrain);
  });
});

describe("a fault in the order of things", () => {
  test("double: another action comes while the first is unanswered", async () => {
    const { server, game } = await faulty("double", [PLAY, "wait"]);
    game.force(["play", "wait"]);
    const [first, second] = [await game.action(), await game.action()];
    expect([first.name, second.name].toSorted()).toEqual(["play", "wait"]);
    expect(first.id).not.toBe(second.id);
    const play = [first, second].find(({ name }) => name === "play");
    expect(await problemsOf(play?.data as string)).toEqual([]);
    // What becomes of the second is of no force.
    game.result(second.id, false);
    game.result(first.id, true);
    await until(() => server.stats()["forces_succeeded"] === 1);
    await turns();
    expect([game.frames, server.stats()["unanswered"]]).toEqual([[], 0]);
    expect(toldOf(server)).toMatchObject({ fault_double: 1 });
  });

  test("unforced: an action that the force does not name comes before the force's own", async () => {
    const { server, game } = await faulty("unforced", [PLAY, "wait"]);
    game.force(["wait"]);
    const first = await game.action();
    expect(first.name).toBe("play");
    expect(await problemsOf(first.data as string)).toEqual([]);
    await turns();
    expect(game.frames).toEqual([]);
    game.result(first.id, true);
    const second = await game.action();
    expect(second.name).toBe("wait");
    game.result(second.id, true);
    await until(() => server.stats()["forces_succeeded"] === 1);
    expect(toldOf(server)).toEqual({ fault_unforced: 1 });
  });

  test("slow: the choice comes late, by the clock", async () => {
    const { server, game } = await faulty("slow", ["wait"], { fault_slow_secs: 30 });
    game.force(["wait"]);
    await until(() => toldOf(server)["fault_slow"] === 1);
    server.clock.advance(29_999);
    await turns();
    expect(game.frames).toEqual([]);
    server.clock.advance(1);
    expect((await game.action()).name).toBe("wait");
  });

  test("slow: a force that is replaced meanwhile is chosen for no more", async () => {
    const { server, game } = await faulty("slow", ["a", "b"]);
    game.force(["a"]);
    await until(() => toldOf(server)["fault_slow"] === 1);
    game.force(["b"]);
    await until(() => toldOf(server)["fault_slow"] === 2);
    server.clock.advance(10_000);
    expect((await game.action()).name).toBe("b");
    expect([game.frames, toldOf(server)]).toEqual([[], { fault_slow: 2, force_replaced: 1 }]);
  });

  test("drop: the connection is cut instead, and others stay", async () => {
    const { server, game } = await faulty("drop", ["a"]);
    const other = await enter(server, "Other");
    game.force(["a"]);
    expect((await game.closed)[0]).toBe(1006);
    expect([game.frames, toldOf(server)]).toEqual([[], { fault_drop: 1 }]);
    await until(() => server.stats()["games"] === 1);
    other.send("startup");
    expect((await other.next()).command).toBe("startup");
  });

  test("duplicate: an action comes twice, and its second result is dropped", async () => {
    const { server, game } = await faulty("duplicate", [PLAY]);
    game.force(["play"]);
    const [first, second] = [await game.action(), await game.action()];
    expect(second).toEqual(first);
    game.result(first.id, true);
    game.result(second.id, false);
    await until(() => toldOf(server)["second_result"] === 1);
    expect(server.stats()).toMatchObject({ forces_succeeded: 1, actions_sent: 1, unanswered: 0 });
    expect(toldOf(server)).toEqual({ fault_duplicate: 1, second_result: 1 });
  });

  test("duplicate: ends with its force", async () => {
    const late = { random_delay_ms: 100 };
    const { server, game } = await faulty("duplicate", ["a", "b"], late);
    game.force(["a"]);
    await until(() => gameOf(server)?.force?.state === "choosing");
    game.force(["b"]);
    await until(() => toldOf(server)["force_replaced"] === 1);
    await turns();
    server.clock.advance(100);
    const [first, second] = [await game.action(), await game.action()];
    expect([first.name, second]).toEqual(["b", first]);
    await turns();
    expect(game.frames).toEqual([]);
  });
});

describe("the faults of a seed", () => {
  /** Plays so many forces with faults by chance, and answers what came of them. */
  async function played(more: object, beside: string | null = null): Promise<readonly string[]> {
    const faults = ["json", "enum", "type", "missing", "duplicate=0.5", "unforced"];
    const server = await startNeuro({ faults, fault_rate: 0.2, ...more });
    const game = await enter(server, "Test Game", [PLAY, "wait"]);
    const other = beside === null ? null : await enter(server, beside, [PLAY]);
    const came: string[] = [];
    serving(server).watch({
      event: (one, event) => {
        if (one.name !== "Test Game") return;
        if (event.kind === "diagnostic") came.push(event.diagnostic.text);
        if (event.kind === "action") came.push(`${event.action.name} ${event.action.data}`);
      },
    });
    for (let i = 0; i < 20; i++) {
      for (const one of [game, other]) if (one !== null) await forced(server, one);
    }
    await server.stop();
    return came;
  }

  async function forced(server: Booted, game: TestGame): Promise<void> {
    const ended = () => gameOf(server, game.name)?.ended.length as number;
    const before = ended();
    game.force(["play"]);
    await until(() => {
      for (const frame of game.frames.splice(0)) game.result(JSON.parse(frame).data.id, true);
      return ended() > before;
    });
  }

  test("are the same in each run, whatever other games there are; those of another are others", async () => {
    const [one, again, beside, other] = [
      await played({}),
      await played({}),
      await played({}, "Other"),
      await played({ fault_seed: 2 }),
    ];
    const made = one.filter((text) => text.includes("Fault on purpose"));
    // Twenty choices, six faults of which half are made at one time or another.
    expect(made.length).toBeGreaterThan(5);
    expect(made.length).toBeLessThan(20);
    expect(new Set(made.map((text) => text.split(":")[0])).size).toBeGreaterThan(2);
    expect([again, beside].map((all) => withoutIds(all))).toEqual([
      withoutIds(one),
      withoutIds(one),
    ]);
    expect(other).not.toEqual(one);
  });

  /** A second result may be told before or after the next force begins. */
  const withoutIds = (came: readonly string[]) =>
    came.filter((text) => !text.includes("answered before"));

  test("have the rates that are set", async () => {
    expect(await played({ faults: ["json=0"] })).toHaveLength(20);
    const all = await played({ faults: ["json=0", "json=1"] });
    expect(all.filter((text) => text.includes("Fault on purpose (json)"))).toHaveLength(20);
  });
});

describe("faults in the settings", () => {
  const problems = (neuro: object) =>
    load(settings, { object: { version: "rust", neuro } }).problems.map(({ message }) => message);

  test("are told at the start, so that nobody wonders; without them nothing is", async () => {
    const server = await startNeuro({ faults: ["enum", "slow=0.05"], fault_seed: 7 });
    expect(server.printed()).toContain(
      "neuro: faults are made on purpose: enum 0.1, slow 0.05; seed 7",
    );
    await server.stop();
    expect((await startNeuro()).printed()).not.toContain("on purpose");
  });

  test("are refused where they are none", () => {
    for (const good of ["json", "drop=0", "drop=1", "drop=0.25"]) {
      expect(problems({ faults: [good] })).toEqual([]);
    }
    for (const bad of [
      "",
      "jsn",
      "drop=",
      "drop=1.1",
      "drop=-1",
      "drop=1e-1",
      "drop=0.1=2",
      "=1",
    ]) {
      expect(problems({ faults: [bad] })[0]).toStartWith("neuro.faults: found");
    }
    for (const rate of [0, 0.5, 1]) expect(problems({ fault_rate: rate })).toEqual([]);
    for (const rate of [-0.01, 1.01, "1"]) {
      expect(problems({ fault_rate: rate })[0]).toStartWith("neuro.fault_rate: found");
    }
  });
});

describe("data is made wrong", () => {
  const rules = (schema: object) =>
    rulesOf({ name: "x", description: "", schema: schema as never }) as DataRules;
  const deep = {
    type: "object",
    properties: {
      cards: {
        type: "array",
        items: {
          anyOf: [
            { type: "object", properties: { suit: { const: "hearts" } }, required: ["suit"] },
            { type: "null" },
          ],
        },
      },
      level: { enum: [1, 2, 3] },
      free: true,
    },
  };
  const data = '{"cards":[null,{"suit":"hearts"}],"level":2,"free":{}}';

  test.each<[WrongKind, readonly string[]]>([
    ["enum", ["cards.1.suit", "level"]],
    ["type", ["cards", "cards.0", "cards.1"]],
    ["missing", ["cards.1.suit"]],
  ])(
    "%s: wherever the schema says something, and always so that it does not fit",
    async (kind, paths) => {
      const found = new Set<string>();
      for (let seed = 0; seed < 40; seed++) {
        const made = await wrong(kind, rules(deep), data, new Random(seed));
        expect(await rules(deep).problemsOf(JSON.parse(made?.data as string))).not.toEqual([]);
        found.add(made?.path as string);
      }
      expect([...found].toSorted()).toEqual([...paths]);
    },
  );

  test("not where anything fits", async () => {
    const lax = { type: "object", properties: { a: { anyOf: [{ enum: ["x"] }, true] } } };
    expect(await wrong("enum", rules(lax), '{"a":"x"}', new Random(1))).toBeNull();
    expect(await wrong("missing", rules(lax), '{"a":"x"}', new Random(1))).toBeNull();
  });

  test("no JSON is none, whatever it was", () => {
    for (const text of ["{}", '{"a":1}', '{"a":{"b":[1,2,"}"]}}']) {
      for (let seed = 0; seed < 100; seed++) {
        expect(() => JSON.parse(noJson(text, new Random(seed)))).toThrow();
      }
    }
  });
});
