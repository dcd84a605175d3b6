import { describe, expect, test } from "bun:test";
import { everyPage } from "./pages.ts";
import { startConsole } from "./console-suite.ts";
import { until } from "./kit.ts";
import { connect, enter, gameOf, toldOf } from "./neuro-suite.ts";

const PLAY = {
  name: "play_card",
  description: "Plays a card.",
  schema: {
    type: "object",
    properties: {
      card: { enum: ["Strike", "Bash"], description: "Which one." },
      target: { type: "integer", minimum: 0, maximum: 2, default: 0 },
      note: { type: "string" },
      options: {
        type: "object",
        properties: {
          loud: { type: "boolean" },
          tags: { type: "array", items: { enum: ["x", "y"] } },
        },
        required: ["loud"],
      },
    },
    required: ["card", "target"],
  },
};
const HOW = "[1]   Enter asks for one value after the other; j takes them as JSON; b goes back.";
const END = { name: "end_turn", description: "Ends your turn." };

/** A console with a game that has a force, and what it was told until then forgotten. */
async function forced(more: object = {}, actions: readonly object[] = [PLAY, END]) {
  const { server, paper } = await startConsole();
  const game = await enter(server, "Spire", actions);
  paper.news();
  const names = actions.map((one) => (one as { name: string }).name);
  game.force(names, { query: "Choose a card.", ...more });
  await until(() => paper.prompted.includes("which action?"));
  return { server, paper, game };
}

