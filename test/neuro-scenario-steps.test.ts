import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import type { Playing } from "../lib/services/neuro/brains/brain.ts";
import { Transcript } from "../lib/services/neuro/scenario/play/transcript.ts";
import type { SessionEvent } from "../lib/services/neuro/session/events.ts";
import type { TestGame } from "./neuro-suite.ts";
import { told, why, scenarioTests } from "./neuro-scenario-suite.ts";

const { stage } = scenarioTests();
setDefaultTimeout(30_000);

/** Plays steps, a line each, against a game that does this once it has said startup. Time moves on until the end. */
async function played(
  lines: readonly string[],
  act: (game: TestGame) => unknown = () => {},
  section: object = {},
) {
  const { enter, play, late } = await stage(section);
  const outcomes = play(`steps = [\n${lines.map((line) => `{ ${line} },`).join("\n")}\n]\n`);
  const game = await enter();
  await act(game);
  return late(outcomes);
}

async function passes(...given: Parameters<typeof played>): Promise<void> {
  const outcomes = await played(...given);
  expect([why(outcomes), outcomes[0]?.state]).toEqual(["", "passed"]);
}

async function fails(reason: string | RegExp, ...given: Parameters<typeof played>): Promise<void> {
  const found = why(await played(...given));
  if (typeof reason === "string") expect(found).toBe(reason);
  else expect(found).toMatch(reason);
}

const MOVE = {
  name: "move",
  description: "Moves.",
  schema: { type: "object", properties: { to: { enum: [1, 2, 3] } }, required: ["to"] },
};

type Answer = readonly [success: boolean, message?: string] | null;

/** Answers every action, until the connection ends. */
function answer(game: TestGame, answerOf: (name: string, data?: string) => Answer): void {
  const go = async () => {
    for (;;) {
      const { command, data } = await game.next();
      const said = command === "action" ? answerOf(data.name, data.data) : null;
      if (said !== null) game.result(data.id, ...said);
    }
  };
  go().catch(() => {});
}

describe("what the game registers", () => {
  const register = (game: TestGame) => game.register(MOVE, "say");

  test("is waited for, with its schema and description, and counts as it is at present", async () => {
    await passes(
      [
        'expect = "startup"',
        'expect = "register", actions = ["move", "say"]',
        'expect = "register", actions = "move", description = "Moves"',
        'expect = "register", actions = "move", schema = { required = ["to"], properties = { to = { enum = [3] } } }',
        'send = "say"',
        'expect = "unregister", actions = ["move", "other"]',
        'expect = "register", actions = "say"',
      ],
      (game) => {
        register(game);
        answer(game, () => {
          game.send("actions/unregister", { action_names: ["move"] });
          return [true];
        });
      },
    );
  });

  test.each([
    [
      'expect = "register", actions = ["move", "jump"], within = 3',
      "jump was not registered (there is move, say) within 3 s",
    ],
    [
      'expect = "register", actions = "move", schema = { required = ["from"] }',
      "the schema of move has not what was expected at required.0 within 10 s",
    ],
    [
      'expect = "register", actions = "say", schema = { type = "object" }',
      "the schema of say has not what was expected at type within 10 s",
    ],
    [
      'expect = "register", actions = "move", description = "/jump/i"',
      'the description of move is "Moves." within 10 s',
    ],
    ['expect = "unregister", actions = ["move", "jump"]', "move was not unregistered within 10 s"],
  ])("%s fails", async (step, reason) => {
    await fails(reason, ['expect = "register", actions = "say"', step], register);
  });
});

