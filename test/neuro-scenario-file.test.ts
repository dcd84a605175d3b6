import { describe, expect, test } from "bun:test";
import type { ScenarioFile } from "../index.ts";
import { lacking } from "../lib/services/neuro/scenario/play/contains.ts";
import { command, seconds, several, wording } from "../lib/services/neuro/scenario/file/values.ts";
import { HandClock } from "../lib/host/clock.ts";
import { readFile } from "../lib/services/neuro/scenario/file/read.ts";
import { scenarioTests } from "./neuro-scenario-suite.ts";

const { folder, problems, reading, written } = scenarioTests();
describe("a file in TOML", () => {
  test("is one scenario, named after the file, or several", async () => {
    const one = await reading('steps = [{ answer = "a" }]\n', "one.toml");
    expect(one.problems).toEqual([]);
    expect(one.plans).toHaveLength(1);
    expect(one.plans[0]).toMatchObject({
      name: "one.toml",
      game: null,
      start: null,
      folder,
      connectMs: 60_000,
      withinMs: 10_000,
      limitMs: 300_000,
    });
    const several = await reading(
      [
        'game = "Chess"',
        'start = "play --level 1"',
        "within = 0.5",
        "[[scenarios]]",
        'name = "first"',
        "limit = 20",
        "[[scenarios.steps]]",
        'expect = "register"',
        'actions = ["a", "b"]',
        "within = 3",
        "[[scenarios.steps]]",
        'answer = "a"',
        "[scenarios.steps.data]",
        "to = 3",
        "[[scenarios]]",
        'start = ["other"]',
        "steps = [{ wait = 1 }]",
      ].join("\n"),
    );
    expect(several.problems).toEqual([]);
    const [first, second] = several.plans;
    expect(first).toMatchObject({ name: "first", game: "Chess", withinMs: 500, limitMs: 20_000 });
    expect(first?.start).toEqual(["play", "--level", "1"]);
    expect(first?.played).toEqual([
      expect.objectContaining({ name: "register", text: "expect register a, b" }),
      expect.objectContaining({ name: "answer", text: 'answer a {"to":3}' }),
    ]);
    expect(second).toMatchObject({ name: "scenario 2", game: "Chess", start: ["other"] });
  });

  test("has all of its mistakes told together, each with its place and what was meant", async () => {
    expect(
      await problems(
        [
          "gmae = 1",
          "within = 0",
          "steps = [",
          '  { expect = "registr", actions = "a" },',
          '  { exepct = "force" },',
          '  { expect = "context", mesage = "x" },',
          '  { expect = "context", actions = "x", silent = 1 },',
          '  { expect = "register", within = "5" },',
          '  { answer = "a", send = "b" },',
          "  {},",
          '  { message = "x" },',
          '  { expect = "success", message = "/(/" },',
          '  { disconnect = "clean" },',
          '  { say = "" },',
          "]",
        ].join("\n"),
      ),
    ).toEqual([
      ":1:1: gmae: unknown key; did you mean game?",
      ":2:1: within: found 0 (a number); allowed: a number of seconds above 0, up to 86400",
      expect.stringMatching(
        /^:4:5: expect: found "registr" \(text\); allowed: "connect", .*; did you mean "register"\?$/,
      ),
      ":5:5: exepct: unknown key; did you mean expect?",
      ":6:25: mesage: unknown key; did you mean message?",
      ':7:25: actions: not for expect = "context", which takes message, silent, within',
      ":7:40: silent: found 1 (a number); allowed: true or false",
      expect.stringMatching(/^:8:26: within: found "5"/),
      ':8:3: actions: missing; expect = "register" needs it',
      ":9:19: send: a step does one thing, and this one has answer too",
      ":10:3: a step has one of these keys: expect, answer, send, ask, disconnect, wait, say",
      ":11:3: a step has one of these keys: expect, answer, send, ask, disconnect, wait, say",
      expect.stringMatching(
        /^:12:25: message: found .*; allowed: a part of the text, or a regular/,
      ),
      ':13:5: disconnect: found "clean" (text); allowed: "cleanly", "abruptly"; did you mean "cleanly"?',
      ':14:5: say: found "" (text); allowed: text that is not empty',
    ]);
  });

  test.each([
    ["x = [", [expect.stringMatching(/^:1:\d+: not valid TOML: /)]],
    ["", ["steps: missing; they say what happens"]],
    ["steps = []", [expect.stringContaining(":1:1: steps: found [] (a list); allowed: a list of")]],
    ["steps = [1]", [expect.stringContaining(":1:1: steps: found [1]")]],
    ['steps = [{ wait = 1 }]\nplay = "x"', [expect.stringContaining(":2:1: play: found")]],
    [
      "name = 'a'\nscenarios = [{ steps = [{ wait = 1 }] }, { name = 'scenario 1' }]",
      [
        ":1:1: name: stands beside scenarios; put it into one of them",
        ":2:42: steps: missing; they say what happens",
        ':2:44: name: another scenario of the file is called "scenario 1" too',
      ],
    ],
    [
      'steps = [{ expect = "success" }, { answer = "a" }, { expect = "success" }, { expect = "failure" }]',
      [
        expect.stringMatching(/^:1:10: expect = "success" is for an action/),
        expect.stringMatching(/^:1:76: expect = "failure" is for an action/),
      ],
    ],
    ['start = "a \'b"\nsteps = [{ wait = 1 }]', [expect.stringContaining(":1:1: start: found")]],
  ] as const)("%j is refused", async (text, found) => {
    expect(await problems(text)).toEqual(found as never);
  });

  test("that cannot be read, or is something else, is told", async () => {
    const clock = new HandClock();
    const at = async (path: string) => (await readFile(path, clock)).problems[0]?.message;
    expect(await at(`${folder}/none.toml`)).toBe("cannot be read: there is no such file");
    expect(await at(written("x", "some.yaml"))).toBe(
      "not a scenario: its name ends in .toml or .ts",
    );
    expect(await at(`${folder}/none.ts`)).toBe("there is no such module");
  });
});

