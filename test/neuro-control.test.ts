import { describe, expect, test } from "bun:test";
import { load } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { faultsOf } from "../lib/host/service/check.ts";
import { services } from "../index.ts";
import { type Booted, configOf, dial, raw, until } from "./kit.ts";
import { connect, enter, gameOf, startNeuro, toldOf, turns } from "./neuro-suite.ts";

// [neuro] control: the HTTP control of the official test server.

const MOST_BYTES = 2 ** 20;

/** The Neuro service with its control on a free port. */
const started = (section: object = {}) =>
  startNeuro({ control: true, control_port: 0, reregister: "never", ...section });

const portOf = (server: Booted) => server.running("neuro").addresses[1]?.port as number;

/** Posts a body, an object as JSON. */
async function post(
  server: Booted,
  body: object | string,
  path = "/",
  headers: Record<string, string> = {},
) {
  const answer = await fetch(`http://127.0.0.1:${portOf(server)}${path}`, {
    method: "POST",
    keepalive: false,
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: answer.status, said: await answer.text() };
}

const ACTION = { command: "action", data: { id: "blegh", name: "a", data: '{"to":"ü"}' } };

describe("the control", () => {
  test("says which of the two addresses is its own", async () => {
    const server = await started();
    expect(server.running("neuro").addresses.map(({ door }) => door)).toEqual([
      undefined,
      "control",
    ]);
  });

  test("sends an action, which becomes pending and is not retried", async () => {
    const server = await started();
    const game = await enter(server);
    const { status, said } = await post(server, ACTION);
    expect([status, JSON.parse(said)]).toEqual([
      200,
      { sent: [{ game: "Test Game", id: "blegh" }] },
    ]);
    await until(() => game.frames.length > 0);
    expect(game.frames).toEqual([
      '{"command":"action","data":{"id":"blegh","name":"a","data":"{\\"to\\":\\"\\u00fc\\"}"}}',
    ]);
    expect(await game.action()).toEqual(ACTION.data);
    expect(gameOf(server)?.pending.map(({ id }) => id)).toEqual(["blegh"]);
    game.result("blegh", false, "No.");
    await until(() => gameOf(server)?.pending.length === 0);
    await turns();
    expect(game.frames).toEqual([]);
    expect(server.stats()).toMatchObject({ actions_sent: 1, retries: 0, unanswered: 0 });
    expect(toldOf(server)).toEqual({});
  });

  test("holds a force until the posted action is answered, and fails it without a result in time", async () => {
    const server = await started();
    const game = await enter(server);
    await post(server, ACTION);
    await game.action();
    game.force(["b"]);
    await until(() => gameOf(server)?.force?.state === "queued");
    server.clock.advance(20_000);
    expect((await game.action()).name).toBe("b");
    expect(toldOf(server)).toEqual({ no_result: 1 });
  });

  test("makes an id where none is given, and takes none that is in use", async () => {
    const server = await started();
    const game = await enter(server);
    const { said } = await post(server, { command: "action", data: { name: "a" } });
    const { id } = await game.action();
    expect(JSON.parse(said)).toEqual({ sent: [{ game: "Test Game", id }] });
    const again = await post(server, { command: "action", data: { name: "a", id } });
    expect(again).toEqual({
      status: 409,
      said: `Nothing was sent: the id "${id}" is in use.\n`,
    });
  });

  test("sends any other message as it is, to every game, in ASCII", async () => {
    const server = await started();
    const [one, other] = [await enter(server, "One"), await enter(server, "Other")];
    const message = {
      command: "shutdown/graceful",
      data: { wants_shutdown: true, x: [null, "é"] },
      y: 1,
    };
    expect((await post(server, message)).status).toBe(200);
    for (const game of [one, other]) {
      await until(() => game.frames.length > 0);
      expect(game.frames.splice(0)).toEqual([
        '{"command":"shutdown/graceful","data":{"wants_shutdown":true,"x":[null,"\\u00e9"]},"y":1}',
      ]);
    }
    expect((await post(server, message, "/?game=Other")).said).toBe('{"sent":[{"game":"Other"}]}');
    await until(() => other.frames.length > 0);
    expect(one.frames).toEqual([]);
  });

  test("sends once to a connection of several games", async () => {
    const server = await started();
    const game = await enter(server, "One");
    game.raw('{"command":"startup","game":"Two"}');
    await game.next();
    const { said } = await post(server, { command: "actions/reregister_all" });
    expect(JSON.parse(said)).toEqual({ sent: [{ game: "One" }, { game: "Two" }] });
    await until(() => game.frames.length > 0);
    await turns();
    expect(game.frames).toEqual(['{"command":"actions/reregister_all"}']);
  });

  test("sends an action to the games that have it, and to all where none has", async () => {
    const server = await started();
    const [one, other] = [await enter(server, "One", ["x"]), await enter(server, "Other", ["y"])];
    const act = (name: string) => post(server, { command: "action", data: { name, id: name } });
    expect(JSON.parse((await act("y")).said)).toEqual({ sent: [{ game: "Other", id: "y" }] });
    expect((await other.action()).id).toBe("y");
    const { said } = await act("nobody");
    expect(JSON.parse(said).sent).toHaveLength(2);
    for (const game of [one, other]) expect((await game.action()).id).toBe("nobody");
  });

  test("says when no game is there", async () => {
    const server = await started();
    const nobody = { status: 409, said: "Nothing was sent: there is no such game here.\n" };
    expect(await post(server, ACTION)).toEqual(nobody);
    await connect(server);
    expect(await post(server, ACTION)).toEqual(nobody);
    await enter(server);
    expect(await post(server, ACTION, "/?game=Another")).toEqual(nobody);
  });

  test.each([
    ["", "not JSON"],
    ["{", "not JSON"],
    ["[]", "object"],
    ["null", "object"],
    ['"action"', "object"],
    ["{}", "command"],
    ['{"command":1}', "command"],
    ['{"command":""}', "command"],
    ['{"command":"action"}', "data"],
    ['{"command":"action","data":[]}', "data"],
    ['{"command":"action","data":{"id":"1"}}', "data.name"],
    ['{"command":"action","data":{"id":1,"name":"a"}}', "data.id"],
    ['{"command":"action","data":{"id":"","name":"a"}}', "data.id"],
    ['{"command":"action","data":{"id":"1","name":"a","data":{}}}', "data.data"],
    ['{"command":"action","data":{"id":"1","name":"a","data":null}}', "data.data"],
  ])("refuses %p", async (body, why) => {
    const server = await started();
    const game = await enter(server);
    const { status, said } = await post(server, body);
    expect(status).toBe(400);
    expect(said).toContain(why);
    await turns();
    expect(game.frames).toEqual([]);
  });

  test.each([
    [126, 200],
    [127, 400],
    [100_000, 400],
  ])("answers a body whose data is nested %d deep with %d", async (depth, status) => {
    const server = await started();
    await enter(server);
    const body = `{"command":"x","data":[${"[".repeat(depth)}${"]".repeat(depth)}]}`;
    const answer = await post(server, body);
    expect(answer.status).toBe(status);
    if (status === 400) expect(answer.said).toBe("The body is nested too deep.\n");
  });

  test("takes a body at the limit, and none a byte longer", async () => {
    const server = await started();
    const game = await enter(server);
    const filled = (bytes: number) => {
      const rest = JSON.stringify({ command: "x", data: "" }).length;
      return JSON.stringify({ command: "x", data: "y".repeat(bytes - rest) });
    };
    expect((await post(server, filled(MOST_BYTES))).status).toBe(200);
    await until(() => game.frames.length > 0);
    expect(game.frames[0]).toHaveLength(MOST_BYTES);
    expect((await post(server, filled(MOST_BYTES + 1))).status).toBe(413);
    await turns();
    expect(game.frames).toHaveLength(1);
  });

  test("answers sixteen requests at once, and tells one more to come again", async () => {
    const server = await started();
    await enter(server);
    const head = `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
    const body = JSON.stringify({ command: "x" });
    const slow = [];
    for (let i = 0; i < 16; i++) {
      const peer = await dial(portOf(server));
      await peer.sent(`${head}Content-Length: ${body.length}\r\n\r\n{`);
      slow.push(peer);
    }
    let status = 200;
    while (status === 200) ({ status } = await post(server, body));
    expect(status).toBe(503);
    const [first] = slow;
    await first?.sent(body.slice(1));
    expect(await first?.next()).toStartWith("HTTP/1.1 200 ");
    expect((await post(server, body)).status).toBe(200);
    for (const peer of slow) peer.end();
  });

  test("is not for pages of the web, nor for names that lead to this machine", async () => {
    const server = await started();
    await enter(server);
    const port = portOf(server);
    const headers = [
      { origin: "https://evil.example" },
      { origin: `http://127.0.0.1:${port}` },
      { origin: "null" },
      { host: `evil.example:${port}` },
      { host: "127.0.0.1.evil.example" },
    ];
    for (const one of headers) expect((await post(server, ACTION, "/", one)).status).toBe(403);
    for (const host of [`localhost:${port}`, "127.0.0.1", `[::1]:${port}`]) {
      expect((await post(server, { command: "x" }, "/", { host })).status).toBe(200);
    }
    // What a page can send to another site without being asked first.
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"]) {
      expect((await post(server, ACTION, "/", { "content-type": type })).status).toBe(415);
    }
    const typed = { "content-type": "application/json; charset=utf-8" };
    expect((await post(server, { command: "x" }, "/", typed)).status).toBe(200);
    const asked = await raw(
      port,
      "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\n\r\n",
    );
    expect(asked).toStartWith("HTTP/1.1 403 ");
    expect(asked.toLowerCase()).not.toContain("access-control-allow");
    expect(gameOf(server)?.pending).toEqual([]);
  });

  test("has one path and one method", async () => {
    const server = await started();
    expect((await post(server, ACTION, "/other")).status).toBe(404);
    const got = await fetch(`http://127.0.0.1:${portOf(server)}/`, { keepalive: false });
    expect([got.status, got.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
  });

  test("keeps to the access lists of the games, also after a reload", async () => {
    const own = { access: { deny: ["127.0.0.2"] } };
    const server = await started(own);
    const get = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const say = (from: string) => raw(portOf(server), get, "127.0.0.1", from);
    expect(await say("127.0.0.2")).toStartWith("HTTP/1.1 403 ");
    expect(await say("127.0.0.3")).toStartWith("HTTP/1.1 405 ");
    const next = { control: true, control_port: 0, access: { deny: ["127.0.0.3"] } };
    expect(server.reload({ neuro: next })).toEqual([]);
    expect(await say("127.0.0.2")).toStartWith("HTTP/1.1 405 ");
    expect(await say("127.0.0.3")).toStartWith("HTTP/1.1 403 ");
  });

  test("is off unless it is switched on, on port 1337", async () => {
    const { neuro } = configOf({});
    expect([neuro.control, neuro.control_host, neuro.control_port]).toEqual([
      false,
      "127.0.0.1",
      1337,
    ]);
    const server = await startNeuro();
    expect(server.running("neuro").addresses).toHaveLength(1);
  });

  test("goes with the service", async () => {
    const server = await started();
    const port = portOf(server);
    expect(server.running("neuro").health().ok).toBe(true);
    await server.stop();
    await expect(fetch(`http://127.0.0.1:${port}/`, { keepalive: false })).rejects.toThrow();
  });

  test("lets nothing start where its port is in use", async () => {
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    await expect(started({ control_port: taken.port })).rejects.toThrow("neuro.control_port");
  });
});

describe("the settings of the control", () => {
  const given = (neuro: object, rest: object = {}) =>
    load(settings, { object: { version: "rust", neuro: { enabled: true, ...neuro }, ...rest } });
  const elsewhere = { control: true, control_host: "0.0.0.0" };

  test("need to say who may come from elsewhere", () => {
    const messages = (neuro: object, rest?: object) =>
      given(neuro, rest).problems.map(({ message }) => message);
    expect(messages(elsewhere)).toEqual([
      "neuro.control_host: 0.0.0.0 is not loopback, and the control knows no token; say who may connect in neuro.access.allow",
    ]);
    const access = { allow: ["10.0.0.0/8"] };
    expect(messages({ ...elsewhere, access })).toEqual([]);
    expect(messages(elsewhere, { access })).toEqual([]);
    expect(messages({ ...elsewhere, access: { allow: [] } }, { access })).toHaveLength(1);
    expect(messages({ ...elsewhere, control: false })).toEqual([]);
  });

  test("collide with other ports where check sees it", async () => {
    const config = given({ control: true, port: 8123, control_port: 8123 }).config;
    expect((await faultsOf(services, config)).map(({ key, message }) => [key, message])).toEqual([
      [
        "neuro.control_port",
        "8123 is the port of the neuro too (neuro.port); one of them needs another",
      ],
    ]);
    const off = given({ control: false, port: 8123, control_port: 8123 }).config;
    expect(await faultsOf(services, off)).toEqual([]);
  });
});
