import { describe, expect, test } from "bun:test";
import { load, remarks } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { openssl, selfSigned, until } from "./kit.ts";
import { connect, enter, gameOf, serving, startNeuro, toldOf, turns } from "./neuro-suite.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MOVE = {
  name: "move",
  description: "Moves.",
  schema: {
    type: "object",
    properties: { to: { type: "integer", minimum: 1, maximum: 9 } },
    required: ["to"],
  },
};

describe("a game", () => {
  test("plays: startup, register, force, action, result", async () => {
    const server = await startNeuro();
    const game = await connect(server, "Slay the Spire", "/game/Slay%20the%20Spire?session=1");
    game.send("startup");
    expect(await game.next()).toEqual({
      command: "startup",
      data: {
        session: {
          sessionId: expect.stringMatching(/^\d+-\d+$/),
          characterId: "neuro",
          displayName: "Neuro-sama",
        },
      },
    });
    game.register(MOVE, "wait");
    game.send("context", { message: "It is your turn.", silent: true });
    game.force(["move"], { state: "x" });
    const { id, name, data } = await game.action();
    expect(name).toBe("move");
    expect(JSON.parse(data as string)).toEqual({ to: expect.any(Number) });
    game.send("context", { message: "Meanwhile.", silent: true });
    game.result(id, true, "Moved.");
    game.force(["wait"]);
    const second = await game.action();
    expect(second).toEqual({ id: expect.any(String), name: "wait" });
    expect(second.id).not.toBe(id);
    game.result(second.id, true);
    await until(() => server.stats()["forces_succeeded"] === 2);
    expect(toldOf(server, "Slay the Spire")).toEqual({});
    const context = serving(server).memory.of("Slay the Spire");
    expect(context.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
      "context: It is your turn.",
      "force: State: x\nQuery: Go.",
      "result: Moved.",
      "context: Meanwhile.",
      "force: Query: Go.",
    ]);
    expect(server.stats()).toMatchObject({
      games: 1,
      actions: 2,
      forces: 2,
      actions_sent: 2,
      unanswered: 0,
      messages_in: 8,
    });
  });

  test("is played the same by the same seed", async () => {
    const chosen: string[] = [];
    for (const random_seed of [7, 7, 8]) {
      const server = await startNeuro({ random_seed });
      const game = await enter(server, "Test Game", [MOVE, "b", "c"]);
      for (let i = 0; i < 10; i++) {
        game.force(["move", "b", "c"]);
        const { id, name, data } = await game.action();
        chosen.push(`${name} ${data}`);
        game.result(id, true);
      }
      await server.stop();
    }
    expect(chosen.slice(0, 10)).toEqual(chosen.slice(10, 20));
    expect(chosen.slice(0, 10)).not.toEqual(chosen.slice(20));
  });

  test("waits for a brain that thinks, by the clock", async () => {
    const server = await startNeuro({ random_delay_ms: 500 });
    const game = await enter(server);
    game.force(["a"]);
    await until(() => gameOf(server)?.force?.state === "choosing");
    server.clock.advance(499);
    await turns();
    expect(game.frames).toEqual([]);
    server.clock.advance(1);
    expect((await game.action()).name).toBe("a");
  });

  test("may be idle for ever", async () => {
    const server = await startNeuro();
    const game = await enter(server);
    for (let day = 0; day < 30; day++) await server.clock.leap(86_400_000);
    game.force(["a"]);
    expect((await game.action()).name).toBe("a");
  });

  test("may offer a subprotocol, and any path", async () => {
    const server = await startNeuro();
    for (const path of ["/", "/game/x?session=1", "/any/thing/else", "/%F0%9F%98%80"]) {
      const game = await connect(server, "Test Game", path, ["neuro-v9", "other"]);
      game.send("startup");
      expect((await game.next()).command).toBe("startup");
    }
  });

  test("is told no character where that is switched off, and which one it is", async () => {
    const server = await startNeuro({ acknowledge: false });
    const game = await connect(server);
    game.send("startup");
    game.register("a");
    game.force(["a"]);
    expect((await game.next()).command).toBe("action");
    server.reload({ neuro: { character_id: "evil", display_name: "Evil Neuro" } });
    game.send("startup");
    expect((await game.next()).data.session).toMatchObject({
      characterId: "evil",
      displayName: "Evil Neuro",
    });
  });

  test("opens a session with whatever it says first", async () => {
    const server = await startNeuro();
    const game = await connect(server);
    game.register("a");
    game.force(["a"]);
    expect((await game.action()).name).toBe("a");
    expect(toldOf(server)).toEqual({ no_startup: 1 });
    const other = await connect(server, "Vendor");
    other.send("mygame/hello");
    await until(() => server.stats()["messages_in"] === 3);
    expect([gameOf(server, "Vendor"), toldOf(server, "Vendor")]).toEqual([undefined, {}]);
  });

  test("sends binary frames, and gets none", async () => {
    const server = await startNeuro();
    const game = await connect(server);
    game.raw(Buffer.from(JSON.stringify({ command: "startup", game: "Test Game" })));
    expect((await game.next()).command).toBe("startup");
    expect(toldOf(server)).toEqual({ binary_frame: 1 });
  });

  test("is closed with 1009 by a frame over the limit, and by none at the limit", async () => {
    const server = await startNeuro({ max_message_bytes: 10_000 });
    const game = await enter(server);
    const frame = (size: number) => {
      const empty = JSON.stringify({
        command: "context",
        game: game.name,
        data: { message: "", silent: true },
      });
      return empty.replace('""', `"${"x".repeat(size - empty.length)}"`);
    };
    game.raw(frame(10_000));
    await until(() => serving(server).memory.of(game.name).length === 1);
    game.raw(frame(10_001));
    expect((await game.closed)[0]).toBe(1009);
    await until(() => server.stats()["games"] === 0);
  });
});

