import { describe, expect, test } from "bun:test";
import { HandClock } from "../lib/host/clock.ts";
import type { Choice, ForceRequest } from "../lib/services/neuro/brains/brain.ts";
import type { SessionEvent } from "../lib/services/neuro/session/events.ts";
import { Force, type ForceState } from "../lib/services/neuro/session/force.ts";
import { RecordingSession } from "../lib/services/neuro/session/recording.ts";
import type { ActionRoom } from "../lib/services/neuro/session/registry.ts";
import type { SessionSettings } from "../lib/services/neuro/settings.ts";
import { SESSION_SETTINGS } from "../lib/services/neuro/settings.ts";
import { computedMs, turn, until } from "./kit.ts";

const DATA = {
  query: "Go.",
  names: ["a"],
  state: null,
  ephemeral: false,
  priority: "low",
} as const;

describe("a force", () => {
  const force = () => new Force(DATA, ["a"], 0);
  const action = { id: "1", name: "a" };
  const ENDS = ["succeeded", "failed", "timed_out", "replaced", "cancelled"] as const;
  /** How each state is come to. */
  const REACHED: Record<string, () => Force> = {
    queued: force,
    choosing() {
      const one = force();
      one.begin(1);
      return one;
    },
    sent() {
      const one = force();
      one.begin(1);
      one.sent(action, 2);
      return one;
    },
  };
  for (const end of ENDS) {
    REACHED[end] = () => {
      const one = (REACHED["sent"] as () => Force)();
      one.end(end, 3);
      return one;
    };
  }
  const MOVES: Readonly<Record<string, (one: Force) => void>> = {
    begin: (one) => one.begin(9),
    sent: (one) => one.sent(action, 9),
    retry: (one) => one.retry(9),
    ...Object.fromEntries(ENDS.map((end) => [end, (one: Force) => one.end(end, 9)])),
  };
  /** Every arrow of the drawing. */
  const ARROWS: Readonly<Record<string, Readonly<Record<string, ForceState>>>> = {
    queued: { begin: "choosing", replaced: "replaced", cancelled: "cancelled" },
    choosing: { sent: "sent", replaced: "replaced", cancelled: "cancelled" },
    sent: {
      retry: "choosing",
      succeeded: "succeeded",
      failed: "failed",
      timed_out: "timed_out",
      replaced: "replaced",
      cancelled: "cancelled",
    },
  };

  for (const [state, reach] of Object.entries(REACHED)) {
    for (const [move, go] of Object.entries(MOVES)) {
      const next = ARROWS[state]?.[move];
      test(`that is ${state}: ${move} ${next ? `leads to ${next}` : "is no way"}`, () => {
        const one = reach();
        expect(one.state).toBe(state as ForceState);
        if (next === undefined) expect(() => go(one)).toThrow(/^a force that is /);
        else go(one);
        expect(one.state).toBe(next ?? (state as ForceState));
        expect(one.hasEnded).toBe((ENDS as readonly string[]).includes(one.state));
      });
    }
  }

  test("keeps its steps, its action, its retries and why it was cancelled", () => {
    const one = (REACHED["sent"] as () => Force)();
    one.retry(5);
    one.end("cancelled", 6, "brain");
    expect(one.steps).toEqual([
      { state: "queued", at: 0 },
      { state: "choosing", at: 1 },
      { state: "sent", at: 2 },
      { state: "choosing", at: 5 },
      { state: "cancelled", at: 6 },
    ]);
    expect(one).toMatchObject({ retries: 1, action, why: "brain" });
  });

  test("keeps the beginning of long texts, once they have been used", () => {
    const [most, long] = [16_384, "x".repeat(16_385)];
    const names = ["a", "unregistered"];
    const one = new Force({ ...DATA, query: long, state: long, names }, ["a"], 0);
    one.failed({ name: "a", data: undefined, message: "x".repeat(most) });
    one.failed({ name: "a", data: undefined, message: long });
    one.failed({ name: "a", data: long, message: "" });
    expect(one.failures.map(({ message }) => message.length)).toEqual([most, most, 0]);
    expect(one.failures[2]?.data?.length).toBe(most);
    expect(one.data).toMatchObject({ query: long, state: long, names });
    one.end("replaced", 1);
    expect([one.data.query.length, one.data.state?.length]).toEqual([most, most]);
    expect(one.data).toMatchObject({ names: ["a"], priority: "low" });
  });
});

