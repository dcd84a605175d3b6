import { afterEach, describe, expect, test } from "bun:test";
import { boot, type Booted, dial, enveloped, type Peer, turn, until } from "./kit.ts";

let server: Booted;
afterEach(() => server.stop());

const RATE = "Warning: You are sending messages too quickly. Please slow down.";
const IDLE = "Warning: You have been disconnected due to inactivity.";
const UTF8 = "Warning: Your line is not valid UTF-8 and was not sent.";
const LONG =
  "Warning: Your line is too long and was not sent; with its envelope it may have 256 bytes.";

/** A room without pressure, so that only the limit under test acts. */
async function room(hyper: object = {}, relay: object = {}, more: object = {}) {
  server = await boot("relay", {
    hyper_parameters: { rate_limit_msgs_per_minute: 1_000_000, ...hyper },
    relay,
    ...more,
  });
  return server;
}

async function peers(count: number): Promise<Peer[]> {
  const joined: Peer[] = [];
  for (let i = 0; i < count; i++) joined.push(await server.join());
  return joined;
}

/** Waits until the relay has read everything a peer has sent so far. */
async function read(lines: number): Promise<void> {
  await until(() => (server.stats()["lines_in"] as number) >= lines);
}

describe("rate", () => {
  test("the limit passes, the next line is refused with a notice, and the window opens again after a minute", async () => {
    await room({ rate_limit_msgs_per_minute: 3 });
    const [a, b] = (await peers(2)) as [Peer, Peer];
    a.send("1\n2\n3\n4\n5\n");
    expect([await a.next(), await a.next()]).toEqual([RATE, RATE]);
    server.clock.advance(59_999);
    a.send("6\n");
    expect(await a.next()).toBe(RATE);
    server.clock.advance(1);
    a.send("7\n");
    const got = [await b.next(), await b.next(), await b.next(), await b.next()];
    expect(got).toEqual(["1", "2", "3", "7"].map((line) => enveloped(a, line)));
    expect(server.stats()["refused_rate"]).toBe(3);
  });

  test("blank, oversize and invalid lines count too", async () => {
    await room({ rate_limit_msgs_per_minute: 3 }, { max_line_bytes: 256 });
    const [a] = (await peers(2)) as [Peer, Peer];
    a.send(Buffer.concat([Buffer.from(`\n${"x".repeat(300)}\n`), Buffer.from([0xff, 10])]));
    expect([await a.next(), await a.next()]).toEqual([LONG, UTF8]);
    a.send("one too many\n");
    expect(await a.next()).toBe(RATE);
  });

  /** The log's lines about refused lines: the address and the reason of each. */
  const named = () =>
    [...server.printed().matchAll(/(\S+): a line was refused, (.*); more of this minute/g)].map(
      ([, address, why]) => [address, why],
    );

  test("who is over it is named in the log with the reason, once a minute", async () => {
    await room({ rate_limit_msgs_per_minute: 3 }, { max_line_bytes: 256 });
    const [a, b, c] = (await peers(3)) as [Peer, Peer, Peer];
    a.send("1\n2\n3\n4\n5\n");
    await read(5);
    expect(named()).toEqual([[a.address, "there were more than 3 in a minute"]]);
    b.send(`${"x".repeat(300)}\n`);
    await read(6);
    c.send(Buffer.from([0xff, 10]));
    await read(7);
    expect(named().slice(1)).toEqual([
      [b.address, "with its envelope it has more than 256 bytes"],
      [c.address, "it is not valid UTF-8"],
    ]);
    server.clock.advance(59_999);
    a.send("6\n");
    await read(8);
    expect(named()).toHaveLength(3);
    server.clock.advance(1);
    a.send("1\n2\n3\n4\n");
    await read(12);
    expect(named()).toHaveLength(4);
  });

  test("a crowd that is over it does not flood the log", async () => {
    await room({ rate_limit_msgs_per_minute: 1 });
    const all = await peers(30);
    for (const peer of all) peer.send("1\n2\n");
    await read(60);
    expect(named()).toHaveLength(10);
    server.clock.advance(1000);
    expect(server.printed()).toContain("lines of 20 more clients were refused\n");
    server.clock.advance(59_000);
    all[0]?.send("1\n2\n");
    await read(62);
    expect(named()).toHaveLength(11);
  });

  test("each client's refused lines and rates are told", async () => {
    await room({ rate_limit_msgs_per_minute: 3 });
    const [a, b] = (await peers(2)) as [Peer, Peer];
    const seconds = async (count: number, lines: number) => {
      for (let i = 0; i < count; i++) {
        a.send("x\n".repeat(lines));
        const before = server.stats()["lines_in"] as number;
        if (lines > 0) await read(before + lines);
        server.clock.advance(1000);
      }
    };
    const told = () => {
      const found = server.clients().find(({ address }) => address === a.address);
      return [found?.messagesPerSecond, found?.refused, found?.refusedPerSecond];
    };
    expect(told()).toEqual([0, 0, 0]);
    await seconds(1, 4);
    expect(told()).toEqual([4, 1, 1]);
    await seconds(20, 4);
    // Rates are over the lines of the last five to ten seconds.
    const [rate, refused, refusedRate] = told() as [number, number, number];
    expect(rate).toBeWithin(3, 5);
    expect([refused, refusedRate]).toEqual([81, rate]);
    await seconds(2, 0);
    expect(told()[0]).toBeWithin(0.5, rate);
    await seconds(10, 0);
    expect(told()).toEqual([0, 81, 0]);
    const page = await server.running().clients({
      address: "",
      sort: "refused",
      order: "desc",
      limit: 1,
      offset: 0,
    });
    expect(page.clients[0]?.address).toBe(a.address);
    expect(b.isClosed).toBe(false);
  });

  test("the plain backend has none", async () => {
    server = await boot("relay", {
      version: "python",
      hyper_parameters: { rate_limit_msgs_per_minute: 1 },
    });
    const [a, b] = (await peers(2)) as [Peer, Peer];
    for (let i = 0; i < 1000; i++) a.send(`${i}\n`);
    for (let i = 0; i < 1000; i++) expect(await b.next()).toBe(enveloped(a, `${i}`));
  });
});

