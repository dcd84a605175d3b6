import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import { load } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { FileShares } from "../lib/host/files/file-shares.ts";
import { Admission } from "../lib/net/admission.ts";
import { collector } from "../lib/services/collector/collector.ts";
import { bytesField, varintField } from "../lib/services/collector/doors/proto/fields.ts";
import { doorPlace } from "../lib/services/collector/doors/places.ts";
import { collecting, messageOf, record } from "./collector-suite.ts";
import { boot, configOf, dial, type Peer, until } from "./kit.ts";

type Server = Awaited<ReturnType<typeof collecting>>;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});
const folder = mkdtempSync(join(tmpdir(), "collector-guards-"));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const TOKEN = "a-token-of-sixteen-characters";

describe("off loopback", () => {
  const told = (own: object, whole: object = {}) =>
    load(settings, {
      object: { ...whole, collector: { enabled: true, host: "0.0.0.0", ...own } },
    }).problems.map(({ message }) => message);
  const known =
    "set collector.tls.require_client_cert or collector.access.allow, or collector.allow_open to let everybody write";
  const open = (doors: string) =>
    `collector.host: 0.0.0.0 is not loopback, and clients of ${doors} can show no token; ${known}`;
  const pair = { cert: "cert.pem", key: "key.pem", ca: "ca.pem" };

  const cases: [string, object, object, string[]][] = [
    ["nobody is guarded against", {}, {}, [open("collector.tcp")]],
    ["a token does not guard TCP", { token_file: "t" }, {}, [open("collector.tcp")]],
    [
      "nor syslog and lines",
      { tcp: false, syslog: true, lines: true, token_file: "t" },
      {},
      [open("collector.syslog and collector.lines")],
    ],
    [
      "gRPC and HTTP need one too",
      { tcp: false, http: true },
      {},
      [
        `collector.host: 0.0.0.0 is not loopback, so clients have to be known: set collector.token_file, or ${known}`,
      ],
    ],
    ["for gRPC and HTTP it will do", { tcp: false, http: true, token_file: "t" }, {}, []],
    ["everybody may, if that is said", { allow_open: true, syslog: true }, {}, []],
    ["an access list will do", { access: { allow: ["10.0.0.0/8"] } }, {}, []],
    ["so will that of the whole server", {}, { access: { allow: ["10.0.0.0/8"] } }, []],
    [
      "but not one that the service lifts",
      { access: { allow: [] } },
      { access: { allow: ["10.0.0.0/8"] } },
      [open("collector.tcp")],
    ],
    [
      "one that denies some is none",
      { access: { deny: ["10.0.0.0/8"] } },
      {},
      [open("collector.tcp")],
    ],
    ["certificates will do", { tls: { ...pair, require_client_cert: true } }, {}, []],
    ["so will those of the whole server", {}, { tls: { ...pair, require_client_cert: true } }, []],
    [
      "but not where the service asks for none",
      { tls: { require_client_cert: false } },
      { tls: { ...pair, require_client_cert: true } },
      [open("collector.tcp")],
    ],
    ["encryption alone is no guard", { tls: pair }, {}, [open("collector.tcp")]],
    [
      "what is open to nobody is none",
      { tcp: false, tcp_only: true },
      {},
      ["collector.tcp: false, and so are all other doors: nothing could be collected"],
    ],
    ["on loopback there is nothing to guard", { host: "127.0.0.1", syslog: true }, {}, []],
    ["nor where it is off", { enabled: false }, {}, []],
  ];
  for (const [what, own, whole, problems] of cases) {
    test(what, () => expect(told(own, whole)).toEqual(problems));
  }
});

// --- the token

const asItIs = (bytes: Buffer) => bytes;
const RECORD = "/logservice.LogService/LogMessage";
const EXPORT = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const STREAM = "/summoner.logs.v1.LogCollector/LogStream";

function channel(server: Server): grpc.Client {
  const client = new grpc.Client(
    `127.0.0.1:${server.portOf("grpc")}`,
    grpc.credentials.createInsecure(),
  );
  ends.push(() => client.close());
  return client;
}

function metadataOf(token?: string): grpc.Metadata {
  const metadata = new grpc.Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  return metadata;
}

/** Calls a method. @returns the code and text of its status */
function called(client: grpc.Client, path: string, token?: string): Promise<string> {
  const message = path === RECORD ? bytesField(9, "x") : Buffer.alloc(0);
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, asItIs, asItIs, message, metadataOf(token), (error) =>
      resolve(error ? `${error.code} ${error.details}` : "0"),
    );
  });
}

function streamed(client: grpc.Client, token?: string): Promise<string> {
  return new Promise((resolve) => {
    const stream = client.makeBidiStreamRequest(STREAM, asItIs, asItIs, metadataOf(token));
    stream.on("data", () => {});
    stream.on("error", () => {});
    stream.on("status", ({ code, details }) => resolve(code === 0 ? "0" : `${code} ${details}`));
    stream.write(bytesField(9, "x"));
    stream.end();
  });
}

