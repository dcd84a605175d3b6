import { describe, expect, test } from "bun:test";
import {
  checkActionNames,
  decode,
  deserializeActions,
  isGoodName,
} from "../lib/services/neuro/codec/decode.ts";
import {
  actionCommand,
  reregisterAllCommand,
  shutdownGracefulCommand,
  shutdownImmediateCommand,
  speechFinishedCommand,
  startupCommand,
  voiceUnavailableCommand,
} from "../lib/services/neuro/codec/encode.ts";
import { DIAGNOSTICS, diagnose } from "../lib/services/neuro/diagnostics.ts";
import { computedMs } from "./kit.ts";

const game = "Test Game";
/** The frame of a command. */
const frame = (command: string, data?: unknown, more: object = {}) =>
  JSON.stringify({ command, game, ...(data === undefined ? {} : { data }), ...more });
/** What is understood, and what is told, by name. */
const read = (given: string | Uint8Array) => {
  const { commands, diagnostics } = decode(given);
  return [commands, diagnostics.map(({ name }) => name)] as const;
};
const force = { query: "Go.", action_names: ["a"] };
const FORCE = {
  command: "actions/force",
  game,
  query: "Go.",
  names: ["a"],
  state: null,
  ephemeral: false,
  priority: "low",
} as const;
const registered = (...actions: object[]) => ({ command: "actions/register", game, actions });

/** A name that is one character too long. */
const TOO_LONG = "n".repeat(1001);