describe("a force", () => {
  test("is shown with its query, state, priority and what may be chosen, each line with its game", async () => {
    const { paper } = await forced({
      state: "| HP |\n| 30 |",
      priority: "high",
      ephemeral_context: true,
    });
    expect(paper.news()).toEqual([
      "[1 Spire] wants an action (priority high, to be forgotten afterwards): Choose a card.",
      "[1]   It tells its state:",
      "[1]     | HP |",
      "[1]     | 30 |",
      "[1]   1 play_card (card, target, note?, options?)  Plays a card.",
      "[1]   2 end_turn                                   Ends your turn.",
    ]);
    expect(paper.prompted).toBe("[1 Spire] which action? (number or name)> ");
  });

  test("is answered value by value, and what is wrong is asked again", async () => {
    const { paper, game } = await forced();
    paper.news();
    await paper.type("1");
    expect(paper.news()).toEqual([
      "[1]   play_card: Plays a card.",
      "[1]   card          one of Strike, Bash: Which one.",
      "[1]   target        a whole number from 0 to 2 (else 0)",
      "[1]   note          a text (optional)",
      "[1]   options.loud  yes or no",
      "[1]   options.tags  a list, with commas between them; each one of x, y (optional)",
      HOW,
    ]);
    expect(paper.prompted).toBe("[1 Spire] play_card> ");
    await paper.type("what?");
    expect(paper.news()).toEqual([HOW]);
    await paper.type("");
    expect(paper.news()).toEqual([
      "[1]   card: one of these, by number or as it stands. Which one.",
      "[1]     1 Strike   2 Bash",
    ]);
    expect(paper.prompted).toBe("[1 Spire] card> ");
    await paper.type("", "Smash", "3");
    expect(paper.news()).toEqual([
      "[1]   card: an answer is needed: one of Strike, Bash.",
      "[1]   card: found Smash; wanted one of Strike, Bash.",
      "[1]   card: found 3; wanted one of Strike, Bash.",
    ]);
    await paper.type("2", "many", "1e400", "2.5", "9");
    expect(paper.news()).toEqual([
      "[1]   target: a whole number from 0 to 2. Enter takes 0.",
      ...["many", "1e400", "2.5", "9"].map(
        (one) => `[1]   target: found ${one}; wanted a whole number from 0 to 2.`,
      ),
    ]);
    expect(paper.prompted).toBe("[1 Spire] target [0]> ");
    await paper.type("");
    expect(paper.news()).toEqual(["[1]   note: a text. Enter leaves it out."]);
    await paper.type("");
    expect(paper.prompted).toBe("[1 Spire] options: fill it in? [y/N]> ");
    await paper.type("perhaps", "y", "no", "x, z", "x, y");
    expect(paper.news().slice(-3)).toEqual([
      "[1]   options.tags: a list, with commas between them; each one of x, y. Enter leaves it out.",
      "[1]   options.tags.1: found z; wanted one of x, y.",
      '[1 Spire] is sent play_card {"card":"Bash","target":0,"options":{"loud":false,"tags":["x","y"]}}',
    ]);
    const { name, data } = await game.action();
    expect([name, JSON.parse(data as string)]).toEqual([
      "play_card",
      { card: "Bash", target: 0, options: { loud: false, tags: ["x", "y"] } },
    ]);
    expect(paper.prompted).toBe("");
  });

  test("is answered with JSON, which is checked before it is sent", async () => {
    const { paper, game, server } = await forced();
    paper.news();
    await paper.type("play_card", "j");
    expect(paper.news().slice(-2)).toEqual([
      "[1]   Type its data as JSON; b goes back. Its schema:",
      `[1]   ${JSON.stringify(PLAY.schema)}`,
    ]);
    expect(paper.prompted).toBe("[1 Spire] play_card {...}> ");
    await paper.type("{", "", "Strike", '{"card":"Smash","target":1}', "{}");
    const [syntax, ...others] = paper.news();
    expect(syntax).toStartWith("[1]   That is not JSON: ");
    expect(others).toEqual([
      '[1]   Type an object, as {"name": "value"}.',
      '[1]   That is no object, as {"name": "value"}.',
      '[1]   card: found "Smash"; wanted one of "Strike", "Bash".',
      '[1]   "card" is missing.',
      '[1]   "target" is missing.',
    ]);
    await paper.type('{"card":"Strike","target":1}');
    expect(await game.action()).toMatchObject({ data: '{"card":"Strike","target":1}' });
    expect(toldOf(server, "Spire")).not.toHaveProperty("bad_choice");
  });

  test("is answered in one line, and a wrong line changes nothing", async () => {
    const { paper, game } = await forced();
    await paper.type('play_card {"card":"x"}');
    expect(paper.prompted).toContain("which action?");
    await paper.type('1 {"card":"Bash","target":2}');
    expect(await game.action()).toMatchObject({ data: '{"card":"Bash","target":2}' });
  });

  test("is answered by an action without data at once", async () => {
    const { paper, game } = await forced();
    await paper.type("END_TURN");
    expect(await game.action()).toMatchObject({ name: "end_turn" });
  });

  test("stands empty lines, bad numbers, garbage and long lines", async () => {
    const { paper, game } = await forced();
    paper.news();
    const garbage = [
      "",
      "   ",
      "0",
      "3",
      "-1",
      "1.5",
      "99999999999999999999",
      "\u001b[2J\u0007",
      "{}",
    ];
    await paper.type(
      ...garbage,
      "end_tunr",
      "x".repeat(1_000_000),
      "!nothing",
      `1 ${"{".repeat(1e6)}`,
    );
    const news = paper.news();
    expect(news.every((line) => line.startsWith("[1]   ") && line.length < 300)).toBe(true);
    expect(news).toContain(
      "[1]   There is no action end_tunr here: type 1 to 2, or a name. Did you mean end_turn?",
    );
    expect(news).toContain("[1]   There is no action \\x1b[2J\\x07 here: type 1 to 2, or a name.");
    await paper.type("2");
    expect((await game.action()).name).toBe("end_turn");
  });

  test("goes back to the actions, from everywhere", async () => {
    const { paper, game } = await forced();
    for (const lines of [["b"], ["", "!back"], ["j", "back"], ["", "1", "!json", "B"]]) {
      await paper.type("1", ...lines);
      expect(paper.prompted).toContain("which action?");
      expect(paper.lines.at(-1)).toStartWith("[1]   2 end_turn");
    }
    await paper.type("2");
    expect((await game.action()).name).toBe("end_turn");
  });

  test("is asked again after a failure, with what the game said", async () => {
    const { paper, game } = await forced();
    await paper.type("2");
    game.result((await game.action()).id, false, "It is not\nyour turn.");
    await paper.sees("failure of end_turn: It is not");
    await paper.sees("[1 Spire] wants an action");
    await paper.sees("[1]   It is asked again: end_turn came to nothing: It is not\\nyour turn.");
    await paper.type("2");
    game.result((await game.action()).id, true, "Well done.");
    await paper.sees("success of end_turn: Well done.");
    expect(paper.prompted).toBe("");
  });

  test("whose rules no form knows is asked again for the values that break them", async () => {
    const schema = {
      type: "object",
      properties: {
        word: { type: "string", pattern: "^[a-z]+$" },
        many: { type: "array", items: { type: "integer" }, uniqueItems: true },
        rest: { type: "string" },
      },
      required: ["word", "many", "rest"],
      minProperties: 3,
    };
    const { paper, game } = await forced({}, [{ name: "say", description: "Says.", schema }]);
    await paper.type("say", "", "ABC", "1, 1", "x");
    expect(paper.prompted).toBe("[1 Spire] word> ");
    await paper.sees('[1]   word: found "ABC"; wanted a text that matches ^[a-z]+$.');
    await paper.sees("[1]   many: found [1,1]; wanted a list without anything twice.");
    await paper.type("abc", "1, 2");
    const { data } = await game.action();
    expect(JSON.parse(data as string)).toEqual({ word: "abc", many: [1, 2], rest: "x" });
  });

  test("takes the empty text, texts in JSON, null and defaults as they are meant", async () => {
    const object = { type: "object", properties: { b: { type: "string" } }, required: ["b"] };
    const properties = {
      empty: { type: "string" },
      any: {},
      none: { type: ["string", "null"] },
      usual: { default: "x" },
      inner: { ...object, type: ["object", "null"] },
      other: object,
      given: { ...object, properties: { a: { type: "integer" }, b: { type: "string" } } },
    };
    const schema = { type: "object", properties, required: Object.keys(properties).slice(0, 6) };
    const { paper, game } = await forced({}, [{ name: "say", description: "Says.", schema }]);
    await paper.type(
      "say",
      "",
      '""',
      "hello",
      '"hello"',
      "null",
      "",
      "n",
      '""',
      '{"a": 1, "b": 2}',
      "two",
    );
    const { data } = await game.action();
    expect(JSON.parse(data as string)).toEqual({
      empty: "",
      any: "hello",
      none: null,
      usual: "x",
      inner: null,
      other: { b: "" },
      given: { a: 1, b: "two" },
    });
  });

  test("that no form expresses is asked for as JSON at once", async () => {
    const schema = { type: "object", oneOf: [{ required: ["a"] }, { required: ["b"] }] };
    const { paper, game } = await forced({}, [{ name: "say", description: "Says.", schema }]);
    await paper.type("1");
    expect(paper.prompted).toBe("[1 Spire] say {...}> ");
    await paper.type('{"a":1,"b":1}', '{"a":1}');
    expect((await game.action()).data).toBe('{"a":1}');
  });

  test("whose action has gone meanwhile, or cannot be chosen, is asked again", async () => {
    const tree = { type: "object", properties: { a: { $ref: "#" } } };
    const { paper, game } = await forced();
    game.register({ name: "tree", description: "Recurses.", schema: tree });
    await paper.type("1", "");
    game.send("actions/unregister", { action_names: ["play_card"] });
    await paper.sees("can no longer: play_card");
    await paper.type("1", "", "", "");
    await paper.sees("play_card came to nothing: it is not among the actions");
    expect(paper.prompted).toContain("which action?");
    game.force(["tree", "end_turn"], { query: "Again." });
    await paper.sees("the force was replaced by another");
    await paper.sees("wants an action (priority low): Again.");
    expect(await paper.sees("1 end_turn")).not.toContain("tree");
    await paper.type("send tree");
    await paper.sees("N404 The schema of tree refers to itself");
    await paper.type("1");
    expect((await game.action()).name).toBe("end_turn");
  });
});

