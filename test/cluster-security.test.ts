import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { settings } from "../lib/config/table.ts";
import { load, problemText } from "../lib/config/load.ts";
import { maskedConfig, renderEffective } from "../lib/config/render.ts";
import { PASSWORD_VARIABLE } from "../lib/config/sections/cluster.ts";
import type { StartError } from "../lib/host/errors.ts";
import { addressFaults } from "../lib/services/relay/order/redis/server/address.ts";
import { TestRoom } from "./cluster-suite.ts";
import { boot, configOf, enveloped, openssl, selfSigned, until } from "./kit.ts";
import { PROGRAMS, RoomServer } from "./room-server.ts";

const folder = mkdtempSync(join(tmpdir(), "summoner-cluster-"));

const PASSWORD = "a/secret:of@ours";

/** The message of a start that fails. */
const refusal = (start: Promise<unknown>) =>
  start.then(
    () => "it has started",
    (error: StartError) => error.message,
  );

for (const program of PROGRAMS) {
  describe(`a user who may do no more, on ${program}`, () => {
    let server: RoomServer;
    let room: TestRoom;
    beforeAll(async () => {
      server = await RoomServer.start(program);
    });
    afterEach(() => room.close());
    afterAll(() => server.stop());

    test("is told at once which command it may not give", async () => {
      room = new TestRoom(server);
      for (const command of ["exists", "evalsha", "xread"]) {
        const rights = ["reset", "on", "nopass", "~*", "&*", "+@all", `-${command}`];
        await server.ask("ACL", "SETUSER", "less", ...rights);
        const cluster = { url: `redis://less@127.0.0.1:${server.port}` };
        const started = room.node("a", { cluster });
        const told = await started.then(
          () => "it has started",
          (error: Error) => error.message,
        );
        expect(told).toMatch(
          new RegExp(`cannot be used: NOPERM .*${command}.*; the user's rule has to allow it`),
        );
      }
      await server.ask("ACL", "LOG", "RESET");
    });

    test("is enough for all that a node does", async () => {
      room = new TestRoom(server);
      const page = await Bun.file("lib/services/relay/order/README.md").text();
      const rule = /^ACL SETUSER summoner .*$/m.exec(page)?.[0] ?? "";
      const mine = rule.replace("PASSWORD", PASSWORD).replace("{main}", `{${room.name}}`);
      const [, ...words] = mine.split(" ");
      await server.ask("ACL", ...words);
      const file = join(folder, "password");
      writeFileSync(file, `${PASSWORD}\n`);
      const as = {
        cluster: {
          url: `redis://summoner@127.0.0.1:${server.port}`,
          password_file: file,
          keep_bytes: 16 * 2 ** 20,
        },
      };
      const [a, b] = [await room.node("a", as), await room.node("b", as)];
      const [from, to] = [await room.join(a), await room.join(b)];
      from.send("hello\n");
      expect(await to.next()).toBe(enveloped(from, "hello"));
      // So much that the stream is trimmed, but never faster than it is read.
      for (let i = 0; i < 400; i++) {
        from.send(`${"x".repeat(50_000)}\n`);
        await to.next();
      }
      a.running().quarantine!.impose("10.0.0.1", 300);
      await until(() => b.running().quarantine!.entries()[Symbol.iterator]().next().done === false);
      a.running().quarantine!.lift("10.0.0.1");
      await until(() => b.running().quarantine!.entries()[Symbol.iterator]().next().done === true);
      expect(await a.running().room!.kick("b", b.clients()[0]!.id)).toBe(to.address);
      await server.ask("CLIENT", "KILL", "USER", "summoner");
      await until(
        () => (a.stats()["room_cuts"] as number) > 0 && a.running().room?.trouble === null,
      );
      await server.ask("FLUSHALL");
      await until(() => b.running().room!.trouble === null);
      await b.stop();
      await until(() => a.running().room!.nodes()[1]?.goneMs !== null);
      expect(await server.ask("ACL", "LOG")).toEqual([]);
      const other = { cluster: { ...as.cluster, room: "another" } };
      expect(await refusal(room.node("c", other))).toMatch(
        /cannot be used: NOPERM .*; the user's rule has to name those of this room, ~summoner:\{another\}:\*$/,
      );
      const client = new Bun.RedisClient(
        `redis://summoner:${encodeURIComponent(PASSWORD)}@127.0.0.1:${server.port}`,
      );
      for (const command of [
        ["GET", room.key("log")],
        ["KEYS", "*"],
        ["FLUSHALL"],
        ["CONFIG", "GET", "*"],
      ] as [string, ...string[]][]) {
        const [name, ...args] = command;
        expect(await client.send(name, args).catch((error: Error) => error.message)).toMatch(
          /^NOPERM/,
        );
      }
      client.close();
    }, 30_000);

    test("needs one more where the room lies in another database", async () => {
      room = new TestRoom(server);
      const page = await Bun.file("lib/services/relay/order/README.md").text();
      const rule = /^ACL SETUSER summoner .*$/m.exec(page)?.[0] ?? "";
      const [, ...words] = rule.replace("{main}", `{${room.name}}`).split(" ");
      const cluster = {
        url: `redis://summoner@127.0.0.1:${server.port}/3`,
        password_file: join(folder, "database-password"),
      };
      writeFileSync(cluster.password_file, "PASSWORD\n");
      await server.ask("ACL", ...words, "-select");
      expect(await refusal(room.node("a", { cluster }))).toMatch(
        /cannot be used: NOPERM .*select.*; the user's rule needs \+select for a database other than 0$/,
      );
      expect(page).toContain("`+select`");
      await server.ask("ACL", "SETUSER", "summoner", "+select");
      const [a, b] = [await room.node("a", { cluster }), await room.node("b", { cluster })];
      const [from, to] = [await room.join(a), await room.join(b)];
      from.send("hello\n");
      expect(await to.next()).toBe(enveloped(from, "hello"));
      expect(await server.ask("EXISTS", room.key("log"))).toBe(0);
    });

    test("is not let in with another password, and the refusal shows none", async () => {
      room = new TestRoom(server);
      await server.ask("ACL", "SETUSER", "one", "on", ">right", "~*", "+@all");
      const url = `redis://one:wrong@127.0.0.1:${server.port}`;
      const message = await refusal(room.node("a", { cluster: { url } }));
      expect(message).toMatch(
        /^cluster\.url: redis:\/\/127\.0\.0\.1:\d+ cannot be used: it does not know this user or password$/,
      );
      expect(message).not.toContain("wrong@");
      process.env[PASSWORD_VARIABLE] = "right";
      try {
        const node = await room.node("a", { cluster: { url } });
        expect(node.running().room!.server).toBe(server.url);
      } finally {
        delete process.env[PASSWORD_VARIABLE];
      }
    });
  });

  describe.skipIf(openssl === null)(`${program} with TLS`, () => {
    let server: RoomServer;
    let room: TestRoom;
    let own: { cert: string; key: string };
    let client: { cert: string; key: string };
    beforeAll(async () => {
      own = selfSigned(folder);
      client = selfSigned(folder, "node");
      server = await RoomServer.start(program, ...tls("no"));
    });
    const tls = (clients: string) => [
      "--tls-cert-file",
      own.cert,
      "--tls-key-file",
      own.key,
      "--tls-ca-cert-file",
      client.cert,
      "--tls-auth-clients",
      clients,
    ];
    afterEach(() => room.close());
    afterAll(() => server.stop());

    test("is believed with its authority, and not without", async () => {
      room = new TestRoom(server);
      const port = await server.withTls();
      const url = `rediss://127.0.0.1:${port}`;
      const secure = { cluster: { url, ca: own.cert } };
      const [a, b] = [await room.node("a", secure), await room.node("b", secure)];
      const [from, to] = [await room.join(a), await room.join(b)];
      from.send("hello\n");
      expect(await to.next()).toBe(enveloped(from, "hello"));
      expect(a.running().room!.server).toBe(url);
      for (const [cluster, why] of [
        [{ url }, /: no authority that is known here has signed .*; name it in cluster\.ca$/],
        [{ url, ca: client.cert }, /: no authority .*; cluster\.ca names another one$/],
        [
          { url: `redis://127.0.0.1:${port}` },
          /: it closed the connection; perhaps it speaks TLS, .* rediss:\/\/$/,
        ],
      ] as const) {
        expect(await refusal(room.node("c", { cluster }))).toMatch(why);
      }
    }, 30_000);

    test("is shown a certificate where it asks for one", async () => {
      const strict = await RoomServer.start(program, ...tls("yes"));
      room = new TestRoom(strict);
      const url = `rediss://127.0.0.1:${await strict.withTls()}`;
      await room.node("a", { cluster: { url, ca: own.cert, ...client } });
      expect(await refusal(room.node("b", { cluster: { url, ca: own.cert } }))).toMatch(
        /cannot be used/,
      );
      await strict.stop();
      const cert = ["--tls-cert-file", client.cert, "--tls-key-file", client.key];
      const other = await RoomServer.start(program, ...tls("no"), ...cert);
      const at = `rediss://localhost:${await other.withTls()}`;
      expect(await refusal(room.node("c", { cluster: { url: at, ca: client.cert } }))).toEndWith(
        ": its certificate is for other names than localhost (subjectAltName)",
      );
      await other.stop();
    }, 30_000);
  });
}