describe("the table of diagnostics", () => {
  test("has a code of its own for each", () => {
    const codes = Object.values(DIAGNOSTICS).map(({ code }) => code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(code).toMatch(/^N\d{3}$/);
  });

  test("fills in values, in the sentence and in the cure", () => {
    expect(diagnose("null_value", { key: "state", command: "actions/force" })).toEqual({
      name: "null_value",
      code: "N118",
      severity: "info",
      text: "state is null in actions/force; it was taken as not given.",
      cure: "Leave state out instead: Neuro may refuse a null.",
    });
  });
});

describe("a good message", () => {
  test.each([
    ["startup", undefined, { command: "startup", game }],
    ["startup", {}, { command: "startup", game }],
    [
      "context",
      { message: "Hi", silent: true },
      { command: "context", game, message: "Hi", silent: true },
    ],
    [
      "actions/register",
      { actions: [{ name: "a", description: "A." }] },
      registered({ name: "a", description: "A.", schema: null }),
    ],
    [
      "actions/register",
      { actions: [{ name: "a", description: "A.", schema: {} }] },
      registered({ name: "a", description: "A.", schema: null }),
    ],
    [
      "actions/register",
      { actions: [{ name: "a", description: "A.", schema: { type: "object" } }] },
      registered({ name: "a", description: "A.", schema: { type: "object" } }),
    ],
    ["actions/register", { actions: [] }, registered()],
    [
      "actions/unregister",
      { action_names: ["a", "b"] },
      { command: "actions/unregister", game, names: ["a", "b"] },
    ],
    ["actions/force", force, FORCE],
    [
      "actions/force",
      { ...force, state: "S", ephemeral_context: true, priority: "critical" },
      { ...FORCE, state: "S", ephemeral: true, priority: "critical" },
    ],
    [
      "action/result",
      { id: "1", success: false, message: "No." },
      { command: "action/result", game, id: "1", success: false, message: "No." },
    ],
    [
      "action/result",
      { id: "1", success: true },
      { command: "action/result", game, id: "1", success: true, message: "" },
    ],
    ["shutdown/ready", undefined, { command: "shutdown/ready", game }],
  ])("%s %j", (command, data, expected) => {
    expect(read(frame(command, data))).toEqual([[expected as never], []]);
    const pretty = JSON.stringify(JSON.parse(frame(command, data, { extra: [1] })), null, 2);
    expect(read(`\r\n${pretty}\n`)).toEqual([[expected as never], []]);
    expect(read(Buffer.from(pretty))).toEqual([[expected as never], []]);
  });

  test("of a vendor passes", () => {
    for (const name of ["mygame/hello", "kit:ping", "voice/start", "x-y/z/w"]) {
      expect(read(frame(name, [1]))).toEqual([[{ command: "other", game, name, data: [1] }], []]);
    }
  });
});

describe("is tolerated, and told", () => {
  const action = { name: "a", description: "A.", schema: null };
  test("raw controls are taken as meant up to a length", () => {
    const context = (length: number) => {
      const [before, after] = [
        `{"command":"context","game":"${game}","data":{"message":"`,
        '","silent":true}}',
      ];
      return `${before}${"\n".repeat(length - before.length - after.length)}${after}`;
    };
    expect(read(context(2 ** 20))[1]).toEqual(["raw_control"] as never);
    expect(read(context(2 ** 20 + 1))).toEqual([[], ["not_json"] as never]);
  });

  test.each([
    [
      "schema null",
      frame("actions/register", { actions: [action] }),
      registered(action),
      "null_value",
    ],
    [
      "schema []",
      frame("actions/register", { actions: [{ ...action, schema: [] }] }),
      registered(action),
      "empty_list",
    ],
    [
      "no description",
      frame("actions/register", { actions: [{ name: "a" }] }),
      registered({ ...action, description: "" }),
      "no_description",
    ],
    ["state null", frame("actions/force", { ...force, state: null }), FORCE, "null_value"],
    [
      "ephemeral_context null",
      frame("actions/force", { ...force, ephemeral_context: null }),
      FORCE,
      "null_value",
    ],
    ["priority null", frame("actions/force", { ...force, priority: null }), FORCE, "null_value"],
    [
      "priority unknown",
      frame("actions/force", { ...force, priority: "urgent" }),
      FORCE,
      "unknown_priority",
    ],
    [
      "priority no text",
      frame("actions/force", { ...force, priority: 3 }),
      FORCE,
      "unknown_priority",
    ],
    [
      "action_names null",
      frame("actions/force", { ...force, action_names: null }),
      { ...FORCE, names: [] },
      "null_value",
    ],
    [
      "action_names null",
      frame("actions/unregister", { action_names: null }),
      { command: "actions/unregister", game, names: [] },
      "null_value",
    ],
    [
      "message null of a result",
      frame("action/result", { id: "1", success: true, message: null }),
      { command: "action/result", game, id: "1", success: true, message: "" },
      "null_value",
    ],
    [
      "message null of a context",
      frame("context", { message: null, silent: false }),
      { command: "context", game, message: "", silent: false },
      "null_value",
    ],
    ["data []", frame("startup", []), { command: "startup", game }, "empty_list"],
    ["data null", frame("startup", null), { command: "startup", game }, "null_value"],
    ["data of startup", frame("startup", "x"), { command: "startup", game }, "unused_data"],
    [
      "action:result",
      frame("action:result", { id: "1", success: true }),
      { command: "action/result", game, id: "1", success: true, message: "" },
      "old_name",
    ],
    ["game/startup", frame("game/startup"), { command: "startup", game }, "old_name"],
    [
      "a byte order mark",
      `\ufeff${frame("startup")}`,
      { command: "startup", game },
      "byte_order_mark",
    ],
    ["a trailing NUL", `${frame("startup")}\0`, { command: "startup", game }, "trailing_nul"],
    [
      "NULs and ends of lines",
      `${frame("startup")}\0\n\0 `,
      { command: "startup", game },
      "trailing_nul",
    ],
    [
      "raw controls",
      `{"command":"context","game":"${game}","data":{"message":"a\nb\tc\u0001\\"\n","silent":true}}`,
      { command: "context", game, message: 'a\nb\tc\u0001"\n', silent: true },
      "raw_control",
    ],
    [
      "an empty game",
      '{"command":"startup","game":""}',
      { command: "startup", game: "" },
      "empty_game",
    ],
  ])("%s", (_, given, command, name) => {
    expect(read(given)).toEqual([[command as never], [name as never]]);
    expect(read(Buffer.from(given))).toEqual([[command as never], [name as never]]);
  });

  test("several documents in one frame", () => {
    const startup = { command: "startup", game } as const;
    for (const between of ["", " ", "\n", "\r\n\0"]) {
      const text = [frame("startup"), frame("startup"), "1", frame("startup")].join(between);
      expect(read(text)).toEqual([
        [startup, startup, startup],
        ["several_documents", "not_object"],
      ]);
    }
    expect(read(`${frame("startup")} and more`)).toEqual([[], ["not_json"]]);
    expect(read(`${frame("startup")}}`)).toEqual([[], ["not_json"]]);
  });

  test("bytes that are not UTF-8", () => {
    const bytes = Buffer.from(frame("context", { message: "\u00e9", silent: true }), "latin1");
    expect(read(bytes)).toEqual([
      [{ command: "context", game, message: "\ufffd", silent: true }],
      ["not_utf8"],
    ]);
  });
});

describe("is ignored, and told", () => {
  test.each([
    ["", "not_json"],
    [" \n", "not_json"],
    ["nonsense", "not_json"],
    ["{", "not_json"],
    ['{"command":"startup"', "not_json"],
    ['"\\', "not_json"],
    ["}", "not_json"],
    ["[]", "not_object"],
    ["null", "not_object"],
    ["7", "not_object"],
    ['"startup"', "not_object"],
    ["{}", "no_command"],
    ['{"command":null,"game":"x"}', "no_command"],
    ['{"command":"","game":"x"}', "no_command"],
    ['{"command":{"a":1},"game":"x"}', "no_command"],
    ['{"command":"startup"}', "no_game"],
    ['{"command":"startup","game":null}', "no_game"],
    ['{"command":"startup","game":1}', "no_game"],
    [`{"command":"startup","game":"${TOO_LONG}"}`, "no_game"],
    [frame("actions/register", { actions: [{ name: TOO_LONG, description: "A." }] }), "bad_value"],
    [frame("actions/unregister", { action_names: ["a", TOO_LONG] }), "bad_value"],
    [frame("actions/force", { query: "x", action_names: [TOO_LONG] }), "bad_value"],
    [frame("context"), "missing_key"],
    [frame("context", []), "empty_list"],
    [frame("context", "x"), "bad_value"],
    [frame("context", { message: "x" }), "missing_key"],
    [frame("context", { message: 1, silent: true }), "bad_value"],
    [frame("context", { message: "x", silent: "true" }), "bad_value"],
    [frame("context", { message: "x", silent: null }), "bad_value"],
    [frame("actions/register", { actions: null }), "bad_value"],
    [frame("actions/register", { actions: {} }), "bad_value"],
    [frame("actions/register", { actions: [null] }), "bad_value"],
    [frame("actions/register", { actions: [{ description: "A." }] }), "bad_value"],
    [frame("actions/register", { actions: [{ name: "", description: "A." }] }), "bad_value"],
    [frame("actions/register", { actions: [{ name: "a", description: 1 }] }), "bad_value"],
    [
      frame("actions/register", { actions: [{ name: "a", description: "A.", schema: "x" }] }),
      "bad_value",
    ],
    [
      frame("actions/register", { actions: [{ name: "a", description: "A.", schema: [1] }] }),
      "bad_value",
    ],
    [frame("actions/unregister", {}), "missing_key"],
    [frame("actions/unregister", { action_names: "a" }), "bad_value"],
    [frame("actions/unregister", { action_names: ["a", 1] }), "bad_value"],
    [frame("actions/force", { action_names: ["a"] }), "missing_key"],
    [frame("actions/force", { query: null, action_names: ["a"] }), "bad_value"],
    [frame("actions/force", { query: "x" }), "missing_key"],
    [frame("actions/force", { query: "x", action_names: [null] }), "bad_value"],
    [frame("actions/force", { ...force, state: { a: 1 } }), "bad_value"],
    [frame("actions/force", { ...force, ephemeral_context: "no" }), "bad_value"],
    [frame("action/result", { success: true }), "missing_key"],
    [frame("action/result", { id: 1, success: true }), "bad_value"],
    [frame("action/result", { id: "1" }), "missing_key"],
    [frame("action/result", { id: "1", success: 1 }), "bad_value"],
    [frame("action/result", { id: "1", success: true, message: {} }), "bad_value"],
  ])("%s", (given, name) => {
    const [commands, names] = read(given);
    expect([commands, names[0]]).toEqual([[], name as never]);
  });

  test("an action of a batch that is wrong takes the batch with it", () => {
    const actions = [
      { name: "a", description: "A." },
      { name: "b", description: 2 },
    ];
    const { commands, diagnostics } = decode(frame("actions/register", { actions }));
    expect(commands).toEqual([]);
    expect(diagnostics[0]?.text).toBe("actions/register was ignored: actions[1].description is 2.");
    expect(diagnostics[0]?.cure).toBe("Send actions[1].description as a text.");
  });

  test("commands that there are not, with what was meant", () => {
    const cure = (name: string) => decode(frame(name)).diagnostics[0];
    expect(cure("action/register")).toMatchObject({
      code: "N106",
      cure: "Did you mean actions/register?",
    });
    expect(cure("hello")).toMatchObject({ name: "unknown_command" });
    expect(cure("action")).toMatchObject({ name: "server_command" });
    expect(cure("toString")).toMatchObject({ name: "unknown_command" });
    expect(cure("__proto__")).toMatchObject({ name: "unknown_command" });
  });

  test("nesting, at any depth, in no time", () => {
    const nested = (levels: number) =>
      frame("context", { message: "x", silent: true }).replace(
        '"x"',
        "[".repeat(levels) + "]".repeat(levels),
      );
    expect(read(nested(126))[1]).toEqual(["bad_value"]);
    for (const text of [
      nested(127),
      nested(100_000),
      "[".repeat(100_000),
      '{"a":'.repeat(100_000),
    ]) {
      expect(read(text)).toEqual([[], ["too_deep"]]);
    }
    expect(read(nested(1).replace("[]", JSON.stringify("[".repeat(1000))))[1]).toEqual([]);
  });

  test("whatever is hostile takes time in its length alone", () => {
    const size = 4_000_000;
    const since = computedMs();
    for (const text of [
      '"'.repeat(size),
      '"\\'.repeat(size / 2),
      "\u0001".repeat(size),
      "{}".repeat(size / 2),
      "\0".repeat(size),
      `"${"\u0001".repeat(size)}"`,
      `{"command":"${"x".repeat(size)}","game":"x"}`,
      frame("actions/force", { query: "x", action_names: Array(size / 8).fill(1) }),
    ]) {
      const { commands, diagnostics } = decode(text);
      expect(commands.length).toBeLessThan(2);
      expect(diagnostics.length).toBeLessThanOrEqual(100);
      for (const { text, cure } of diagnostics)
        expect(text.length + cure.length).toBeLessThan(1000);
    }
    expect(computedMs() - since).toBeLessThan(3000);
  });

  test("what is shown of a client is printable", () => {
    const { diagnostics } = decode(frame("\u001b[31m\u202e/x", undefined));
    expect(diagnostics).toEqual([]);
    const [told] = decode(frame("\u001b[31m\u202e")).diagnostics;
    expect(told?.text).toBe('There is no command "\\x1b[31m\\u202e"; it was ignored.');
  });
});

test("names of 1000 characters are taken, and longer ones told by their length", () => {
  const name = TOO_LONG.slice(1);
  expect(checkActionNames({ action_names: [name] })).toEqual([name]);
  expect(deserializeActions({ actions: [{ name, description: "A." }] })).toMatchObject([{ name }]);
  expect(decode(JSON.stringify({ command: "startup", game: name })).commands).toHaveLength(1);
  const { diagnostics } = decode(JSON.stringify({ command: "startup", game: TOO_LONG }));
  expect(diagnostics[0]?.text).toContain("its game is a text of 1001 characters");
});

test("deserializeActions and checkActionNames throw what is wrong", () => {
  expect(deserializeActions({ actions: [{ name: "a", description: "A." }] })).toEqual([
    { name: "a", description: "A.", schema: null },
  ]);
  expect(() => deserializeActions({ actions: [{ name: 1 }] })).toThrow(
    new TypeError("actions/register was ignored: actions[0].name is 1."),
  );
  expect(checkActionNames({ action_names: ["a"] })).toEqual(["a"]);
  expect(() => checkActionNames({ action_names: [2] })).toThrow(TypeError);
});

test("names of actions", () => {
  expect(["a", "join_friend-2"].filter(isGoodName)).toHaveLength(2);
  expect(["", "A", "a b", "\u00e9", "a.b", "a\n"].filter(isGoodName)).toEqual([]);
});

describe("a message to a game", () => {
  const neuro = { id: "neuro", displayName: "Neuro-sama" };
  test.each([
    [
      startupCommand("s", neuro),
      '{"command":"startup","data":{"session":{"sessionId":"s","characterId":"neuro","displayName":"Neuro-sama"}}}',
    ],
    [actionCommand("1", "a"), '{"command":"action","data":{"id":"1","name":"a"}}'],
    [
      actionCommand("1", "a", '{"x":1}'),
      '{"command":"action","data":{"id":"1","name":"a","data":"{\\"x\\":1}"}}',
    ],
    [speechFinishedCommand(false), '{"command":"speech_finished","data":{"isFinal":false}}'],
    [speechFinishedCommand(true), '{"command":"speech_finished","data":{"isFinal":true}}'],
    [
      speechFinishedCommand(true, "interrupted"),
      '{"command":"speech_finished","data":{"isFinal":true,"cancelled":true,"reason":"interrupted"}}',
    ],
    [reregisterAllCommand(), '{"command":"actions/reregister_all"}'],
    [
      shutdownGracefulCommand(false),
      '{"command":"shutdown/graceful","data":{"wants_shutdown":false}}',
    ],
    [shutdownImmediateCommand(), '{"command":"shutdown/immediate"}'],
    [
      voiceUnavailableCommand(),
      '{"command":"voice/unavailable","data":{"reason":"not supported"}}',
    ],
  ])("is just %s", (made, expected) => expect(made).toBe(expected));

  test("is ASCII, whatever it says", () => {
    const texts = ["\u00e9\u2028\u{1f600}", "\ud800", "\u007f\u0000", '"\\'];
    for (const text of texts) {
      const made = actionCommand("1", text, JSON.stringify({ text }));
      expect(made).toMatch(/^[\x20-\x7e]+$/);
      const { data } = JSON.parse(made);
      expect([data.name, JSON.parse(data.data)]).toEqual([text, { text }]);
    }
  });
});