/** A session that is played by the test. */
class Played extends RecordingSession {
  readonly written: any[] = [];
  readonly events: SessionEvent[] = [];
  readonly asked: (PromiseWithResolvers<Choice> & { readonly request: ForceRequest })[] = [];
  /** Answers at once instead of waiting for the test. */
  answer: ((request: ForceRequest) => any) | null = null;
  contextFails = false;

  constructor(clock: HandClock, settings: Partial<SessionSettings> = {}, room?: ActionRoom) {
    super({
      ...(room && { room }),
      game: "Game",
      clock,
      brain: "test",
      settings: () => ({ ...SESSION_SETTINGS, ...settings }),
    });
  }

  protected override write(frame: string) {
    this.written.push(JSON.parse(frame));
  }

  override addContext(message: string, reply: boolean) {
    if (this.contextFails) throw new Error("no memory");
    this.heard.push([message, reply]);
  }

  readonly heard: [string, boolean][] = [];

  override chooseForceAction(request: ForceRequest) {
    if (this.answer) return this.answer(request);
    const waiting = { ...Promise.withResolvers<Choice>(), request };
    this.asked.push(waiting);
    return waiting.promise;
  }

  protected override noted(event: SessionEvent) {
    this.events.push(event);
  }

  protected override ownerOf(id: string) {
    return id === "of-another" ? "Other" : null;
  }

  request(at: number) {
    return (this.asked[at] as (typeof this.asked)[number]).request;
  }

  hear(command: string, data?: object) {
    this.receive(JSON.stringify({ command, game: "Game", data }));
  }

  register(...names: string[]) {
    this.hear("actions/register", {
      actions: names.map((name) => ({ name, description: `Does ${name}.` })),
    });
  }

  orders(names: string[], more: object = {}) {
    this.hear("actions/force", { query: "Go.", action_names: names, ...more });
  }

  /** What the game was told, without ids. */
  get sent(): string[] {
    return this.written.map(({ data }) => data.name);
  }

  get lastId(): string {
    return this.written.at(-1).data.id;
  }

  result(success: boolean, message?: string, id = this.lastId) {
    this.hear("action/result", { id, success, message });
  }

  /** The names of all diagnostics so far, which are taken away. */
  told(): string[] {
    const told = this.events.flatMap((event) =>
      event.kind === "diagnostic" ? [event.diagnostic.name] : [],
    );
    this.events.length = 0;
    return told;
  }

  /** The states that forces have come to, in order. */
  get states(): string[] {
    return this.events.flatMap((event) => (event.kind === "force" ? [event.state] : []));
  }

  async choose(name: string, data?: object | string) {
    await until(() => this.asked.length > 0);
    this.asked.shift()?.resolve({ name, ...(data === undefined ? {} : { data }) });
    for (let i = 0; i < 5; i++) await turn();
  }
}

const settle = async () => {
  for (let i = 0; i < 10; i++) await turn();
};

function start(settings: Partial<SessionSettings> = {}) {
  const clock = new HandClock();
  const session = new Played(clock, settings);
  session.hear("startup");
  session.register("a", "b");
  expect(session.told()).toEqual([]);
  return { clock, session };
}