describe("several games", () => {
  test("are told apart, and asked one after the other, the most urgent first", async () => {
    const { server, paper } = await startConsole();
    const names = ["Spire", "Poker", "Chess"];
    const [spire, poker, chess] = await Promise.all(names.map((name) => enter(server, name)));
    const idOf = (name: string) => gameOf(server, name)?.id;
    spire?.force(["a", "b"]);
    await until(() => paper.prompted.startsWith(`[${idOf("Spire")} Spire] which`));
    poker?.force(["b"], { priority: "low" });
    await paper.sees(`[${idOf("Poker")} Poker] waits for you too (priority low)`);
    chess?.force(["a"], { priority: "critical" });
    await paper.sees(`[${idOf("Chess")} Chess] waits for you too (priority critical)`);
    await paper.type("2");
    expect((await spire?.action())?.name).toBe("b");
    expect(paper.prompted).toStartWith(`[${idOf("Chess")} Chess] which`);
    await paper.type("a");
    expect((await chess?.action())?.name).toBe("a");
    expect(paper.prompted).toStartWith(`[${idOf("Poker")} Poker] which`);
    await paper.type("1");
    expect((await poker?.action())?.name).toBe("b");
  });

  test("come and go; one that goes in the middle of the questions leaves the others as they were", async () => {
    const { server, paper } = await startConsole();
    const spire = await enter(server, "Spire", [PLAY]);
    await paper.sees("[1 Spire] is here, from 127.0.0.1:");
    await paper.sees("[1 Spire] can now: play_card");
    const poker = await enter(server, "Poker");
    spire.force(["play_card"]);
    await until(() => paper.prompted.includes("which action?"));
    await paper.type("1", "", "1");
    expect(paper.prompted).toBe("[1 Spire] target [0]> ");
    poker.force(["a"]);
    await paper.sees("[2 Poker] waits for you too");
    spire.close();
    await paper.sees("[1 Spire] has gone");
    expect(paper.prompted).toStartWith("[2 Poker] which action?");
    await paper.type("1");
    expect((await poker.action()).name).toBe("a");
  });

  test("of one name are two games", async () => {
    const { server, paper } = await startConsole();
    const one = await enter(server, "Twin");
    const other = await enter(server, "Twin", ["c"]);
    await paper.type("send 2 c", "send Twin a");
    expect([(await one.action()).name, (await other.action()).name]).toEqual(["a", "c"]);
  });

  test("are shown by the console alone, and stand in the log's file", async () => {
    const { server, paper } = await startConsole();
    await enter(server, "Mine", [{ name: "a", description: "" }]);
    await paper.sees("[1 Mine] warning N203");
    for (const told of ["Mine is here", "N203"]) {
      expect(server.printed()).not.toContain(told);
      expect(server.log.tail().join("\n")).toContain(told);
    }
  });
});

