import { describe, expect, test } from "bun:test";
import {
  type Asked,
  calls,
  chatEndpoint,
  DONE,
  type Endpoint,
  event,
  says,
  stalling,
  streamed,
  toolCall,
} from "./chat-endpoint.ts";
import { load } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { HandClock } from "../lib/host/clock.ts";
import { EventStream } from "../lib/services/neuro/brains/llm/events.ts";
import { type Booted, type BootOptions, until } from "./kit.ts";
import { enter, gameOf, serving, startNeuro, type TestGame, toldOf, turns } from "./neuro-suite.ts";

const MOVE = {
  name: "move",
  description: "Moves.",
  schema: {
    type: "object",
    properties: { to: { type: "integer", minimum: 1, maximum: 9 }, why: { type: "string" } },
    required: ["to"],
  },
};

/** Time enough for whatever the clock does. */
const PATIENT = { first_byte_secs: 100_000, timeout_secs: 100_000 };

/** A server that is played by a model behind an endpoint. */
function start(
  endpoint: Pick<Endpoint, "baseUrl">,
  llm: object = {},
  more: object = {},
  options: BootOptions = {},
) {
  const section = {
    brain: "llm",
    choice_timeout_secs: 0,
    ...more,
    llm: { base_url: endpoint.baseUrl, model: "m", ...PATIENT, ...llm },
  };
  return startNeuro(section, options);
}

/** Waits for something that the clock has to move for. */
async function pushed(server: Booted, holds: () => boolean): Promise<void> {
  await until(() => {
    server.clock.advance(100);
    return holds();
  });
}

const endsOf = (server: Booted) => gameOf(server)?.ended.map(({ state, why }) => why ?? state);
const reportOf = (server: Booted, name: string) =>
  serving(server)
    .reports.of("Test Game")
    .find(({ diagnostic }) => diagnostic.name === name)?.diagnostic.text;