describe("a file in TypeScript", () => {
  test("is a function, with what else it exports, or an object", async () => {
    const called = await reading(
      'export const start = "run me";\nexport default async function () {}\n',
      "function.ts",
    );
    expect(called.problems).toEqual([]);
    expect(called.plans[0]).toMatchObject({ name: "function.ts", start: ["run", "me"] });
    expect(called.plans[0]?.played).toBeFunction();
    const { plans, problems: found } = await reading(
      "export default { within: 2, scenarios: [{ name: 'a', play() {} }, { steps: [{ expect: 'context', message: /x/i }] }] };",
      "object.ts",
    );
    expect(found).toEqual([]);
    expect(plans.map(({ name, withinMs }) => [name, withinMs])).toEqual([
      ["a", 2000],
      ["scenario 2", 2000],
    ]);
    expect(plans[1]?.played).toEqual([expect.objectContaining({ text: "expect context /x/i" })]);
  });

  test("has its mistakes told with the number of the step", async () => {
    const code =
      "export default { scenarios: [{ steps: [{ wait: 1 }, { expect: 'force', wihtin: 1 }, {}] }, { steps: [{ wait: 1 }], play() {} }] };";
    expect(await problems(code, "wrong.ts")).toEqual([
      "scenarios[0]: steps[1]: wihtin: unknown key; did you mean within?",
      expect.stringContaining("scenarios[0]: steps[2]: a step has one of these keys"),
      "scenarios[1]: play: stands beside steps; keep one",
    ]);
  });

  test.each([
    ["export default 3;", "its default export is neither a scenario nor a function"],
    ["export const x = 1;", "it has no default export"],
    ["export default {}; throw new Error('no');", "cannot be loaded: no"],
  ])("%j is refused", async (code, message) => {
    expect(await problems(code, `bad-${Bun.hash(code)}.ts`)).toEqual([message]);
  });

  test("whose syntax is wrong is refused with the place", async () => {
    expect(await problems("export default {\n  steps: [;\n};", "syntax.ts")).toEqual([
      expect.stringMatching(/^:2:11: Unexpected ;/),
    ]);
  });

  test("has types that take what a file may hold", () => {
    const file: ScenarioFile = {
      start: ["game"],
      scenarios: [
        {
          name: "all",
          steps: [
            { expect: "register", actions: "a", schema: { required: ["x"] }, within: 2 },
            { expect: "force", actions: ["a"], priority: "high", state: /x/ },
            { answer: "a", data: { x: 1 }, say: "Hm.", unchecked: true },
            { expect: "no errors", except: "N302" },
            { ask: "graceful shutdown" },
            // @ts-expect-error: such a step is not there
            { expect: "registr", actions: "a" },
          ],
        },
      ],
    };
    expect(file).toBeObject();
  });
});

