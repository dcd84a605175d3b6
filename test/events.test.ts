import { afterEach, describe, expect, test } from "bun:test";
import { createConnection, type Socket } from "node:net";
import { HandClock } from "../lib/host/clock.ts";
import { type Data, settled } from "../lib/services/web/told/difference.ts";
import { merged } from "./merge.ts";
import {
  boot,
  type Booted,
  type BootOptions,
  manyFiles,
  type Overrides,
  turn,
  until,
} from "./kit.ts";

const running: Booted[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of running.splice(0)) await server.stop();
});

async function served(overrides?: Overrides, options?: BootOptions): Promise<Booted> {
  const server = await boot(["relay", "web"], overrides, options);
  running.push(server);
  return server;
}

interface Told {
  event: string;
  data: Record<string, any>;
}

/** Opens an event stream as a browser does; `next` takes one event after the other, but for those of panels, which come between. */
async function listen(server: Booted, query = "") {
  const before = server.stats("web")["streams"] as number;
  const socket = createConnection({ port: server.port("web"), host: "127.0.0.1" });
  sockets.push(socket);
  const told: Told[] = [];
  let text = "";
  let isClosed = false;
  let hasEnded = false;
  socket.setEncoding("utf8");
  socket.on("data", (more: string) => {
    text += more;
    // The last chunk of all is empty.
    if (text.endsWith("\r\n0\r\n\r\n")) hasEnded = true;
    const events = text.split("\n\n");
    text = events.pop() as string;
    for (const one of events) {
      const event = /^event: (\w+)$/m.exec(one)?.[1];
      const data = /^data: (.*)$/m.exec(one)?.[1];
      if (event && data && event !== "changed") told.push({ event, data: JSON.parse(data) });
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
  });
  socket.write(`GET /events${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await until(() => isClosed || (server.stats("web")["streams"] as number) > before);
  return {
    socket,
    get isClosed() {
      return isClosed;
    },
    get hasEnded() {
      return hasEnded || isClosed;
    },
    waiting: told,
    async next(): Promise<Told> {
      await until(() => told.length > 0 || isClosed);
      if (told.length === 0) throw new Error("the stream ended");
      return told.shift() as Told;
    },
  };
}

describe("/events", () => {
  test("greets with what the page must know, then tells once a second", async () => {
    const server = await served({ name: "here" });
    server.log.info("before");
    server.clock.advance(1000);
    server.log.info("just now");
    const stream = await listen(server);
    const hello = await stream.next();
    expect(hello.event).toBe("hello");
    expect(hello.data).toMatchObject({
      name: "here",
      declared: {
        process: { memory_bytes: { kind: "gauge", unit: "bytes" } },
        relay: { lines_in: { kind: "counter", unit: "lines", headline: true } },
        web: { requests: { kind: "counter" } },
      },
      history: [{ values: { "relay.lines_in": 0 } }],
      log: [expect.stringContaining("INFO before")],
    });
    const first = await stream.next();
    expect(first).toMatchObject({
      event: "tick",
      data: { draining: false, health: { relay: { ok: true } }, log: { lines: [] } },
    });
    expect(first.data["services"]["relay"]["stats"]).toEqual(server.stats());
    expect(first.data["clients"]).toBeUndefined();
    const peer = await server.join();
    peer.send("x\ny\n");
    await until(() => server.stats()["lines_in"] === 2);
    server.clock.advance(999);
    expect(stream.waiting).toEqual([]);
    server.clock.advance(1);
    const second = await stream.next();
    expect(second.data["services"]["relay"]["stats"]).toEqual(server.stats());
    expect(second.data["log"]["lines"]).toEqual([
      expect.stringContaining("INFO just now"),
      expect.stringContaining(peer.address),
    ]);
    server.clock.advance(1000);
    expect((await stream.next()).data["log"]["lines"]).toEqual([]);
  });

  test("a late comer gets five minutes of history and no more", async () => {
    const server = await served();
    server.clock.advance(299_000);
    const history = async () => (await (await listen(server)).next()).data["history"] as object[];
    expect(await history()).toHaveLength(299);
    server.clock.advance(1000);
    const full = (await history()) as { at: number; values: Record<string, number> }[];
    expect(full).toHaveLength(300);
    expect(Object.keys(full[0]?.values ?? {})).toContain("relay.lines_in");
    server.clock.advance(5000);
    const later = (await history()) as { at: number }[];
    expect(later).toHaveLength(300);
    expect(later[0]?.at).toBe((full[5] as { at: number }).at);
  });

  test("who was connected before gets what is newer alone", async () => {
    const server = await served();
    server.clock.advance(10_000);
    const { data: first } = await (await listen(server)).next();
    const [of, since] = [first["started_at"], first["history"].at(-3).at];
    const again = (await (await listen(server, `?of=${of}&since=${since}`)).next()).data;
    expect(again["history"].map(({ at }: { at: number }) => at - since)).toEqual([1000, 2000]);
    expect([again["declared"], again["panels"]]).toEqual([undefined, undefined]);
    // Clients may be wanted besides.
    const stream = await listen(server, `?of=${of}&since=${since}&limit=1`);
    await stream.next();
    expect((await stream.next()).data["clients"]).toMatchObject({ limit: 1 });
    // Of another server everything is news.
    const other = (await (await listen(server, `?of=1&since=${since}`)).next()).data;
    expect(other["history"]).toHaveLength(10);
    expect(other["declared"]).toEqual(first["declared"]);
    for (const query of ["of=1", "since=1", "of=x&since=1", "of=1&since=-1"]) {
      const { status } = await server.get(`/events?${query}`);
      expect([query, status]).toEqual([query, 400]);
    }
  });

  test("remembers an hour in steps of ten seconds, with the least and the most of each", async () => {
    const server = await served();
    const peer = await server.join();
    const hour = async () => (await (await listen(server)).next()).data["hour"];
    server.clock.advance(20_000);
    peer.send("x\n".repeat(30));
    await until(() => server.stats()["lines_in"] === 30);
    server.clock.advance(10_000);
    const told = await hour();
    const lines = ({ least, most }: any) => [least, most].map((of) => of["relay.lines_in"]);
    const [least, most] = lines(told);
    expect(Math.max(...most)).toBe(30);
    expect(Math.max(...least)).toBe(0);
    expect(told.at.map((at: number) => at % 10_000)).toEqual(told.at.map(() => 0));
    expect(told.most["relay.clients"].at(-1)).toBe(1);
    server.clock.advance(3_600_000);
    const later = await hour();
    expect(later.at).toHaveLength(360);
    expect(later.at.at(-1) - later.at[0]).toBe(359 * 10_000);
    expect(Math.max(...lines(later)[1])).toBe(0);
  });

  test("says what is wrong, the worst first, since when, and who is behind it", async () => {
    const hyper_parameters = { rate_limit_msgs_per_minute: 10 };
    const server = await served({ hyper_parameters });
    const stream = await listen(server);
    for (let i = 0; i < 2; i++) await stream.next();
    const problems = async () => {
      server.clock.advance(1000);
      return (await stream.next()).data["problems"];
    };
    expect(await problems()).toEqual([]);
    const [loud, other] = [await server.join("127.0.0.2"), await server.join("127.0.0.3")];
    loud.send("x\n".repeat(1000));
    other.send("x\n".repeat(100));
    server.running().quarantine?.impose("10.0.0.7", 60);
    await until(() => server.stats()["refused_rate"] === 1080);
    const { id } = server.clients().find(({ address }) => address === loud.address)!;
    const [refused, note, ...more] = await problems();
    expect(more).toEqual([]);
    expect(refused).toMatchObject({ part: "relay", severity: "warning", client: id });
    expect(refused.text).toEndWith(
      `messages a second are refused from ${loud.address} and 1 other.`,
    );
    expect(note).toMatchObject({ severity: "note", text: "1 address is in quarantine." });
    server.running().health = () => ({ ok: false, reason: "cannot listen" });
    const worse = await problems();
    expect(worse[0]).toMatchObject({ part: "relay", severity: "failing", text: "Cannot listen." });
    expect(worse[0].since - worse[1].since).toBe(1000);
    expect(worse[1].since).toBe(refused.since);
    const { problems: same } = (await (await server.get("/varz")).json()) as any;
    expect(same).toEqual(worse);
    loud.end();
    other.end();
    await until(() => server.stats()["clients"] === 0);
    expect((await problems()).map((one: any) => one.key)).toEqual(["health", "quarantine"]);
  });

  test("has the same time for the same numbers, whenever the page was opened", async () => {
    /** Time goes by while it is read. */
    class Slow extends HandClock {
      #reads = 0;
      override wall() {
        return super.wall() + 10 * this.#reads++;
      }
    }
    const clock = new Slow();
    const server = await served({}, { clock });
    const stream = await listen(server);
    for (let i = 0; i < 2; i++) await stream.next();
    clock.advance(1000);
    const { data } = await stream.next();
    const { history } = (await (await listen(server)).next()).data;
    expect(data["at"]).toBe(history.at(-1).at);
  });

  test("tells each stream of the clients it asked for", async () => {
    const server = await served();
    const peers = [await server.join(), await server.join(), await server.join()];
    const [two, one] = [
      await listen(server, "?service=relay&sort=id&order=asc&limit=2"),
      await listen(server, `?address=${peers[2]?.address.split(":")[1]}`),
    ];
    await two.next();
    await one.next();
    expect((await two.next()).data["clients"]).toMatchObject({ total: 3, limit: 2 });
    expect((await one.next()).data["clients"]["clients"]).toMatchObject([
      { address: peers[2]?.address },
    ]);
    server.clock.advance(1000);
    const { clients } = (await two.next()).data as { clients: { clients: object[] } };
    expect(clients.clients).toMatchObject([
      { address: peers[0]?.address },
      { address: peers[1]?.address },
    ]);
  });

  test("tells what differs, from which the state follows", async () => {
    const server = await served();
    const peers = [await server.join(), await server.join()];
    const query = "service=relay&sort=id&order=asc&limit=5";
    const [whole, stream] = [
      await listen(server, `?${query}`),
      await listen(server, `?${query}&differences=1`),
    ];
    for (let i = 0; i < 2; i++) await whole.next();
    const { stream: own } = (await stream.next()).data;
    expect(own).toMatchObject({ id: expect.any(Number), secret: expect.any(String) });
    let state: Data = (await stream.next()).data;
    const both = async () => {
      server.clock.advance(1000);
      const { event, data } = await stream.next();
      expect(event).toBe("difference");
      state = merged(state, data) as Data;
      return { data, tick: (await whole.next()).data };
    };
    await both();
    const { data: quiet } = await both();
    // Nothing but the time and what it makes differ.
    expect(quiet["services"]?.relay).toBeUndefined();
    expect(quiet).not.toContainAnyKeys(["log", "clients", "health", "problems"]);
    peers[0]?.send("x\n");
    await until(() => (server.clients()[1]?.bytesOut ?? 0) > 0);
    server.log.info("news");
    const { data, tick } = await both();
    expect(data["log"].lines).toEqual([expect.stringContaining("INFO news")]);
    const [first, second] = server.clients().map(({ id }) => `relay/${id}`);
    expect(Object.keys(data["clients"].rows)).toEqual([first, second] as string[]);
    expect(data["clients"].rows[second as string]).toEqual({
      bytes_out: expect.any(Number),
    });
    peers[0]?.end();
    await until(() => server.stats()["clients"] === 1);
    const { data: left, tick: last } = await both();
    expect(left["clients"].rows).toEqual({ [first as string]: null });
    expect([tick["clients"].total, last["clients"].total]).toEqual([2, 1]);
    // All that a whole tick has follows from the differences.
    const { clients, log, ...rest } = last;
    expect(state).toMatchObject(rest);
    const [row] = clients.clients;
    const { age_seconds: age, ...others } = row;
    const told = state as any;
    expect(told.clients.keys).toEqual([second]);
    expect(told.clients.rows[second as string]).toMatchObject(others);
    expect(told.at - told.clients.rows[second as string].connected_at).toBeWithin(
      age * 1000,
      (age + 1) * 1000,
    );
    expect(told.log.stats).toEqual(log.stats);
  });

  test("tells of other clients when it is asked to, at once and to whoever may ask alone", async () => {
    const server = await served();
    for (let i = 0; i < 3; i++) await server.join();
    const stream = await listen(server, "?differences=1");
    const { id, secret } = (await stream.next()).data["stream"];
    const other = (await (await listen(server, "?differences=1")).next()).data["stream"];
    await stream.next();
    const want = (query: string, by: object = {}) =>
      server.post("/events/wanted", { stream: id, secret, query, ...by });
    for (const by of [{ secret: other.secret }, { secret: "" }, { stream: 999_999 }]) {
      expect([by, (await want("limit=1", by)).status]).toEqual([by, 404]);
    }
    for (const query of ["sort=nothing", "client=relay", "client=nothing/1", "of=1&since=1"]) {
      expect([query, (await want(query)).status]).toEqual([query, 400]);
    }
    expect((await want("limit=1", { query: 1 })).status).toBe(400);
    expect(stream.waiting).toEqual([]);
    expect((await want("service=relay&sort=id&order=asc&limit=2")).status).toBe(200);
    const { data } = await stream.next();
    const ids = server.clients().map((client) => client.id);
    expect(Object.keys(data)).toEqual(["clients"]);
    expect(data["clients"]).toMatchObject({
      total: 3,
      keys: [`relay/${ids[0]}`, `relay/${ids[1]}`],
    });
    // Those who are on both pages are not told again.
    await want("service=relay&sort=id&order=asc&limit=2&offset=1");
    expect((await stream.next()).data["clients"].rows).toEqual({
      [`relay/${ids[0]}`]: null,
      [`relay/${ids[2]}`]: expect.objectContaining({ id: ids[2] }),
    });
    await want("");
    expect((await stream.next()).data).toEqual({ clients: null });
    // A stream that is told all of it each time has no such way.
    const plain = (await (await listen(server)).next()).data["stream"];
    expect(plain["secret"]).toBeUndefined();
    expect((await want("", { stream: plain.id, secret: "" })).status).toBe(404);
  });

  test("tells of the client that is looked at: its row, and what of it was refused", async () => {
    const server = await served({ hyper_parameters: { rate_limit_msgs_per_minute: 2 } });
    const peer = await server.join();
    const id = server.clients()[0]?.id as number;
    const stream = await listen(server, `?client=relay/${id}&differences=1`);
    await stream.next();
    const first = (await stream.next()).data["client"];
    expect(first).toMatchObject({
      key: `relay/${id}`,
      row: { address: peer.address },
      refusals: [],
    });
    peer.send("x\n".repeat(5));
    await until(() => server.stats()["refused_rate"] === 3);
    server.clock.advance(1000);
    const { data } = await stream.next();
    const refusal = { code: "rate", words: "there were more than 2 in a minute", times: 3 };
    expect(data["client"].refusals).toEqual([{ ...refusal, at: expect.any(Number) }]);
    expect(data["at"] - data["client"].refusals[0].at).toBe(1000);
    server.clock.advance(1000);
    expect((await stream.next()).data["client"]).not.toContainKey("refusals");
    peer.end();
    await until(() => server.stats()["clients"] === 0);
    server.clock.advance(1000);
    expect((await stream.next()).data["client"]).toEqual({ row: null, refusals: null });
  });

  test("sorts once for all who want the same, and lets others have their turn in between", async () => {
    const server = await served();
    const asked: string[] = [];
    const relay = server.running();
    const real = relay.clients.bind(relay);
    relay.clients = (query) => {
      asked.push(query.sort);
      return real(query);
    };
    const streams = [];
    for (const sort of ["id", "bytes_in", "id", "bytes_in", "id"]) {
      streams.push(await listen(server, `?service=relay&sort=${sort}&differences=1`));
    }
    for (const stream of streams) for (let i = 0; i < 2; i++) await stream.next();
    asked.length = 0;
    server.clock.advance(1000);
    // The second page is sorted in a later turn.
    await Promise.resolve();
    expect(asked).toEqual(["id"]);
    for (const stream of streams) await stream.next();
    expect(asked).toEqual(["id", "bytesIn"]);
  });

  test("streams are clients: they are told of, and can be kicked", async () => {
    const server = await served({}, { token: "0123456789abcdef" });
    const stream = await listen(server);
    const { clients } = (await (await server.get("/connz?service=web")).json()) as {
      clients: { id: number; bytes_out: number }[];
    };
    expect(clients).toHaveLength(1);
    expect(clients[0]?.bytes_out).toBeGreaterThan(100);
    const fields = { service: "web", id: clients[0]?.id };
    expect((await server.post("/admin/kick", fields)).status).toBe(200);
    expect(server.stats("web")["streams"]).toBe(0);
    await until(() => stream.hasEnded);
  });

  test("one that leaves is forgotten", async () => {
    const server = await served();
    const stream = await listen(server);
    stream.socket.destroy();
    await until(() => server.stats("web")["streams"] === 0);
    const other = await listen(server);
    other.socket.resetAndDestroy();
    await until(() => server.stats("web")["streams"] === 0);
    server.clock.advance(1000);
  });

  test("max_streams holds at its bound and no further", async () => {
    const server = await served({ web: { max_streams: 2 } });
    await listen(server);
    const second = await listen(server);
    const third = await server.get("/events");
    expect([third.status, third.headers.get("retry-after"), await third.text()]).toEqual([
      503,
      "10",
      "Too many event streams are open.\n",
    ]);
    second.socket.destroy();
    await until(() => server.stats("web")["streams"] === 1);
    await listen(server);
    expect(server.stats("web")["streams"]).toBe(2);
  });

  test.skipIf(!manyFiles)(
    "a thousand streams are told, and cost the relay's clients nothing",
    async () => {
      const server = await served();
      const streams = await Promise.all(Array.from({ length: 1000 }, () => listen(server)));
      await until(() => server.stats("web")["streams"] === 1000);
      expect((await server.get("/events")).status).toBe(503);
      server.clock.advance(1000);
      for (const stream of streams) {
        expect((await stream.next()).event).toBe("hello");
        expect((await stream.next()).event).toBe("tick");
        expect((await stream.next()).event).toBe("tick");
      }
      const [sender, listener] = [await server.join(), await server.join()];
      sender.send("hello\n");
      expect(JSON.parse(await listener.next()).content).toBe("hello");
    },
  );

  test("one that is not read is closed, and the others are told on", async () => {
    const server = await served();
    // Long lines make large events.
    for (let i = 0; i < 200; i++) server.log.info("x".repeat(2000));
    const slow = await listen(server);
    const quick = await listen(server);
    slow.socket.pause();
    let told = 0;
    while (server.stats("web")["slow_streams"] === 0) {
      for (let i = 0; i < 200; i++) server.log.info("x".repeat(2000));
      server.clock.advance(1000);
      await turn();
      told++;
      while (quick.waiting.length < told + 2) await turn();
      if (told > 100) throw new Error("it is never closed");
    }
    expect(server.stats("web")["streams"]).toBe(1);
    expect(told).toBeLessThan(40);
    server.clock.advance(1000);
    while (quick.waiting.length < told + 3) await turn();
    expect(quick.isClosed).toBe(false);
  });

  test("a drain is the last thing they are told", async () => {
    const server = await served();
    const stream = await listen(server);
    await stream.next();
    await stream.next();
    await server.stop();
    expect((await stream.next()).data["draining"]).toBe(true);
    await until(() => stream.hasEnded);
  });
});

test("the copy of a state takes over what is the same, and nothing else", () => {
  const state = (rows: unknown, more: object = {}): Data => {
    return {
      at: 1,
      level: "INFO",
      parts: { one: { rows }, two: { rows: [1] } },
      list: [],
      ...more,
    };
  };
  const rows: unknown[] = [{ a: 1 }];
  const first = settled(state(rows), {});
  expect(first).toEqual(state([{ a: 1 }]));
  expect(settled(state([{ a: 1 }]), first)).toBe(first);
  // The service goes on changing what it has told of.
  rows.push(2);
  expect(first).toEqual(state([{ a: 1 }]));
  const second = settled(state(rows, { at: NaN, left: undefined }), first);
  expect(second).toStrictEqual(state([{ a: 1 }, 2], { at: null }));
  const partsOf = ({ parts }: Data) => parts as Record<string, unknown>;
  expect(partsOf(second)["two"]).toBe(partsOf(first)["two"]);
  expect(partsOf(second)["one"]).not.toBe(partsOf(first)["one"]);
  expect(second["list"]).toBe(first["list"]);
  // What is gone is gone.
  expect(settled({ at: 1, parts: { two: { rows: [1] } } }, second)).toStrictEqual({
    at: 1,
    parts: { two: { rows: [1] } },
  });
});