describe("a model", () => {
  test("chooses by calling a tool, in a stream that is cut anywhere", async () => {
    const text = [
      ": hello\r\n\r\n",
      event({ role: "assistant", content: "" }),
      event(toolCall("move", '{"to": 3, "wh')),
      event({ tool_calls: [{ index: 0, function: { arguments: 'y": "é€😀"}' } }] }),
      DONE,
    ].join("");
    const bytes = new TextEncoder().encode(text.replaceAll("\n\n", "\r\n\r\n"));
    const endpoint = chatEndpoint(() =>
      streamed(...Array.from(bytes, (one) => Uint8Array.of(one))),
    );
    const server = await start(endpoint);
    const game = await enter(server, "Test Game", [MOVE, "wait"]);
    game.send("context", { message: "It is your turn.", silent: true });
    game.force(["move", "wait"], { state: "x" });
    const { name, data } = await game.action();
    expect([name, JSON.parse(data as string)]).toEqual(["move", { to: 3, why: "é€😀" }]);
    const [{ path, headers, body }] = endpoint.asked as [Asked];
    expect([path, headers.get("authorization")]).toEqual(["/v1/chat/completions", null]);
    expect(body).toEqual({
      model: "m",
      stream: true,
      tool_choice: "required",
      messages: [
        { role: "system", content: expect.stringContaining('You play the game "Test Game".') },
        {
          role: "user",
          content:
            "What has happened so far:\n- It is your turn.\n\nChoose now.\n\nState: x\nQuery: Go.",
        },
      ],
      tools: [
        {
          type: "function",
          function: { name: "move", description: "Moves.", parameters: MOVE.schema },
        },
        {
          type: "function",
          function: {
            name: "wait",
            description: "Does wait.",
            parameters: { type: "object", properties: {} },
          },
        },
      ],
    });
    expect(toldOf(server)).toEqual({});
  });

  test.each<[string, () => Response]>([
    ["does not stream", () => Response.json(whole(toolCall("move", { to: 3 })))],
    ["says text/plain", () => new Response(event(toolCall("move", { to: 3 })) + DONE)],
    ["leaves out [DONE]", () => streamed(event(toolCall("move", { to: 3 }), "tool_calls"))],
    [
      "leaves out the last empty line",
      () => streamed(event(toolCall("move", { to: 3 })).trimEnd()),
    ],
    [
      "gives arguments as an object",
      () =>
        Response.json(
          whole({ tool_calls: [{ function: { name: "move", arguments: { to: 3 } } }] }),
        ),
    ],
    ["quotes its arguments twice", () => calls("move", JSON.stringify(JSON.stringify({ to: 3 })))],
    [
      "counts no calls",
      () =>
        streamed(
          event({ tool_calls: [{ function: { name: "move", arguments: '{"to"' } }] }),
          event({ tool_calls: [{ function: { arguments: ": 3}" } }] }),
          event({ tool_calls: [{ function: { name: "wait", arguments: "{}" } }] }),
          DONE,
        ),
    ],
    [
      "calls two at once",
      () => streamed(event(toolCall("move", { to: 3 })), event(toolCall("wait", {}, 1)), DONE),
    ],
    ["writes JSON", () => says('{"name": "move", "arguments": {"to": 3}}')],
    [
      "writes JSON between words",
      () => says('Let {me} see.\n```json\n{"action": "move", "data": {"to": 3}}\n```\nYes!'),
    ],
    [
      "thinks aloud",
      () =>
        says('<think>{"name": "wait"} or what?</think>{"tool": "move", "parameters": {"to": 3}}'),
    ],
    [
      "writes a call as the protocol has it",
      () =>
        says('<tool_call>{"function": {"name": "move", "arguments": "{\\"to\\": 3}"}}</tool_call>'),
    ],
    [
      "writes in parts",
      () =>
        Response.json(
          whole({
            content: [{ type: "text", text: '{"name": "move",' }, { text: ' "args": {"to": 3}}' }],
          }),
        ),
    ],
  ])("is understood that %s", async (_what, answer) => {
    const server = await start(chatEndpoint(answer));
    const game = await enter(server, "Test Game", [MOVE, "wait"]);
    game.force(["move", "wait"]);
    const { name, data } = await game.action();
    expect([name, JSON.parse(data as string)]).toEqual(["move", { to: 3 }]);
    expect(toldOf(server)).toEqual({});
  });

  test("may write nothing but data where there is one action, or nothing but a name", async () => {
    const answers = ['{"to": 4, "why": "name"}', '{"name": "fly", "arguments": {}}', " `wait`. "];
    const server = await start(chatEndpoint((_asked, count) => says(answers[count - 1] as string)));
    const game = await enter(server, "Test Game", [MOVE, "wait"]);
    game.force(["move"]);
    const { id, data } = await game.action();
    expect(JSON.parse(data as string)).toEqual({ to: 4, why: "name" });
    game.result(id, true);
    game.force(["wait"]);
    expect((await game.action()).name).toBe("wait");
    expect(toldOf(server)).toEqual({ bad_choice: 1 });
    expect(reportOf(server, "bad_choice")).toContain("chose fly");
  });

  test("may call actions whose names or schemas endpoints do not take", async () => {
    const odd = { name: "Zieh die Karte! (1)", description: "", schema: { $comment: "x" } };
    const long = { name: "a".repeat(80), description: "" };
    const endpoint = chatEndpoint(({ body }) => calls(body.tools[0].function.name));
    const server = await start(endpoint);
    const game = await enter(server, "Test Game", [odd, "Zieh_die_Karte___1_", long]);
    for (const name of [odd.name, long.name]) {
      game.force([name, "Zieh_die_Karte___1_"]);
      const { id, name: sent } = await game.action();
      expect(sent).toBe(name);
      game.result(id, true);
      await until(() => gameOf(server)?.force === null);
    }
    expect(
      endpoint.asked.map(({ body }) => body.tools.map((one: any) => one.function.name)),
    ).toEqual([
      ["Zieh_die_Karte___1__2", "Zieh_die_Karte___1_"],
      ["a".repeat(56), "Zieh_die_Karte___1_"],
    ]);
    expect(endpoint.asked[0]?.body.tools[0].function.parameters).toEqual({
      type: "object",
      properties: {},
      $comment: "x",
    });
  });

  test("says aloud what it says beside a call", async () => {
    const answer = () =>
      streamed(event({ content: "Take this!" }), event(toolCall("wait", "")), DONE);
    const server = await start(chatEndpoint(answer), {}, { speech: { words_per_minute: 60 } });
    const said: string[] = [];
    serving(server).watch({ event: (_one, it) => void (it.kind === "said" && said.push(it.text)) });
    const game = await enter(server, "Test Game", ["wait"]);
    game.force(["wait"]);
    expect((await game.action()).data).toBeUndefined();
    expect(said).toEqual(["Take this!"]);
  });
});

/** An answer that is not streamed. */
function whole(message: object): object {
  return {
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: "stop" }],
  };
}