describe("what happens", () => {
  test("is shown: context, results, diagnostics with their cure", async () => {
    const { server, paper } = await startConsole();
    const game = await enter(server, "Spire", [{ name: "a", description: "" }]);
    await paper.sees(
      "[1 Spire] warning N203: a has no description. Say in a sentence what the action does: the brain reads that, and nothing else.",
    );
    game.send("context", { message: "One.\nTwo.\u001b[2J", silent: true });
    await paper.sees("[1 Spire] tells (silently): One.");
    expect(await paper.sees("Two.")).toBe("[1]   Two.\\x1b[2J");
    game.send("context", { message: "Hello.", silent: false });
    await paper.sees("[1 Spire] tells: Hello.");
    game.raw("{");
    await paper.sees("[1 Spire] error N101: A frame is not JSON");
    game.send("mygame/hello", { a: 1 });
    await paper.sees('[1 Spire] says mygame/hello {"a":1}');
    game.send("shutdown/ready");
    await paper.sees("[1 Spire] is ready to be shut down");
    await paper.type("send a");
    await paper.sees("[1 Spire] is sent a");
    await game.action();
    server.clock.advance(20_000);
    await paper.sees("[1 Spire] failure of a: no result in 20 s");
    game.force(["a"]);
    await paper.sees("wants an action");
    game.send("startup");
    await paper.sees("[1 Spire] the force was cancelled: its game has begun anew");
  });

  test("is summed up where it is too much, and nobody is kept from choosing", async () => {
    const { server, paper } = await startConsole();
    const [flood, calm] = [await enter(server, "Flood"), await enter(server, "Calm")];
    for (let i = 0; i < 1000; i++) flood.send("context", { message: `${i}`, silent: true });
    flood.force(["a"]);
    await until(() => gameOf(server, "Flood")?.force?.state === "choosing");
    expect(paper.lines.length).toBeLessThan(100);
    calm.force(["b"]);
    await until(() => gameOf(server, "Calm")?.force?.state === "choosing");
    expect(paper.prompted).toBe("");
    server.clock.advance(1000);
    await paper.sees("more lines in the last second");
    await paper.sees("[1 Flood] wants an action");
    await paper.type("a");
    await paper.sees("[2 Calm] wants an action");
    await paper.type("b");
    expect((await calm.action()).name).toBe("b");
  });

  test("is nothing for 8 seconds: then the person is told what can be done, once", async () => {
    const { server, paper } = await startConsole();
    const game = await enter(server, "Spire");
    await enter(server, "Empty", []);
    paper.news();
    const hints = () => paper.news().filter((line) => line.includes("has been silent"));
    server.clock.advance(7500);
    expect(hints()).toEqual([]);
    server.clock.advance(1000);
    expect(hints()).toEqual([
      "[1 Spire] has been silent for 8 s. You may act unasked: send 1 ACTION, with one of a, b. Enter goes on.",
      "[2 Empty] has been silent for 8 s. It has no actions yet. Enter goes on.",
    ]);
    server.clock.advance(60_000);
    expect(hints()).toEqual([]);
    await paper.type("");
    server.clock.advance(7500);
    expect(hints()).toEqual([]);
    server.clock.advance(1000);
    expect(hints()).toHaveLength(2);
    game.send("context", { message: "x", silent: true });
    await paper.sees("tells");
    server.clock.advance(8500);
    expect(hints()).toHaveLength(1);
    game.force(["a"]);
    await paper.sees("wants an action");
    server.clock.advance(60_000);
    expect(hints()).toEqual([]);
  });
});

