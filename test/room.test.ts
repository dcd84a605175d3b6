import { describe, expect, test } from "bun:test";
import { systemClock } from "../lib/host/clock.ts";
import { until } from "./kit.ts";
import { call, configured, served, TOKEN } from "./remote-suite.ts";
import { HandRoom, NODE, sharing } from "./room-suite.ts";

const OTHER = { ...NODE, name: "two", address: "10.0.0.2:8888", clients: 30, isSelf: false };
const LEFT = { ...OTHER, name: "three", clients: 5, goneMs: 65_000 };
const HOSTILE = `a"<b>\u001b[31m\u202e${"x".repeat(200)}`;

async function shared() {
  const room = new HandRoom();
  const server = await served({ name: "here" }, { token: TOKEN, table: sharing(room) });
  await server.clock.leap(7_200_000);
  return { room, server };
}

/** The members of an answer that are asked about. */
async function told(answer: Response): Promise<Record<string, any>> {
  return (await answer.json()) as Record<string, any>;
}

describe("/clusterz", () => {
  test("tells the room and its nodes", async () => {
    const { room, server } = await shared();
    room.all = [NODE, { ...OTHER, delayP50Ms: null, delayP99Ms: null }, LEFT];
    room.lostLines = 7;
    room.trouble = { reason: "no answer", since: server.clock.now() - 42_000 };
    const answer = await server.get("/clusterz");
    expect(answer.status).toBe(200);
    const wall = server.clock.wall();
    const before = (ms: number) => Math.round((wall - ms) / 1000) * 1000;
    const each = { version: "0.1.0", lines_per_second: 40, joined_at: before(3_700_000) };
    const delays = { delay_p50_ms: 0.4, delay_p99_ms: 2.5 };
    const one = { ...each, ...delays, name: "one", address: "10.0.0.1:8888", clients: 12 };
    const other = { ...each, address: "10.0.0.2:8888", is_self: false };
    expect(await told(answer)).toEqual({
      service: "relay",
      name: "main",
      server: "redis://10.0.0.9:6379",
      trouble: { reason: "no answer", since: wall - 42_000 },
      lost_lines: 7,
      lagging: null,
      // Those of a node that has left are no clients any more.
      clients: 42,
      nodes: [
        { ...one, left_at: null, is_lost: false, is_self: true },
        {
          ...other,
          name: "two",
          clients: 30,
          left_at: null,
          is_lost: false,
          delay_p50_ms: null,
          delay_p99_ms: null,
        },
        {
          ...other,
          ...delays,
          name: "three",
          clients: 0,
          lines_per_second: 0,
          left_at: before(65_000),
          is_lost: false,
        },
      ],
      more: 0,
    });
    const varz = await told(await server.get("/varz"));
    expect(varz["services"].relay.room).toMatchObject({ name: "main", clients: 42 });
    expect(varz["services"].web.room).toBeUndefined();
  });

  test("tells 200 nodes at most, and how many there are besides", async () => {
    const { room, server } = await shared();
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ ...OTHER, name: `n${i}` }));
    for (const [count, more] of [
      [200, 0],
      [201, 1],
    ] as const) {
      room.all = many(count);
      const found = await told(await server.get("/clusterz"));
      expect([found["nodes"].length, found["more"], found["clients"]]).toEqual([
        200,
        more,
        count * 30,
      ]);
    }
  });

  test("is 404 with a sentence where no room is shared, and refuses what it does not know", async () => {
    const alone = await served();
    const none = await alone.get("/clusterz");
    expect([none.status, await none.text()]).toEqual([
      404,
      "This server shares no room with others: cluster.url is not set.\n",
    ]);
    const { server } = await shared();
    for (const [query, said] of [
      ["nodes=1", "nodes: unknown; known: service\n"],
      ["service=web", "service: allowed: relay\n"],
    ]) {
      const answer = await server.get(`/clusterz?${query}`);
      expect([answer.status, await answer.text()]).toEqual([400, said as string]);
    }
    expect((await server.get("/clusterz?service=relay")).status).toBe(200);
  });

  test("is for those alone who may read", async () => {
    const room = new HandRoom();
    const table = sharing(room);
    const server = await served({ web: { host: "0.0.0.0" } }, { token: TOKEN, table });
    expect((await server.get("/clusterz")).status).toBe(401);
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect((await server.get("/clusterz", { headers })).status).toBe(200);
  });
});

