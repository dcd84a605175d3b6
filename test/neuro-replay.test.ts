import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { Log } from "../lib/host/log.ts";
import type { Line } from "../lib/services/neuro/record/lines.ts";
import { recordIn } from "../lib/services/neuro/record/read.ts";
import { differencesOf, placesOf } from "../lib/services/neuro/record/replay/compare.ts";
import type { PlayOptions, Played } from "../lib/services/neuro/record/replay/player.ts";
import { reportLines } from "../lib/services/neuro/record/replay/report.ts";
import { canonical, saidIn } from "../lib/services/neuro/record/replay/said.ts";
import { serveReplay } from "../lib/services/neuro/record/replay/serve.ts";
import { configOf, turn, until } from "./kit.ts";
import { dialGame, startNeuro, type TestGame, turns } from "./neuro-suite.ts";

// neuro replay: a record is played to a game, and what it says is compared.

setDefaultTimeout(60_000);

const program = join(import.meta.dir, "..", "index.ts");
const root = mkdtempSync(join(tmpdir(), "summoner-replay-"));
afterAll(() => rmSync(root, { recursive: true }));
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

const HEAD =
  '{"kind":"record","version":1,"program":"summoner 1","at":"2026-01-02","game":"Chess"}';

/** A frame of a record. */
const line = (kind: "in" | "out", ms: number, message: object | string): Line => ({
  kind,
  ms,
  text: typeof message === "string" ? message : JSON.stringify(message),
});
const said = (ms: number, command: string, data?: object) =>
  line("in", ms, { command, game: "Chess", data });
const sent = (ms: number, command: string, data?: object) => line("out", ms, { command, data });
const end = (ms: number, why: "closed" | "full" | "stopped" = "closed"): Line => ({
  kind: "end",
  ms,
  why,
});

const textOf = (lines: readonly Line[]) =>
  `${[HEAD, ...lines.map((one) => JSON.stringify(one))].join("\n")}\n`;
const recorded = (...lines: Line[]) => recordIn(textOf(lines));

/** Plays a record to a game that has just come, with a clock that moves by hand. */
async function playing(lines: readonly Line[], options: Partial<PlayOptions> = {}) {
  const clock = new HandClock();
  const config = configOf({ neuro: { enabled: true, port: 0 } });
  const log = new Log("replay", config.logger, clock, () => {});
  const given = { isFast: false, patienceMs: 10_000, ignored: [], ...options };
  const replay = serveReplay(recorded(...lines), config, { clock, log }, given);
  const port = Number(new URL(replay.url).port);
  let played: Played | null = null;
  void replay.played.then((one) => {
    played = one;
  });
  endings.push(async () => {
    let isStopped = false;
    void replay.stop().then(() => {
      isStopped = true;
    });
    while (!isStopped) {
      clock.advance(250);
      await turn();
    }
    await log.close();
  });
  const enter = async (name = "Chess"): Promise<TestGame> => {
    const game = await dialGame(port, name);
    endings.push(() => game.close());
    return game;
  };
  return {
    clock,
    replay,
    enter,
    port,
    game: await enter(),
    /** Lets time pass until the replay is over. */
    async over(): Promise<Played> {
      while (played === null) {
        clock.advance(100);
        await turns(3);
      }
      return played;
    },
    isOver: () => played !== null,
  };
}

const kinds = ({ differences }: Played) =>
  differences.map(({ kind, before, now }) => `${kind} ${(before ?? now)?.command}`);