describe("send", () => {
  test("has a game act, by its number, its name, or the action alone", async () => {
    const { server, paper } = await startConsole();
    const spire = await enter(server, "Slay the Spire", ["play_card", "end turn"]);
    const poker = await enter(server, "Poker", ["fold"]);
    for (const [line, game, name] of [
      ["send 1 play_card", spire, "play_card"],
      ["send Slay the Spire play_card", spire, "play_card"],
      ["  SEND   slay   end turn ", spire, "end turn"],
      ["send end turn", spire, "end turn"],
      ["send fold", poker, "fold"],
      ["send pok fold", poker, "fold"],
    ] as const) {
      await paper.type(line);
      const action = await game.action();
      expect([line, action.name]).toEqual([line, name]);
      game.result(action.id, true);
      await paper.sees("success of");
    }
  });

  test("asks for data by the schema, or takes it as JSON", async () => {
    const { server, paper } = await startConsole();
    const game = await enter(server, "Spire", [PLAY]);
    await paper.type("send play_card");
    expect(paper.prompted).toBe("[1 Spire] play_card> ");
    await paper.type("", "Strike", "1", "well", "");
    const asked = await game.action();
    expect(asked.data).toBe('{"card":"Strike","target":1,"note":"well"}');
    game.result(asked.id, true);
    await paper.sees("success of play_card");
    await paper.type('send 1 play_card {"card":"Bash","target":0}');
    const typed = await game.action();
    expect(typed.data).toBe('{"card":"Bash","target":0}');
    game.result(typed.id, false, "No.");
    await paper.sees("failure of play_card: No.");
    await paper.type('send play_card {"card":1,"target":0}');
    await paper.sees("[1 Spire] play_card was not sent: /card: ");
    await paper.type("send play_card", "b");
    await paper.sees("Nothing was sent.");
    expect(paper.prompted).toBe("");
  });

  test("says why it cannot", async () => {
    const { server, paper } = await startConsole();
    await paper.type("send a");
    await paper.sees("No game is here.");
    const game = await enter(server, "Spire", ["a"]);
    await enter(server, "Poker", ["a", "fold"]);
    await paper.type("send");
    await paper.sees("send what? As send ACTION, or send CLIENT ACTION; list shows both.");
    await paper.type("send a");
    await paper.sees("[1 Spire] and [2 Poker] can do that; say which: send 1 a");
    await paper.type("send 1 fold");
    await paper.sees("[1 Spire] has no action fold; it has a.");
    await paper.type("send 1");
    await paper.sees("send 1 what? It has a.");
    await paper.type("send 9 a");
    await paper.sees("There is no action 9 a.");
    await paper.type("send fodl");
    await paper.sees("There is no action fodl. Did you mean fold?");
    await paper.type(`send ${" x".repeat(100_000)}`);
    await paper.sees("There is no action x x x");
    await paper.type("send 1 a");
    await game.action();
    await paper.type("send 1 a");
    await paper.sees("[1 Spire] a was not sent: a has not been answered yet");
  });

  test("waits for no force, and a force of its game comes first", async () => {
    const { server, paper } = await startConsole();
    const spire = await enter(server, "Spire", [PLAY, END]);
    const poker = await enter(server, "Poker");
    await paper.type("send play_card", "");
    expect(paper.prompted).toBe("[1 Spire] card> ");
    poker.force(["a"]);
    await paper.sees("[2 Poker] waits for you too");
    expect(paper.prompted).toBe("[1 Spire] card> ");
    spire.force(["end_turn"]);
    await paper.sees("wants an action");
    // The person is asked for the force that came first.
    expect(paper.prompted).toStartWith("[2 Poker] which action?");
    // In between something else can be sent.
    await paper.type("!send 2 b");
    await paper.sees("[2 Poker] b was not sent: a force is being chosen for");
    await paper.type("a");
    expect((await poker.action()).name).toBe("a");
    await paper.type("end_turn");
    expect((await spire.action()).name).toBe("end_turn");
  });

  test("with questions of its own puts off what was asked", async () => {
    const { server, paper } = await startConsole();
    const spire = await enter(server, "Spire", [PLAY]);
    const poker = await enter(server, "Poker");
    poker.force(["a"]);
    await paper.sees("wants an action");
    await paper.type("send play_card", '{"card":"Bash","target":0}');
    expect((await spire.action()).data).toBe('{"card":"Bash","target":0}');
    expect(paper.prompted).toStartWith("[2 Poker] which action?");
    await paper.type("a");
    expect((await poker.action()).name).toBe("a");
  });
});