describe("what does not fit is fed back", () => {
  test("with the reason, until it fits", async () => {
    const answers = [
      () => calls("fly", { to: 3 }),
      () => calls("move", { to: 99 }),
      () => calls("move", '{"to": 3'),
      () => says("I would rather not."),
      () => calls("move", { to: 3 }),
      () => calls("move", { to: 4 }),
    ];
    const endpoint = chatEndpoint((_asked, count) => (answers[count - 1] as () => Response)());
    const server = await start(endpoint);
    const game = await enter(server, "Test Game", [MOVE]);
    game.force(["move"]);
    const { id } = await game.action();
    game.result(id, false, "That square is taken.");
    expect((await game.action()).data).toBe('{"to":4}');
    expect(toldOf(server)).toEqual({ bad_choice: 4, retried: 1 });
    const last = endpoint.asked.at(-1)?.body.messages.slice(2);
    expect(last).toEqual([
      { role: "assistant", content: 'fly {"to":3}' },
      {
        role: "user",
        content: "That failed: it is not among the actions\nChoose again. The names are: move.",
      },
      call("call_1", '{"to":99}'),
      { role: "tool", tool_call_id: "call_1", content: expect.stringContaining("to: ") },
      { role: "assistant", content: 'move {"to": 3' },
      { role: "user", content: expect.stringContaining("its data is no JSON") },
      { role: "assistant", content: "nothing {}" },
      { role: "user", content: expect.stringContaining("its answer has no name") },
      call("call_4", '{"to":3}'),
      {
        role: "tool",
        tool_call_id: "call_4",
        content: "That failed: That square is taken.\nChoose again.",
      },
    ]);
  });

  const call = (id: string, data: string) => ({
    role: "assistant",
    content: "",
    tool_calls: [{ id, type: "function", function: { name: "move", arguments: data } }],
  });

  test("five times, and then the force ends; the next one is chosen for as ever", async () => {
    let lies = true;
    const endpoint = chatEndpoint(() => calls("move", { to: lies ? "there" : 1 }));
    const server = await start(endpoint);
    const game = await enter(server, "Test Game", [MOVE]);
    game.force(["move"]);
    await until(() => endsOf(server)?.length === 1);
    expect([endsOf(server), endpoint.asked.length]).toEqual([["brain"], 5]);
    expect(toldOf(server)).toEqual({ bad_choice: 5, choices_used: 1 });
    lies = false;
    game.force(["move"]);
    expect((await game.action()).data).toBe('{"to":1}');
    expect(server.running().health().ok).toBe(true);
  });
});

describe("an endpoint that fails", () => {
  /** Forces once, and answers how that ended and what it was told of. */
  async function forced(server: Booted) {
    const game = await enter(server, "Test Game", ["a"]);
    game.force(["a"]);
    await pushed(server, () => game.frames.length > 0 || endsOf(server)?.length === 1);
    return game.frames.length > 0 ? "chosen" : reportOf(server, "brain_failed");
  }
  const page = "<html>Welcome</html>";
  const json = (status: number, body: object, headers = {}) =>
    Response.json(body, { status, headers });

  test.each<[string, () => Response, number, string]>([
    [
      "401",
      () => json(401, { error: { message: "Wrong key." } }),
      1,
      "HOST answers 401 (see key_env): Wrong key.",
    ],
    [
      "404",
      () => new Response(page, { status: 404 }),
      1,
      "HOST answers 404 (see base_url and model).",
    ],
    ["400", () => json(400, { error: "Too long." }), 1, "HOST answers 400: Too long."],
    ["429", () => json(429, { detail: "Slowly." }), 3, "HOST answers 429: Slowly, 3 tries."],
    ["500", () => new Response("", { status: 500 }), 3, "HOST answers 500, 3 tries."],
    [
      "an error without end",
      () => new Response("x".repeat(20_000), { status: 500 }),
      3,
      "HOST answers 500, 3 tries.",
    ],
    [
      "a redirect",
      () => new Response(null, { status: 307, headers: { location: "http://127.0.0.1:1/?key=1" } }),
      1,
      'HOST leads to "http://127.0.0.1:1/": give base_url the address itself.',
    ],
    [
      "a page for people",
      () => new Response(page, { headers: { "content-type": "text/html" } }),
      1,
      "HOST answers with text/html, not as a chat endpoint does (see base_url).",
    ],
    ["nothing", () => streamed(), 3, "HOST answers with an error: nothing, 3 tries."],
    [
      "an error in the stream",
      () => streamed(event({}), 'data: {"error": {"message": "Out of\\u001b memory"}}\n\n'),
      3,
      "HOST answers with an error: Out of\\x1b memory, 3 tries.",
    ],
    [
      "parts that are no JSON",
      () => streamed("data: {x\n\n"),
      3,
      "HOST answers with an error: a part of the answer is no JSON, 3 tries.",
    ],
    [
      "a text that ends in the middle",
      () => streamed(event({ content: '{"name": "a"' })),
      3,
      "HOST ended its answer in the middle, 3 tries.",
    ],
    [
      "a call that ends in the middle",
      () => streamed(event(toolCall("a", '{"x":'))),
      3,
      "HOST ended its answer in the middle, 3 tries.",
    ],
    [
      "more than is taken, in one piece",
      () => says("x".repeat(2 ** 20)),
      1,
      "HOST answers with more than 10000 bytes.",
    ],
    [
      "a text without end",
      () => {
        const body = new ReadableStream({ pull: (it) => it.enqueue(event({ content: "blah " })) });
        return new Response(body, { headers: { "content-type": "text/event-stream" } });
      },
      1,
      "HOST answers with more than 10000 bytes.",
    ],
  ])(
    "with %s is told so, and asked again where that may help",
    async (_what, answer, tries, told) => {
      const endpoint = chatEndpoint(answer);
      const server = await start(endpoint, { retries: 2, max_answer_bytes: 10_000 });
      const host = `127.0.0.1:${endpoint.port}`;
      expect(await forced(server)).toBe(`The brain llm failed: ${told.replace("HOST", host)}`);
      expect([endpoint.asked.length, endsOf(server)]).toEqual([tries, ["brain"]]);
    },
  );

  test.each<[string, () => Response]>([
    ["429", () => json(429, {})],
    ["500", () => json(500, {})],
    ["a cut", () => streamed(event({ content: "x" }))],
  ])("and recovers from %s is asked again", async (_what, answer) => {
    const endpoint = chatEndpoint((_asked, count) => (count < 3 ? answer() : calls("a")));
    expect(await forced(await start(endpoint, { retries: 2 }))).toBe("chosen");
    expect(endpoint.asked.length).toBe(3);
  });

  test("by cutting the connection is asked again", async () => {
    let cuts = 0;
    const listener = Bun.listen({
      port: 0,
      hostname: "127.0.0.1",
      socket: {
        data(socket) {
          cuts++;
          const head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
          socket.end(`${head}transfer-encoding: chunked\r\n\r\n6\r\ndata: \r\n`);
        },
      },
    });
    const host = `127.0.0.1:${listener.port}`;
    const server = await start({ baseUrl: `http://${host}/v1` }, { retries: 1 });
    expect(await forced(server)).toBe(`The brain llm failed: ${host} cut the connection, 2 tries.`);
    expect(cuts).toBeGreaterThanOrEqual(2);
    listener.stop(true);
  });

  test("is left alone as long as it asks for, within bounds", async () => {
    const clock = new NotingClock();
    let rest = 0;
    const date = () => {
      // A date has no milliseconds.
      rest = 5000 - (clock.wall() % 1000);
      return new Date(clock.wall() + 5000).toUTCString();
    };
    const rests = ["2", "3600", "soon", date, "0", null];
    const endpoint = chatEndpoint((_asked, count) => {
      if (count > rests.length) return calls("a");
      const asks = rests[count - 1];
      const text = typeof asks === "function" ? asks() : asks;
      return json(429, {}, text ? { "retry-after": text } : {});
    });
    const server = await start(endpoint, { retries: 9 }, {}, { clock });
    const game = await enter(server, "Test Game", ["a"]);
    game.force(["a"]);
    const pauses: number[] = [];
    const isPause = (ms: number) => ms < 50_000 && ms !== 20_000;
    for (let tries = 1; tries <= rests.length; tries++) {
      await until(() => clock.waits.filter(isPause).length === tries);
      const ms = clock.waits.filter(isPause).at(-1) as number;
      pauses.push(ms);
      clock.advance(ms);
    }
    expect((await game.action()).name).toBe("a");
    expect(pauses).toEqual([2000, 30_000, 2000, rest, 0, 16_000]);
  });
});