const post = (server: Server, token?: string) =>
  fetch(`http://127.0.0.1:${server.portOf("http")}/v1/logs`, {
    method: "POST",
    keepalive: false,
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}',
  });

describe("with a token", () => {
  test("calls need it, and the health service does not", async () => {
    const server = await collecting({ token_file: fileOf("token", `${TOKEN}\n`) });
    const client = channel(server);
    const missing = "16 This needs the token: Authorization: Bearer TOKEN.";
    for (const path of [RECORD, EXPORT]) {
      expect(await called(client, path)).toBe(missing);
      expect(await called(client, path, TOKEN)).toBe("0");
    }
    expect(await called(client, RECORD, `${TOKEN}x`)).toBe("16 This token is wrong.");
    expect(await streamed(client)).toBe(missing);
    expect(await streamed(client, TOKEN)).toBe("0");
    expect(await called(client, "/grpc.health.v1.Health/Check")).toBe("0");
    expect(server.lines().map(messageOf)).toEqual(["x", "x"]);
    expect(server.stats()["refused_grpc_token"]).toBe(4);
    await server.stop();
  });

  test("requests need it", async () => {
    const server = await collecting({ http: true, token_file: fileOf("token", TOKEN) });
    const refused = await post(server);
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect(await refused.json()).toEqual({
      code: 16,
      message: "This needs the token: Authorization: Bearer TOKEN.",
    });
    expect((await post(server, "wrong")).status).toBe(401);
    expect((await post(server, TOKEN)).status).toBe(200);
    expect(server.lines()).toHaveLength(1);
    expect(server.stats()["refused_http_token"]).toBe(2);
    await server.stop();
  });

  test("who tries wrong ones has to wait, whichever door it is, and the right one is still let in", async () => {
    const server = await collecting({ http: true, token_file: fileOf("token", TOKEN) });
    const client = channel(server);
    for (let n = 0; n < 5; n++)
      expect(await called(client, RECORD, `wrong-${n}`)).toStartWith("16 ");
    const refused = await post(server, "wrong");
    expect([refused.status, Number(refused.headers.get("retry-after"))]).toEqual([429, 5]);
    expect((await post(server, TOKEN)).status).toBe(200);
    expect(server.printed()).toMatch(/collector: 127\.0\.0\.1:\d+ showed a wrong token/);
    expect(server.printed()).not.toContain("wrong-");
    await server.stop();
  });

  test("a reload reads it again, and keeps the old one when the file will not do", async () => {
    const file = fileOf("changing", TOKEN);
    const own = { http: true, token_file: file };
    const server = await collecting(own);
    writeFileSync(file, `${TOKEN}-new`);
    expect(server.reload({ collector: own })).toEqual([]);
    expect((await post(server, TOKEN)).status).toBe(401);
    expect((await post(server, `${TOKEN}-new`)).status).toBe(200);
    writeFileSync(file, "short");
    expect(server.reload({ collector: own }).join()).toContain(
      "collector.token_file: " + file + ": a token has at least 16 characters",
    );
    expect((await post(server, `${TOKEN}-new`)).status).toBe(200);
    await server.stop();
  });

  test("a start and check find that its file will not do", async () => {
    const own = { enabled: true, token_file: join(folder, "missing"), path: join(folder, "a.log") };
    const [fault, ...more] = collector.check(configOf({ collector: own }));
    expect(more).toEqual([]);
    expect(fault?.key).toBe("collector.token_file");
    await expect(collecting({ token_file: fileOf("short", "x") })).rejects.toThrow("16 characters");
  });
});

// --- limits, and what an operator sees, at all doors