describe("several games", () => {
  test("are played apart on one connection", async () => {
    const server = await startNeuro();
    const game = await enter(server, "One");
    const say = (command: string, data?: object) =>
      game.raw(JSON.stringify({ command, game: "Two", data }));
    say("startup");
    await game.next();
    say("actions/register", { actions: [{ name: "z", description: "Does z." }] });
    await until(() => gameOf(server, "Two")?.actions.length === 1);
    game.force(["z"]);
    say("actions/force", { query: "Go.", action_names: ["z"] });
    expect((await game.action()).name).toBe("z");
    expect(toldOf(server, "One")).toEqual({ force_ignored: 1 });
    say("startup");
    await game.next();
    expect(gameOf(server, "One")?.actions).toHaveLength(2);
    expect(gameOf(server, "Two")?.actions).toHaveLength(0);
  });

  test("are played at once on two, each with its own", async () => {
    const server = await startNeuro();
    const [one, two] = [await enter(server, "One", ["a"]), await enter(server, "Two", ["b"])];
    one.force(["a"]);
    two.force(["b"]);
    const [first, second] = [await one.action(), await two.action()];
    expect([first.name, second.name]).toEqual(["a", "b"]);
    one.result(second.id, true);
    await until(() => toldOf(server, "One")["others_result"] === 1);
    two.result(second.id, true);
    one.result(first.id, true);
    await until(() => server.stats()["forces_succeeded"] === 2);
  });

  test("of one name are played apart, and told so; their context is one", async () => {
    const server = await startNeuro();
    const [one, two] = [await enter(server), await connect(server)];
    two.register("z");
    await until(() => gameOf(server)?.actions.length === 1);
    one.force(["z"]);
    await until(() => toldOf(server)["force_ignored"] === 1);
    two.force(["z"]);
    expect((await two.action()).name).toBe("z");
    expect(toldOf(server)).toEqual({ no_startup: 1, game_twice: 1, force_ignored: 1 });
    one.close();
    await until(() => server.stats()["games"] === 1);
    expect(serving(server).memory.of("Test Game")).toHaveLength(1);
  });

  test("share one space of names where they do in production", async () => {
    const server = await startNeuro({ action_scope: "character" });
    await enter(server, "One", ["a", "b"]);
    await enter(server, "Two", ["b", "c"]);
    expect([toldOf(server, "One"), toldOf(server, "Two")]).toEqual([
      { name_shared: 1 },
      { name_shared: 1 },
    ]);
  });

  test("that have names without end in common are told of some", async () => {
    const server = await startNeuro({ action_scope: "character" });
    const names = Array.from({ length: 101 }, (_, i) => `n${i}`);
    await enter(server, "One", names.slice(0, 100));
    await enter(server, "Two", names.slice(0, 100));
    expect(toldOf(server, "Two")).toEqual({ name_shared: 100 });
    await enter(server, "Three", names);
    expect(toldOf(server, "Three")).toEqual({ name_shared: 100 });
    expect(toldOf(server, "Two")).toEqual({ name_shared: 100 });
  });

  test("are so many on a connection, and no more", async () => {
    const server = await startNeuro();
    const game = await connect(server);
    for (let i = 0; i < 40; i++) game.raw(JSON.stringify({ command: "startup", game: `g${i}` }));
    await until(() => server.stats()["messages_in"] === 40);
    expect(server.stats()["games"]).toBe(32);
    expect(server.printed()).toContain("N122");
  });
});