/** Keeps for how long it is waited, and what is waited for no more. */
class NotingClock extends HandClock {
  readonly waits: number[] = [];
  readonly cancelled: number[] = [];

  override after(ms: number, job: () => void): () => void {
    this.waits.push(ms);
    const cancel = super.after(ms, job);
    return () => {
      this.cancelled.push(ms);
      cancel();
    };
  }
}

describe("an endpoint that stalls", () => {
  test.each<[string, () => Response | Promise<Response>, number, string]>([
    ["before its first byte", () => new Promise(() => {}), 20, "did not begin to answer in 20 s"],
    ["after its head", () => stalling(), 20, "did not begin to answer in 20 s"],
    [
      "in the middle",
      () => stalling(event({ content: "Hm" })),
      100,
      "did not come to the end of its answer in 30 s",
    ],
  ])("%s is given up after its time, and asked again", async (_what, answer, first, told) => {
    const endpoint = chatEndpoint(answer);
    const ms = Math.min(first, 30) * 1000;
    const clock = new NotingClock();
    const limits = { first_byte_secs: first, timeout_secs: 30, retries: 1 };
    const server = await start(endpoint, limits, {}, { clock });
    const game = await enter(server, "Test Game", ["a"]);
    game.force(["a"]);
    for (const tries of [1, 2]) {
      await until(() => endpoint.asked.length === tries);
      clock.advance(ms - 1);
      await turns();
      expect(endpoint.asked[tries - 1]?.signal.aborted).toBe(false);
      clock.advance(1);
      await until(() => endpoint.asked[tries - 1]?.signal.aborted === true);
      if (tries === 1) await until(() => clock.waits.includes(500));
      clock.advance(500);
    }
    await until(() => endsOf(server)?.length === 1);
    expect(reportOf(server, "brain_failed")).toBe(
      `The brain llm failed: 127.0.0.1:${endpoint.port} ${told}, 2 tries.`,
    );
  });

  test("after its first byte has longer", async () => {
    const endpoint = chatEndpoint(() => stalling(event({})));
    const clock = new NotingClock();
    const server = await start(endpoint, { first_byte_secs: 21, timeout_secs: 50 }, {}, { clock });
    const game = await enter(server, "Test Game", ["a"]);
    game.force(["a"]);
    await until(() => clock.cancelled.includes(21_000));
    clock.advance(49_999);
    await turns();
    expect(endpoint.asked[0]?.signal.aborted).toBe(false);
    clock.advance(1);
    await until(() => endpoint.asked[0]?.signal.aborted === true);
  });

  test("is hung up on once its answer is whole, or too long", async () => {
    const pieces = [[event(toolCall("a", {})) + DONE], [event({ content: "x".repeat(10_000) })]];
    const endpoint = chatEndpoint((_asked, count) => stalling(...(pieces[count - 1] as string[])));
    const server = await start(endpoint, { max_answer_bytes: 10_000 });
    const game = await enter(server, "Test Game", ["a"]);
    game.force(["a"]);
    game.result((await game.action()).id, true);
    await until(() => endpoint.asked[0]?.signal.aborted === true);
    await until(() => gameOf(server)?.force === null);
    game.force(["a"]);
    await until(() => endpoint.asked[1]?.signal.aborted === true);
    await until(() => endsOf(server)?.length === 2);
    expect(endsOf(server)).toEqual(["succeeded", "brain"]);
  });

  test("is hung up on once the choice is not wanted any more", async () => {
    const endpoint = chatEndpoint((_asked, count) =>
      count === 1 ? stalling(event({})) : new Promise<Response>(() => {}),
    );
    const server = await start(endpoint);
    const game = await enter(server, "Test Game", ["a"]);
    for (const tries of [1, 2]) {
      game.force(["a"]);
      await until(() => endpoint.asked.length === tries);
    }
    await until(() => endpoint.asked[0]?.signal.aborted === true);
    expect(endpoint.asked[1]?.signal.aborted).toBe(false);
    game.close();
    await until(() => endpoint.asked[1]?.signal.aborted === true);
    expect(toldOf(server)).toEqual({ force_replaced: 1 });
    expect(server.running().health().ok).toBe(true);
  });

  test("is not asked again where the choice was given up in a pause", async () => {
    const endpoint = chatEndpoint(() => new Response("", { status: 503 }));
    const clock = new NotingClock();
    const server = await start(endpoint, {}, {}, { clock });
    const game = await enter(server, "Test Game", ["a"]);
    game.force(["a"]);
    await until(() => clock.waits.includes(500));
    game.send("actions/unregister", { action_names: ["a"] });
    await until(() => endsOf(server)?.length === 1);
    expect(clock.cancelled).toContain(500);
    clock.advance(100_000);
    await turns();
    expect([endpoint.asked.length, endsOf(server)]).toEqual([1, ["unregistration"]]);
  });
});