describe("commands", () => {
  test("tell what there is", async () => {
    const { server, paper } = await startConsole();
    expect(paper.news()[0]).toMatch(/^Games connect to ws:\/\/127\.0\.0\.1:\d+ /);
    await paper.type("list", "context", "diagnostics", "HELP");
    const news = paper.news();
    expect(news.slice(0, 3)).toEqual(Array(3).fill("No game is here."));
    for (const word of ["help", "list", "send", "context", "diagnostics", "Enter"]) {
      expect(news.some((line) => line.startsWith(`  ${word} `))).toBe(true);
    }
    const game = await enter(server, "Spire", [PLAY]);
    await enter(server, "Poker", []);
    paper.news();
    await paper.type("list");
    expect(paper.news()).toEqual([
      `[1 Spire] asks for nothing at present (from ${gameOf(server, "Spire")?.address}). It can:`,
      "[1]   1 play_card (card, target, note?, options?)  Plays a card.",
      `[2 Poker] asks for nothing at present (from ${gameOf(server, "Poker")?.address}). It has no actions.`,
    ]);
    game.send("context", { message: "One.\nTwo.", silent: true });
    game.raw("{");
    game.raw("{");
    await paper.sees("N101");
    await paper.type('send play_card {"card":"Bash","target":0}');
    await game.action();
    paper.news();
    await paper.type(
      "list spire",
      "context 1",
      "diagnostics Spire",
      "context Poker",
      "diagnostics 2",
      "list x",
    );
    expect(paper.news()).toEqual([
      expect.stringContaining("[1 Spire] has to answer play_card (from"),
      "[1]   1 play_card (card, target, note?, options?)  Plays a card.",
      "[1 Spire] has told, the oldest first:",
      "[1]   One.",
      "[1]     Two.",
      "[1 Spire] was told, the newest first:",
      expect.stringMatching(/^\[1\] {3}error N101: .* \(2 times\)$/),
      expect.stringContaining("N403"),
      "[2 Poker] has told nothing",
      "[2 Poker] does all as it should",
      "There is no game x; list shows all.",
    ]);
  });

  test("say so where they show the newest alone", async () => {
    const { server, paper } = await startConsole();
    const game = await enter(server, "Spire", []);
    for (let i = 1; i <= 21; i++) {
      game.send("context", { message: `${i}`, silent: true });
      game.result(`no${i}`, true);
    }
    await paper.sees("no21");
    paper.news();
    await paper.type("context", "diagnostics");
    const news = paper.news();
    expect(news).toContain("[1 Spire] has told, the oldest first, 20 of 21:");
    expect(news).toContain("[1 Spire] was told, the newest first, 20 of 21:");
  });

  test("work while something is asked, with a mark where it could be an answer", async () => {
    const { paper } = await forced({}, [{ ...END, name: "list" }, PLAY]);
    await paper.type("help");
    await paper.sees("What you can type:");
    await paper.type("2", "", "1", "1", "list", "!list");
    await paper.sees("[1 Spire] wants an action (from");
    expect(paper.prompted).toBe("[1 Spire] options: fill it in? [y/N]> ");
    await paper.type("!back", "list");
    expect(paper.prompted).toBe("");
  });

  test("that are none are told", async () => {
    const { paper } = await startConsole();
    paper.news();
    await paper.type("hlep", "quit", "", "\u001b[2J", "x".repeat(1_000_000), "list".repeat(1e5));
    const news = paper.news();
    expect(news.slice(0, 3)).toEqual([
      "There is no command hlep. Did you mean help?",
      "Ctrl-C stops the server.",
      "There is no command \\x1b[2J. help shows what there is.",
    ]);
    expect(news.every(({ length }) => length < 300)).toBe(true);
  });

  test("are completed, as are names of actions", async () => {
    const { server, paper } = await startConsole();
    const game = await enter(server, "Spire", ["play_card"]);
    expect(paper.complete("he")).toContain("help ");
    expect(paper.complete("send ")).toEqual(["send 1 play_card", "send play_card"]);
    game.force(["play_card"]);
    await until(() => paper.prompted !== "");
    expect(paper.complete("pl")).toContain("play_card");
    expect(paper.complete("!")).toContain("!back");
  });
});

