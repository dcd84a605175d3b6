import { describe, expect, test } from "bun:test";
import { until } from "./kit.ts";
import { connect, enter, gameOf, startNeuro, toldOf } from "./neuro-suite.ts";

/** What the kits of others were seen to send, message by message; `{id}` stands for that of the action that is out. */
interface Dialect {
  readonly game: string;
  /** Before the first action. */
  readonly opening: readonly object[];
  /** After each action; the last one ends the force. */
  readonly turns: readonly (readonly object[])[];
  /** What its developer is told. */
  readonly told: Readonly<Record<string, number>>;
  /** How its force ends. */
  readonly end?: string;
}

const play = { type: "object", properties: { hand: { type: "string" } }, required: ["hand"] };
const force = (names: readonly string[], more: object = {}) => ({
  command: "actions/force",
  data: { query: "Your turn.", action_names: names, ...more },
});
const register = (...actions: object[]) => ({ command: "actions/register", data: { actions } });
const result = (success: boolean, more: object = {}) => ({
  command: "action/result",
  data: { id: "{id}", success, ...more },
});
const unregister = (...names: string[]) => ({
  command: "actions/unregister",
  data: { action_names: names },
});

const DIALECTS: Readonly<Record<string, Dialect>> = {
  "says null for a schema, and unregisters before it answers (C++, Java)": {
    game: "Rock Paper Scissors",
    opening: [
      { command: "startup" },
      register({ description: "Play rock", name: "rock", schema: null }),
      { command: "context", data: { message: "I played rock", silent: true } },
      force(["rock"], { ephemeral_context: false, priority: "low", state: "0 : 0" }),
    ],
    turns: [[unregister("rock"), result(true, { message: "A draw." })]],
    told: { null_value: 1 },
  },
  "has empty lists where objects are meant (Lua)": {
    game: "Tic Tac Toe",
    opening: [
      { command: "startup", data: [] },
      register({ name: "play", description: "Play.", schema: [] }),
      force(["play"], { state: "", ephemeral_context: true, priority: "high" }),
    ],
    turns: [[result(true, { message: "" }), unregister("play")]],
    told: { empty_list: 2 },
  },
  "writes UTF-8, leaves defaults out and has failed results tried again (Python)": {
    game: "P\u00ffthon \u{1f40d}",
    opening: [
      { command: "startup" },
      register({ name: "m\u00f6ve", description: "\u{1f40d}", schema: null }),
      force(["m\u00f6ve"], { state: "## \u00e4", priority: "critical" }),
    ],
    turns: [
      [result(false, { message: "N\u00f6." })],
      [result(false)],
      [unregister("m\u00f6ve"), result(true)],
    ],
    told: { bad_name: 1, null_value: 1, retried: 2, failed_silently: 1 },
  },
  "names what it has unregistered, and leaves state out (TypeScript)": {
    game: "Guess",
    opening: [
      { command: "startup" },
      register(
        { name: "guess", description: "Guess.", schema: {} },
        { name: "give_up", description: "Give up.", schema: {} },
      ),
      unregister("give_up"),
      force(["guess", "give_up"], { state: undefined, ephemeral_context: false, priority: "low" }),
    ],
    turns: [[result(true, { message: undefined })]],
    told: { force_narrowed: 1 },
  },
  "writes a schema as its properties (C++)": {
    game: "tic-tac-toe-\u00e9",
    opening: [
      { command: "startup" },
      register({ name: "play", description: "Play.", schema: { cell: { enum: ["a", "\u00e9"] } } }),
      force(["play"], { state: "s", ephemeral_context: false }),
    ],
    turns: [[result(true, { message: "ok" })]],
    told: { schema_untyped: 1, unknown_keyword: 1 },
  },
  "has data that is no object (Python)": {
    game: "Names",
    opening: [
      { command: "startup" },
      register({ name: "set_name", description: "Set it.", schema: { type: "string" } }),
      force(["set_name"], { state: "s", priority: "low" }),
    ],
    turns: [],
    told: { schema_root: 2 },
    end: "cancelled",
  },
  "forces before it registers, as one that carries the actions of others may (Go)": {
    game: "Hub",
    opening: [
      { command: "startup" },
      unregister("shutdown_game"),
      force(["play"], { ephemeral_context: false, priority: "medium" }),
      register({ name: "play", description: "Play.", schema: play }),
      force(["play"]),
    ],
    turns: [[result(true)]],
    told: { force_ignored: 1, registered_late: 1 },
  },
};

describe("a kit that", () => {
  test.each(Object.entries(DIALECTS))("%s", async (_, { game: name, opening, turns, ...want }) => {
    const server = await startNeuro();
    const stays = await enter(server, "Stays", ["a"]);
    const game = await connect(server, name);
    const say = (message: object, id = "") =>
      game.raw(JSON.stringify({ ...message, game: name }).replace("{id}", id));
    for (const message of opening) say(message);
    expect((await game.next()).command).toBe("startup");
    for (const messages of turns) {
      const { id } = await game.action();
      for (const message of messages) say(message, id);
    }
    const { end = "succeeded", told } = want;
    await until(() => gameOf(server, name)?.ended.at(-1)?.state === end);
    expect(gameOf(server, name)?.force).toBe(null);
    await until(() => Bun.deepEquals(toldOf(server, name), told));
    // It was sent nothing more.
    expect(game.frames).toEqual([]);
    stays.force(["a"]);
    expect((await stays.action()).name).toBe("a");
    expect(toldOf(server, "Stays")).toEqual({});
  });

  test("never answers success has its forces time out, and is told (Go)", async () => {
    const server = await startNeuro();
    const game = await enter(server, "Silent", ["play"]);
    game.force(["play"]);
    await game.action();
    server.clock.advance(20_000);
    await until(() => gameOf(server, "Silent")?.force === null);
    expect(toldOf(server, "Silent")).toEqual({ no_result: 1 });
    game.force(["play"]);
    await game.action();
  });

  test("says that it may be shut down is heard, asked or not, and stands in the log", async () => {
    const server = await startNeuro();
    const game = await enter(server, "Leaves", ["play"]);
    game.send("shutdown/ready");
    game.force(["play"]);
    await game.action();
    game.close();
    await until(() => server.stats()["clients"] === 0);
    expect(server.printed()).toContain("Leaves: it is ready to be shut down");
    expect(server.printed()).toContain("Leaves: force cancelled: disconnect");
    expect(toldOf(server, "Leaves")).toEqual({});
  });
});