describe("the health", () => {
  test("tells of an endpoint that is out of order, and of its recovery", async () => {
    const before = chatEndpoint(() => calls("a"));
    await before.stop();
    const server = await start(before, { retries: 1 });
    const game = await enter(server, "Test Game", ["a"]);
    const host = `127.0.0.1:${before.port}`;
    const force = async () => {
      const count = gameOf(server)?.ended.length as number;
      game.force(["a"]);
      await pushed(
        server,
        () => game.frames.length > 0 || gameOf(server)?.ended.length === count + 1,
      );
    };
    await force();
    expect(server.running().health().ok).toBe(true);
    for (let i = 0; i < 11; i++) await force();
    expect(server.running().health()).toEqual({
      ok: false,
      reason: `brain llm: connection refused by ${host}, 20 of the last 20 tries`,
    });
    expect(server.printed().split(`neuro: brain llm: connection refused by ${host}`)).toHaveLength(
      2,
    );
    const after = chatEndpoint(() => calls("a"), before.port);
    await force();
    expect((await game.action()).name).toBe("a");
    expect([after.asked.length, server.running().health().ok]).toEqual([1, true]);
    expect(server.printed()).toContain("neuro: brain llm: its endpoint answers again");
  });
});

describe("a model that calls no tools", () => {
  const refusal = (message: string) => Response.json({ error: { message } }, { status: 400 });

  test("is asked to write its choice, from then on", async () => {
    const endpoint = chatEndpoint(({ body }) => {
      if (body.tools) return refusal("m does not support tools");
      return says(`{"name": "move", "arguments": {"to": ${body.messages.length}}}`);
    });
    const server = await start(endpoint, { retries: 0 });
    const game = await enter(server, "Test Game", [MOVE]);
    game.force(["move"]);
    const { id, data } = await game.action();
    expect(data).toBe('{"to":2}');
    game.result(id, false, "No.");
    expect((await game.action()).data).toBe('{"to":4}');
    expect(endpoint.asked.map(({ body }) => "tools" in body)).toEqual([true, false, false]);
    const { messages } = (endpoint.asked[2] as Asked).body;
    expect(messages[0].content).toContain('{"name":"move","description":"Moves.","schema":{"type"');
    expect(messages.slice(2)).toEqual([
      { role: "assistant", content: 'move {"to":2}' },
      { role: "user", content: "That failed: No.\nChoose again." },
    ]);
    expect(server.running().health().ok).toBe(true);
  });

  test("of a certain kind is asked so for that choice alone", async () => {
    const endpoint = chatEndpoint(({ body }) =>
      body.tools ? refusal("Invalid schema for function 'move'") : says("wait"),
    );
    const server = await start(endpoint);
    const game = await enter(server, "Test Game", ["wait"]);
    for (let i = 0; i < 2; i++) {
      game.force(["wait"]);
      game.result((await game.action()).id, true);
      await until(() => gameOf(server)?.force === null);
    }
    expect(endpoint.asked.map(({ body }) => "tools" in body)).toEqual([true, false, true, false]);
  });
});