describe("a record", () => {
  test("is read to its end", () => {
    const {
      head,
      frames,
      lastedMs,
      end: why,
      damage,
    } = recorded(
      said(1, "startup"),
      { kind: "said", text: "Hello.", ms: 2, game: "Chess" },
      sent(3, "startup"),
      end(10),
    );
    expect(head).toMatchObject({ game: "Chess", program: "summoner 1" });
    expect(frames.map(({ kind, ms }) => [kind, ms])).toEqual([
      ["in", 1],
      ["out", 3],
    ]);
    expect([lastedMs, why, damage]).toEqual([10, "closed", null]);
  });

  test.each([
    ["", "its first line is not that of a record"],
    ["\n", "its first line is not that of a record"],
    ["[]\n", "its first line is not that of a record"],
    [HEAD.replace(":1,", ":2,"), "it is of version 2, not 1"],
    [HEAD.replace("record", "in"), "its first line is not that of a record"],
  ])("is not %p", (text, why) => {
    expect(() => recordIn(text)).toThrow(why);
  });

  test.each([
    ["not JSON", "it is no JSON object"],
    ["[1]", "it is no JSON object"],
    ["", "it is no JSON object"],
    ['{"kind":"in","text":"x"}', "its ms is no time after those before"],
    ['{"kind":"in","ms":0,"text":"x"}', "its ms is no time after those before"],
    ['{"kind":"in","ms":1e300,"text":"x"}', "its ms is no time after those before"],
    ['{"kind":"in","ms":5}', "it has no text"],
  ])("is read up to a line that is damaged: %p", (bad, why) => {
    const text = textOf([said(1, "startup")]) + `${bad}\n` + textOf([said(9, "context")]);
    expect(recordIn(text)).toMatchObject({
      frames: [{ ms: 1 }],
      lastedMs: 1,
      end: null,
      damage: { line: 3, why },
    });
  });

  test("is read up to where it breaks off, wherever that is", () => {
    const text = textOf([said(1, "startup"), sent(2, "startup"), said(3, "context"), end(4)]);
    for (let length = HEAD.length; length < text.length; length++) {
      const { frames, damage } = recordIn(text.slice(0, length));
      const whole = text.slice(0, length).split("\n").length - 1;
      expect(frames).toHaveLength(Math.max(0, Math.min(3, whole - 1)));
      expect(damage === null).toBe(length === HEAD.length || text[length - 1] === "\n");
    }
  });
});

