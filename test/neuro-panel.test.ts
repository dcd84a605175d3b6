import { describe, expect, onTestFinished, test } from "bun:test";
import { boot, type Booted, type Overrides, until } from "./kit.ts";
import { connect, enter, gameOf, serving, type TestGame } from "./neuro-suite.ts";
import type { ForceRequest, Playing } from "../lib/services/neuro/brains/brain.ts";
import { WebBrain } from "../lib/services/neuro/brains/web.ts";
import { TOKEN } from "./web-suite.ts";

// The views and acts of the panel, over HTTP, with games on WebSockets.

const MOVE = {
  name: "move",
  description: "Moves a piece.",
  schema: {
    type: "object",
    properties: {
      to: { type: "integer", minimum: 0, maximum: 7 },
      how: { enum: ["fast", "slow"] },
    },
    required: ["to"],
  },
};
/** It cannot be chosen. */
const NEVER = { name: "never", description: "Never.", schema: { $ref: "#" } };

async function start(neuro: Overrides = {}, more: Overrides = {}): Promise<Booted> {
  const own = { brain: "web", ...neuro };
  const server = await boot(["neuro", "web"], { neuro: own, ...more }, { token: TOKEN });
  onTestFinished(() => server.stop());
  return server;
}

interface Answer {
  readonly status: number;
  readonly body: any;
}

async function view(server: Booted, path: string): Promise<Answer> {
  const answer = await server.get(`/panels/neuro/${path}`);
  const text = await answer.text();
  return { status: answer.status, body: answer.status === 200 ? JSON.parse(text) : text.trim() };
}

/** All about a game. */
async function about(server: Booted, game: number, action = ""): Promise<any> {
  // Views are made a few times in a moment, and the same one is answered after that.
  server.clock.advance(100);
  const { status, body } = await view(
    server,
    `game?game=${game}&action=${encodeURIComponent(action)}`,
  );
  expect([status, body]).toEqual([200, expect.anything()]);
  return body;
}

async function act(server: Booted, name: string, fields: object): Promise<Answer> {
  const answer = await server.post(`/admin/neuro/${name}`, fields);
  return { status: answer.status, body: await answer.json() };
}

/** The game of a name, once it has this many actions. */
function idOf(server: Booted, name = "Test Game"): number {
  return gameOf(server, name)?.id as number;
}

/** Forces, and waits until a person is asked. @returns the key */
async function forced(server: Booted, game: TestGame, names: string[], more = {}): Promise<string> {
  const before = gameOf(server, game.name)?.force;
  game.force(names, more);
  const now = () => gameOf(server, game.name)?.force;
  await until(() => now() !== before && now()?.state === "choosing");
  return (await about(server, idOf(server, game.name))).force.key;
}

describe("games", () => {
  test("are listed as they came, with who plays them and how they are", async () => {
    const server = await start({ brains: ["B=random"] });
    expect((await view(server, "games")).body).toEqual({
      games: [],
      total: 0,
      here: 0,
      offset: 0,
      address: `ws://127.0.0.1:${server.port("neuro")}/`,
    });
    await enter(server, "A", ["x", "y"]);
    const b = await enter(server, "B", ["x"]);
    b.send("nonsense");
    b.send("action/result", {});
    await forced(server, await enter(server, "C"), ["a"]);
    const { games } = (await view(server, "games?limit=100")).body;
    const one = { is_person: true, trouble: null, force: null, errors: 0, brain: "web" };
    expect(games).toEqual([
      { ...one, id: 1, name: "A", actions: 2 },
      { ...one, id: 2, name: "B", actions: 1, brain: "random", is_person: false, errors: 1 },
      { ...one, id: 3, name: "C", actions: 2, force: "choosing" },
    ]);
  });

  test("come page by page, and by a part of their name", async () => {
    const server = await start();
    for (const name of ["Chess", "Go", "chess 2"])
      await connect(server, name).then((one) => one.send("startup"));
    await until(
      () => serving(server).games instanceof Set && [...serving(server).games].length === 3,
    );
    const names = async (query: string) => {
      const { body } = await view(server, `games?${query}`);
      return [body.total, body.here, ...body.games.map((one: any) => one.name)];
    };
    expect(await names("query=CHESS")).toEqual([2, 3, "Chess", "chess 2"]);
    expect(await names("limit=1&offset=1")).toEqual([3, 3, "Go"]);
    expect(await names("offset=3")).toEqual([3, 3]);
    for (const wrong of ["limit=0", "limit=101", "limit=x", "offset=-1", "offset=1e9", "x=1"]) {
      expect([wrong, (await view(server, `games?${wrong}`)).status]).toEqual([wrong, 400]);
    }
    expect((await view(server, `games?limit=100&query=${"x".repeat(1000)}`)).status).toBe(200);
    expect((await view(server, `games?limit=100&query=${"x".repeat(1001)}`)).status).toBe(400);
  });
});