test("an answer may be as long as is set, and no longer", async () => {
  const call = event(toolCall("a", {})) + DONE;
  const endpoint = chatEndpoint((_asked, count) =>
    streamed(`:${"x".repeat(count === 1 ? 4998 : 4999)}\n`, pad(call)),
  );
  const pad = (text: string) => `${":".repeat(4999 - text.length)}\n${text}`;
  const server = await start(endpoint, { max_answer_bytes: 10_000 });
  const game = await enter(server, "Test Game", ["a"]);
  game.force(["a"]);
  game.result((await game.action()).id, true);
  await until(() => gameOf(server)?.force === null);
  game.force(["a"]);
  await until(() => endsOf(server)?.length === 2);
  expect(endsOf(server)).toEqual(["succeeded", "brain"]);
  expect(reportOf(server, "brain_failed")).toEndWith("answers with more than 10000 bytes.");
});

test("so many forces are chosen for at once, and no more", async () => {
  const answers: ((response: Response) => void)[] = [];
  const endpoint = chatEndpoint(() => new Promise((done) => void answers.push(done)));
  const server = await start(endpoint, { at_once: 2 });
  const games = [await enter(server, "1"), await enter(server, "2"), await enter(server, "3")];
  for (const game of games) game.force(["a"]);
  const isQueued = () => [...serving(server).games].some(({ force }) => force?.state === "queued");
  await until(() => answers.length === 2 && isQueued());
  await turns();
  expect(endpoint.asked).toHaveLength(2);
  answers[0]?.(calls("a"));
  await until(() => games.some((one) => one.frames.length > 0));
  const first = games.find((one) => one.frames.length > 0) as TestGame;
  first.result((await first.action()).id, true);
  await until(() => answers.length === 3);
});

describe("what is sent", () => {
  test("is the newest of the context, and no more of a force than there is room for", async () => {
    const endpoint = chatEndpoint((_asked, count) => calls(`action${count}`));
    const server = await start(endpoint, { context_chars: 60 });
    const names = Array.from({ length: 129 }, (_, i) => `action${i}`);
    const game = await enter(server, "Test Game", names);
    for (let i = 0; i < 9; i++)
      game.send("context", { message: `Event ${i}.`.padEnd(20), silent: true });
    game.force(names, { state: "s".repeat(200_001) });
    const { id } = await game.action();
    game.result(id, true, "r".repeat(100));
    await until(() => gameOf(server)?.force === null);
    game.force(names.slice(1), { state: "s".repeat(200_000) });
    await game.action();
    const [first, second] = endpoint.asked.map(({ body }) => body);
    expect(first.tools).toHaveLength(128);
    const told = first.messages[1].content as string;
    expect(told.split("\n").slice(0, 4)).toEqual([
      "What has happened so far:",
      "- Event 7.             ".trimEnd().padEnd(22),
      "- Event 8.             ".trimEnd().padEnd(22),
      "",
    ]);
    expect(told).toContain(`State: ${"s".repeat(200_000)}...\n`);
    expect(second.messages[1].content).toStartWith(
      `What has happened so far:\n...${"r".repeat(60)}\n\nChoose now.\n\nState: sss`,
    );
    expect(toldOf(server)).toEqual({ force_large: 1 });
    expect(reportOf(server, "force_large")).toBe(
      "The force is too large for the brain llm, which was sent the first 128 of its 129 actions.",
    );
  });

  test("has the key of the environment and the temperature, and neither is logged", async () => {
    const variable = "SUMMONER_LLM_TEST_KEY";
    const endpoint = chatEndpoint(({ headers }) =>
      Response.json({ error: `Wrong: ${headers.get("authorization")}` }, { status: 401 }),
    );
    const llm = { key_env: variable, temperature: 0.5, instructions: "Be bold." };
    const server = await start(endpoint, llm, { display_name: "Evil Neuro" });
    const game = await enter(server, "Test Game", ["a"]);
    try {
      for (const [key, sent] of [
        ["sk-Secret", "Bearer sk-Secret"],
        ["  sk-Secret\n", "Bearer sk-Secret"],
        ["", null],
      ] as const) {
        process.env[variable] = key;
        const before = endsOf(server)?.length as number;
        game.force(["a"]);
        await until(() => endsOf(server)?.length === before + 1);
        expect(endpoint.asked.at(-1)?.headers.get("authorization")).toBe(sent);
      }
      process.env[variable] = "sk-Sec\nret";
      game.force(["a"]);
      await until(() => endsOf(server)?.length === 4);
      expect(endpoint.asked).toHaveLength(3);
      const { body } = endpoint.asked[0] as Asked;
      expect(body.temperature).toBe(0.5);
      expect(body.messages[0].content).toStartWith(
        'You are Evil Neuro. You play the game "Test Game".\n\nBe bold.\n\n',
      );
      const told = JSON.stringify([...serving(server).reports.of("Test Game")]) + server.printed();
      expect(told).toContain(`the key in ${variable} has characters that cannot be sent`);
      expect(told).toContain("401 (see key_env): Wrong: Bearer (the key)");
      expect(told).not.toMatch(/sk-|Secret/);
    } finally {
      delete process.env[variable];
    }
  });
});