describe("a silent connection", () => {
  test("is asked for its actions after 1.5 s, once", async () => {
    const server = await startNeuro();
    const [silent, talks] = [await connect(server, "Silent"), await connect(server, "Talks")];
    talks.send("startup");
    await talks.next();
    server.clock.advance(1250);
    await turns();
    expect(silent.frames).toEqual([]);
    server.clock.advance(500);
    expect(await silent.next()).toEqual({ command: "actions/reregister_all" });
    server.clock.advance(100_000);
    await turns();
    expect([silent.frames, talks.frames]).toEqual([[], []]);
  });

  test("is asked at once, or never", async () => {
    let server = await startNeuro({ reregister: "always" });
    expect(await (await connect(server)).next()).toEqual({ command: "actions/reregister_all" });
    await server.stop();
    server = await startNeuro({ reregister: "never" });
    const game = await connect(server);
    server.clock.advance(100_000);
    await turns();
    expect(game.frames).toEqual([]);
  });
});

describe("the voice side channel", () => {
  test("is accepted, and told that there is none", async () => {
    const server = await startNeuro();
    const game = await connect(server, "Test Game", "/game/Test%20Game/voice");
    server.clock.advance(10_000);
    await turns();
    expect(game.frames).toEqual([]);
    game.send("voice/start", { format: "pcm" });
    expect(await game.next()).toEqual({
      command: "voice/unavailable",
      data: { reason: "not supported" },
    });
    expect(await game.closed).toEqual([1000, ""]);
    expect(toldOf(server)).toEqual({ voice: 1 });
    expect(server.stats()["games"]).toBe(0);
  });
});

test("the table of games counts all forces of a game, the one that is unanswered too", async () => {
  const server = await startNeuro({ random_delay_ms: 100 });
  const game = await enter(server, "Test Game", ["a", "b"]);
  for (let i = 1; i <= 60; i++) {
    game.force(["a"]);
    await until(() => server.stats()["forces"] === i);
  }
  expect(gameOf(server)?.ended.length).toBe(50);
  expect(serving(server).tables()).toMatchObject([{ name: "games", rows: [["Test Game", 2, 60]] }]);
});

describe("a force ends with its game", () => {
  test.each(["choosing", "sent", "queued"])("when it is %s", async (state) => {
    const server = await startNeuro({ random_delay_ms: 100 });
    const [game, stays] = [await enter(server), await enter(server, "Stays")];
    game.force(["a"]);
    const found = gameOf(server);
    await until(() => found?.force?.state === "choosing");
    if (state !== "choosing") {
      server.clock.advance(100);
      await game.next();
    }
    if (state === "queued") game.force(["b"]);
    await until(() => found?.force?.state === state);
    game.socket.terminate();
    await until(() => server.stats()["games"] === 1);
    expect([found?.force, found?.ended.at(-1)?.state]).toEqual([null, "cancelled"]);
    server.clock.advance(200_000);
    await turns();
    stays.force(["b"]);
    await until(() => gameOf(server, "Stays")?.force?.state === "choosing");
    server.clock.advance(100);
    expect((await stays.action()).name).toBe("b");
    expect(toldOf(server)["brain_failed"]).toBeUndefined();
  });
});

describe("results", () => {
  test("that never come, come twice, or come late are told, and nobody is disconnected", async () => {
    const server = await startNeuro({ result_timeout_secs: 5 });
    const game = await enter(server);
    game.force(["a"]);
    const { id } = await game.action();
    server.clock.advance(5000);
    expect(server.stats()).toMatchObject({ forces_timed_out: 1, unanswered: 0 });
    game.result(id, true);
    game.force(["a"]);
    const second = await game.action();
    game.result(second.id, true);
    game.result(second.id, true);
    game.result("none", true);
    await until(() => toldOf(server)["unknown_result"] === 1);
    expect(toldOf(server)).toEqual({
      no_result: 1,
      late_result: 1,
      second_result: 1,
      unknown_result: 1,
    });
    expect(game.frames).toEqual([]);
  });

  test("for the action of another game are told to whom they do not belong, and settle nothing", async () => {
    const server = await startNeuro();
    const [game, other] = [await enter(server), await enter(server, "Other")];
    game.force(["a"]);
    const { id } = await game.action();
    other.result(id, false, "Not yours.");
    await until(() => toldOf(server, "Other")["others_result"] === 1);
    expect(gameOf(server)?.force?.state).toBe("sent");
    expect([toldOf(server), server.stats()["unanswered"]]).toEqual([{}, 1]);
    game.result(id, true);
    await until(() => gameOf(server)?.force === null);
    other.result(id, true);
    await until(() => toldOf(server, "Other")["unknown_result"] === 1);
    expect(server.stats()).toMatchObject({ forces_succeeded: 1, clients: 2 });
  });
});

