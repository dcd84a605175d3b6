import { describe, expect, test } from "bun:test";
import { computedMs, until } from "./kit.ts";
import {
  connect,
  enter,
  gameOf,
  serving,
  startNeuro,
  type TestGame,
  toldOf,
} from "./neuro-suite.ts";
import { Random } from "./random.ts";

const game = "Bad Game";
const frame = (command: unknown, data?: unknown, more: object = {}) =>
  JSON.stringify({ command, game, data, ...more });

/** Whatever a game may send that is wrong; nothing of it gets an answer, and nothing ends the connection. */
const CORPUS: readonly (string | Uint8Array)[] = [
  "",
  " ",
  "\0",
  "\ufeff",
  "nonsense",
  "undefined",
  "NaN",
  "'startup'",
  "{",
  "}",
  "[",
  "]",
  '"',
  "{command:'startup'}",
  '{"command":"startup"',
  '{"command":"startup",}',
  '{"command":"startup","game":"Bad Game"}}}',
  "null",
  "true",
  "0",
  "-1e999",
  '"startup"',
  "[]",
  "[{}]",
  "{}",
  '{"command":null}',
  '{"game":"Bad Game"}',
  '{"command":1,"game":"Bad Game"}',
  '{"command":["startup"],"game":"Bad Game"}',
  '{"command":"startup"}',
  '{"command":"startup","game":null}',
  '{"command":"startup","game":{"a":1}}',
  '{"COMMAND":"startup","GAME":"Bad Game"}',
  '{"__proto__":{"command":"startup"},"game":"Bad Game"}',
  frame("STARTUP"),
  frame("start up"),
  frame("unknown"),
  frame("action", { id: "1", name: "a" }),
  frame("speech_finished", { isFinal: true }),
  frame("shutdown/graceful", { wants_shutdown: true }),
  frame("constructor"),
  frame("__proto__"),
  frame("context"),
  frame("context", null),
  frame("context", "text"),
  frame("context", [1]),
  frame("context", { message: 1, silent: true }),
  frame("context", { message: "x", silent: "yes" }),
  frame("context", { message: { a: 1 }, silent: true }),
  frame("actions/register"),
  frame("actions/register", { actions: null }),
  frame("actions/register", { actions: "a" }),
  frame("actions/register", { actions: [null] }),
  frame("actions/register", { actions: [[]] }),
  frame("actions/register", { actions: [{}] }),
  frame("actions/register", { actions: [{ name: "" }] }),
  frame("actions/register", { actions: [{ name: {}, description: "x" }] }),
  frame("actions/register", { actions: [{ name: "x", description: [] }] }),
  frame("actions/register", { actions: [{ name: "x", description: "x", schema: 1 }] }),
  frame("actions/unregister"),
  frame("actions/unregister", { action_names: {} }),
  frame("actions/unregister", { action_names: [{}] }),
  frame("actions/unregister", { action_names: ["never", "there"] }),
  frame("actions/force"),
  frame("actions/force", { query: "x" }),
  frame("actions/force", { query: 1, action_names: ["a"] }),
  frame("actions/force", { query: "x", action_names: "a" }),
  frame("actions/force", { query: "x", action_names: [] }),
  frame("actions/force", { query: "x", action_names: ["nobody"] }),
  frame("actions/force", { query: "x", action_names: ["nobody"], state: [] }),
  frame("actions/force", { query: "x", action_names: ["nobody"], priority: {} }),
  frame("actions/force", { query: "x", action_names: ["nobody"], ephemeral_context: 1 }),
  frame("action/result"),
  frame("action/result", { id: null, success: true }),
  frame("action/result", { id: "none", success: "true" }),
  frame("action/result", { id: "none", success: true }),
  frame("action/result", { id: "none", success: true, message: 7 }),
  frame("shutdown/ready", { x: "y".repeat(100) }),
  frame("voice/start"),
  frame("vendor:thing", { deep: [[[]]] }),
  "[".repeat(100_000),
  `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
  '{"a":'.repeat(100_000),
  frame("context", { message: "x", silent: true }).replace(
    '"x"',
    `${"[".repeat(1e5)}1${"]".repeat(1e5)}`,
  ),
  "{}".repeat(10_000),
  "x".repeat(1_000_000),
  frame("context", { message: 7, junk: "x".repeat(1_000_000) }),
  '"\\'.repeat(200_000),
  "\u0001".repeat(200_000),
  Buffer.from([0xff, 0xfe, 0x00]),
  Buffer.from("not JSON"),
  Buffer.alloc(0),
  new Uint8Array(100_000),
  Buffer.from(`{"command":"\u00e9`, "latin1"),
];

/** Asks for an action and answers it. */
async function isServed(bystander: TestGame): Promise<void> {
  bystander.force(["a"]);
  const { id } = await bystander.action();
  bystander.result(id, true);
}

describe("whatever a game sends", () => {
  test("nobody is answered or disconnected, and a bystander is served after each", async () => {
    const server = await startNeuro();
    const bystander = await enter(server, "Bystander", ["a"]);
    const bad = await connect(server, game);
    for (const text of CORPUS) {
      const before = server.stats()["messages_in"] as number;
      bad.raw(text);
      await until(() => (server.stats()["messages_in"] as number) > before);
      await isServed(bystander);
    }
    expect([bad.frames, bad.socket.readyState]).toEqual([[], WebSocket.OPEN]);
    bad.send("startup");
    bad.register("z");
    bad.force(["z"]);
    expect((await bad.next()).command).toBe("startup");
    expect((await bad.action()).name).toBe("z");
    expect(server.stats()).toMatchObject({ closed_bug: 0, closed_malformed: 0, clients: 2 });
    expect(toldOf(server, "Bystander")).toEqual({});
    const told = serving(server).reports;
    expect(told.counts.error).toBeGreaterThan(50);
    expect(server.printed()).not.toContain("serving 127");
  });

  test("or takes apart and puts together by chance", async () => {
    const server = await startNeuro();
    const bystander = await enter(server, "Bystander", ["a"]);
    const bad = await enter(server, game, ["a", "b"]);
    const random = new Random(12);
    const texts = CORPUS.filter((one) => typeof one === "string" && one.length < 500) as string[];
    const piece = () => {
      const text = texts[random.whole(0, texts.length - 1)] as string;
      return text.slice(random.whole(0, text.length), random.whole(0, text.length));
    };
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 100; i++) {
        const text = piece() + piece() + piece();
        bad.raw(random.whole(0, 9) === 0 ? Buffer.from(text, "latin1") : text);
      }
      await isServed(bystander);
    }
    await until(() => (server.stats()["messages_in"] as number) > 2000);
    expect(bad.socket.readyState).toBe(WebSocket.OPEN);
    for (const text of bad.frames)
      expect(["startup", "action"]).toContain(JSON.parse(text).command);
    expect(server.stats()["closed_bug"]).toBe(0);
  });

  test("memory is where it was after many of them", async () => {
    const server = await startNeuro();
    const bad = await connect(server, game);
    const flood = async (count: number) => {
      const before = server.stats()["messages_in"] as number;
      for (let i = 0; i < count; i++) {
        bad.raw(frame(`unknown ${i}`));
        bad.raw(`{"command":"startup","game":${i}}`);
        bad.raw(`nonsense ${i}`);
        bad.raw(frame("action/result", { id: `${i}`, success: true }));
      }
      await until(() => server.stats()["messages_in"] === before + 4 * count);
      Bun.gc(true);
      return process.memoryUsage().heapUsed;
    };
    await flood(2000);
    const before = await flood(2000);
    const after = await flood(2000);
    expect(after - before).toBeLessThan(2_000_000);
    expect(serving(server).reports.of(game).length).toBeLessThanOrEqual(100);
    expect(server.printed().split("\n").length).toBeLessThan(200);
  });
});