describe("values", () => {
  test("seconds are above 0, and up to a day", () => {
    const { read } = seconds("");
    expect([read(0.001), read(86_400)]).toEqual([1, 86_400_000]);
    for (const bad of [0, -1, 86_400.1, NaN, Infinity, "1"]) expect(read(bad)).toBeUndefined();
  });

  test("a command is split at spaces, but for those in quotes", () => {
    const { read } = command("");
    expect(read("a  b\tc")).toEqual(["a", "b", "c"]);
    expect(read("'my game' --name \"x 'y'\" ''")).toEqual(["my game", "--name", "x 'y'", ""]);
    expect(read('a"b c"d')).toEqual(["ab cd"]);
    expect(read(["a b", "c"])).toEqual(["a b", "c"]);
    for (const bad of ["", " ", "'a", '"', [], [""], [1], 1]) expect(read(bad)).toBeUndefined();
  });

  test("a wording is a part, or a regular expression between slashes", () => {
    const fits = (wanted: string | RegExp, found: string) => wording("").read(wanted)?.fits(found);
    expect(fits("won", "You won.")).toBe(true);
    expect(fits("Won", "You won.")).toBe(false);
    expect(fits("/^you (won|lost)/i", "You won.")).toBe(true);
    expect(fits("/WON/gi", "won")).toBe(true);
    expect([fits(/o/g, "o"), fits(/o/g, "o")]).toEqual([true, true]);
    expect(fits("/", "a/b")).toBe(true);
    expect(fits("/a", "b")).toBe(false);
    expect(wording("").read("/(/")).toBeUndefined();
    expect(wording("").read("/a/zz")).toBeUndefined();
    expect(wording("").read("")).toBeUndefined();
    // A regular expression is not tried on more than the first 20,000 characters.
    expect(fits("/x/", `${" ".repeat(19_999)}x`)).toBe(true);
    expect(fits("/x/", `${" ".repeat(20_000)}x`)).toBe(false);
    expect(fits("x", `${" ".repeat(20_000)}x`)).toBe(true);
  });

  test("one text is a list of one", () => {
    const { read } = several("");
    expect([read("a"), read(["a", "b"])]).toEqual([["a"], ["a", "b"]]);
    for (const bad of [[], [1], 1, null]) expect(read(bad)).toBeUndefined();
  });

  test("what a schema lacks is told by its path", () => {
    const found = { type: "object", properties: { a: { enum: [1, 2] } }, required: ["a", "b"] };
    const lacks = (wanted: object) => lacking(found, wanted);
    expect(lacks({})).toBe(null);
    expect(lacks({ type: "object", required: ["b"] })).toBe(null);
    expect(lacks({ properties: { a: { enum: [2, 1] } } })).toBe(null);
    expect(lacks({ properties: { a: { enum: [1, 3] } } })).toBe("properties.a.enum.1");
    expect(lacks({ properties: { b: {} } })).toBe("properties.b");
    expect(lacks({ type: { x: 1 } })).toBe("type");
    expect(lacking(1, {})).toBe("its root");
  });
});