describe("a reply to context", () => {
  const talk = (game: TestGame, message = "Hello!", silent = false) =>
    game.send("context", { message, silent });
  const speaks = { speech: { words_per_minute: 6000 } };

  async function listening(answer: (asked: Asked, count: number) => Response, llm: object = {}) {
    const endpoint = chatEndpoint(answer);
    const server = await start(endpoint, llm, speaks);
    const said: string[] = [];
    serving(server).watch({ event: (_one, it) => void (it.kind === "said" && said.push(it.text)) });
    return { endpoint, server, said, game: await enter(server, "Test Game", ["a"]) };
  }

  test("is short, and comes at most every five seconds", async () => {
    const long = `<think>What now?</think> One two. Three ${"four ".repeat(100)}`;
    const { endpoint, server, said, game } = await listening(() => says(long), { reply_words: 5 });
    talk(game, "Silent.", true);
    talk(game);
    talk(game, "Again!");
    await until(() => said.length === 1);
    expect(said).toEqual(["One two."]);
    server.clock.advance(4999);
    talk(game, "Too soon!");
    await until(() => serving(server).memory.of("Test Game").length === 4);
    await turns();
    server.clock.advance(1);
    talk(game, "Now.");
    await until(() => said.length === 2);
    expect(endpoint.asked).toHaveLength(2);
    const { body } = endpoint.asked[0] as Asked;
    expect(body.tools).toBeUndefined();
    expect(body.messages[0].content).toContain("of 5 words at most");
    expect(body.messages[1].content).toBe("What has happened so far:\n- Silent.\n- Hello!");
  });

  test("that has no end is cut off, and one that fails is nothing", async () => {
    const answers = [
      () => stalling(event({ content: "word ".repeat(1000) })),
      () => new Response("", { status: 500 }),
      () => says(" "),
      () => says("Well."),
    ];
    const { endpoint, server, said, game } = await listening(
      (_asked, count) => (answers[count - 1] as () => Response)(),
      { reply_words: 3 },
    );
    for (const count of [1, 2, 3, 4]) {
      // Whatever is said while a reply is made, or too soon after it, gets none.
      await pushed(server, () => {
        talk(game);
        return endpoint.asked.length === count;
      });
      await until(() => said.length === (count < 4 ? 1 : 2));
    }
    expect(said).toEqual(["word word word", "Well."]);
    expect(toldOf(server)).toEqual({});
  });

  test("gives way to a force, and does not begin while there is one", async () => {
    const { endpoint, server, said, game } = await listening(({ body }) =>
      body.tools ? calls("a") : stalling(event({})),
    );
    talk(game);
    await until(() => endpoint.asked.length === 1);
    game.force(["a"]);
    const { id } = await game.action();
    await until(() => endpoint.asked[0]?.signal.aborted === true);
    server.clock.advance(10_000);
    talk(game, "Held.");
    game.result(id, false);
    await game.action();
    expect([endpoint.asked.length, said]).toEqual([3, []]);
    expect(endpoint.asked[2]?.body.messages[1].content).toContain("- Held.");
  });

  test("is made only where something is spoken", async () => {
    const endpoint = chatEndpoint(() => says("x"));
    for (const more of [{}, { ...speaks, llm: { reply_words: 0 } }]) {
      const server = await start(endpoint, (more as { llm?: object }).llm, more);
      const game = await enter(server);
      talk(game);
      await until(() => serving(server).memory.of("Test Game").length === 1);
      await turns();
      await server.stop();
    }
    expect(endpoint.asked).toEqual([]);
  });
});