describe("speaking", () => {
  const speaks = { speech: { words_per_minute: 600 } };
  /** Makes the random brain speak, and waits until it does. */
  async function spoken() {
    const server = await startNeuro(speaks);
    const game = await enter(server);
    const said: string[] = [];
    serving(server).watch({
      event: (_game, event) => void (event.kind === "said" && said.push(event.text)),
    });
    game.send("context", { message: "Hello!", silent: false });
    await until(() => said.length === 1);
    return { server, game, ms: (said[0] as string).split(" ").length * 100 };
  }

  test("ends with a final segment", async () => {
    const { server, game, ms } = await spoken();
    server.clock.advance(ms - 1);
    await turns();
    expect(game.frames).toEqual([]);
    server.clock.advance(1);
    expect(await game.next()).toEqual({ command: "speech_finished", data: { isFinal: true } });
  });

  test("is waited for by a force of low priority", async () => {
    const { server, game, ms } = await spoken();
    game.force(["a"]);
    await until(() => gameOf(server)?.force?.state === "queued");
    await turns();
    expect(game.frames).toEqual([]);
    server.clock.advance(ms);
    expect((await game.next()).command).toBe("speech_finished");
    expect((await game.action()).name).toBe("a");
  });

  test("is cut by a critical one", async () => {
    const { game } = await spoken();
    game.force(["a"], { priority: "critical" });
    expect(await game.next()).toEqual({
      command: "speech_finished",
      data: { isFinal: true, cancelled: true, reason: "interrupted" },
    });
    expect((await game.action()).name).toBe("a");
  });
});

describe("closing", () => {
  test("says why in the close frame, and nothing else", async () => {
    const server = await startNeuro();
    const [kicked, drained] = [await enter(server, "Kicked"), await enter(server, "Drained")];
    await server.running().kick(gameOf(server, "Kicked")?.clientId as number);
    expect(await kicked.closed).toEqual([1008, "kicked"]);
    const down = server.drain(5000);
    expect(await drained.closed).toEqual([1001, "shutdown"]);
    await down;
    expect([kicked.frames, drained.frames]).toEqual([[], []]);
  });
});

test("a request that is no WebSocket is told so", async () => {
  const server = await startNeuro();
  const url = `http://127.0.0.1:${server.port()}/`;
  for (const asked of [{}, { method: "POST", body: "x".repeat(2 ** 16) }]) {
    const answer = await fetch(url, asked);
    expect([answer.status, await answer.text()]).toEqual([426, "This is for WebSockets.\n"]);
  }
  const long = await fetch(url, { method: "POST", body: "x".repeat(2 ** 16 + 1) });
  expect(long.status).toBe(413);
});

test.skipIf(!openssl)("speaks TLS", async () => {
  const folder = mkdtempSync(join(tmpdir(), "summoner-neuro-"));
  const server = await startNeuro({ tls: selfSigned(folder) });
  const socket = new WebSocket(`wss://127.0.0.1:${server.port()}/`, {
    tls: { rejectUnauthorized: false },
  } as never);
  const answer = Promise.withResolvers<string>();
  socket.onmessage = ({ data }) => answer.resolve(String(data));
  socket.onopen = () => socket.send('{"command":"startup","game":"x"}');
  expect(await answer.promise).toStartWith('{"command":"startup"');
  socket.close();
  rmSync(folder, { recursive: true });
});

test("whoever opens it to a network is told that anybody may connect", () => {
  const told = (object: Readonly<Record<string, unknown>>) => remarks(load(settings, { object }));
  const open = { neuro: { enabled: true, host: "0.0.0.0" } };
  expect(told(open).join()).toContain("neuro.host: 0.0.0.0 is not loopback");
  const allow = ["10.0.0.0/8"];
  for (const guarded of [
    { neuro: { enabled: true } },
    { neuro: { host: "0.0.0.0" } },
    { ...open, access: { allow } },
    { neuro: { ...open.neuro, access: { allow } } },
  ]) {
    expect(told(guarded).join()).not.toContain("neuro.host");
  }
});