describe("a game that there is not", () => {
  test.each(["0", "-1", "2", "1.5", "1e20", "x", "", "9007199254740993"])("%s", async (id) => {
    const server = await start();
    await enter(server);
    const { status, body } = await view(server, `game?game=${id}`);
    expect([400, 404]).toContain(status);
    expect(body).toMatch(/^(There is no game|game: needs a whole number)/);
    const sent = await act(server, "send", { game: id, action: "a" });
    expect([400, 404]).toContain(sent.status);
    expect(sent.body.ok).toBe(false);
  });

  test("has left between the view and an act", async () => {
    const server = await start();
    const game = await enter(server);
    const key = await forced(server, game, ["a"]);
    game.close();
    await until(() => gameOf(server) === undefined);
    const all = {
      send: { action: "a" },
      choose: { force: key, action: "a" },
      reregister: {},
      shutdown: { how: "graceful" },
      disconnect: {},
    };
    for (const [name, more] of Object.entries(all)) {
      const { status, body } = await act(server, name, { game: 1, ...more });
      expect([name, status, body]).toEqual([
        name,
        404,
        { ok: false, outcome: "There is no game 1; it may have left." },
      ]);
    }
    expect((await view(server, "game?game=1")).status).toBe(404);
  });
});

describe("a game", () => {
  test("is told with its force, from its coming to its end", async () => {
    const server = await start({ force_retries: 2 });
    const game = await enter(server, "Chess", [MOVE, "say", "wait"]);
    const text = { state: "# Board\n\n- e4", query: "Your move.", priority: "high" };
    game.force(["say", "gone", "move"], { ...text, ephemeral_context: true });
    await until(() => gameOf(server, "Chess")?.force?.state === "choosing");
    server.clock.advance(1400);
    const first = await about(server, 1);
    expect(first.game).toEqual({
      id: 1,
      name: "Chess",
      brain: "web",
      is_person: true,
      trouble: null,
      client: expect.any(Number),
      address: server.clients("neuro")[0]?.address,
      age_ms: 1500,
    });
    expect(first.speaks).toBe(false);
    expect(first.actions).toEqual([
      { name: "say", forced: true },
      { name: "move", forced: true },
      { name: "wait", forced: false },
    ]);
    expect(first.more_actions).toBe(0);
    expect(first.force).toEqual({
      key: "1-1",
      age_ms: 1500,
      ...text,
      state_cut: false,
      names: ["say", "move"],
      more: 0,
      ephemeral: true,
      failures: [],
      tries: 1,
      most_tries: 3,
      steps: [
        ["queued", 0],
        ["choosing", 1500],
      ],
      action: null,
    });
    const choose = (force: string) => act(server, "choose", { game: 1, force, action: "say" });
    expect((await choose("1-1")).status).toBe(200);
    const { id } = await game.action();
    server.clock.advance(200);
    expect((await about(server, 1)).force).toMatchObject({
      action: "say",
      steps: [
        ["queued", 0],
        ["choosing", 1500],
        ["sent", 300],
      ],
    });
    game.result(id, false, "Too loud.");
    await until(() => gameOf(server, "Chess")?.force?.state === "choosing");
    const again = await about(server, 1);
    expect(again.force).toMatchObject({
      key: "1-2",
      tries: 2,
      failures: [{ name: "say", message: "Too loud." }],
    });
    expect(await choose("1-1")).toMatchObject({ status: 409, body: { ok: false } });
    expect((await choose("1-2")).status).toBe(200);
    game.result((await game.action()).id, true);
    await until(() => gameOf(server, "Chess")?.force === null);
    const last = await about(server, 1);
    expect(last.force).toBeNull();
    expect(last.ended).toEqual([
      {
        key: "1",
        at: server.clock.wall() - last.game.age_ms,
        name: "say",
        steps: [
          ["queued", 0],
          ["choosing", 1500],
          ["sent", 300],
          ["choosing", expect.any(Number)],
          ["sent", 0],
        ],
        end: "succeeded",
        why: null,
        tries: 2,
      },
    ]);
  });

  test("its settings are those in force", async () => {
    const server = await start({ force_retries: 2 });
    await forced(server, await enter(server), ["a"]);
    server.reload({ neuro: { brain: "web", force_retries: 7 } });
    expect((await about(server, 1)).force.most_tries).toBe(8);
  });

  test("keeps its last fifty forces, the newest first", async () => {
    const server = await start();
    const game = await enter(server, "G", ["a"]);
    for (let i = 1; i <= 52; i++) game.force(["a"], { query: `q${i}` });
    await until(() => gameOf(server, "G")?.force?.data.query === "q52");
    const { ended, force } = await about(server, 1);
    expect(ended).toHaveLength(50);
    expect(ended[0]).toMatchObject({ end: "replaced", name: null });
    const keys = ended.map((one: any) => Number(one.key));
    expect(new Set(keys).size).toBe(50);
    expect(force.query).toBe("q52");
  });

  test("of many tries the time in each state is told", async () => {
    const server = await start({ force_retries: 1000, brain: "random", random_delay_ms: 0 });
    const game = await enter(server, "G", ["a"]);
    game.force(["a"]);
    for (let i = 0; i < 30; i++) game.result((await game.action()).id, false, `no ${i}`);
    const { id } = await game.action();
    server.clock.advance(50);
    const { force } = await about(server, 1);
    expect(force.steps.map(([state]: [string]) => state)).toEqual(["queued", "choosing", "sent"]);
    expect(force.steps[2][1]).toBe(150);
    expect(force.tries).toBe(31);
    expect(force.failures.map((one: any) => one.message)).toEqual(
      Array.from({ length: 10 }, (_, i) => `no ${20 + i}`),
    );
    game.result(id, true);
  });

  test("shows one action with its form: the one asked for, else the first", async () => {
    const server = await start();
    const game = await enter(server, "G", ["a", MOVE, NEVER]);
    const shown = async (name: string) => (await about(server, 1, name)).action;
    expect(await shown("")).toEqual({
      name: "a",
      description: "Does a.",
      schema: null,
      form: null,
      trouble: null,
    });
    expect((await shown("not there")).name).toBe("a");
    const move = await shown("move");
    expect(JSON.parse(move.schema)).toEqual(MOVE.schema);
    expect(move.form).toMatchObject({ kind: "object", name: "move" });
    expect(move.form.fields[0]).toMatchObject({ name: "to", kind: "whole", min: 0, max: 7 });
    const never = await shown("never");
    expect(never.form).toBeNull();
    expect(never.trouble).toContain("never");
    await forced(server, game, ["move"]);
    expect((await shown("")).name).toBe("move");
  });

  test("shows what became of actions, those that wait first", async () => {
    const server = await start({ result_timeout_secs: 5 });
    const game = await enter(server, "G", [MOVE, "a"]);
    await forced(server, game, ["a"]);
    await act(server, "choose", { game: 1, force: "1-1", action: "a" });
    const first = await game.action();
    server.clock.advance(300);
    game.result(first.id, true, "Fine.");
    await until(() => gameOf(server, "G")?.force === null);
    await act(server, "send", { game: 1, action: "move", data: { to: 3 } });
    await game.action();
    server.clock.advance(5000);
    const second = await act(server, "send", { game: 1, action: "move", data: { to: "4" } });
    server.clock.advance(900);
    const { results } = await about(server, 1);
    const wall = server.clock.wall();
    const keys = results.map((one: any) => one.key);
    expect(new Set(keys).size).toBe(3);
    expect(results.map(({ key: _key, ...one }: any) => one)).toEqual([
      {
        id: second.body.id,
        at: wall - 1000,
        name: "move",
        data: '{"to":4}',
        forced: false,
        state: "waiting",
        success: null,
        message: "",
        ms: 1000,
      },
      {
        id: expect.any(String),
        at: wall - 6000,
        name: "move",
        data: '{"to":3}',
        forced: false,
        state: "timed out",
        success: null,
        message: "no result in 5 s",
        ms: 5000,
      },
      {
        id: first.id,
        at: expect.any(Number),
        name: "a",
        data: null,
        forced: true,
        state: "answered",
        success: true,
        message: "Fine.",
        ms: 300,
      },
    ]);
  });

  test("remembers twenty results", async () => {
    const server = await start({ brain: "random", random_delay_ms: 0 });
    const game = await enter(server, "G", ["a"]);
    for (let i = 0; i < 22; i++) {
      game.force(["a"]);
      game.result((await game.action()).id, true, `r${i}`);
    }
    await until(() => gameOf(server, "G")?.ended.length === 22);
    const messages = (await about(server, 1)).results.map((one: any) => one.message);
    expect(messages).toEqual(Array.from({ length: 20 }, (_, i) => `r${21 - i}`));
  });

  test("shows what the brain would read, and how much that is", async () => {
    const server = await start();
    const game = await enter(server, "G");
    game.send("context", { message: "x".repeat(4000), silent: false });
    game.send("context", { message: "y".repeat(4001), silent: true });
    await until(() => serving(server).memory.of("G").length === 2);
    const { context } = await about(server, 1);
    expect(context).toMatchObject({ tokens: Math.ceil(8001 / 4), more: 0 });
    const [x, y] = context.entries;
    expect(x).toMatchObject({ kind: "context", cut: 0, silent: false, failed: false });
    expect([y.text, y.cut, y.silent]).toEqual(["y".repeat(4000), 1, true]);
    expect(x.key).not.toBe(y.key);
    for (let i = 0; i < 99; i++) game.send("context", { message: `${i}`, silent: true });
    await until(() => serving(server).memory.of("G").length === 101);
    const later = (await about(server, 1)).context;
    expect([later.more, later.entries.length, later.entries[0].key]).toEqual([1, 100, y.key]);
    expect(later.entries.at(-1).text).toBe("98");
  });

  test("shows what its developer is told, with its cure", async () => {
    const server = await start();
    const game = await enter(server, "G");
    for (let i = 0; i < 3; i++) game.send("nonsense", {});
    await until(() => serving(server).reports.of("G")[0]?.times === 3);
    const [told] = (await about(server, 1)).diagnostics;
    expect(told).toEqual({
      code: "N106",
      severity: "warning",
      text: expect.stringContaining("nonsense"),
      cure: expect.any(String),
      times: 3,
      first_at: expect.any(Number),
      last_at: expect.any(Number),
    });
  });
});