describe("idle", () => {
  test("a client that sends no line for the time is closed, and not a moment before", async () => {
    await room({ client_timeout_secs: 60, timeout_check_interval_secs: 1 });
    const [a] = (await peers(1)) as [Peer];
    server.clock.advance(59_999);
    expect(server.stats()["clients"]).toBe(1);
    server.clock.advance(1001);
    expect(await a.next()).toBe(IDLE);
    expect(await a.closed).toBe("end");
    expect(server.stats()).toMatchObject({ clients: 0, closed_idle: 1 });
  });

  test("a blank line keeps it, half a line does not", async () => {
    await room({ client_timeout_secs: 60, timeout_check_interval_secs: 1 });
    const [beats, mumbles] = (await peers(2)) as [Peer, Peer];
    server.clock.advance(50_000);
    beats.send("\n");
    mumbles.send("half a li");
    await read(1);
    await until(() => server.clients().some(({ bytesIn }) => bytesIn === 9));
    server.clock.advance(12_000);
    expect(await mumbles.next()).toBe(IDLE);
    expect(server.stats()["clients"]).toBe(1);
    beats.send("still here\n");
    await read(2);
  });

  test("never, when the time is 0", async () => {
    await room({ client_timeout_secs: 0, timeout_check_interval_secs: 1 });
    await peers(1);
    server.clock.advance(10_000_000);
    expect(server.stats()["clients"]).toBe(1);
  });
});