describe("what is compared", () => {
  const of = (...messages: [command: string, data?: unknown][]) =>
    messages.flatMap(([command, data], at) =>
      saidIn(JSON.stringify({ command, game: "Chess", data }), at, []),
    );
  const compared = (before: ReturnType<typeof of>, now: ReturnType<typeof of>) =>
    differencesOf(before, now).map(({ kind, before: one, now: other }) => [
      kind,
      (one ?? other)?.command,
    ]);
  const context = (message: string): [string, object] => ["context", { message, silent: true }];
  const result = (id: string, success = true): [string, object] => [
    "action/result",
    { id, success },
  ];
  const force = (...action_names: string[]): [string, object] => [
    "actions/force",
    { query: "?", action_names },
  ];
  const register = (...names: string[]): [string, object] => [
    "actions/register",
    { actions: names.map((name) => ({ name, description: "" })) },
  ];

  test("is neither the order of keys nor that of actions in a list", () => {
    const one = { a: { x: 1, y: [1, 2] }, b: null };
    expect(canonical(one)).toBe(canonical({ b: null, a: { y: [1, 2], x: 1 } }));
    expect(canonical(one)).not.toBe(canonical({ b: null, a: { y: [2, 1], x: 1 } }));
    expect(
      compared(of(register("a", "b"), force("a", "b")), of(register("b", "a"), force("b", "a"))),
    ).toEqual([]);
  });

  test("is not the order of messages that do not depend on each other", () => {
    const before = of(context("1"), register("a"), result("x"), result("y"), ["shutdown/ready"]);
    const now = of(["shutdown/ready"], result("y"), register("a"), context("1"), result("x"));
    expect(compared(before, now)).toEqual([]);
  });

  test("is the order of contexts, and of what is registered and forced", () => {
    expect(compared(of(context("1"), context("2")), of(context("2"), context("1")))).toEqual([
      ["moved", "context"],
    ]);
    expect(compared(of(register("a"), force("a")), of(force("a"), register("a")))).toEqual([
      ["moved", expect.stringMatching("actions/")],
    ]);
  });

  test("tells what is missing, new and changed apart", () => {
    const before = of(context("1"), context("2"), context("3"), result("x"));
    const now = of(context("1"), context("two"), context("3"), context("4"), result("x", false));
    expect(compared(before, now)).toEqual([
      ["changed", "context"],
      ["extra", "context"],
      ["changed", "action/result"],
    ]);
    expect(compared(before, of(context("1"), context("3"), result("y")))).toEqual([
      ["missing", "context"],
      ["extra", "action/result"],
      ["missing", "action/result"],
    ]);
    // One that is left out shifts none of the others.
    const many = Array.from({ length: 50 }, (_, i) => context(`${i}`));
    expect(compared(of(...many), of(...many.toSpliced(20, 1)))).toEqual([["missing", "context"]]);
  });

  test("is not what is to be ignored", () => {
    const text = (state: string) =>
      JSON.stringify({ command: "actions/force", game: "Chess", data: { query: "?", state } });
    const one = saidIn(text("1"), 0, ["data.state", "nothing.there"]);
    expect(one[0]?.document).toEqual({
      command: "actions/force",
      game: "Chess",
      data: { query: "?" },
    });
    expect(differencesOf(one, saidIn(text("2"), 0, ["data.state"]))).toEqual([]);
  });

  test("may be what nobody can read, as text", () => {
    const [one, other] = [saidIn("rubbish", 0, []), saidIn("trash", 0, [])];
    expect(differencesOf(one, one)).toEqual([]);
    expect(differencesOf(one, other)).toMatchObject([{ kind: "changed" }]);
  });

  test("is aligned in bounded time, however much there is", () => {
    const many = (from: number) =>
      of(...Array.from({ length: 5000 }, (_, i) => context(`${from + i}`)));
    const found = compared(many(0), many(100_000));
    expect(found).toHaveLength(5000);
    expect(new Set(found.map(([kind]) => kind))).toEqual(new Set(["changed"]));
  });

  test("shows the places, and both sides", () => {
    const before = { data: { a: 1, list: [{ x: "y" }, 2], gone: null } };
    const now = { data: { list: [{ x: "z" }, 2, 3], a: 1, come: true } };
    expect(placesOf(before, now, 10).map((place) => [place.path, place.before, place.now])).toEqual(
      [
        ["data.list[0].x", "y", "z"],
        ["data.list[2]", undefined, 3],
        ["data.gone", null, undefined],
        ["data.come", undefined, true],
      ],
    );
    expect(placesOf(before, now, 2)).toHaveLength(2);
    const long = "x".repeat(500);
    const lines = reportLines({
      differences: differencesOf(
        of(context(`${long}one\u202e`), result("1")),
        of(context(`${long}two`), ["mine/hello"]),
      ),
      said: 2,
      renamed: null,
      hasLeft: false,
    });
    expect(lines).toEqual([
      'context of "Chess" is said otherwise (then 0.0 s, now 0.0 s)',
      "  data.message",
      `    then ..."${"x".repeat(50)}one\\u202e"`,
      `    now  ..."${"x".repeat(50)}two"`,
      'action/result of "1" of "Chess" was said then, and not now (then 0.0 s)',
      '  {"id":"1","success":true}',
      'mine/hello of "Chess" is said now, and was not then (now 0.0 s)',
      "  {}",
      "2 messages then, 3 differences",
    ]);
  });

  test("is shown up to a bound", () => {
    const now = of(...Array.from({ length: 60 }, (_, i) => context(`${i}`)));
    const played = {
      differences: differencesOf([], now),
      said: 0,
      renamed: "Go\u001b",
      hasLeft: true,
    };
    const lines = reportLines(played);
    expect(lines[0]).toBe('The game calls itself "Go\\x1b" now.');
    expect(lines.slice(-3)).toEqual([
      "... and 10 more differences",
      "The game ended its connection before the record was over.",
      "0 messages then, 60 differences",
    ]);
  });
});