describe("the settings of the model", () => {
  const loaded = (neuro: object) =>
    load(settings, { object: { version: "rust", neuro: { enabled: true, ...neuro } } });
  const problems = (llm: object) =>
    loaded({ brain: "llm", llm: { model: "m", ...llm } }).problems.map(({ message }) => message);

  test.each(["", "localhost:11434/v1", "ftp://x/", "http://", "https://u:p@x/v1", "http://x/#v1"])(
    "refuse %j as base_url",
    (base_url) => {
      expect(problems({ base_url })[0]).toStartWith("neuro.llm.base_url: found");
    },
  );

  test("refuse a key in the place of its variable, without showing it", () => {
    expect(problems({ key_env: "sk-Secret" })).toEqual([
      "neuro.llm.key_env: found something else; allowed: the name of a variable, in capitals; never the key itself",
    ]);
    expect(problems({ key_env: "MY_KEY_2" })).toEqual([]);
  });

  test("ask for a model where it plays", () => {
    const where = "neuro.llm.model (not given)";
    const message = "the brain llm plays, so a model has to be named";
    for (const who of [{ brain: "llm" }, { brains: ["A=B=llm"] }]) {
      expect(loaded(who).problems).toEqual([{ where, message }]);
    }
    expect([loaded({}).problems, loaded({ enabled: false, brain: "llm" }).problems]).toEqual([
      [],
      [],
    ]);
  });

  test("refuse a temperature out of bounds", () => {
    for (const temperature of [0, 0.25, 2]) expect(problems({ temperature })).toEqual([]);
    for (const temperature of [-0.1, 2.01, "1", NaN, null]) {
      const [problem] = problems({ temperature });
      if (temperature === null) expect(problem).toBeUndefined();
      else expect(problem).toContain("neuro.llm.temperature: found");
    }
  });

  test("remark on a key that is not set, or goes in the clear, off loopback", () => {
    const variable = "SUMMONER_LLM_TEST_KEY";
    const told = (base_url: string, key_env = variable, brain = "llm") =>
      loaded({ brain, llm: { model: "m", base_url, key_env } }).unsaid;
    for (const here of ["http://127.0.0.1/v1", "http://localhost:1/", "http://[::1]:1/v1"]) {
      expect(told(here)).toEqual([]);
    }
    const away = "https://models.example:8443/v1?api-version=1";
    expect(told(away)).toEqual([
      `the model at models.example:8443 is asked without a key: ${variable} is not set in the environment`,
    ]);
    expect(told(away, "")[0]).toEndWith("without a key: key_env is empty");
    expect(told(away, variable, "random")).toEqual([]);
    process.env[variable] = "x";
    try {
      expect(told(away)).toEqual([]);
      expect(told("http://models.example/v1")).toEqual([
        `the key in ${variable} goes to models.example in the clear: base_url does not begin with https`,
      ]);
    } finally {
      delete process.env[variable];
    }
  });
});

test("the query of a base_url stays", async () => {
  const paths: string[] = [];
  const endpoint = chatEndpoint(() => calls("a"));
  const listening = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      paths.push(pathname + search);
      return calls("a");
    },
  });
  const server = await start({ baseUrl: `http://127.0.0.1:${listening.port}/openai/v1/?v=1` });
  const game = await enter(server, "Test Game", ["a"]);
  game.force(["a"]);
  await game.action();
  expect([paths, endpoint.asked]).toEqual([["/openai/v1/chat/completions?v=1"], []]);
  await listening.stop(true);
});

describe("an event stream", () => {
  const text =
    'data: a\r\ndata:b\n\n: note\nevent: x\ndata: {"é": "€😀"}\r\rid: 1\n\n\ndata\n\ndata: end';
  const expected = ["a\nb", '{"é": "€😀"}', "end"];
  const bytes = new TextEncoder().encode(text);

  test("is the same wherever it is cut", () => {
    for (let size = 1; size <= bytes.length; size++) {
      const stream = new EventStream();
      const events: string[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        events.push(...stream.push(bytes.subarray(at, at + size)));
      }
      expect([...events, ...stream.end()]).toEqual(expected);
    }
  });

  test("is read in a time that grows with its length alone", () => {
    const stream = new EventStream();
    const piece = new Uint8Array(16).fill(120);
    stream.push(new TextEncoder().encode("data: "));
    // A line of 3 MB in pieces of 16 bytes: quadratic work would take minutes.
    for (let i = 0; i < 200_000; i++) stream.push(piece);
    expect(stream.end()[0]?.length).toBe(3_200_000);
  });
});