describe("lines", () => {
  test("an envelope of just the bound goes out, one byte more is refused and the client goes on", async () => {
    await room({}, { max_line_bytes: 256 });
    const [a, b] = (await peers(2)) as [Peer, Peer];
    const overhead = enveloped(a, "").length + 1;
    const fits = "é"
      .repeat((256 - overhead) >> 1)
      .padEnd(((256 - overhead) >> 1) + ((256 - overhead) & 1), "x");
    expect(Buffer.byteLength(`${enveloped(a, fits)}\n`)).toBe(256);
    a.send(`${fits}\n${fits}y\nafter\n`);
    expect(await b.next()).toBe(enveloped(a, fits));
    expect(await b.next()).toBe(enveloped(a, "after"));
    expect(await a.next()).toBe(LONG);
    expect(server.stats()["refused_oversize"]).toBe(1);
  });

  test("an endless line is refused once, discarded up to its newline, and the client goes on", async () => {
    await room({}, { max_line_bytes: 256 });
    const [a, b] = (await peers(2)) as [Peer, Peer];
    for (let i = 0; i < 100; i++) a.send("x".repeat(10_000));
    expect(await a.next()).toBe(LONG);
    a.send("the end\nafter\n");
    expect(await b.next()).toBe(enveloped(a, "after"));
    expect(a.lines).toEqual([]);
    expect(server.stats()["refused_oversize"]).toBe(1);
  });

  test("a line that is not UTF-8 is refused, its neighbours go out in order", async () => {
    await room();
    const [a, b] = (await peers(2)) as [Peer, Peer];
    a.send(Buffer.concat([Buffer.from("é\n"), Buffer.from([0xc3, 0x28, 10]), Buffer.from("ü\n")]));
    expect([await b.next(), await b.next()]).toEqual([enveloped(a, "é"), enveloped(a, "ü")]);
    expect(await a.next()).toBe(UTF8);
    expect(server.stats()["refused_utf8"]).toBe(1);
  });
});