const SESSION = [
  said(100, "startup"),
  sent(100, "startup", { session: { sessionId: "1" } }),
  said(200, "actions/register", { actions: [{ name: "move", description: "Moves." }] }),
  said(300, "actions/force", { query: "?", action_names: ["move"] }),
  sent(2000, "action", { id: "x-1", name: "move" }),
  said(2100, "action/result", { id: "x-1", success: true }),
  said(2200, "context", { message: "Moved.", silent: true }),
  end(5000),
];

/** Says what the session says before the action. */
function begin(game: TestGame): void {
  game.send("startup");
  game.send("actions/register", { actions: [{ name: "move", description: "Moves." }] });
  game.send("actions/force", { query: "?", action_names: ["move"] });
}

function answer(game: TestGame): void {
  game.send("action/result", { id: "x-1", success: true });
  game.send("context", { message: "Moved.", silent: true });
}

describe("a replay", () => {
  test("sends what was sent, at its time, and finds nothing where the game says the same", async () => {
    const { game, clock, over } = await playing(SESSION);
    await turns();
    expect(game.frames).toEqual([]);
    begin(game);
    await turns();
    clock.advance(100);
    // Texts are sent as they were, ids included.
    expect(await game.next()).toEqual({
      command: "startup",
      data: { session: { sessionId: "1" } },
    });
    clock.advance(1899);
    await turns();
    expect(game.frames).toEqual([]);
    clock.advance(1);
    expect(await game.action()).toEqual({ id: "x-1", name: "move" });
    answer(game);
    expect(await over()).toEqual({ differences: [], said: 5, renamed: null, hasLeft: false });
    expect(clock.now()).toBeGreaterThanOrEqual(5000);
  });

  test("does not wait for the time with --fast, but until the game has caught up", async () => {
    const { game, clock, over } = await playing(SESSION, { isFast: true });
    game.send("startup");
    expect((await game.next()).command).toBe("startup");
    game.send("actions/register", { actions: [{ name: "move", description: "Moves." }] });
    await turns();
    expect(game.frames).toEqual([]);
    game.send("actions/force", { query: "?", action_names: ["move"] });
    expect((await game.action()).id).toBe("x-1");
    expect(clock.now()).toBe(0);
    answer(game);
    expect((await over()).differences).toEqual([]);
    expect(clock.now()).toBeLessThan(2000);
  });

  test("waits for a game that is late, and for none for ever", async () => {
    const { game, clock, over } = await playing(SESSION, { patienceMs: 3000 });
    clock.advance(2900);
    begin(game);
    expect((await game.next()).command).toBe("startup");
    expect((await game.action()).id).toBe("x-1");
    // Its result is missing; the record goes on.
    game.send("context", { message: "Moved.", silent: true });
    const played = await over();
    expect(kinds(played)).toEqual(["missing action/result"]);
    expect(played.hasLeft).toBe(false);
  });

  test("goes on where a message before an action never comes", async () => {
    const lines = [...SESSION.slice(0, -1), sent(3100, "speech_finished"), end(5000)];
    const { game, clock, over } = await playing(lines, { patienceMs: 1000 });
    game.send("startup");
    await turns();
    clock.advance(100);
    await game.next();
    game.send("actions/force", { query: "?", action_names: ["move"] });
    // As late as then, and a second later.
    await turns();
    clock.advance(2899);
    await turns();
    expect(game.frames).toEqual([]);
    clock.advance(1);
    expect((await game.action()).id).toBe("x-1");
    answer(game);
    await turns();
    // What is missing is not waited for again.
    clock.advance(100);
    expect((await game.next()).command).toBe("speech_finished");
    expect(kinds(await over())).toEqual(["missing actions/register"]);
  });

  test("finds what is said twice, in other words and in another order", async () => {
    const { game, over } = await playing(SESSION, { isFast: true });
    game.send("startup");
    game.send("actions/force", { action_names: ["move"], query: "?" });
    game.send("actions/register", { actions: [{ name: "move", description: "Goes." }] });
    await game.next();
    await game.action();
    answer(game);
    game.send("action/result", { id: "x-1", success: true });
    expect(kinds(await over()).toSorted()).toEqual([
      "extra action/result",
      "extra actions/register",
      "missing actions/register",
    ]);
  });

  test("tells that the game has left, and of nothing that came after", async () => {
    const { game, over } = await playing(SESSION, { isFast: true });
    begin(game);
    await game.next();
    await game.action();
    game.close();
    const played = await over();
    expect([played.hasLeft, kinds(played)]).toEqual([
      true,
      ["missing action/result", "missing context"],
    ]);
  });

  test("is over when a game leaves that has said all", async () => {
    const lines = [...SESSION.slice(0, -1), sent(4000, "speech_finished"), end(5000)];
    const { game, clock, replay } = await playing(lines);
    begin(game);
    await turns();
    clock.advance(2000);
    await game.next();
    await game.action();
    answer(game);
    game.close();
    expect(await replay.played).toMatchObject({ differences: [], said: 5, hasLeft: false });
  });

  test("takes a game of another name for the one that it was, and tells", async () => {
    const { game, over } = await playing(SESSION, { isFast: true });
    const send = (command: string, data?: object) =>
      game.raw(JSON.stringify({ command, game: "Chess 2", data }));
    begin({ ...game, send } as TestGame);
    await game.next();
    await game.action();
    answer({ ...game, send } as TestGame);
    expect(await over()).toMatchObject({ differences: [], renamed: "Chess 2" });
  });

  test("does not mind what comes after a record that was cut short", async () => {
    for (const why of ["full", "stopped", null] as const) {
      const cut = SESSION.slice(0, 5);
      const lines = why === null ? cut : [...cut, end(2000, why)];
      const { game, over } = await playing(lines, { isFast: true });
      begin(game);
      await game.next();
      await game.action();
      answer(game);
      expect((await over()).differences).toEqual([]);
    }
  });

  test("ends also where a game goes on talking for ever", async () => {
    const { game, clock, isOver } = await playing(SESSION, { isFast: true, patienceMs: 2000 });
    begin(game);
    await game.next();
    await game.action();
    answer(game);
    for (let i = 0; i < 40 && !isOver(); i++) {
      game.send("context", { message: `${i}`, silent: true });
      await turns();
      clock.advance(100);
    }
    await until(isOver);
  });

  test("is for one game: another is turned away, and a voice channel is told that there is none", async () => {
    const { game, enter, port, over } = await playing(SESSION, { isFast: true });
    const other = await enter();
    expect((await other.closed)[0]).toBe(1013);
    const voice = await dialGame(port, "Chess", { path: "/game/Chess/voice" });
    voice.send("voice/start");
    expect((await voice.next()).command).toBe("voice/unavailable");
    await voice.closed;
    begin(game);
    await game.next();
    await game.action();
    answer(game);
    expect((await over()).differences).toEqual([]);
  });

  test("ends where it is when it is interrupted", async () => {
    const { replay, game, clock } = await playing(SESSION);
    begin(game);
    await turns();
    clock.advance(100);
    await game.next();
    replay.interrupt();
    expect(await replay.played).toMatchObject({ differences: [], said: 3, hasLeft: true });
  });
});