describe("hostile texts", () => {
  const HOSTILE = '<img src=x onerror=alert(1)>\u202e\u0000\u2028"\\';

  test("are told as they are, as JSON", async () => {
    const server = await start();
    const game = await enter(server, HOSTILE, [{ name: HOSTILE, description: HOSTILE }]);
    await forced(server, game, [HOSTILE], { query: HOSTILE, state: HOSTILE });
    const told = await about(server, 1, HOSTILE);
    expect([told.game.name, told.action.name, told.force.query]).toEqual(Array(3).fill(HOSTILE));
    const done = await act(server, "choose", { game: 1, force: told.force.key, action: HOSTILE });
    expect(done.status).toBe(200);
    // An outcome is made safe to show: it stands in the log too.
    for (const unsafe of ["\u0000", "\u202e", "\u2028"]) {
      expect(done.body.outcome).not.toContain(unsafe);
      expect(server.printed()).not.toContain(unsafe);
    }
    expect((await game.action()).name).toBe(HOSTILE);
  });

  test("are cut, and say so", async () => {
    const server = await start();
    const long = "m".repeat(300_000);
    const big = { name: "big", description: long, schema: { type: "object", title: long } };
    const many = {
      name: "many",
      description: "d",
      schema: {
        type: "object",
        properties: { x: { enum: Array.from({ length: 300 }, (_, i) => `${i}`.repeat(400)) } },
      },
    };
    const game = await enter(server, "G", [big, many]);
    const key = await forced(server, game, ["big"], { query: long, state: long });
    const told = await about(server, 1, "big");
    expect(told.force.query).toEndWith(" more characters");
    expect([told.force.state.length, told.force.state_cut]).toEqual([60_000, true]);
    expect(told.action.description).toEndWith(" more characters");
    expect(told.action.schema).toEndWith(" more characters");
    expect((await about(server, 1, "many")).action.form).toMatchObject({ kind: "json" });
    await act(server, "choose", { game: 1, force: key, action: "big", data: {} });
    game.result((await game.action()).id, false, long);
    await until(() => gameOf(server, "G")?.force?.retries === 1);
    const later = await about(server, 1);
    expect(later.force.failures[0].message).toEndWith(" more characters");
    expect(later.results[0].message).toEndWith(" more characters");
    expect(JSON.stringify(later).length).toBeLessThan(500_000);
  });

  test("a state is whole at its bound, and cut one past", async () => {
    const server = await start();
    const game = await enter(server);
    for (const [length, cut] of [
      [60_000, false],
      [60_001, true],
    ] as const) {
      await forced(server, game, ["a"], { state: "s".repeat(length) });
      const { force } = await about(server, 1);
      expect([force.state.length, force.state_cut]).toEqual([60_000, cut]);
    }
  });

  test("names of actions are whole or left out, and counted", async () => {
    const server = await start();
    const names = Array.from({ length: 999 }, (_, i) => `${i}`.padStart(1000, "\u4e2d"));
    const game = await enter(server, "N".repeat(1000), [...names, "last"]);
    const told = await about(server, 1);
    expect(told.game.name).toBe(game.name);
    expect(told.actions.length + told.more_actions).toBe(1000);
    expect(told.actions.length).toBe(Math.floor(60_000 / 1020));
    expect(told.actions.map((one: any) => one.name)).toEqual(names.slice(0, told.actions.length));
    // What has no room in the list can be looked at, and sent, all the same.
    expect((await about(server, 1, names[998])).action.name).toBe(names[998]);
    expect((await act(server, "send", { game: 1, action: names[998] })).status).toBe(200);
    const long = await act(server, "send", { game: 1, action: "x".repeat(1001) });
    expect([long.status, long.body.outcome]).toEqual([
      400,
      "action: needs a text of at most 1000 characters",
    ]);
    game.result((await game.action()).id, true);
    await until(() => gameOf(server, game.name)?.pending.length === 0);
    const key = await forced(server, game, names);
    const { force } = await about(server, 1);
    expect([force.names.length + force.more, force.key]).toEqual([999, key]);
    expect(force.names.length).toBe(told.actions.length);
  });
});