describe("a game that overdoes it", () => {
  test("registers a thousand times", async () => {
    const server = await startNeuro({ max_actions: 100 });
    const [bad, bystander] = [await connect(server, game), await enter(server, "Bystander", ["a"])];
    const schema = { type: "object", properties: { x: { type: "string" } } };
    const since = computedMs();
    for (let i = 0; i < 1000; i++) {
      bad.register({ name: `n${i % 200}`, description: `${i}`, schema });
    }
    await isServed(bystander);
    await until(() => server.stats()["messages_in"] === 1002 + 2);
    expect(computedMs() - since).toBeLessThan(1000);
    expect(gameOf(server, game)?.actions).toHaveLength(100);
  });

  test("forces a thousand times", async () => {
    const server = await startNeuro();
    const bad = await enter(server, game, ["a"]);
    for (let i = 0; i < 1000; i++) bad.force(["a"], { query: `${i}` });
    const { id } = await bad.action();
    await until(() => server.stats()["forces"] === 1000);
    // One action is out, whatever came after it.
    expect([server.stats()["unanswered"], bad.frames]).toEqual([1, []]);
    bad.result(id, false);
    const second = await bad.action();
    bad.result(second.id, true);
    await until(() => gameOf(server, game)?.force === null);
    expect(gameOf(server, game)?.ended.at(-1)?.data.query).toBe("999");
  });

  test("has schemas that recurse, cannot be met, explode, or ask for too much", async () => {
    const server = await startNeuro();
    const deep = (levels: number): object =>
      levels === 0
        ? { type: "string", minLength: 100 }
        : { type: "array", minItems: 50, items: deep(levels - 1) };
    const $defs = Object.fromEntries(
      Array.from({ length: 40 }, (_, i): [string, object] => [
        `a${i}`,
        { anyOf: [{ $ref: `#/$defs/a${i + 1}` }, { $ref: `#/$defs/a${i + 1}` }] },
      ]),
    );
    $defs["a40"] = { type: "string" } as never;
    const schemas: Readonly<Record<string, object>> = {
      recurses: { type: "object", required: ["x"], properties: { x: { $ref: "#" } } },
      unmet: { type: "object", required: ["x"], properties: { x: { enum: [] } } },
      explodes: { type: "object", $defs, properties: { x: { $ref: "#/$defs/a0" } } },
      large: { type: "object", required: ["x"], properties: { x: deep(6) } },
      nowhere: { type: "object", properties: { x: { $ref: "#/$defs/x" } } },
      evil: {
        type: "object",
        required: ["x"],
        properties: { x: { type: "string", pattern: "^(a+)+$" } },
      },
    };
    const actions = Object.entries(schemas).map(([name, schema]) => ({
      name,
      description: "x",
      schema,
    }));
    const bad = await enter(server, game, actions);
    const since = computedMs();
    for (const name of Object.keys(schemas)) {
      if (name === "evil") continue;
      const before = gameOf(server, game)?.ended.length as number;
      bad.force([name]);
      await until(() => (gameOf(server, game)?.ended.length as number) > before);
      expect(gameOf(server, game)?.ended.at(-1)?.state).toBe("cancelled");
    }
    bad.force(["evil"]);
    expect((await bad.action()).name).toBe("evil");
    expect(computedMs() - since).toBeLessThan(2000);
    expect(toldOf(server, game)).toMatchObject({
      schema_recurses: 1,
      schema_unmet: 1,
      schema_explodes: 1,
      schema_large: 1,
      schema_reference: 1,
    });
  });

  test("has large schemas by the hundred, and others are served while they are read", async () => {
    const server = await startNeuro({ brain: "random" });
    const bystander = await enter(server, "Bystander", ["a"]);
    const values = Array.from({ length: 2500 }, (_, i) => i);
    const actions = Array.from({ length: 200 }, (_, i) => ({
      name: `large_${i}`,
      description: "Large.",
      schema: { type: "object", properties: { x: { enum: values } } },
    }));
    const bad = await enter(server, game, actions);
    const order: string[] = [];
    bad.force(actions.map(({ name }) => name));
    await until(() => gameOf(server, game)?.force?.state === "choosing");
    const theirs = bad.action().then(() => order.push("bad"));
    await isServed(bystander).then(() => order.push("bystander"));
    await theirs;
    expect(order).toEqual(["bystander", "bad"]);
    // What has been read is known: none of it is read again.
    expect(toldOf(server, game)).toEqual({});
  });

  test("has schemas that none can be chosen of, and others are served meanwhile", async () => {
    const server = await startNeuro();
    const bystander = await enter(server, "Bystander", ["a"]);
    const actions = Array.from({ length: 200 }, (_, i) => ({
      name: `unmet_${i}`,
      description: "Unmet.",
      schema: { type: "object", required: ["x"], properties: { x: { enum: [] } } },
    }));
    const bad = await enter(server, game, actions);
    bad.force(actions.map(({ name }) => name));
    await until(() => gameOf(server, game)?.force?.state === "choosing");
    await isServed(bystander);
    expect(gameOf(server, game)?.force?.state).toBe("choosing");
    await until(() => gameOf(server, game)?.force === null);
    expect(toldOf(server, game)).toEqual({ schema_unmet: 1 });
  });

  test("does not read what it is sent", async () => {
    const server = await startNeuro({ outbox_bytes: 4096 });
    const bystander = await enter(server, "Bystander", ["a"]);
    const { createConnection } = await import("node:net");
    const socket = createConnection({ host: "127.0.0.1", port: server.port() });
    const lines = ["GET / HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"];
    lines.push("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "", "");
    socket.write(lines.join("\r\n"));
    await until(() => server.stats()["clients"] === 2);
    socket.pause();
    const text = Buffer.from('{"command":"startup","game":"x"}');
    const head = Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]);
    const many = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.concat([head, text])));
    const isHeld = () => server.clients().some(({ state }) => state === "paused");
    while (!isHeld()) {
      socket.write(many);
      await isServed(bystander);
    }
    const held = server.clients().find(({ state }) => state === "paused");
    expect(held?.outboxBytes).toBeLessThan(1_000_000);
    socket.destroy();
    await until(() => server.stats()["clients"] === 1);
    await isServed(bystander);
  });

  test("comes and goes all the time", async () => {
    const server = await startNeuro();
    for (let i = 0; i < 100; i++) {
      const one = await connect(server, game);
      one.register("a");
      one.force(["a"]);
      if (i % 2 === 0) await one.action();
      one.socket.terminate();
    }
    await until(() => server.stats()["clients"] === 0);
    expect(server.stats()).toMatchObject({ games: 0, unanswered: 0, choosing: 0, closed_bug: 0 });
    const bystander = await enter(server, "Bystander", ["a"]);
    await isServed(bystander);
  });
});