describe("what the game tells", () => {
  const tell = (game: TestGame) => {
    game.send("context", { message: "It begins.", silent: true });
    game.send("context", { message: "Your turn.", silent: false });
    game.send("context", { message: "Your turn.", silent: true });
  };

  test("meets expectations in any order, each once", async () => {
    await passes(
      [
        'expect = "context", message = "Your turn", silent = true',
        'expect = "context", message = "/^YOUR/i"',
        'expect = "context"',
      ],
      tell,
    );
    await fails(
      "no such context came within 2 s",
      [
        'expect = "context", message = "turn"',
        'expect = "context", message = "turn"',
        'expect = "context", message = "turn", within = 2',
      ],
      tell,
    );
  });

  test("before an answer is past, and the report says so", async () => {
    const lines = ['expect = "register", actions = "say"', 'send = "say"', 'expect = "success"'];
    const act = (game: TestGame) => {
      tell(game);
      game.register("say");
      answer(game, () => [true]);
    };
    const outcomes = await played(
      ['expect = "context", message = "turn"', ...lines, 'expect = "context", message = "begins"'],
      act,
    );
    expect(why(outcomes)).toMatch(
      /^no such context came \(one came at [\d.]+ s, before what was done last: expect it before that\) within 10 s$/,
    );
    // What came after the last thing that was expected before the answer may still be expected.
    await passes(
      [
        'expect = "context", message = "begins"',
        ...lines,
        'expect = "context", message = "turn"',
        'expect = "context", message = "turn"',
      ],
      act,
    );
  });

  test("before a force is past once that is answered, and is neither a result nor a query", async () => {
    const act = (game: TestGame) => {
      tell(game);
      game.register("say");
      game.force(["say"], { query: "Turn?", state: "turn" });
      answer(game, () => [true, "turn"]);
    };
    await passes(['expect = "context", message = "begins"', 'answer = "say"'], act);
    await fails(
      /^no such context came \(one came at/,
      ['answer = "say"', 'expect = "success"', 'expect = "context", message = "turn"'],
      act,
    );
    await fails(
      "no such context came within 10 s",
      ['answer = "say"', 'expect = "success"', 'expect = "context", message = "/Turn\\\\?/"'],
      act,
    );
  });

  test("is told where something else was waited for", async () => {
    const outcomes = await played(['expect = "context", message = "over"'], (game) => {
      for (let i = 0; i < 9; i++) {
        game.send("context", { message: `Turn ${i}.\u001b[2J`, silent: true });
      }
    });
    expect(told(outcomes)).toMatch(
      / {2}What the game did meanwhile:\n {4}4 more\n {4}[\d.]+ s context "Turn 3.\\x1b\[2J"\n/,
    );
  });
});

describe("a force", () => {
  const force = (game: TestGame) => {
    game.register(MOVE, "say");
    game.force(["move", "say"], { query: "Where to?", state: "# Board", priority: "high" });
  };

  test("is expected by its actions, query, state and priority", async () => {
    await passes(['expect = "force"'], force);
    await passes(
      ['expect = "force", actions = "say", query = "Where", state = "/^#/", priority = "high"'],
      force,
    );
    for (const other of [
      'actions = ["move", "jump"]',
      'query = "Who"',
      'state = "Deck"',
      'priority = "low"',
    ]) {
      await fails(
        "no such force came within 1 s",
        [`expect = "force", within = 1, ${other}`],
        force,
      );
    }
  });

  test("is answered, and again after a failure", async () => {
    const heard: (string | undefined)[] = [];
    await passes(
      [
        'answer = "move", data = { to = 3 }',
        'expect = "failure", message = "/not (now|yet)/"',
        `answer = "move", data = '{"to": 2}'`,
        'expect = "success", message = "Moved"',
      ],
      (game) => {
        answer(game, (_name, data) => {
          heard.push(data);
          return heard.length === 1 ? [false, "Moved not yet."] : [true, "Moved."];
        });
        force(game);
      },
    );
    expect(heard).toEqual(['{"to":3}', '{"to": 2}']);
  });

  test("that is replaced is answered as it is last", async () => {
    await passes(['answer = "say"', 'expect = "success", message = "say"'], async (game) => {
      force(game);
      game.force(["say"]);
      answer(game, (name) => [true, name]);
    });
  });

  test("is answered at random, the same each time, or with what does not fit", async () => {
    const sent = async (...lines: readonly string[]) => {
      const heard: unknown[] = [];
      const act = (game: TestGame) => {
        answer(game, (name, data) => {
          heard.push([name, data]);
          return [true];
        });
        force(game);
      };
      await passes([...lines, 'expect = "success"'], act);
      return heard[0];
    };
    expect(await sent('answer = "move", data = "random"')).toEqual([
      "move",
      expect.stringMatching(/^\{"to":[123]\}$/),
    ]);
    const any = await sent('answer = "random"');
    expect(["move", "say"]).toContain((any as string[])[0] as string);
    expect(await sent('answer = "random"')).toEqual(any as never);
    expect(await sent('answer = "move", data = { to = 9 }, unchecked = true')).toEqual([
      "move",
      '{"to":9}',
    ]);
    expect(await sent('answer = "none", data = "{", unchecked = true')).toEqual(["none", "{"]);
  });

  test.each([
    ['answer = "jump"', "there is no action jump to choose; there is move, say"],
    ['answer = "move"', 'the data does not fit move: /: "to" is missing'],
    ['answer = "move", data = { to = 9 }', /^the data does not fit move: \/to: /],
    ['answer = "move", data = "{"', /^the data does not fit move: its data is no JSON/],
  ])("%s fails", async (step, reason) => {
    await fails(reason, [step], force);
  });

  test("waits for its answer longer than a brain may choose", async () => {
    await passes(['expect = "force"', "wait = 150", 'answer = "say"'], force);
  });

  test("that does not come fails the answer", async () => {
    await fails("no force came that waits for an answer within 4 s", ['answer = "a", within = 4']);
  });
});

describe("an action that no force asked for", () => {
  test("waits until the one before is answered", async () => {
    await passes(
      ['send = "say"', 'send = "move", data = { to = 1 }', 'expect = "failure", message = "No"'],
      (game) => {
        game.register(MOVE, "say");
        answer(game, (name) => (name === "say" ? [true] : [false, "No."]));
      },
    );
  });

  test.each([
    ['send = "jump"', "jump was not registered (there is move, say) within 10 s"],
    ['send = "move", data = { to = 9 }', /^the data does not fit move/],
  ])("%s fails", async (step, reason) => {
    await fails(reason, ['expect = "register", actions = "say"', step], (game) =>
      game.register(MOVE, "say"),
    );
  });

  test("is not sent while a force waits for its answer", async () => {
    await fails(
      "say was not sent: a force is being chosen for",
      ['expect = "force"', 'send = "say"'],
      (game) => {
        game.register("say");
        game.force(["say"]);
      },
    );
    await passes(
      ['expect = "force"', 'send = "say", unchecked = true', 'expect = "success"'],
      (game) => {
        answer(game, () => [true]);
        game.register("say");
        game.force(["say"]);
      },
    );
  });
});

describe("a result", () => {
  const lines = ['expect = "register", actions = "say"', 'send = "say"'];
  const says =
    (...said: [boolean, string?]) =>
    (game: TestGame) => {
      game.register("say");
      answer(game, () => said);
    };

  test("that is another one fails, and says what it was", async () => {
    await fails(
      'say failed; its message says "No."',
      [...lines, 'expect = "success"'],
      says(false, "No."),
    );
    await fails(
      "say succeeded; its message says nothing",
      [...lines, 'expect = "failure"'],
      says(true),
    );
    await fails(
      'the message says "Yes."',
      [...lines, 'expect = "success", message = "Done"'],
      says(true, "Yes."),
    );
  });

  test("that does not come fails, by the step or by the protocol", async () => {
    const silent = (game: TestGame) => game.register("say");
    await fails(
      "no result of say came within 3 s",
      [...lines, 'expect = "success", within = 3'],
      silent,
    );
    await fails("say got no result in 20 s", [...lines, 'expect = "success", within = 30'], silent);
  });
});

describe("diagnostics", () => {
  const wrong = (game: TestGame) => {
    game.send("context", { message: "Hi.", silent: null });
    game.register({ name: "a b", description: "" });
    game.force(["none"]);
    game.register("done");
  };
  const done = 'expect = "register", actions = "done"';

  test("fail where none are expected, but for those that are excepted", async () => {
    await fails("there were: N109, N212", [done, 'expect = "no errors"'], wrong);
    await fails("there were: N109, N212, N203, N201", [done, 'expect = "no warnings"'], wrong);
    await passes([done, 'expect = "no errors", except = ["N212", "N109"]'], wrong);
    await passes([done, 'expect = "no warnings"'], (game) => game.register("done"));
    await fails("there were: N101", [done, 'expect = "no errors"'], (game) => {
      game.raw("{");
      game.register("done");
    });
  });

  test("are told of a scenario that passes too", async () => {
    const outcomes = await played([done], wrong);
    expect(told(outcomes)).toStartWith("  Told to the game's developer:\n    error N109: ");
    expect(told(outcomes)).not.toContain("failed");
  });
});

describe("the connection", () => {
  test("is ended, and the game comes back", async () => {
    for (const how of ["cleanly", "abruptly"]) {
      const { enter, play, late, passed } = await stage();
      const outcomes = play(
        `steps = [
          { expect = "startup" },
          { disconnect = "${how}" },
          { expect = "connect" },
          { expect = "startup" },
          { expect = "context", message = "again" },
        ]`,
      );
      const first = await enter();
      const [code] = await first.closed;
      expect(code).toBe(how === "cleanly" ? 1000 : 1006);
      await passed(3);
      const second = await enter();
      second.send("context", { message: "Here again.", silent: true });
      expect([why(await late(outcomes))]).toEqual([""]);
    }
  });

  test("that ends unexpectedly fails at once", async () => {
    const { enter, play, passed, clock } = await stage();
    const outcomes = play('steps = [{ expect = "startup" }, { expect = "force", within = 9 }]');
    const game = await enter();
    await passed(2);
    game.close();
    expect(why(await outcomes)).toBe("the game has left");
    expect(clock.now()).toBe(0);
  });

  test("may be expected to end", async () => {
    const leaves = (game: TestGame) => game.close();
    await passes(['expect = "startup"', 'expect = "leave"', "wait = 1"], leaves);
    await fails("the game did not leave within 2 s", ['expect = "leave", within = 2']);
    await fails(
      "the game did not come within 3 s",
      ['expect = "leave"', 'expect = "connect", within = 3'],
      leaves,
    );
    await fails("the game is not here", ['expect = "leave"', 'ask = "reregister"'], leaves);
  });
});

test("the game is asked for things, and spoken to", async () => {
  const heard: string[] = [];
  await passes(
    [
      'ask = "reregister"',
      'ask = "no shutdown"',
      'ask = "immediate shutdown"',
      'say = "One two three."',
      "wait = 5",
      'ask = "graceful shutdown"',
      'expect = "shutdown ready"',
    ],
    (game) => {
      void (async () => {
        for (;;) {
          const { command, data } = await game.next();
          heard.push(command === "startup" ? command : `${command} ${JSON.stringify(data)}`);
          if (data?.wants_shutdown) game.send("shutdown/ready");
        }
      })().catch(() => {});
    },
  );
  expect(heard).toEqual([
    "startup",
    "actions/reregister_all undefined",
    'shutdown/graceful {"wants_shutdown":false}',
    "shutdown/immediate undefined",
    'speech_finished {"isFinal":true}',
    'shutdown/graceful {"wants_shutdown":true}',
  ]);
  await fails("something else is being said", ['say = "One."', 'say = "Two."']);
  await fails("no shutdown/ready came within 10 s", ['expect = "shutdown ready"']);
});

describe("limits", () => {
  test("the scenario as a whole ends, and says what it waited for", async () => {
    const { enter, play, late, clock } = await stage();
    const outcomes = play('limit = 7\nsteps = [{ wait = 5 }, { expect = "force", within = 60 }]');
    await enter();
    expect(why(await late(outcomes))).toBe(
      "no such force came; the scenario takes longer than its limit of 7 s",
    );
    expect(clock.now()).toBeLessThan(9000);
  });

  test("a game that does not come, or is another one", async () => {
    const { enter, play, late } = await stage();
    expect(why(await late(play("connect_within = 3\nsteps = [{ wait = 1 }]")))).toMatch(
      /^no game has connected to ws:\/\/127\.0\.0\.1:\d+\/? within 3 s$/,
    );
    const second = play('game = "Chess"\nsteps = [{ wait = 1 }]');
    await enter("chess\u001b");
    expect(why(await late(second))).toMatch(
      /^no game named "Chess" has connected to \S+, but here is chess\\x1b within 60 s$/,
    );
  });

  test("an interruption ends what is played, and what would follow is not", async () => {
    const { enter, play, run, passed } = await stage();
    const outcomes = play(
      'scenarios = [{ steps = [{ wait = 1 }] }, { steps = [{ expect = "force" }] }, { steps = [{ wait = 9 }] }]'.replace(
        "wait = 1 ",
        'expect = "startup" ',
      ),
    );
    await enter();
    await passed(3);
    run.interrupt("interrupted by SIGINT");
    const ends = (await outcomes).map(({ state, failure }) => [state, failure?.why]);
    expect(ends).toEqual([
      ["passed", undefined],
      ["failed", "interrupted by SIGINT"],
      ["skipped", undefined],
    ]);
  });
});

describe("several scenarios with one game", () => {
  test("are told of what went wrong in their own time", async () => {
    const { enter, play, late, passed } = await stage();
    const outcomes = play(`
      [[scenarios]]
      steps = [{ expect = "startup" }, { expect = "register", actions = "a" }, { wait = 1 }]
      [[scenarios]]
      steps = [{ expect = "no errors" }]`);
    const game = await enter();
    game.force(["none"]);
    game.register("a");
    await passed(3);
    const [first, second] = await late(outcomes);
    expect([first?.diagnostics.length, second?.diagnostics.length]).toEqual([1, 0]);
    expect(second?.state).toBe("passed");
  });

  test("go on where the one before has ended", async () => {
    const { enter, play, late } = await stage();
    const outcomes = play(`
      [[scenarios]]
      steps = [{ expect = "context", message = "one" }]
      [[scenarios]]
      steps = [{ expect = "context", message = "two" }, { expect = "register", actions = "a" }]
      [[scenarios]]
      within = 1
      steps = [{ expect = "context", message = "one" }]`);
    const game = await enter();
    game.register("a");
    game.send("context", { message: "one", silent: true });
    game.send("context", { message: "two", silent: true });
    const ends = (await late(outcomes)).map(({ failure }) => failure?.why);
    expect(ends).toEqual([undefined, undefined, "no such context came within 1 s"]);
  });
});

describe("a scenario that starts its game", () => {
  /** A program that does nothing; the test is the game. */
  const IDLE = JSON.stringify([process.execPath, "-e", "setInterval(() => {}, 1000)"]);

  test("plays none that was there before, and lets none stay", async () => {
    const { enter, play, late, begun, passed } = await stage();
    const before = await enter();
    await before.next();
    const started = play(
      `start = ${IDLE}\nsteps = [{ expect = "register", actions = "b" }, { wait = 1 }]`,
    );
    await begun(1);
    const mine = await enter();
    mine.register("b");
    await passed(2);
    expect(why(await late(started))).toBe("");
    expect((await mine.closed)[0]).toBe(1006);
    expect(before.socket.readyState).toBe(WebSocket.OPEN);
  });
});

describe("what was heard", () => {
  const playing = { id: 1, clientId: 1, name: "a" } as Playing;
  const context = (text: string) =>
    ({ kind: "context", entry: { kind: "context", text } }) as SessionEvent;

  test("is kept up to 10,000 things, and up to 16 MiB of characters", () => {
    const transcript = new Transcript(new HandClock());
    for (let i = 1; i <= 10_000; i++) transcript.event(playing, context(""));
    expect(transcript.since(0)).toHaveLength(10_000);
    transcript.event(playing, context("x".repeat(2 ** 24 - 1)));
    expect(transcript.since(0)[0]?.number).toBe(2);
    transcript.event(playing, context("y"));
    expect(transcript.since(0)).toHaveLength(10_000);
    transcript.event(playing, context("z"));
    expect(transcript.since(0).map(({ number }) => number)).toEqual([10_002, 10_003]);
    expect(transcript.since(10_003)).toHaveLength(1);
    expect(transcript.since(10_004)).toEqual([]);
  });

  test("has the beginnings of the last frames of each connection", () => {
    const transcript = new Transcript(new HandClock());
    for (let i = 0; i < 20; i++) {
      transcript.frame({
        clientId: 1,
        direction: "in",
        text: `${i}${"x".repeat(i < 19 ? 0 : 500)}`,
      });
    }
    const frames = transcript.framesOf(new Set([1, 2]));
    expect(frames).toHaveLength(12);
    expect(frames[0]?.text).toBe("8");
    expect(frames.at(-1)?.text).toBe(`19${"x".repeat(398)}...`);
    for (let id = 2; id <= 100; id++)
      transcript.frame({ clientId: id, direction: "in", text: "a" });
    expect(transcript.framesOf(new Set([1]))).toHaveLength(12);
    transcript.frame({ clientId: 101, direction: "in", text: "a" });
    expect(transcript.framesOf(new Set([1]))).toHaveLength(0);
  });
});