describe("the settings of a room", () => {
  const problems = (cluster: object) =>
    load(settings, { object: { cluster } }).problems.map(problemText).join("\n");

  test("mask user and password, and nothing else, wherever they are shown", () => {
    const url = "redis://me:hidden@10.0.0.5:6379/2";
    const loaded = load(settings, { object: { cluster: { url } } });
    expect(loaded.config.cluster.url).toBe(url);
    const shown = renderEffective(settings, loaded);
    expect(shown).toContain('cluster.url = "redis://********@10.0.0.5:6379/2"');
    expect(shown).not.toContain("hidden");
    expect(maskedConfig(settings, loaded.config).cluster.url).toBe(
      "redis://********@10.0.0.5:6379/2",
    );
    const open = load(settings, { object: { cluster: { url: "rediss://h" } } });
    expect(maskedConfig(settings, open.config).cluster.url).toBe("rediss://h");
    for (const [url, masked] of [
      ["redis-sentinel://me:hidden@h:1,[::1]:2/m/3", "redis-sentinel://********@h:1,[::1]:2/m/3"],
      ["redis+sentinel://h,i/m/", "redis-sentinel://h,i/m"],
      ["redis-sentinel://me:hid\nden@h/m", "redis-sentinel://********@h/m"],
      ["redis-sentinel://me:hid\u2028den@h,i/m", "redis-sentinel://********@h,i/m"],
    ] as const) {
      const { cluster } = configOf({ cluster: { url } });
      expect(maskedConfig(settings, { ...open.config, cluster }).cluster.url).toBe(masked);
    }
  });

  test("are refused without being shown", () => {
    for (const [url, fault] of [
      ["hidden", "it is no URL"],
      ["http://:hidden@h", "it does not begin with redis:// or rediss://"],
      ["redis://:hidden@h/x", "its path is not the number of a database"],
      ["redis://:hidden@h?x=1", "it has more than a host, a port and a database"],
      ["redis://", "it names no host"],
      ["redis://h:0", "its port is 0, where no server can be"],
      ["redis-sentinel://:hidden@h,/m", "it has a sentinel that is no HOST:PORT"],
      ["redis-sentinel://:hidden@h:x,i/m", "it has a sentinel that is no HOST:PORT"],
      ["redis-sentinel://h,i:0/m", "its port is 0, where no server can be"],
      [
        "redis-sentinel://:hidden@h,i",
        "it lacks the sentinels' name of the server, as in /mymaster",
      ],
      ["redis-sentinel://h/a%20b", "it lacks the sentinels' name of the server, as in /mymaster"],
      ["redis-sentinel://:hidden@h/m/x", "its path is not the number of a database"],
      ["redis-sentinel://:hidden@h/m?x=1", "it has more than a host, a port and a database"],
      ["redis-sentinel://:hidden%@h/m", "a % in its user or password is to be written as %25"],
      ["redis://u%zz:hidden@h", "a % in its user or password is to be written as %25"],
      ["redis://:hidden%@h", "a % in its user or password is to be written as %25"],
    ] as const) {
      const found = problems({ url });
      expect(found).toContain(`cluster.url: ${fault}; allowed: `);
      expect(found).not.toContain("hidden");
    }
    expect(problems({ room: "a".repeat(64), node: "[::1]:8888" })).toBe("");
    expect(problems({ room: "a".repeat(65) })).toContain("cluster.room");
    expect(problems({ room: "a*" })).toContain("cluster.room");
    expect(problems({ node: "a b" })).toContain("cluster.node");
    expect(problems({ keep_bytes: 2 ** 24 })).toBe("");
    expect(problems({ keep_bytes: 2 ** 24 - 1 })).toContain("cluster.keep_bytes");
  });

  test("go together", () => {
    expect(problems({ url: "rediss://h", cert: "x" })).toContain("cluster.cert: given without key");
    expect(problems({ url: "redis://h", ca: "x" })).toContain(
      "cluster.ca: given, but url does not begin",
    );
    for (const url of ["rediss://h", "rediss-sentinel://h,i/m", "rediss+sentinel://h/m"]) {
      expect(problems({ url, cert: "x", key: "y", ca: "z" })).toBe("");
    }
  });

  test("name files that can be read", () => {
    const faults = (cluster: object) =>
      addressFaults(configOf({ cluster: { url: "rediss://h", ...cluster } })).map(
        ({ key, message }) => `${key}: ${message}`,
      );
    const missing = join(folder, "missing");
    expect(faults({ password_file: missing, ca: missing })).toEqual([
      `cluster.password_file: cannot read ${missing}: there is no such file`,
      `cluster.ca: cannot read ${missing}: there is no such file`,
    ]);
    const empty = join(folder, "empty");
    writeFileSync(empty, "\n");
    expect(faults({ password_file: empty })).toEqual([
      `cluster.password_file: ${empty}: its first line is empty`,
    ]);
    expect(faults({ ca: empty })).toEqual([`cluster.ca: ${empty} holds no PEM, no certificate`]);
    expect(faults({ ca: missing, cert: missing, key: empty })).toEqual([
      `cluster.ca: cannot read ${missing}: there is no such file`,
      `cluster.cert: cannot read ${missing}: there is no such file`,
      expect.stringMatching(/^cluster\.key: .*empty /),
    ]);
    expect(addressFaults(configOf({ cluster: { password_file: missing } }))).toEqual([]);
  });

  test.skipIf(openssl === null)("name a certificate and its own key", () => {
    const [one, other] = [selfSigned(folder, "one"), selfSigned(folder, "other")];
    const faults = (cluster: object) =>
      addressFaults(configOf({ cluster: { url: "rediss://h", ...cluster } }));
    expect(faults(one)).toEqual([]);
    expect(faults({ cert: one.cert, key: other.key })).toEqual([
      {
        key: "cluster.key",
        message: `${other.key} is not the key of the certificate in ${one.cert} (cluster.cert)`,
      },
    ]);
  });

  test("and the numbers of a room are in no answer of the web service with its secrets", async () => {
    const server = PROGRAMS[0] && (await RoomServer.start(PROGRAMS[0]));
    if (!server) return;
    const url = `redis://default:hidden@127.0.0.1:${server.port}`;
    const node = await boot(["relay", "web"], { cluster: { url } });
    for (const path of ["/varz", "/clusterz", "/metrics", "/readyz", "/events"]) {
      const answer = await node.get(path);
      const text = path === "/events" ? "" : await answer.text();
      expect(text).not.toContain("hidden");
      await answer.body?.cancel().catch(() => {});
    }
    expect(node.printed()).not.toContain("hidden");
    await node.stop();
    await server.stop();
  });
});