describe("a session", () => {
  test("keeps the beginning of a long state, and the names that are registered", async () => {
    const { session } = start();
    const most = 2 ** 20;
    session.orders(["a", "none"], { state: "s".repeat(most), query: "q".repeat(most) });
    expect(session.told()).toEqual(["force_narrowed"]);
    expect(session.force?.data.names).toEqual(["a"]);
    session.orders(["a"], { state: "s".repeat(most + 1), query: "q".repeat(most + 1) });
    expect(session.told()).toEqual(["force_replaced", "force_cut", "force_cut"]);
    const { state, query } = session.force?.data ?? {};
    expect([state?.length, query?.length]).toEqual([most, most]);
    session.orders(["a"], { state: null });
    expect(session.force?.data.state).toBeNull();
  });

  test("sends what was chosen for a force, and ends it with the result", async () => {
    const { session } = start();
    session.orders(["a", "b"], { state: "S", priority: "high" });
    await until(() => session.asked.length === 1);
    const { signal, ...request } = session.request(0);
    expect(request).toEqual({
      state: "S",
      query: "Go.",
      ephemeralContext: false,
      priority: "high",
      failures: [],
      actions: [session.getAction("a"), session.getAction("b")] as never,
    });
    await session.choose("b", { ignored: 1 });
    expect(session.written).toEqual([
      { command: "action", data: { id: session.lastId, name: "b" } },
    ]);
    session.result(true, "Done.");
    expect(session.events.map((event) => (event.kind === "force" ? "force" : event.kind))).toEqual([
      "force",
      "force",
      "context",
      "action",
      "force",
      "context",
      "result",
      "force",
    ]);
    expect(session.force).toBeNull();
    expect(signal.aborted).toBe(true);
    expect(session.heard).toEqual([["Done.", false]]);
  });

  test("is ready for a result that comes before sending returns", async () => {
    const { session } = start();
    const write = session["write"].bind(session);
    session["write"] = (frame: string) => {
      write(frame);
      session.result(true);
    };
    session.orders(["a"]);
    await session.choose("a");
    expect(session.told()).toEqual([]);
    expect([session.force, session.pending]).toEqual([null, []]);
  });

  test("retries a force whose action failed, with the names and schemas in force", async () => {
    const { session } = start();
    session.orders(["a", "b"]);
    await session.choose("a");
    session.hear("actions/unregister", { action_names: ["a"] });
    session.result(false, "Too far.");
    expect(session.told()).toEqual(["retried"]);
    expect(session.heard).toEqual([["Too far.", false]]);
    await until(() => session.asked.length === 1);
    const { actions, failures } = session.request(0);
    expect(actions.map(({ name }) => name)).toEqual(["b"]);
    expect(failures).toEqual([{ name: "a", data: undefined, message: "Too far." }]);
    await session.choose("b");
    session.result(true);
    expect([session.sent, session.force]).toEqual([["a", "b"], null]);
  });

  test("retries so often and no more", async () => {
    const { session } = start({ forceRetries: 2 });
    session.answer = () => ({ name: "a" });
    session.orders(["a"]);
    for (let i = 1; i <= 3; i++) {
      await until(() => session.sent.length === i);
      session.result(false, "No.");
    }
    await settle();
    expect(session.sent).toHaveLength(3);
    expect(session.states.at(-1)).toBe("failed");
    expect(session.told()).toEqual(["retried", "retried", "retries_used"]);
  });

  test("retries nothing when no action is left", async () => {
    const { session } = start();
    session.orders(["a"]);
    await session.choose("a");
    session.hear("actions/unregister", { action_names: ["a"] });
    expect(session.force?.state).toBe("sent");
    session.result(false);
    expect(session.states.at(-1)).toBe("failed");
    expect(session.told()).toEqual(["failed_silently", "retry_emptied"]);
  });

  test("ends a force without a retry when no result comes, and drops a late one", async () => {
    const { session, clock } = start();
    session.orders(["a"]);
    await session.choose("a");
    clock.advance(19_999);
    expect(session.force?.state).toBe("sent");
    clock.advance(1);
    expect([session.force, session.states.at(-1)]).toEqual([null, "timed_out"]);
    expect(session.told()).toEqual(["no_result"]);
    clock.advance(5000);
    session.result(false, "At last.");
    expect(session.told()).toEqual(["late_result"]);
    await settle();
    expect([session.sent, session.heard]).toEqual([["a"], []]);
  });

  test("a new force replaces one that is queued, being chosen, or sent", async () => {
    const { session } = start();
    session.orders(["a"]);
    await until(() => session.asked.length === 1);
    session.orders(["b"]);
    expect(session.asked[0]?.request.signal.aborted).toBe(true);
    await session.choose("a");
    expect(session.sent).toEqual([]);
    await session.choose("b");
    // Sent: the next waits for the result, and this one is not retried.
    session.orders(["a"], { query: "One." });
    session.orders(["a"], { query: "Two." });
    await settle();
    expect([session.asked.length, session.sent]).toEqual([0, ["b"]]);
    session.result(false, "No.");
    await until(() => session.asked.length === 1);
    expect(session.asked[0]?.request.query).toBe("Two.");
    const lives =
      "queued choosing replaced, queued choosing sent replaced, queued replaced, queued choosing";
    expect(session.states.join(" ")).toBe(lives.replaceAll(",", ""));
    expect(session.told()).toEqual(["force_replaced", "force_replaced", "force_replaced"]);
  });

  test("a force that waits for a result is chosen after the timeout too", async () => {
    const { session, clock } = start();
    session.orders(["a"]);
    await session.choose("a");
    session.orders(["b"]);
    clock.advance(20_000);
    await session.choose("b");
    expect(session.sent).toEqual(["a", "b"]);
  });

  test.each(["queued", "choosing", "sent"] as const)(
    "forgets a force that is %s when its game leaves, and keeps what was held",
    async (state) => {
      const { session, clock } = start();
      session.orders(["a"]);
      if (state !== "choosing") await session.choose("a");
      if (state === "queued") session.orders(["b"]);
      await until(() => session.force?.state === state);
      session.hear("context", { message: "Held?", silent: true });
      session.disconnected();
      expect([session.force, session.pending, session.actions]).toEqual([null, [], []]);
      expect(session.states.at(-1)).toBe("cancelled");
      expect(session.heard).toEqual([["Held?", false]]);
      session.told();
      if (state === "choosing") await session.choose("a");
      clock.advance(1_000_000);
      await settle();
      expect([session.told(), session.sent.length]).toEqual([[], state === "choosing" ? 0 : 1]);
    },
  );

  test("cancels a force when all of its actions are unregistered while it is chosen", async () => {
    const { session } = start();
    session.orders(["a", "b"]);
    await until(() => session.asked.length === 1);
    session.hear("actions/unregister", { action_names: ["a", "nobody"] });
    expect(session.force?.state).toBe("choosing");
    session.hear("actions/unregister", { action_names: ["b"] });
    expect([session.force, session.states.at(-1)]).toEqual([null, "cancelled"]);
    expect(session.told()).toEqual(["force_emptied"]);
    await session.choose("a");
    expect(session.sent).toEqual([]);
  });

  test("goes on with the actions of a force that there are, or ignores it", async () => {
    const { session, clock } = start();
    session.orders(["c", "a", "a"]);
    await until(() => session.asked.length === 1);
    expect(session.asked[0]?.request.actions.map(({ name }) => name)).toEqual(["a"]);
    session.orders(["d", "e"]);
    session.orders([]);
    expect(session.force?.state).toBe("choosing");
    expect(session.told()).toEqual(["force_narrowed", "force_ignored", "force_ignored"]);
    clock.advance(3);
    session.register("d", "f");
    const [late] = session.events.flatMap((one) =>
      one.kind === "diagnostic" ? [one.diagnostic] : [],
    );
    expect(late?.text).toBe("d was registered 3 ms after the force that names it.");
    session.told();
    clock.advance(10_000);
    session.register("e");
    expect(session.told()).toEqual([]);
  });

  test("startup forgets actions, the force and what is unanswered", async () => {
    const { session } = start();
    session.orders(["a"]);
    await session.choose("a");
    const id = session.lastId;
    session.orders(["b"]);
    session.hear("startup");
    expect([session.force, session.pending, session.actions]).toEqual([null, [], []]);
    expect(session.told()).toEqual(["force_replaced", "startup_again"]);
    session.result(true, "Moot.", id);
    expect([session.told(), session.heard]).toEqual([["moot_result"], []]);
  });

  test("tells results that belong to nothing apart", async () => {
    const { session } = start();
    session.orders(["a"]);
    await session.choose("a");
    session.result(true, "x", "nonsense");
    session.result(true, "x", "of-another");
    session.result(true);
    session.result(true);
    expect(session.told()).toEqual(["unknown_result", "others_result", "second_result"]);
  });

  test("holds context while an action is unanswered: the result's message comes first", async () => {
    const { session, clock } = start();
    session.hear("context", { message: "1", silent: false });
    session.orders(["a"]);
    await session.choose("a");
    session.hear("context", { message: "3", silent: true });
    session.hear("context", { message: "4", silent: false });
    expect(session.heard).toEqual([["1", true]]);
    session.result(true, "2");
    expect(session.heard.map(([text]) => text)).toEqual(["1", "2", "3", "4"]);
    session.orders(["a"]);
    await session.choose("a");
    session.hear("context", { message: "5", silent: true });
    clock.advance(20_000);
    expect(session.heard.at(-1)).toEqual(["5", false]);
  });

  test("the state and query of a force enter the context, unless they are ephemeral", async () => {
    const { session } = start();
    const entries = () =>
      session.events.flatMap((event) => (event.kind === "context" ? [event.entry.text] : []));
    session.orders(["a"], { state: "S" });
    session.orders(["a"], { query: "Q", ephemeral_context: true });
    await session.choose("a");
    await session.choose("a");
    session.result(false, "No.");
    expect(entries()).toEqual(["State: S\nQuery: Go.", "No."]);
    expect(session.heard).toEqual([["No.", false]]);
  });

  test("one action at a time, forced or not", async () => {
    const { session } = start();
    const submitted = session.submitAction("a");
    await settle();
    expect(session.submitAction("b")).rejects.toThrow("a has not been answered yet");
    session.orders(["b"]);
    await settle();
    expect(session.asked).toEqual([]);
    session.result(false, "No.");
    expect(await submitted).toEqual({ success: false, message: "No." });
    await until(() => session.asked.length === 1);
    expect(session.submitAction("a")).rejects.toThrow("a force is being chosen for");
    await session.choose("b");
    expect(session.submitAction("a")).rejects.toThrow("b has not been answered yet");
    session.result(true);
    expect(session.submitAction("c")).rejects.toThrow('there is no action "c"');
    expect(session.sent).toEqual(["a", "b"]);
  });

  test("an action that nobody forced is not retried, and ends with the timeout or the game", async () => {
    const { session, clock } = start();
    const first = session.submitAction("a");
    await settle();
    clock.advance(20_000);
    expect(await first).toEqual({ success: false, message: "no result in 20 s" });
    const second = session.submitAction("a");
    await settle();
    session.disconnected();
    expect(await second).toEqual({ success: false, message: "the game has gone" });
  });

  test("actions that are sent unchecked may be several, and a choice waits for them", async () => {
    const { session } = start();
    session.orders(["a"]);
    await until(() => session.asked.length === 1);
    const ids = [session.sendAction("x", "{"), session.sendAction("y")];
    await session.choose("a");
    expect(session.sent).toEqual(["x", "y"]);
    session.result(true, undefined, ids[0]);
    expect(session.sent).toEqual(["x", "y"]);
    session.result(true, undefined, ids[1]);
    expect(session.sent).toEqual(["x", "y", "a"]);
    expect(session.sendAction("z", undefined, "mine")).toBe("mine");
    expect(() => session.sendAction("z", "{}", "mine")).toThrow('the id "mine" is in use');
    for (let i = 0; i < 14; i++) session.sendAction("z");
    expect(() => session.sendAction("z")).toThrow("16 actions have not been answered yet");
  });

  test("ids are never given twice", () => {
    const sessions = [new Played(new HandClock()), new Played(new HandClock())];
    const ids = sessions.flatMap((one) => [one.sendAction("a"), one.sendAction("a")]);
    expect(new Set(ids).size).toBe(4);
  });
});