describe("pressure", () => {
  const policy = (more: object) => ({
    throttle_delay_ms: 200,
    flow_control_delay_ms: 1000,
    backpressure_policy: {
      throttle_threshold: 100,
      flow_control_threshold: 300,
      disconnect_threshold: 500,
      ...more,
    },
  });
  const states = () => server.clients().map(({ state }) => state);

  const RULES: [string, object, number][] = [
    ["throttle_delay_ms, at the threshold of throttle", { throttle_threshold: 2 }, 200],
    [
      "flow_control_delay_ms, the stronger of two",
      { throttle_threshold: 1, flow_control_threshold: 2 },
      1000,
    ],
  ];

  test.each(RULES)(
    "a sender is served one line per %s; what it has sent waits, and is not lost",
    async (_, more, ms) => {
      await room(policy(more));
      const [a, b] = (await peers(3)) as [Peer, Peer, Peer];
      const lines = ["1", "2", "3", "4", "5", "6"];
      // All in one piece, apart from the last newline.
      a.send("1\n2\n\n3\n4\n5\n6");
      a.send("\n");
      for (const line of lines) {
        expect(await b.next()).toBe(enveloped(a, line));
        expect(states()).toEqual(["paused", "open", "open"]);
        // The clock looks every 20 ms.
        server.clock.advance(ms - 20);
        await turn();
        expect([states()[0], b.lines]).toEqual(["paused", []]);
        server.clock.advance(20);
      }
      expect(states()).toEqual(["open", "open", "open"]);
      expect(server.stats()).toMatchObject({ lines_relayed: 6, lines_blank: 1 });
    },
  );

  test.each(RULES)(
    "one that ends its side has all of its lines served, one per %s, and is closed then",
    async (_, more, ms) => {
      await room(policy(more));
      const [a, b] = (await peers(3)) as [Peer, Peer, Peer];
      a.send("1\n2\n3\nlast");
      a.half();
      for (const line of ["1", "2", "3"]) {
        expect(await b.next()).toBe(enveloped(a, line));
        server.clock.advance(ms - 20);
        await turn();
        expect([b.lines, a.isClosed]).toEqual([[], false]);
        server.clock.advance(20);
      }
      expect(await b.next()).toBe(enveloped(a, "last"));
      expect(await a.closed).toBe("end");
      expect(server.stats()).toMatchObject({ clients: 2, closed_eof: 1 });
    },
  );

  test("one that is gone has what was read of it relayed at once", async () => {
    await room(policy({ throttle_threshold: 1 }));
    const [a, b] = (await peers(2)) as [Peer, Peer];
    a.send("1\n2\n3\n");
    expect(await b.next()).toBe(enveloped(a, "1"));
    a.reset();
    expect([await b.next(), await b.next()]).toEqual([enveloped(a, "2"), enveloped(a, "3")]);
  });

  test("once its lines go to fewer, it waits no longer", async () => {
    await room(policy({ throttle_threshold: 2 }));
    const [a, b, c] = (await peers(3)) as [Peer, Peer, Peer];
    a.send("1\n2\n3\n4\n");
    expect(await b.next()).toBe(enveloped(a, "1"));
    c.end();
    await until(() => server.stats()["clients"] === 2);
    server.clock.advance(220);
    for (const line of ["2", "3", "4"]) expect(await b.next()).toBe(enveloped(a, line));
  });

  test("refused lines are answered without a wait, and none is told of a line that waits", async () => {
    await room({ ...policy({ throttle_threshold: 1 }), rate_limit_msgs_per_minute: 2 });
    const [a, b] = (await peers(2)) as [Peer, Peer];
    a.send("1\n2\n3\n4\n");
    expect(await b.next()).toBe(enveloped(a, "1"));
    expect(a.lines).toEqual([]);
    server.clock.advance(220);
    expect(await b.next()).toBe(enveloped(a, "2"));
    server.clock.advance(220);
    expect([await a.next(), await a.next()]).toEqual([RATE, RATE]);
  });

  test("who listens is not slowed down by it", async () => {
    await room(policy({ throttle_threshold: 1 }));
    const [a, b] = (await peers(2)) as [Peer, Peer];
    a.send("1\n2\n");
    expect(await b.next()).toBe(enveloped(a, "1"));
    b.send("other\n");
    expect(await a.next()).toBe(enveloped(b, "other"));
  });

  test("below the threshold nothing happens, nor when the rule is off", async () => {
    await room(
      policy({
        throttle_threshold: 3,
        flow_control_threshold: 2,
        enable_flow_control: false,
      }),
    );
    const [a, b] = (await peers(3)) as [Peer, Peer, Peer];
    a.send("1\n");
    await b.next();
    server.clock.advance(100);
    expect(states()).toEqual(["open", "open", "open"]);
  });

  test("from the highest threshold on a sender is told, closed and quarantined, the others go on", async () => {
    await room(
      {
        ...policy({
          throttle_threshold: 1,
          flow_control_threshold: 1,
          disconnect_threshold: 2,
        }),
        quarantine_cooldown_secs: 60,
      },
      { quarantine_by: "address" },
    );
    const [a, b, c] = (await peers(3)) as [Peer, Peer, Peer];
    a.send("1\n");
    await b.next();
    server.clock.advance(100);
    expect(await a.next()).toStartWith(
      "Warning: You have been disconnected because your messages go to too many clients.",
    );
    expect(await a.closed).toBe("end");
    expect(server.stats()).toMatchObject({
      clients: 2,
      closed_pressure: 1,
      quarantined: 1,
      throttles: 0,
    });
    server.clock.advance(29_500);
    const again = await dial(server.port());
    again.send("ignored\n");
    expect(await again.next()).toBe(
      "Warning: You are in quarantine. Please come back in 31 seconds.",
    );
    await again.closed;
    expect(server.stats()).toMatchObject({
      closed_quarantined: 1,
      lines_in: 1,
      clients: 2,
    });
    c.end();
    await until(() => server.stats()["clients"] === 1);
    server.clock.advance(30_499);
    const early = await dial(server.port());
    expect(await early.next()).toBe(
      "Warning: You are in quarantine. Please come back in 1 seconds.",
    );
    server.clock.advance(1);
    const late = await server.join();
    late.send("back\n");
    expect(await b.next()).toBe(
      enveloped(a, "1").replace(a.address, late.address).replace('"1"', '"back"'),
    );
    server.clock.advance(60_000);
    expect(server.stats()["quarantined"]).toBe(0);
  });

  test("on loopback a quarantine is by address and port unless said otherwise", async () => {
    await room({
      ...policy({
        disconnect_threshold: 1,
        enable_throttle: false,
        enable_flow_control: false,
      }),
    });
    const [a, b] = (await peers(2)) as [Peer, Peer];
    a.send("1\n");
    await b.next();
    server.clock.advance(100);
    await a.closed;
    const other = await server.join();
    await until(() => server.stats()["clients"] === 2);
    expect(other.lines).toEqual([]);
    expect(server.stats()["quarantined"]).toBe(1);
  });

  test("each of the four queues takes its capacity and drops what is more, told once a second", async () => {
    await room({
      ...policy({ throttle_threshold: 1 }),
      // Without a wait, many lines are reported between two ticks.
      throttle_delay_ms: 0,
      queue_monitor_capacity: 9,
      connection_buffer_size: 7,
      command_buffer_size: 5,
      control_channel_capacity: 3,
    });
    const [a, b] = (await peers(2)) as [Peer, Peer];
    const send = async (count: number) => {
      for (let i = 0; i < count; i++) a.send("x\n");
      for (let i = 0; i < count; i++) await b.next();
      const before = server.stats();
      server.clock.advance(100);
      const after = server.stats();
      const grown = (key: string) => (after[key] as number) - (before[key] as number);
      server.clock.advance(1000);
      return [grown("throttles"), grown("dropped_commands"), grown("dropped_reports")];
    };
    expect(await send(3)).toEqual([3, 0, 0]);
    expect(await send(4)).toEqual([3, 1, 0]);
    expect(await send(5)).toEqual([3, 2, 0]);
    expect(await send(6)).toEqual([3, 3, 0]);
    expect(await send(7)).toEqual([3, 4, 0]);
    expect(await send(8)).toEqual([3, 4, 1]);
    // The tenth is dropped when it is staged, before the tick that is measured here.
    expect(await send(10)).toEqual([3, 4, 2]);
    expect(server.stats()["dropped_reports"]).toBe(4);
    expect(server.printed().match(/monitor dropped/g)).toHaveLength(6);
  });

  test("the command queue is shared by all clients, one report of each in turn", async () => {
    await room({ ...policy({ disconnect_threshold: 2 }), command_buffer_size: 2 });
    const [a, b, c] = (await peers(3)) as [Peer, Peer, Peer];
    a.send("1\n2\n3\n4\n5\n");
    for (let i = 0; i < 5; i++) await c.next();
    b.send("6\n");
    await c.next();
    server.clock.advance(100);
    expect(server.stats()).toMatchObject({ closed_pressure: 2, dropped_commands: 4 });
    expect([await a.closed, await b.closed, c.isClosed]).toEqual(["end", "end", false]);
  });
});

describe("connecting", () => {
  test.each([
    [
      "deny wins over allow",
      { allow: ["127.0.0.0/8"], deny: ["127.0.0.2/32"] },
      {},
      "127.0.0.2",
      "127.0.0.1",
    ],
    ["allow leaves out all others", { allow: ["127.0.0.2"] }, {}, "127.0.0.1", "127.0.0.2"],
    [
      "the relay's own list overrides the server's",
      { deny: ["127.0.0.1"] },
      { access: { deny: ["127.0.0.2"] } },
      "127.0.0.2",
      "127.0.0.1",
    ],
  ])("%s", async (_, access, relay, denied, admitted) => {
    await room({}, relay, { access });
    const out = await server.join(denied);
    expect(await out.next()).toBe("Warning: Your address may not connect to this server.");
    await out.closed;
    await server.join(admitted);
    await until(() => server.stats()["clients"] === 1);
    expect(server.stats()["closed_denied"]).toBe(1);
  });
});