describe("while the order is away", () => {
  test("/readyz is 503 with the reason, and the server is alive all the same", async () => {
    const { room, server } = await shared();
    expect((await server.get("/readyz")).status).toBe(200);
    room.trouble = { reason: "redis does not answer", since: server.clock.now() };
    const answer = await server.get("/readyz");
    expect(answer.status).toBe(503);
    expect(await told(answer)).toEqual({ ready: false, why: { relay: "redis does not answer" } });
    expect((await server.get("/healthz")).status).toBe(200);
    const { out, code } = await call(configured(server), ["status"]);
    expect(code).toBe(1);
    expect(out).toStartWith("not ready: relay: redis does not answer\n");
    room.trouble = null;
    expect((await server.get("/readyz")).status).toBe(200);
  });

  test("those who may not read are not told the reason", async () => {
    const room = new HandRoom();
    room.trouble = { reason: "redis://10.0.0.9 does not answer", since: 0 };
    const table = sharing(room);
    const server = await served({ web: { host: "0.0.0.0" } }, { token: TOKEN, table });
    const answer = await server.get("/readyz");
    expect(await told(answer)).toEqual({ ready: false, why: { relay: "failing" } });
  });
});

describe("kick at a node", () => {
  test("closes a client there, and says where it was", async () => {
    const { room, server } = await shared();
    room.all = [NODE, OTHER];
    const fields = { service: "relay", node: "two", id: 7 };
    const answer = await server.post("/admin/kick", fields);
    expect(await told(answer)).toEqual({
      ok: true,
      outcome: "closed client 7 of relay on node two, 10.0.0.7:4000",
    });
    expect(room.kicked).toEqual(["two/7"]);
    expect(server.printed()).toContain("kick: closed client 7 of relay on node two, 10.0.0.7:4000");
  });

  test("refuses what is not there, has left, or cannot be asked", async () => {
    const { room, server } = await shared();
    room.all = [NODE, OTHER, LEFT];
    const refused = async (fields: object) => {
      const answer = await server.post("/admin/kick", { service: "relay", id: 7, ...fields });
      return [answer.status, (await answer.text()).trim()];
    };
    expect(await refused({ node: "nobody" })).toEqual([404, "there is no node nobody"]);
    expect(await refused({ node: "" })).toEqual([400, "node: needs a text"]);
    expect(await refused({ node: 7 })).toEqual([400, "node: needs a text"]);
    expect(await refused({ node: "three" })).toEqual([409, "node three has gone"]);
    expect(await refused({ service: "web", node: "two" })).toEqual([
      404,
      "web shares no room with other servers",
    ]);
    const [status, said] = await refused({ node: HOSTILE });
    expect(status).toBe(404);
    expect(said).toStartWith('there is no node a"<b>\\x1b[31m\\u202exxx');
    expect((said as string).length).toBeLessThan(120);
    expect(room.kicked).toEqual([]);
    room.found = Promise.resolve(null);
    expect(await refused({ node: "two" })).toEqual([
      404,
      "node two has no client 7; it may have left",
    ]);
    room.trouble = { reason: "no answer", since: 0 };
    expect(await refused({ node: "two" })).toEqual([409, "node two cannot be asked: no answer"]);
    // Its own clients it reaches all the same.
    expect(await refused({ node: "one" })).toEqual([
      404,
      "node one has no client 7; it may have left",
    ]);
  });

  test("does not wait for ever", async () => {
    const { room, server } = await shared();
    room.all = [NODE, OTHER];
    room.found = new Promise(() => {});
    const answer = server.post("/admin/kick", { service: "relay", node: "two", id: 7 });
    await until(() => room.kicked.length === 1);
    server.clock.advance(3000);
    expect([(await answer).status, (await (await answer).text()).trim()]).toEqual([
      409,
      "node two does not answer",
    ]);
  });
});