describe("a brain that", () => {
  const needing = (session: Played) =>
    session.hear("actions/register", {
      actions: [
        {
          name: "move",
          description: "Moves.",
          schema: {
            type: "object",
            properties: { to: { type: "integer" } },
            required: ["to"],
          },
        },
      ],
    });
  const BAD: readonly [string, any][] = [
    ["answers nothing", undefined],
    ["answers null", null],
    ["answers a text", "a"],
    ["names nothing", {}],
    ["names what is not offered", { name: "b" }],
    ["gives no data", { name: "move" }],
    ["gives data that does not fit", { name: "move", data: { to: "x" } }],
    ["gives text that is no JSON", { name: "move", data: "{" }],
    ["gives a list", { name: "move", data: [1] }],
    ["gives data that goes in circles", { name: "move", data: circular() }],
    ["gives data that is deep", { name: "move", data: `${"[".repeat(1e5)}${"]".repeat(1e5)}` }],
    [
      "gives data that is nested deeper than a message may be",
      { name: "move", data: { to: 1, x: Array.from({ length: 200 }).reduce((x) => ({ x }), 1) } },
    ],
    ["gives too much data", { name: "move", data: { to: 1, x: "x".repeat(2 ** 21) } }],
    ["gives a number of its own kind", { name: "move", data: { to: 1n } }],
  ];
  test.each(BAD)("%s is told so and asked again", async (_, answer) => {
    const { session } = start();
    needing(session);
    const seen: ForceRequest[] = [];
    session.answer = (request) => {
      seen.push({ ...request, failures: [...request.failures] });
      return seen.length === 1 ? answer : { name: "move", data: { to: 1 } };
    };
    session.orders(["a", "move"]);
    await until(() => session.sent.length === 1);
    expect(session.written[0].data).toMatchObject({ name: "move", data: '{"to":1}' });
    expect(session.told()).toEqual(["bad_choice"]);
    expect(seen[1]?.failures).toHaveLength(1);
    expect(seen[1]?.failures[0]?.message).not.toBe("");
  });

  test("never answers well ends the force after a few times", async () => {
    const { session } = start();
    session.answer = () => ({ name: "nothing like it" });
    session.orders(["a"]);
    await until(() => session.force === null);
    expect(session.told()).toEqual([...Array(5).fill("bad_choice"), "choices_used"]);
    session.answer = () => ({ name: "a" });
    session.orders(["a"]);
    await until(() => session.sent.length === 1);
  });

  test.each([
    [
      "throws",
      () => {
        throw new Error("boom");
      },
    ],
    ["rejects", () => Promise.reject(new Error("boom"))],
    [
      "throws no error",
      () => {
        throw "boom";
      },
    ],
    [
      "throws what throws itself",
      () => {
        const fail = () => {
          throw new Error("boom");
        };
        throw new Proxy({}, { get: fail, getPrototypeOf: fail });
      },
    ],
  ])("%s ends the force", async (_, answer) => {
    const { session } = start();
    session.answer = answer;
    session.orders(["a"]);
    await until(() => session.force === null);
    expect(session.states).toEqual(["queued", "choosing", "cancelled"]);
    expect(session.told()).toEqual(["brain_failed"]);
  });

  test("hangs is given up, and its late answer is dropped", async () => {
    const { session, clock } = start({ choiceTimeoutMs: 1000 });
    session.orders(["a"]);
    await until(() => session.asked.length === 1);
    clock.advance(1000);
    expect([session.force, session.told()]).toEqual([null, ["brain_late"]]);
    await session.choose("a");
    expect(session.sent).toEqual([]);
  });

  test("fails with a context harms nobody", async () => {
    const { session } = start();
    session.contextFails = true;
    session.hear("context", { message: "x", silent: true });
    expect(session.told()).toEqual(["brain_failed"]);
  });

  test("lies on purpose is let through", async () => {
    const { session } = start();
    session.answer = () => ({ name: "other", data: "{", unchecked: true });
    session.orders(["a"]);
    await until(() => session.sent.length === 1);
    expect(session.written[0].data).toMatchObject({ name: "other", data: "{" });
  });

  test("cannot use an action whose schema cannot be checked", async () => {
    const { session } = start();
    const recursive = { type: "object", properties: { x: { $ref: "#" } } };
    const deep = { name: "deep", description: "Deep.", schema: recursive };
    session.hear("actions/register", { actions: [deep] });
    session.told();
    session.orders(["deep", "a"]);
    await until(() => session.asked.length === 1);
    expect(session.asked[0]?.request.actions.map(({ name }) => name)).toEqual(["a"]);
    session.orders(["deep"]);
    await settle();
    expect([session.force, session.states.at(-1)]).toEqual([null, "cancelled"]);
    expect(session.told()).toEqual(["schema_recurses", "force_replaced", "schema_recurses"]);
    expect(session.submitAction("deep", {})).rejects.toThrow("refers to itself");
  });

  test("is to choose has the game told what of a schema is not heeded, once", async () => {
    const { session } = start();
    const properties = { x: { type: "string", minLength: "1", pattern: "^(?=a)b" } };
    const schema = { type: "object", properties };
    session.hear("actions/register", { actions: [{ name: "say", description: "Says.", schema }] });
    expect(session.told()).toEqual([]);
    for (let i = 0; i < 2; i++) {
      session.orders(["say"]);
      await until(() => session.asked.length === i + 1);
    }
    expect(session.told()).toEqual(["schema_wrong", "schema_pattern", "force_replaced"]);
  });
});