describe("the end of the input", () => {
  test("has forces refused, with what to do about it, and the server goes on", async () => {
    const { server, paper } = await startConsole();
    const game = await enter(server, "Spire");
    game.force(["a"]);
    await paper.sees("wants an action");
    expect(server.running().health().ok).toBe(true);
    paper.end();
    await paper.sees("[1 Spire] error N506: Nobody can choose: the input of the console has ended");
    await paper.sees("the force was cancelled: nobody chose");
    expect(server.printed()).toContain("WARNING  neuro: standard input has ended");
    expect(server.running().health()).toEqual({
      ok: false,
      reason: "brain console: standard input has ended, so nobody can choose",
    });
    game.force(["b"]);
    await until(() => gameOf(server, "Spire")?.ended.length === 2);
    expect(toldOf(server, "Spire")).toMatchObject({ nobody_there: 2 });
    const other = await enter(server, "Poker");
    other.send("context", { message: "Still here?", silent: true });
    await paper.sees("[2 Poker] tells (silently): Still here?");
  });
});

/** The session that the page shows, line by line. */
function shownSession(): readonly string[] {
  const [, session = ""] = /<!-- console-session -->\n\n```\n([^]*?)\n```/.exec(everyPage) ?? [];
  return session.split("\n");
}

test("the session in the page is as it is shown", async () => {
  const { server, paper } = await startConsole();
  const game = await connect(server, "Tic Tac Toe");
  const cell = { type: "integer", minimum: 1, maximum: 9 };
  const properties = { cell, taunt: { type: "string", maxLength: 40 } };
  const schema = { type: "object", properties, required: ["cell"] };
  const place = { name: "place", description: "Places an O on a free cell.", schema };
  let id = "";
  const acts: Readonly<Record<string, () => unknown>> = {
    "is here": () => game.send("startup"),
    "You play O.": () => game.send("context", { message: "You play O. X begins.", silent: true }),
    "can now": () => game.register(place, { name: "surrender", description: "Gives up." }),
    "wants an action": () =>
      id === "" &&
      game.force(["place", "surrender"], { query: "Your turn.", state: "X . .\n. . .\n. . .\n" }),
    "failure of place": () => game.result(id, false, "X is there already."),
    "success of place": () => game.result(id, true),
    "has been silent": () => server.clock.advance(8500),
    "success of surrender": () => game.result(id, true, "X has won."),
    "has gone": () => game.close(),
  };
  await until(() => paper.lines.length > 0);
  let at = 0;
  for (const line of shownSession()) {
    const [, prompt, typed = ""] = /^(\[1 [^\]]*\] [^:]*>|>)(?: (.*))?$/.exec(line) ?? [];
    if (prompt !== undefined) {
      expect(prompt === ">" ? "> " : paper.prompted).toBe(`${prompt} `);
      await paper.type(typed);
      continue;
    }
    const [, act] = Object.entries(acts).find(([text]) => line.includes(text)) ?? [];
    if (paper.lines[at] === undefined) act?.();
    await until(() => paper.lines.length > at);
    const same = (text = "") => text.replace(/127\.0\.0\.1:\d+/, "127.0.0.1");
    expect(same(paper.lines[at])).toBe(same(line));
    at++;
    if (line.includes("is here")) await game.next();
    if (line.includes("is sent")) ({ id } = await game.action());
  }
  expect(paper.lines.length).toBe(at);
  expect(at).toBeGreaterThan(30);
});