describe("send", () => {
  test("sends what nobody asked for, made of a form, or as it was typed", async () => {
    const server = await start();
    const game = await enter(server, "G", [
      MOVE,
      "a",
      {
        name: "big",
        description: "b",
        schema: { type: "object", properties: { n: { type: "integer" } } },
      },
    ]);
    const send = async (action: string, data?: unknown) => {
      const { status, body } = await act(server, "send", { game: 1, action, data });
      expect([status, body.ok]).toEqual([200, true]);
      expect(body.outcome).toBe(`sent ${action} to "G"`);
      const sent = await game.action();
      expect(sent.id).toBe(body.id);
      game.result(sent.id, true);
      await until(() => gameOf(server, "G")?.pending.length === 0);
      return sent.data;
    };
    expect(await send("move", { to: "3", how: "SLOW" })).toBe('{"to":3,"how":"slow"}');
    expect(await send("move", ' {"to": 7}\n')).toBe(' {"to": 7}\n');
    expect(await send("big", '{"n":12345678901234567890}')).toBe('{"n":12345678901234567890}');
    expect(await send("a")).toBeUndefined();
    expect(await send("a", { x: 1 })).toBeUndefined();
    expect(server.printed()).toContain('neuro/send: sent move to "G"');
  });

  test("says what is wrong, and where", async () => {
    const server = await start();
    const game = await enter(server, "G", [MOVE, NEVER]);
    const problems = async (data: unknown) => {
      const { status, body } = await act(server, "send", { game: 1, action: "move", data });
      expect([status, body.ok, body.outcome]).toEqual([400, false, "It was not sent."]);
      return body.problems;
    };
    expect(await problems({ to: "9", how: "never" })).toEqual([
      { path: ["to"], message: "found 9; wanted a whole number from 0 to 7" },
      { path: ["how"], message: expect.stringContaining("found never") },
    ]);
    expect(await problems({})).toEqual([
      { path: ["to"], message: expect.stringContaining("an answer is needed") },
    ]);
    expect(await problems('{"to":9}')).toEqual([{ path: ["to"], message: expect.any(String) }]);
    for (const data of ['{"to":', "[]", "3", [], 3, null]) {
      expect([data, (await problems(data)).length > 0]).toEqual([data, true]);
    }
    const never = await act(server, "send", { game: 1, action: "never", data: {} });
    expect([never.status, never.body.outcome]).toEqual([
      409,
      expect.stringContaining("It was not sent: "),
    ]);
    expect(game.frames).toEqual([]);
    expect(gameOf(server, "G")?.pending).toEqual([]);
  });

  test("takes data of so many levels, and no more", async () => {
    const server = await start();
    const any = {
      name: "any",
      description: "Any.",
      schema: { type: "object", properties: { x: {} } },
    };
    const game = await enter(server, "G", [any]);
    const nested = (levels: number): object => ({ x: levels > 1 ? nested(levels - 1) : 0 });
    for (const data of [
      nested(101),
      JSON.stringify(nested(101)),
      `{"x":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
    ]) {
      const { status, body } = await act(server, "send", { game: 1, action: "any", data });
      expect(status).toBe(400);
      expect(body.problems).toEqual([{ path: [], message: expect.any(String) }]);
    }
    const { status } = await act(server, "send", { game: 1, action: "any", data: nested(100) });
    expect(status).toBe(200);
    expect(JSON.parse((await game.action()).data as string)).toEqual(nested(100));
  });

  test("is refused while something is unanswered or being chosen, and for what is not there", async () => {
    const server = await start();
    const game = await enter(server, "G");
    const send = (action: string) => act(server, "send", { game: 1, action });
    expect((await send("nope")).body.outcome).toContain('There is no action "nope"');
    for (const action of ["", "constructor", "__proto__"])
      expect((await send(action)).status).toBe(409);
    expect((await act(server, "send", { game: 1, action: 3 })).status).toBe(400);
    expect((await act(server, "send", { game: 1 })).status).toBe(400);
    await send("a");
    expect(await send("b")).toEqual({
      status: 409,
      body: { ok: false, outcome: "It was not sent: a has not been answered yet." },
    });
    game.result((await game.action()).id, true);
    await until(() => gameOf(server, "G")?.pending.length === 0);
    await forced(server, game, ["a"]);
    expect((await send("b")).body.outcome).toBe("It was not sent: a force is being chosen for.");
  });
});

describe("a person", () => {
  test("is waited for, for ever", async () => {
    const server = await start({ choice_timeout_secs: 1 });
    const game = await enter(server);
    await forced(server, game, ["a"]);
    server.clock.advance(600_000);
    const { force } = await about(server, 1);
    expect([force.key, force.steps.at(-1)[0]]).toEqual(["1-1", "choosing"]);
    const { body } = await act(server, "choose", { game: 1, force: "1-1", action: "a" });
    expect(body).toEqual({
      ok: true,
      outcome: 'chose a for "Test Game"',
      id: (await game.action()).id,
    });
  });

  test("is told what is wrong, and may try again", async () => {
    const server = await start();
    const game = await enter(server, "G", [MOVE, "other"]);
    const force = await forced(server, game, ["move"]);
    const choose = (more: object) =>
      act(server, "choose", { game: 1, force, action: "move", ...more });
    for (let i = 0; i < 10; i++) {
      expect((await choose({ data: { to: "99" } })).body.problems[0].path).toEqual(["to"]);
    }
    expect((await choose({ action: "other" })).body.outcome).toBe(
      "other is not among what the game asks for.",
    );
    expect((await choose({ action: "gone" })).status).toBe(409);
    expect((await choose({ data: { to: 1 }, say: "x".repeat(2001) })).status).toBe(400);
    expect((await choose({ data: { to: 1 }, say: 3 })).status).toBe(400);
    expect((await choose({ force: 1, data: { to: 1 } })).status).toBe(400);
    for (const wrong of ["", "2-1", "1-2", "x"]) {
      const { status, body } = await choose({ force: wrong, data: { to: 1 } });
      expect([wrong, status, body.outcome]).toEqual([
        wrong,
        409,
        expect.stringContaining("Too late"),
      ]);
    }
    expect(
      serving(server)
        .reports.of("G")
        .map(({ diagnostic }) => diagnostic.name),
    ).not.toContain("bad_choice");
    expect((await choose({ data: { to: "5" }, say: "x".repeat(2000) })).status).toBe(200);
    expect((await game.action()).data).toBe('{"to":5}');
  });

  test("may be one of two, of whom the second is told that it is too late", async () => {
    const server = await start();
    const game = await enter(server, "G", [MOVE]);
    const force = await forced(server, game, ["move"]);
    const choose = (to: number) =>
      act(server, "choose", { game: 1, force, action: "move", data: { to } });
    const answers = await Promise.all([choose(1), choose(2), choose(3)]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409]);
    const late = answers.filter(({ status }) => status === 409);
    for (const { body } of late) {
      expect(body.outcome).toBe(
        "Too late: it has been answered, or the game does not ask it any more.",
      );
    }
    const at = answers.findIndex(({ status }) => status === 200);
    expect((await game.action()).data).toBe(`{"to":${at + 1}}`);
    server.clock.advance(1000);
    expect(game.frames).toEqual([]);
  });

  test("answers a question once, and none that has been dropped", async () => {
    const brain = new WebBrain();
    const playing = {} as Playing;
    const ask = (signal = new AbortController().signal) =>
      brain.chooseForceAction("G", { signal } as ForceRequest, playing);
    const chosen = ask();
    const question = brain.questionOf(playing);
    if (question === null) throw new Error("nothing is asked");
    expect(brain.answer(playing, question, { name: "a" })).toBe(true);
    expect(brain.answer(playing, question, { name: "b" })).toBe(false);
    expect(await chosen).toEqual({ name: "a" });
    const dropped = new AbortController();
    const old = ask(dropped.signal);
    const next = ask();
    dropped.abort();
    await expect(old).rejects.toThrow("not asked any more");
    const left = brain.questionOf(playing);
    expect(left !== null && brain.answer(playing, left, { name: "c" })).toBe(true);
    expect(await next).toEqual({ name: "c" });
  });

  test("is not asked any more once the force was replaced, its action has gone, or its game", async () => {
    const server = await start();
    const game = await enter(server, "G");
    const first = await forced(server, game, ["a"]);
    const second = await forced(server, game, ["b"]);
    const choose = (force: string, action: string) =>
      act(server, "choose", { game: 1, force, action });
    expect((await choose(first, "a")).status).toBe(409);
    game.send("actions/unregister", { action_names: ["b"] });
    await until(() => gameOf(server, "G")?.force === null);
    expect((await choose(second, "b")).status).toBe(409);
    const { ended } = await about(server, 1);
    expect(ended[0]).toMatchObject({ end: "cancelled", why: "unregistration" });
    expect(game.frames).toEqual([]);
  });

  test("chooses what waits until an action has been answered", async () => {
    const server = await start();
    const game = await enter(server, "G");
    const force = await forced(server, game, ["a"]);
    gameOf(server, "G")?.sendAction("b");
    const unanswered = await game.action();
    const choosing = act(server, "choose", { game: 1, force, action: "a" });
    const playing = gameOf(server, "G") as Playing;
    await until(() => (playing.brain as WebBrain).questionOf(playing) === null);
    // It is waited for, but not for long.
    server.clock.advance(2000);
    expect((await choosing).body).toEqual({
      ok: true,
      outcome: 'chose a for "G"; it has not been sent yet',
      id: null,
    });
    expect(game.frames).toEqual([]);
    game.result(unanswered.id, true);
    expect((await game.action()).name).toBe("a");
  });

  test("plays some games, and a brain the others", async () => {
    const server = await start({ brain: "random", brains: ["Mine=web"], random_delay_ms: 1000 });
    const other = await enter(server, "Other");
    const mine = await enter(server, "Mine");
    const key = await forced(server, other, ["a"]);
    const { status, body } = await act(server, "choose", { game: 1, force: key, action: "a" });
    expect([status, body.outcome]).toEqual([409, 'No person plays "Other": its brain is random.']);
    const own = await forced(server, mine, ["a"]);
    expect((await act(server, "choose", { game: 2, force: own, action: "a" })).status).toBe(200);
  });

  test("says something with a choice, where something is spoken", async () => {
    const server = await start({ speech: { words_per_minute: 60 } });
    const game = await enter(server);
    const force = await forced(server, game, ["a"]);
    await act(server, "choose", { game: 1, force, action: "a", say: "Here goes." });
    await game.action();
    server.clock.advance(2000);
    expect(await game.next()).toMatchObject({
      command: "speech_finished",
      data: { isFinal: true },
    });
  });
});

describe("orders", () => {
  test("a game is asked for its actions, and to shut down", async () => {
    const server = await start();
    const game = await enter(server, "G");
    expect(await act(server, "reregister", { game: 1 })).toEqual({
      status: 200,
      body: { ok: true, outcome: 'asked "G" for its actions' },
    });
    expect(await game.next()).toEqual({ command: "actions/reregister_all" });
    const wants = { graceful: true, keep: false };
    for (const [how, wanted] of Object.entries(wants)) {
      expect((await act(server, "shutdown", { game: 1, how })).status).toBe(200);
      expect(await game.next()).toEqual({
        command: "shutdown/graceful",
        data: { wants_shutdown: wanted },
      });
    }
    expect((await act(server, "shutdown", { game: 1, how: "immediate" })).status).toBe(200);
    expect(await game.next()).toEqual({ command: "shutdown/immediate" });
    for (const how of [undefined, "now", null, "constructor"]) {
      const { status, body } = await act(server, "shutdown", { game: 1, how });
      expect([status, body.outcome]).toEqual([400, "how: allowed: graceful, keep, immediate"]);
    }
    expect(game.frames).toEqual([]);
  });

  test("a game is disconnected, with a close frame or without", async () => {
    const server = await start();
    for (const [how, code] of [
      ["closed", 1000],
      ["reset", 1006],
      [undefined, 1000],
    ] as const) {
      const game = await enter(server, "G");
      const { status, body } = await act(server, "disconnect", { game: idOf(server, "G"), how });
      expect([status, body.outcome]).toEqual([
        200,
        expect.stringMatching(/^disconnected "G", 127/),
      ]);
      expect((await game.closed)[0]).toBe(code);
      await until(() => gameOf(server, "G") === undefined);
    }
    await enter(server, "G");
    expect((await act(server, "disconnect", { game: idOf(server, "G"), how: "x" })).status).toBe(
      400,
    );
  });

  test("need the token, each of them", async () => {
    const server = await start();
    const game = await enter(server, "G");
    for (const name of ["send", "choose", "reregister", "shutdown", "disconnect"]) {
      const answer = await server.post(`/admin/neuro/${name}`, { game: 1 }, { authorization: "" });
      expect([name, answer.status]).toEqual([name, 401]);
    }
    expect(game.frames).toEqual([]);
    expect(gameOf(server, "G")).toBeDefined();
  });
});

test("the panel has changed when something has happened, and not otherwise", async () => {
  const server = await start();
  const changes = () => server.running("neuro").panel?.changes() as number;
  const game = await enter(server, "G");
  const before = changes();
  server.clock.advance(1000);
  expect(changes()).toBe(before);
  game.send("context", { message: "x", silent: true });
  await until(() => changes() > before);
  game.close();
  await until(() => gameOf(server, "G") === undefined);
  expect(changes()).toBeGreaterThan(before + 1);
});

test("its own files are there", async () => {
  const server = await start();
  const { files } = server.running("neuro").panel as { files: Record<string, string> };
  expect(Object.keys(files)).toContain("panel.js");
  for (const name of Object.keys(files)) {
    const answer = await server.get(`/dashboard/panels/neuro/${name}`);
    expect([name, answer.status]).toEqual([name, 200]);
  }
});