function circular(): object {
  const one: Record<string, unknown> = { to: 1 };
  one["self"] = one;
  return one;
}

describe("registering", () => {
  const action = (name: string, description = "Does.") => ({ name, description });
  const register = (session: Played, ...actions: object[]) =>
    session.hear("actions/register", { actions });
  const count = (told: readonly string[]) =>
    Object.fromEntries(
      [...new Set(told)].map((name) => [name, told.filter((one) => one === name).length]),
    );

  test("the same name replaces, the same action says nothing", () => {
    const { session } = start();
    register(session, action("a", "Does a."), action("b", "New."));
    expect(session.told()).toEqual(["registered_again"]);
    expect(session.getAction("b")?.description).toBe("New.");
    expect(session.actionNames).toEqual(["a", "b"]);
  });

  test("or is ignored, as before 2026-08", () => {
    const { session } = start({ keepsFirst: true });
    register(session, action("b", "New."), action("c"));
    expect(session.told()).toEqual(["registration_kept"]);
    expect(session.getAction("b")?.description).toBe("Does b.");
    expect(session.hasAction("c")).toBe(true);
  });

  test("bad names are told, or refused with their batch", () => {
    const { session } = start();
    register(session, action("Bad Name"), action("c"));
    expect(session.told()).toEqual(["bad_name"]);
    expect(session.hasAction("Bad Name")).toBe(true);
    const { session: strict } = start({ strict: true });
    register(strict, action("Bad Name"), action("c"));
    expect(strict.told()).toEqual(["name_refused"]);
    expect(strict.actionNames).toEqual(["a", "b"]);
  });

  test("too much is refused with its batch", () => {
    const { session } = start({ mostActions: 4 });
    register(session, action("c"), action("d"), action("e"));
    expect(session.told()).toEqual(["too_many_actions"]);
    register(session, action("a", "x"), action("c"), action("d"));
    expect(session.told()).toEqual(["registered_again"]);
    expect(session.actionNames).toHaveLength(4);
    for (let i = 0; i < 3; i++) register(session, action("c", "x".repeat(2_000_000 + i)));
    expect(session.told()).toEqual(["registered_again", "registered_again", "registered_again"]);
    register(session, action("d", "x".repeat(3_000_000)));
    expect(session.told()).toEqual(["too_many_actions"]);
  });

  test("what actions take counts for all games of a connection, values besides their text", () => {
    const room = { characters: 0 };
    const [one, other] = [1, 2].map(() => new Played(new HandClock(), {}, room)) as [
      Played,
      Played,
    ];
    const valued = (name: string, values: number) => ({
      ...action(name),
      schema: { type: "object", enum: Array(values).fill([]) },
    });
    // Three characters and 64 more for each of them.
    for (let times = 0; times < 3; times++) register(one, valued("a", 32_000));
    register(one, valued("a", 32_001));
    expect([one.told(), one.actionNames]).toEqual([["registered_again"], ["a"]]);
    register(other, valued("b", 32_000), action("c"));
    expect([other.told(), other.actionNames]).toEqual([["too_many_actions"], []]);
    register(other, valued("b", 30_000));
    expect([other.told(), other.actionNames]).toEqual([[], ["b"]]);
    one.disconnected();
    register(other, valued("c", 32_000));
    expect(other.told()).toEqual([]);
    other.disconnected();
    expect(room.characters).toBe(0);
  });

  test("no more than so much is told of one batch", () => {
    const { session } = start();
    register(session, ...Array.from({ length: 1000 }, () => action("c")));
    expect(session.told()).toEqual(["twice_in_batch"]);
    const names = Array.from({ length: 300 }, (_, i) => `N${i}`);
    register(session, ...names.flatMap((name) => [action(name), action(name)]));
    expect(count(session.told())).toEqual({ twice_in_batch: 100, bad_name: 100 });
    const odd = { type: "object", properties: { x: { title: "X", $comment: "x" } } };
    register(session, ...names.map((name) => ({ ...action(name), schema: odd })));
    expect(count(session.told())).toEqual({
      bad_name: 100,
      registered_again: 100,
      unsupported_keyword: 100,
    });
  });

  test("a thousand at once is quick", () => {
    const { session } = start();
    const since = computedMs();
    const schema = { type: "object", properties: { x: { type: "string", enum: ["a", "b"] } } };
    for (let i = 0; i < 1000; i++) register(session, { ...action(`n${i % 500}`), schema });
    expect(computedMs() - since).toBeLessThan(1000);
  });
});