describe("on a terminal", () => {
  test("status has a line for the room", async () => {
    const { room, server } = await shared();
    room.all = [NODE, OTHER, LEFT];
    const lineOf = async () => {
      const { out } = await call(configured(server), ["status"]);
      return out.split("\n")[1];
    };
    const line =
      "Room main: this is one, one of 2 nodes, 1 left, with 42 clients in all, ordered at redis://10.0.0.9:6379";
    expect(await lineOf()).toBe(line);
    room.lostLines = 1;
    room.trouble = { reason: "no answer", since: server.clock.now() - 42_000 };
    server.clock.advance(1000);
    expect(await lineOf()).toBe(
      `${line}; 1 line of others lost; no lines pass for 43 s: no answer`,
    );
  });

  test("top shows the nodes, and the threads of a service", async () => {
    const { room, server } = await shared();
    room.all = [NODE, { ...OTHER, delayP50Ms: null, delayP99Ms: null }, LEFT];
    server.running("relay").tables = () => [
      {
        name: "threads",
        about: "The threads.",
        columns: [
          { name: "clients", unit: "clients" },
          { name: "waiting", unit: "bytes" },
        ],
        rows: [
          ["1", 6, 1500],
          ["2", 1234, 0],
        ],
        more: 0,
        partial: false,
      },
    ];
    const { out } = await call(configured(server), ["top"]);
    const lines = out.split("\n");
    const at = lines.findIndex((line) => line.startsWith("relay "));
    expect(lines.slice(at + 1, at + 9)).toEqual([
      "  Room main: this is one, one of 2 nodes, 1 left, with 42 clients in all, ordered at redis://10.0.0.9:6379",
      "  node   address        version  clients  lines/s     p50     p99",
      "  one *  10.0.0.1:8888  0.1.0         12       40  0.4 ms  2.5 ms  joined 1 h ago",
      "  two    10.0.0.2:8888  0.1.0         30       40       –       –  joined 1 h ago",
      "  three  10.0.0.2:8888  0.1.0                                      left 1 min ago",
      "  threads  clients  waiting",
      "  1              6   1.5 kB",
      "  2          1.2 k      0 B",
    ]);
    const json = JSON.parse((await call(configured(server), ["top", "--json"])).out);
    expect(json.services.relay.room).toMatchObject({ name: "main", clients: 42 });
    expect(json.services.relay.threads).toEqual([
      { name: "1", clients: 6, waiting: 1500 },
      { name: "2", clients: 1234, waiting: 0 },
    ]);
    expect(json.services.web.room).toBeUndefined();
  });

  test("top shows the threads of a relay that has several", async () => {
    const server = await served(
      { hyper_parameters: { worker_threads: 2 } },
      { clock: systemClock },
    );
    const peers = [await server.join(), await server.join(), await server.join()];
    const threads = async () => {
      const { out } = await call(configured(server), ["top", "--json"]);
      return JSON.parse(out).services.relay.threads as { name: string; clients: number }[];
    };
    // They tell how many clients they have a few times a second.
    for (;;) {
      const told = await threads();
      expect(told).toHaveLength(2);
      if (told.reduce((sum, { clients }) => sum + clients, 0) === peers.length) break;
    }
    const { out } = await call(configured(server), ["top"]);
    expect(out).toMatch(
      /\nrelay [^\n]*\n {2}threads +clients +lines\/s +busy +waiting +restarts\n(?: {2}\S+(?: \d)? +\d +0 +\d+% +0 B +0\n){2}web /,
    );
  });

  test("what others have chosen cannot command it", async () => {
    const { room, server } = await shared();
    room.all = [{ ...NODE, name: HOSTILE, address: HOSTILE, version: HOSTILE }, OTHER];
    room.name = HOSTILE;
    room.trouble = { reason: HOSTILE, since: 0 };
    for (const command of ["top", "status"]) {
      const { out } = await call(configured(server), [command]);
      expect(out).toContain('a"<b>\\x1b[31m\\u202exxx');
      // oxlint-disable-next-line no-control-regex
      expect(out).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    }
  });
});