describe("every door", () => {
  const DOORS = ["tcp", "syslog", "lines"] as const;
  /** A record as a door wants it. */
  const ofDoor = { tcp: record({ message: "x" }), syslog: "<13>x\n", lines: "x\n" };
  const all = { http: true, syslog: true, lines: true };

  async function join(server: Server, door: (typeof DOORS)[number]): Promise<Peer> {
    const before = server.stats()["accepted"] as number;
    const peer = await dial(server.portOf(door));
    ends.push(() => peer.end());
    await until(() => (server.stats()["accepted"] as number) > before);
    return peer;
  }

  test("has limits of its own: one that is full keeps nobody out of another", async () => {
    const server = await collecting({ ...all, max_clients: 2 });
    for (const door of DOORS) {
      await join(server, door);
      await join(server, door);
      await (
        await join(server, door)
      ).closed;
    }
    await until(() => server.stats()["closed_limit"] === 3);
    expect(server.stats()["clients"]).toBe(6);
    expect((await post(server)).status).toBe(200);
    expect(await called(channel(server), RECORD)).toBe("0");
    await server.stop();
  });

  test("takes its part of the files, so that none can starve another", () => {
    const config = configOf({ collector: { enabled: true, ...all } });
    const files = new FileShares([{ name: "collector", maxClients: 0, isMain: true }], 1064);
    const host = { clock: null, log: { warning: () => {} }, files } as never;
    const shares = (["tcp", "grpc", "http", "syslog", "lines"] as const).map(
      (door) => new Admission(doorPlace(config, door), host).share,
    );
    expect(shares).toEqual([200, 200, 200, 200, 200]);
    const alone = configOf({ collector: { enabled: true, tcp_only: true } });
    expect(new Admission(doorPlace(alone, "tcp"), host).share).toBe(1000);
  });

  test("shows its clients, and each can be kicked by its id", async () => {
    const server = await collecting(all);
    const peers = new Map<string, Peer>();
    for (const door of DOORS) peers.set(door, await join(server, door));
    const stream = channel(server).makeBidiStreamRequest(STREAM, asItIs, asItIs);
    stream.on("error", () => {});
    stream.on("data", () => {});
    stream.write(bytesField(9, "x"));
    await until(() => server.clients().length === 4);
    expect(new Set(server.clients().map(({ id }) => id)).size).toBe(4);
    for (const { id, address } of server.clients())
      expect(await server.running().kick(id)).toBe(address);
    for (const peer of peers.values()) await peer.closed;
    expect(server.clients()).toEqual([]);
    expect(server.stats()["closed_kicked"]).toBe(4);
    await server.stop();
  });

  test("has its own numbers, labelled in /metrics, and its row in a table", async () => {
    const server = await boot(["collector", "web"], {
      collector: { ...all, max_message_bytes: 256 },
    });
    const ports = server.running().addresses.map(({ port }) => port) as number[];
    const [tcp, grpcPort, , syslog, , lines] = ports as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const sendTo = async (port: number, bytes: string | Buffer) => {
      const peer = await dial(port);
      ends.push(() => peer.end());
      peer.send(bytes);
    };
    await sendTo(tcp, ofDoor.tcp);
    await sendTo(tcp, Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await sendTo(syslog, `${ofDoor.syslog}no priority\n`);
    await sendTo(lines, `${ofDoor.lines}${"x".repeat(257)}\n`);
    const client = new grpc.Client(`127.0.0.1:${grpcPort}`, grpc.credentials.createInsecure());
    ends.push(() => client.close());
    expect(await called(client, RECORD)).toBe("0");
    expect(await called(client, EXPORT)).toBe("0");
    expect(
      await new Promise((resolve) => {
        client.makeUnaryRequest(RECORD, asItIs, asItIs, varintField(9, 1), (error) =>
          resolve(error?.code),
        );
      }),
    ).toBe(3);
    await until(() => server.stats()["records"] === 5 && server.stats()["refused"] === 3);
    const text = await (await server.get("/metrics")).text();
    for (const line of [
      'summoner_collector_door_records_total{door="tcp"} 1',
      'summoner_collector_door_records_total{door="grpc"} 1',
      'summoner_collector_door_records_total{door="syslog"} 2',
      'summoner_collector_door_records_total{door="lines"} 1',
      'summoner_collector_door_records_total{door="http"} 0',
      'summoner_collector_door_bytes_total{door="lines"} 1',
      'summoner_collector_door_refused_messages_total{door="tcp",reason="oversized"} 1',
      'summoner_collector_door_refused_messages_total{door="grpc",reason="malformed"} 1',
      'summoner_collector_door_refused_messages_total{door="lines",reason="oversized"} 1',
      "summoner_collector_kept_whole_records_total 1",
      "# HELP summoner_collector_door_refused_messages_total By door and reason.",
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    const table = server
      .running()
      .tables?.()
      .find(({ name }) => name === "doors");
    expect(
      table?.rows.map(([name, records, , refused, clients]) => [name, records, refused, clients]),
    ).toEqual([
      ["tcp", 1, 1, 1],
      ["grpc", 1, 1, 0],
      ["http", 0, 0, 0],
      ["syslog", 2, 0, 1],
      ["lines", 1, 1, 1],
    ]);
    await server.stop();
  });

  test("counts no number of a door that is closed", async () => {
    const server = await collecting({ tcp_only: true });
    expect(
      Object.keys(server.stats()).filter((name) => /grpc|http|syslog|lines/.test(name)),
    ).toEqual([]);
    expect(Object.keys(server.stats()).toSorted()).toEqual(
      Object.keys(server.running().declared).toSorted(),
    );
    await server.stop();
  });

  test("stands in what a start says, and may be the only one", async () => {
    const server = await collecting({ tcp: false, tcp_only: true, lines: true });
    expect(server.running().addresses.map(({ door }) => door)).toEqual(["lines"]);
    const peer = await dial(server.port());
    ends.push(() => peer.end());
    peer.send("x\n");
    await server.wrote(1);
    const declared = Object.keys(server.running().declared).toSorted();
    expect(Object.keys(server.stats()).toSorted()).toEqual(declared);
    await server.stop();
  });
});