/** A game that plays until it has been sent an action, and answered it. */
async function play(url: string, message: string): Promise<void> {
  const game = await dialGame(Number(new URL(url).port), "Chess");
  begin(game);
  for (;;) {
    const { command, data } = await game.next();
    if (command !== "action") continue;
    game.send("action/result", { id: data.id, success: true });
    game.send("context", { message, silent: true });
    break;
  }
  game.close();
  await game.closed;
}

/** Runs `neuro replay`, with a game that connects once it listens. */
async function replaying(args: readonly string[], game?: (url: string) => Promise<void>) {
  const cmd = [process.execPath, program, "neuro", "replay", ...args];
  const child = Bun.spawn(cmd, { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  endings.push(() => child.kill("SIGKILL"));
  let err = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stderr) err += decoder.decode(bytes, { stream: true });
  })();
  if (game) {
    await until(() => /ws:\S+/.test(err) || child.exitCode !== null);
    await game(/ws:\S+/.exec(err)?.[0] as string);
  }
  const out = await new Response(child.stdout).text();
  await reading;
  return { out, err, code: await child.exited };
}

describe("neuro replay", () => {
  test("plays what a server has recorded, and says what is otherwise, by exit code", async () => {
    const record = join(root, "records");
    const server = await startNeuro({ record });
    await play(`ws://127.0.0.1:${server.port("neuro")}`, "Moved.");
    await until(() => server.stats()["clients"] === 0 && server.stats()["recording"] === 0);
    const [name = ""] = readdirSync(record);
    const file = join(record, name);
    expect(readFileSync(file, "utf8")).toContain("Moved.");
    const same = await replaying([file, "--port", "0", "--fast"], (url) => play(url, "Moved."));
    expect(same).toMatchObject({ out: "5 messages, as then\n", code: 0 });
    expect(same.err).toStartWith("Chess, 2026-01-02T03:04:05.678Z\n");
    const other = await replaying([file, "--port", "0", "--fast"], (url) => play(url, "Fell."));
    expect(other.code).toBe(1);
    expect(other.out).toContain('    then "Moved."\n    now  "Fell."\n');
    expect(other.out).toEndWith("5 messages then, 1 difference\n");
    const ignoring = ["--port", "0", "--fast", "--ignore", "data.message"];
    const ignored = await replaying([file, ...ignoring], (url) => play(url, "Fell."));
    expect(ignored.code).toBe(0);
  });

  test("plays a damaged record up to the damage, and says so", async () => {
    const file = join(root, "damaged.jsonl");
    writeFileSync(file, `${textOf(SESSION.slice(0, -1))}{"kind":"in","ms":23`);
    const { err, code } = await replaying([file, "--port", "0", "--fast"], async (url) => {
      const game = await dialGame(Number(new URL(url).port), "Chess");
      endings.push(() => game.close());
      begin(game);
      await game.next();
      await game.action();
      answer(game);
    });
    expect(err).toStartWith(
      `warning: ${file}:9: damaged, it breaks off; what stands before it is played\n`,
    );
    expect(code).toBe(0);
  });

  test("ends with 2 where there is nothing to play, no port or no game", async () => {
    const refused = async (args: readonly string[], message: string) => {
      const { out, err, code } = await replaying(args);
      expect([out, code]).toEqual(["", 2]);
      expect(err).toContain(message);
    };
    const file = join(root, "whole.jsonl");
    writeFileSync(file, textOf(SESSION));
    const empty = join(root, "empty.jsonl");
    writeFileSync(empty, textOf([]));
    mkdirSync(join(root, "folder"), { recursive: true });
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    await Promise.all([
      refused(["nothing.jsonl"], "error: nothing.jsonl: there is no such file"),
      refused(["folder"], "error: folder: it is a folder"),
      refused([program], "its first line is not that of a record"),
      refused([empty, "--port", "0"], "nothing was said in it"),
      refused([], "error: FILE: missing; replay FILE needs it"),
      refused(
        [file, "--port", "0", "--patience", "0"],
        "error: --patience: found 0; allowed: a number",
      ),
      refused([file, "--port", "0", "--wait", "x"], "error: --wait: found x; allowed: a number"),
      refused([file, "--port", `${taken.port}`], "the port is in use"),
      refused([file, "--port", "0", "--wait", "0.2"], "error: no game came in 0.2 s"),
    ]);
  });
});
