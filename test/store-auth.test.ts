import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { load } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { COMMANDS } from "../lib/services/store/commands/commands.ts";
import { ask, boot, type Booted, heard, type Peer, until } from "./kit.ts";
import { epochOf } from "./store-suite.ts";

let server: Booted | undefined;
const folder = mkdtempSync(join(tmpdir(), "summoner-auth-"));
afterEach(async () => {
  await server?.stop();
  server = undefined;
});
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const MASTER = "master-token-of-the-store";
const EU = "token-of-the-role-eu";
const READER = "token-of-the-reader";

let files = 0;
/** A file with some text. */
function file(text: string): string {
  const path = join(folder, `file${files++}`);
  writeFileSync(path, text);
  return path;
}

const roleText = (name: string, token: string, rights: Record<string, readonly string[]> = {}) =>
  [
    `[${name}]`,
    `token = ${JSON.stringify(token)}`,
    ...Object.entries(rights).map(([right, prefixes]) => `${right} = ${JSON.stringify(prefixes)}`),
  ].join("\n") + "\n";

const EU_RIGHTS = {
  read: ["^users^eu", "^shared"],
  write: ["^users^eu^w"],
  publish: ["^orders^eu"],
  subscribe: ["^orders"],
};

async function start(section: object): Promise<Booted> {
  server = await boot("store", { store: section });
  return server;
}

/** A store with a master token and the role `eu`; the master's client, and one of the role. */
async function guarded(rights: Record<string, readonly string[]> = EU_RIGHTS) {
  const section = {
    token_file: file(`${MASTER}\n`),
    roles_file: file(roleText("eu", EU, rights) + roleText("reader", READER, { read: ["^"] })),
  };
  const { join } = await start(section);
  const [master, eu] = [await join(), await join()];
  expect(await outcome(master, { action: "AUTH", token: MASTER })).toBe("OK");
  expect(await outcome(eu, { action: "AUTH", token: EU })).toBe("OK");
  return { master, eu, section };
}

/** The answer to a request: its result, or the code of its error. Events before it are left out. */
async function outcome(peer: Peer, request: object | string): Promise<unknown> {
  let answer = await ask(peer, request);
  while ("event" in answer) answer = await heard(peer);
  return "error" in answer ? answer["error"].code : answer["result"];
}

const stat = (name: string) => server?.stats()[name] as number;

/** A line of so many bytes that is a good request. */
function pingOf(bytes: number): string {
  const frame = '{"action":"PING","id":""}';
  return frame.replace('""', `"${"x".repeat(bytes - frame.length)}"`);
}

describe("before a token is shown", () => {
  const MOST = 16 * 1024;
  const refusal = (peer: Peer) => heard(peer).then(({ error }) => error);

  test("a line has 16 kB at most, in one piece or in many", async () => {
    const { join } = await start({ token_file: file(`${MASTER}\n`) });
    const peer = await join();
    for (const pieces of [1, 7]) {
      const send = async (line: string) => {
        const size = Math.ceil(line.length / pieces);
        for (let at = 0; at < line.length; at += size) {
          const before = stat("bytes_in");
          await peer.sent(line.slice(at, at + size));
          await until(() => stat("bytes_in") > before);
        }
      };
      await send(`${pingOf(MOST)}\n`);
      expect((await heard(peer))["result"]).toBe("PONG");
      await send(`${pingOf(MOST + 1)}\n`);
      const message = "a line has at most 16384 bytes until a token is shown";
      expect(await refusal(peer)).toEqual({ code: "TOO_LONG", message });
      // A longer one is not kept at all, and the next line is served.
      await send(`${"x".repeat(300_000)}\n{"action":"PING"}\n`);
      expect(await refusal(peer)).toEqual({ code: "TOO_LONG", message });
      expect((await heard(peer))["result"]).toBe("PONG");
    }
    expect(await outcome(peer, { action: "AUTH", token: MASTER })).toBe("OK");
    expect(await outcome(peer, pingOf(2 ** 20))).toBe("PONG");
    expect(await outcome(peer, pingOf(2 ** 20 + 1))).toBe("TOO_LONG");
  });

  test("lines that come together are served as if they came one by one", async () => {
    const { join } = await start({ token_file: file(`${MASTER}\n`) });
    const auth = JSON.stringify({ action: "AUTH", token: MASTER });
    const peer = await join();
    peer.send(
      [pingOf(MOST + 1), pingOf(MOST), auth, pingOf(900_000), pingOf(MOST + 1), ""].join("\n"),
    );
    expect((await refusal(peer)).code).toBe("TOO_LONG");
    for (const expected of ["PONG", "OK", "PONG", "PONG"]) {
      expect((await heard(peer))["result"]).toBe(expected);
    }
  });

  test("a smaller max_line_bytes is the bound", async () => {
    const { join } = await start({ token_file: file(`${MASTER}\n`), max_line_bytes: 300 });
    const peer = await join();
    expect(await outcome(peer, pingOf(300))).toBe("PONG");
    const { error } = await ask(peer, pingOf(301));
    expect(error).toEqual({ code: "TOO_LONG", message: "a line has at most 300 bytes" });
  });
});

/** A request of every action that needs a token, which is well formed. */
const REQUESTS: Record<string, object> = {
  ECHO: { value: 1 },
  SET: { key: "a", value: 1 },
  GET: { key: "a" },
  DEL: { key: "a" },
  EXISTS: { key: "a" },
  INCR: { key: "a" },
  EXPIRE: { key: "a", ttl_ms: 1 },
  TTL: { key: "a" },
  MGET: { keys: ["a"] },
  MSET: { values: { a: 1 } },
  KEYS: {},
  ORDER: { key: "" },
  NAMESPACES: {},
  RANGE: {},
  TXN: { writes: [{ action: "DEL", key: "a" }] },
  SUBSCRIBE: { channel: "a" },
  UNSUBSCRIBE: {},
  PUBLISH: { channel: "a", value: 1 },
  CHANNELS: {},
  INFO: {},
  ACKNOWLEDGE: {},
  BACKUP: {},
};

describe("before AUTH", () => {
  test("nothing is served but PING, AUTH and HELP", async () => {
    const { join } = await start({ token_file: file(MASTER) });
    const master = await join();
    await ask(master, { action: "AUTH", token: MASTER });
    await ask(master, { action: "SET", key: "a", value: "secret" });
    const peer = await join();
    const open = ["PING", "AUTH", "HELP"];
    expect([...Object.keys(REQUESTS), ...open].toSorted()).toEqual(
      Object.keys(COMMANDS).toSorted(),
    );
    for (const [action, fields] of Object.entries(REQUESTS)) {
      const answer = await ask(peer, { action, ...fields, id: action });
      expect(answer).toEqual({
        error: { code: "AUTH_REQUIRED", message: expect.any(String) },
        id: action,
      });
      // Nothing of a request is looked at before.
      expect(await outcome(peer, { action, nonsense: 1 })).toBe("AUTH_REQUIRED");
    }
    peer.send('{"action":"GET","key":"a"}\n{"action":"SET","key":"a","value":"mine"}\n'.repeat(3));
    for (let i = 0; i < 6; i++) expect((await heard(peer))["error"].code).toBe("AUTH_REQUIRED");
    expect(await outcome(peer, { action: "PING" })).toBe("PONG");
    expect(await outcome(peer, { action: "HELP", command: "AUTH" })).toHaveProperty("AUTH");
    expect(await outcome(peer, { action: "NONE" })).toBe("UNKNOWN_ACTION");
    expect(await outcome(peer, "garbage")).toBe("MALFORMED");
    expect(await outcome(master, { action: "GET", key: "a" })).toBe("secret");
    expect(stat("subscriptions")).toBe(0);
  });

  test("a client is idle like any other", async () => {
    const { clock, join } = await start({ token_file: file(MASTER), idle_secs: 10 });
    const peer = await join();
    clock.advance(10_000);
    expect((await heard(peer))["reason"]).toBe("idle");
  });

  test("in one write with the rest, AUTH counts from its place on", async () => {
    const { join } = await start({ token_file: file(MASTER) });
    const peer = await join();
    peer.send(
      [
        '{"action":"SET","key":"a","value":1}',
        `{"action":"AUTH","token":"${MASTER}"}`,
        '{"action":"SET","key":"a","value":2}',
        '{"action":"GET","key":"a"}',
        "",
      ].join("\n"),
    );
    const outcomes = [];
    for (let i = 0; i < 4; i++) {
      const { result, error } = await heard(peer);
      outcomes.push(result ?? error.code);
    }
    expect(outcomes).toEqual(["AUTH_REQUIRED", "OK", "OK", 2]);
  });
});

describe("without any token", () => {
  test("everybody may do everything, and AUTH is taken as it comes", async () => {
    const { join } = await start({});
    const peer = await join();
    for (const [action, fields] of Object.entries(REQUESTS)) {
      expect(await outcome(peer, { action, ...fields })).not.toBe("AUTH_REQUIRED");
    }
    expect(await outcome(peer, { action: "AUTH", token: "anything" })).toBe("OK");
  });
});

describe("a wrong token", () => {
  test("is refused, and the client stays what it was", async () => {
    const { eu } = await guarded();
    const peer = await (server as Booted).join();
    for (const token of ["", "x".repeat(10_000)]) {
      expect(await outcome(peer, { action: "AUTH", token })).toBe("BAD_TOKEN");
    }
    expect(await outcome(peer, { action: "GET", key: "a" })).toBe("AUTH_REQUIRED");
    expect(await outcome(eu, { action: "AUTH", token: `${EU} ` })).toBe("BAD_TOKEN");
    expect(await outcome(eu, { action: "EXISTS", key: "users^eu" })).toBe(false);
    expect(server?.printed()).toContain(` WARNING  store: ${peer.address} showed a wrong token\n`);
  });

  test("too often makes an address wait, whoever of it tries; the right one passes", async () => {
    const { clock, join } = await start({ token_file: file(MASTER) });
    const [peer, other] = [await join(), await join()];
    const tries = async (one: Peer, token: string) => {
      const { result, error } = await ask(one, { action: "AUTH", token });
      return error ?? result;
    };
    const wait = (seconds: number) => ({
      code: "TOO_MANY_TRIES",
      message: `wait ${seconds} seconds`,
    });
    const wrong = { code: "BAD_TOKEN", message: "nobody has this token" };
    for (let i = 0; i < 5; i++) expect(await tries(peer, `wrong ${i}`)).toEqual(wrong);
    expect(await tries(peer, "wrong")).toEqual(wait(5));
    expect(await tries(other, MASTER)).toBe("OK");
    clock.advance(2000);
    expect(await tries(peer, "wrong")).toEqual(wait(3));
    clock.advance(2999);
    expect(await tries(other, "wrong")).toEqual(wait(1));
    clock.advance(1);
    expect(await tries(peer, "wrong again")).toEqual(wrong);
    expect(await tries(other, "wrong again")).toEqual(wait(5));
    expect(await tries(peer, MASTER)).toBe("OK");
    // A client that is in stays in.
    expect(await outcome(other, { action: "SET", key: "a", value: 1 })).toBe("OK");
  });

  test("at speed is not even compared, nor is the right one then", async () => {
    const { clock, join } = await start({ token_file: file(MASTER) });
    const [peer, other] = [await join(), await join()];
    for (let i = 0; i < 205; i++) await ask(peer, { action: "AUTH", token: `wrong ${i}` });
    expect(await outcome(other, { action: "AUTH", token: MASTER })).toBe("TOO_MANY_TRIES");
    clock.advance(5);
    expect(await outcome(other, { action: "AUTH", token: MASTER })).toBe("OK");
  });

  test.if(process.platform === "linux")("of one address is not held against another", async () => {
    const { join } = await start({ token_file: file(MASTER) });
    const [bad, good] = [await join("127.0.0.2"), await join("127.0.0.3")];
    for (let i = 0; i < 6; i++) await ask(bad, { action: "AUTH", token: "wrong" });
    expect(await outcome(bad, { action: "AUTH", token: "wrong" })).toBe("TOO_MANY_TRIES");
    expect(await outcome(good, { action: "AUTH", token: "wrong" })).toBe("BAD_TOKEN");
  });

  test("is logged, in a line a second for each address", async () => {
    const { clock, join } = await start({ token_file: file(MASTER) });
    const [peer, other] = [await join(), await join()];
    for (const one of [peer, peer, other, peer]) await ask(one, { action: "AUTH", token: "wrong" });
    const lines = () => server?.printed().match(/ WARNING .*wrong token.*/g);
    expect(lines()).toEqual([` WARNING  store: ${peer.address} showed a wrong token`]);
    clock.advance(1000);
    expect(lines()?.slice(1)).toEqual([" WARNING  store: 3 more wrong tokens from 127.0.0.1"]);
  });

  test("is never told to the log, and a right one neither", async () => {
    const { eu } = await guarded();
    await ask(eu, { action: "AUTH", token: "a-guess-that-is-wrong" });
    await ask(eu, { action: "AUTH", token: MASTER });
    for (const token of ["a-guess-that-is-wrong", MASTER, EU]) {
      expect(server?.printed()).not.toContain(token);
      expect(JSON.stringify(await ask(eu, { action: "INFO" }))).not.toContain(token);
    }
  });
});

describe("the token of token_file", () => {
  test("may do everything but write below ^sys", async () => {
    const { master } = await guarded();
    expect(await outcome(master, { action: "SET", key: "anything", value: 1 })).toBe("OK");
    expect(await outcome(master, { action: "SUBSCRIBE", channel: "*" })).toHaveProperty(
      "subscribed",
    );
    expect(await outcome(master, { action: "KEYS" })).toHaveProperty("keys");
    expect(await outcome(master, { action: "SET", key: "sys^x", value: 1 })).toBe("RESERVED");
  });

  test("is its first line, without the spaces around it", async () => {
    const { join } = await start({ token_file: file(`  ${MASTER}\t\r\nanother line\n`) });
    const peer = await join();
    expect(await outcome(peer, { action: "AUTH", token: MASTER })).toBe("OK");
  });

  test("has at least 16 characters", async () => {
    await start({ token_file: file("x".repeat(16)) });
    const short = file("x".repeat(15));
    expect(boot("store", { store: { token_file: short } })).rejects.toThrow(
      `store.token_file: ${short}: a token has at least 16 characters`,
    );
    const missing = join(folder, "missing");
    expect(boot("store", { store: { token_file: missing } })).rejects.toThrow(
      `store.token_file: cannot read ${missing}`,
    );
    expect(boot("store", { store: { token_file: file("") } })).rejects.toThrow(
      "at least 16 characters",
    );
  });
});

describe("a role", () => {
  /** Requests that need a right at a path. */
  const needs: Record<string, (path: string) => object[]> = {
    read: (key) => [
      { action: "GET", key },
      { action: "GET", key, default: 1 },
      { action: "EXISTS", key },
      { action: "TTL", key },
      { action: "MGET", keys: [key] },
      { action: "KEYS", ns: key },
      { action: "KEYS", prefix: `${key}^` },
      { action: "KEYS", prefix: `${key}^x` },
      { action: "NAMESPACES", ns: key },
      { action: "RANGE", ns: key },
      { action: "RANGE", prefix: `${key}^x`, reverse: true },
      { action: "ORDER", ns: key, key: "" },
      { action: "ORDER", key: `${key}^x` },
      { action: "SUBSCRIBE", keys: key },
      { action: "SUBSCRIBE", keys: `${key}^*` },
    ],
    write: (key) => [
      { action: "TXN", writes: [{ action: "INCR", key: `${key}^txn` }] },
      { action: "SET", key, value: 1 },
      { action: "DEL", key },
      { action: "DEL", key, tree: true },
      { action: "SET", key, value: 1 },
      { action: "EXPIRE", key, ttl_ms: null },
      { action: "INCR", key },
      { action: "MSET", values: { [key]: 1 } },
    ],
    publish: (channel) => [
      { action: "PUBLISH", channel, value: 1 },
      { action: "PUBLISH", ns: channel, channel: "x", value: 1 },
    ],
    subscribe: (channel) => [
      { action: "SUBSCRIBE", channel },
      { action: "SUBSCRIBE", channel: `${channel}^*` },
      { action: "SUBSCRIBE", channel, since: 0 },
      { action: "CHANNELS", ns: channel },
      { action: "CHANNELS", prefix: `${channel}^` },
    ],
  };
  const rights = Object.keys(needs);

  test("every action that needs a right is tested for it", () => {
    const tested = Object.entries(needs).flatMap(([right, requests]) =>
      requests("a").map((request) => `${(request as { action: string }).action} ${right}`),
    );
    const declared = Object.entries(COMMANDS)
      .filter(([, row]) => row.right !== null)
      .map(([action, row]) => `${action} ${row.right}`);
    expect(new Set(tested)).toEqual(new Set([...declared, "SUBSCRIBE read"]));
  });

  test.each(rights)("may %s at its prefixes and below, and nowhere else", async (right) => {
    const inside = ["users^eu", "users^eu^1", "^users^eu^a^b", "n"];
    const outside = "users user^eu users^e users^eux users^us x^users^eu nn N sys".split(" ");
    const granted = ["^users^eu", "n"];
    const { eu } = await guarded({ [right]: granted });
    const refused =
      right === "write" || right === "publish" ? ["RESERVED", "FORBIDDEN"] : ["FORBIDDEN"];
    for (const path of inside) {
      for (const request of needs[right]?.(path) ?? []) {
        const found = await outcome(eu, request);
        expect([request, found]).not.toEqual([request, "FORBIDDEN"]);
      }
      await outcome(eu, { action: "UNSUBSCRIBE" });
      // The other rights do not follow from it.
      for (const other of rights) {
        if (other === right) continue;
        for (const request of needs[other]?.(path) ?? []) {
          expect([request, await outcome(eu, request)]).toEqual([request, "FORBIDDEN"]);
        }
      }
    }
    for (const path of outside) {
      for (const request of needs[right]?.(path) ?? []) {
        expect([request, refused.includes((await outcome(eu, request)) as string)]).toEqual([
          request,
          true,
        ]);
      }
    }
    // Everything is more than it may.
    for (const request of {
      read: [
        { action: "KEYS" },
        { action: "KEYS", prefix: "users" },
        { action: "KEYS", prefix: "users^e" },
        { action: "NAMESPACES" },
        { action: "ORDER", key: "" },
        { action: "ORDER", key: "users^eu" },
        { action: "SUBSCRIBE", keys: "*" },
        { action: "SUBSCRIBE", keys: "users^*" },
      ],
      write: [{ action: "DEL", key: "users", tree: true }],
      publish: [],
      subscribe: [
        { action: "SUBSCRIBE", channel: "*" },
        { action: "SUBSCRIBE", channel: "users^*" },
        { action: "CHANNELS" },
        { action: "CHANNELS", prefix: "users" },
      ],
    }[right] as object[]) {
      expect([request, await outcome(eu, request)]).toEqual([request, "FORBIDDEN"]);
    }
  });

  test("with the prefix ^ may do so everywhere", async () => {
    for (const everything of ["^", ""]) {
      const { eu } = await guarded(
        Object.fromEntries(rights.map((right) => [right, [everything]])),
      );
      for (const right of rights) {
        for (const request of needs[right]?.("any^where") ?? []) {
          expect(await outcome(eu, request)).not.toBe("FORBIDDEN");
        }
      }
      await outcome(eu, { action: "UNSUBSCRIBE" });
      expect(await outcome(eu, { action: "SUBSCRIBE", channel: "*" })).toHaveProperty("subscribed");
      expect(await outcome(eu, { action: "KEYS" })).toHaveProperty("keys");
      expect(await outcome(eu, { action: "GET", key: "sys^epoch" })).toBe(
        epochOf(server as Booted),
      );
      expect(await outcome(eu, { action: "SET", key: "sys^x", value: 1 })).toBe("RESERVED");
      expect(await outcome(eu, { action: "PUBLISH", channel: "sys", value: 1 })).toBe("RESERVED");
      await server?.stop();
    }
  });

  test("without prefixes may ask what needs no right", async () => {
    const { eu } = await guarded({});
    for (const request of [
      { action: "PING" },
      { action: "ECHO", value: 1 },
      { action: "INFO" },
      { action: "HELP" },
      { action: "UNSUBSCRIBE" },
    ]) {
      expect(await ask(eu, request)).toHaveProperty("result");
    }
    for (const right of rights) {
      for (const request of needs[right]?.("a") ?? []) {
        expect(await outcome(eu, request)).toBe("FORBIDDEN");
      }
    }
  });

  test("may not by a detour: plain requests, lists of keys, namespaces", async () => {
    const { master, eu } = await guarded();
    await ask(master, { action: "MSET", values: { secret: 1, "users^eu^a": 2 } });
    for (let i = 0; i < 3; i++) {
      expect(await outcome(eu, '{"action":"GET","key":"secret"}')).toBe("FORBIDDEN");
      expect(await outcome(eu, '{"action":"SET","key":"secret","value":"x"}')).toBe("FORBIDDEN");
      expect(await outcome(eu, '{"action":"GET","key":"users^eu^a"}')).toBe(2);
    }
    for (const request of [
      { action: "MGET", keys: ["users^eu^a", "secret"] },
      { action: "GET", ns: "users", key: "us" },
      { action: "GET", ns: "users^eu", key: "^^secret" },
      { action: "MSET", values: { "users^eu^w^a": 1, "users^eu^a": 1 } },
    ]) {
      expect(["FORBIDDEN", "BAD_KEY"]).toContain((await outcome(eu, request)) as string);
    }
    expect(await outcome(master, { action: "EXISTS", key: "users^eu^w^a" })).toBe(false);
    expect(await outcome(master, { action: "GET", key: "secret" })).toBe(1);
    // A page shows only the keys that the client may read.
    expect(await outcome(eu, { action: "KEYS", prefix: "users^eu^", cursor: "secret" })).toEqual({
      keys: [],
      cursor: null,
    });
  });

  test.each([
    ["KEYS", "read", "keys", (name: string) => ({ action: "SET", key: name, value: 1 })],
    [
      "CHANNELS",
      "subscribe",
      "channels",
      (name: string) => ({ action: "PUBLISH", channel: name, value: 1 }),
    ],
  ] as const)(
    "with %s lists the name that it may see, and those below, and no others",
    async (action, right, what, make) => {
      const { master, eu } = await guarded({ [right]: ["^shop", "^a^b"] });
      const there = [
        "shop",
        "shop^1",
        "shop^2^x",
        "shop^y",
        "shopping",
        "shopping^1",
        "sho",
        "a",
        "a^b^c",
        "a^bc",
      ];
      for (const name of there) await outcome(master, make(name));
      const listed = async (request: object, limit: number) => {
        const names: string[] = [];
        for (let cursor: string | null = null; ;) {
          const page: any = await outcome(eu, {
            action,
            limit,
            ...request,
            ...(cursor === null ? {} : { cursor }),
          });
          expect(page).toHaveProperty(what);
          expect(page[what].length).toBeLessThanOrEqual(limit);
          for (const one of page[what]) names.push(what === "keys" ? one : one.channel);
          cursor = page.cursor;
          if (cursor === null) return names;
        }
      };
      for (const limit of [1, 2, 3, 1000]) {
        const all = ["shop", "shop^1", "shop^2^x", "shop^y"];
        expect(await listed({ prefix: "shop" }, limit)).toEqual(all);
        expect(await listed({ prefix: "^shop" }, limit)).toEqual(all);
        expect(await listed({ prefix: "shop^" }, limit)).toEqual(all.slice(1));
        // It has no value of its own, or is no channel.
        expect(await listed({ prefix: "a^b" }, limit)).toEqual(["a^b^c"]);
        expect(await listed({ ns: "a", prefix: "b" }, limit)).toEqual(["b^c"]);
      }
      for (const request of [
        {},
        { prefix: "sho" },
        { prefix: "shoppin" },
        { prefix: "a" },
        { prefix: "a^" },
        { ns: "a" },
        { ns: "a", prefix: "" },
      ]) {
        expect(await outcome(eu, { action, ...request })).toBe("FORBIDDEN");
      }
      for (const cursor of ["shopping", "sho", "secret", "a^b"]) {
        expect(await outcome(eu, { action, prefix: "shop", cursor })).toEqual({
          [what]: [],
          cursor: null,
        });
      }
      if (action === "KEYS") {
        for (const [limit, reverse] of [1, 3, 4, 5].flatMap(
          (n) =>
            [
              [n, false],
              [n, true],
            ] as const,
        )) {
          const seen: string[] = [];
          for (let cursor: string | null = null; ;) {
            const page: any = await outcome(eu, {
              action: "RANGE",
              prefix: "shop",
              limit,
              reverse,
              ...(cursor === null ? {} : { cursor }),
            });
            seen.push(...page.entries.map(({ key }: { key: string }) => key));
            cursor = page.cursor;
            if (cursor === null) break;
          }
          const all = ["shop", "shop^1", "shop^2^x", "shop^y"];
          expect(seen).toEqual(reverse ? all.toReversed() : all);
        }
      }
      // Who may see more gets all that begins so.
      const begins = there.filter((name) => name.startsWith("shop"));
      const page: any = await outcome(master, { action, prefix: "shop" });
      expect(page[what]).toHaveLength(begins.length);
    },
  );

  test("hears of what it may, and of nothing else", async () => {
    const { master, eu } = await guarded();
    await ask(eu, { action: "SUBSCRIBE", keys: "users^eu^*" });
    await ask(eu, { action: "SUBSCRIBE", channel: "orders^*" });
    for (const key of ["users^us^a", "secret", "users^eu^a"]) {
      await ask(master, { action: "SET", key, value: 1 });
    }
    for (const channel of ["alerts", "orders^eu"]) {
      await ask(master, { action: "PUBLISH", channel, value: 1 });
    }
    expect((await heard(eu))["key"]).toBe("users^eu^a");
    expect((await heard(eu))["channel"]).toBe("orders^eu");
    expect(await outcome(eu, { action: "PING" })).toBe("PONG");
  });

  test("is told its name when it may not", async () => {
    const { eu } = await guarded();
    expect(await ask(eu, { action: "GET", key: "secret" })).toEqual({
      error: { code: "FORBIDDEN", message: "the role eu may not read there" },
    });
  });

  test("is left for another by a second AUTH, and what goes beyond that ends", async () => {
    const { eu } = await guarded();
    await ask(eu, { action: "SUBSCRIBE", keys: "users^eu^*" });
    await ask(eu, { action: "SUBSCRIBE", channel: "orders" });
    expect(await outcome(eu, { action: "AUTH", token: READER })).toBe("OK");
    // The reader reads everything and subscribes to nothing.
    expect(stat("subscriptions")).toBe(1);
    expect(await outcome(eu, { action: "KEYS" })).toHaveProperty("keys");
    expect(await outcome(eu, { action: "SET", key: "users^eu^w", value: 1 })).toBe("FORBIDDEN");
    expect(await outcome(eu, { action: "AUTH", token: EU })).toBe("OK");
    expect(await outcome(eu, { action: "KEYS" })).toBe("FORBIDDEN");
  });
});

describe("a reload", () => {
  const closed = {
    event: "closed",
    reason: "denied",
    message: "your token is not valid any more",
  };

  test("that takes a role away closes its clients, and no others", async () => {
    const { master, eu, section } = await guarded();
    const reader = await (server as Booted).join();
    await ask(reader, { action: "AUTH", token: READER });
    const fresh = await (server as Booted).join();
    await ask(eu, { action: "SUBSCRIBE", channel: "orders" });
    const roles_file = file(roleText("reader", READER, { read: ["^"] }));
    expect(server?.reload({ store: { ...section, roles_file } })).toEqual([]);
    expect(await heard(eu)).toEqual(closed);
    expect(await eu.closed).toBe("end");
    expect(server?.stats()).toMatchObject({ clients: 3, closed_denied: 1, subscriptions: 0 });
    expect(await outcome(master, { action: "PING" })).toBe("PONG");
    expect(await outcome(reader, { action: "KEYS" })).toHaveProperty("keys");
    expect(await outcome(fresh, { action: "AUTH", token: EU })).toBe("BAD_TOKEN");
    expect(await outcome(fresh, { action: "AUTH", token: MASTER })).toBe("OK");
  });

  test("of the file alone is enough", async () => {
    const { eu, section } = await guarded();
    writeFileSync(section.roles_file, roleText("eu", `${EU}-new`, EU_RIGHTS));
    expect(server?.reload({ store: section })).toEqual([]);
    expect(await heard(eu)).toEqual(closed);
    const peer = await (server as Booted).join();
    expect(await outcome(peer, { action: "AUTH", token: EU })).toBe("BAD_TOKEN");
    expect(await outcome(peer, { action: "AUTH", token: `${EU}-new` })).toBe("OK");
  });

  test("that narrows a role holds at once, for subscriptions too", async () => {
    const { master, eu, section } = await guarded();
    for (const one of ["orders", "orders^eu", "orders^eu^*", "orders^*"]) {
      await ask(eu, { action: "SUBSCRIBE", channel: one });
    }
    for (const one of ["users^eu^*", "shared", "shared^a"]) {
      await ask(eu, { action: "SUBSCRIBE", keys: one });
    }
    expect(stat("subscriptions")).toBe(7);
    const roles_file = file(
      roleText("eu", EU, { read: ["^shared^a"], write: ["^"], subscribe: ["^orders^eu"] }),
    );
    expect(server?.reload({ store: { ...section, roles_file } })).toEqual([]);
    expect(stat("subscriptions")).toBe(3);
    expect(await outcome(eu, { action: "SET", key: "anywhere", value: 1 })).toBe("OK");
    expect(await outcome(eu, { action: "GET", key: "users^eu" })).toBe("FORBIDDEN");
    expect(await outcome(eu, { action: "PUBLISH", channel: "orders^eu", value: 1 })).toBe(
      "FORBIDDEN",
    );
    for (const channel of ["orders", "orders^us", "orders^eu"]) {
      await ask(master, { action: "PUBLISH", channel, value: 1 });
    }
    for (const key of ["users^eu^a", "shared", "shared^a"]) {
      await ask(master, { action: "SET", key, value: 1 });
    }
    expect((await heard(eu))["channel"]).toBe("orders^eu");
    expect((await heard(eu))["key"]).toBe("shared^a");
    expect(await outcome(eu, { action: "PING" })).toBe("PONG");
  });

  test("that brings tokens closes those who needed none", async () => {
    const { join, reload } = await start({});
    const [peer, other] = [await join(), await join()];
    await ask(peer, { action: "SET", key: "a", value: 1 });
    expect(reload({ store: { token_file: file(MASTER) } })).toEqual([]);
    expect(await heard(peer)).toEqual(closed);
    expect(await heard(other)).toEqual(closed);
    const next = await join();
    expect(await outcome(next, { action: "GET", key: "a" })).toBe("AUTH_REQUIRED");
    expect(await outcome(next, { action: "AUTH", token: MASTER })).toBe("OK");
    expect(await outcome(next, { action: "GET", key: "a" })).toBe(1);
  });

  test("that takes all tokens away lets everybody in", async () => {
    const { eu } = await guarded();
    const fresh = await (server as Booted).join();
    expect(await outcome(fresh, { action: "GET", key: "a" })).toBe("AUTH_REQUIRED");
    expect(server?.reload()).toEqual([]);
    for (const peer of [fresh, eu]) {
      expect(await outcome(peer, { action: "SET", key: "a", value: 1 })).toBe("OK");
    }
  });

  test("with a bad file leaves everything as it was", async () => {
    const { eu, section } = await guarded();
    writeFileSync(section.roles_file, '[eu]\ntoken = "short"\n');
    expect(server?.reload({ store: { ...section, max_subscriptions: 1 } })).toEqual([
      expect.stringContaining(`${basename(section.roles_file)}:2:`),
    ]);
    expect(await outcome(eu, { action: "EXISTS", key: "users^eu" })).toBe(false);
    for (const channel of ["orders", "orders^eu"]) {
      expect(await outcome(eu, { action: "SUBSCRIBE", channel })).toHaveProperty("subscribed");
    }
    const peer = await (server as Booted).join();
    expect(await outcome(peer, { action: "AUTH", token: EU })).toBe("OK");
  });
});

describe("a file of roles", () => {
  /** The message that a start with this text of roles is refused with. */
  async function refusal(text: string, section: object = {}): Promise<[string, string]> {
    const path = file(text);
    const failed = boot("store", { store: { roles_file: path, ...section } });
    const message = await failed.then(
      async (booted) => {
        await booted.stop();
        return "it started";
      },
      (error) => (error as Error).message,
    );
    return [path, message];
  }

  test.each([
    ["no TOML", "[eu\n", 1, ""],
    ["an unknown key", `${roleText("eu", EU)}reed = ["^a"]\n`, 3, "read"],
    ["a right that is no list", `${roleText("eu", EU)}read = "^a"\n`, 3, "a list of prefixes"],
    ["a prefix with an empty part", `${roleText("eu", EU)}write = ["^a^^b"]\n`, 3, "prefix"],
    ["a prefix with a control character", `${roleText("eu", EU)}publish = ["^a\\u0007"]\n`, 3, ""],
    ["a token that is too short", roleText("eu", "x".repeat(15)), 2, "at least 16 characters"],
    ["a part that is too long", `${roleText("eu", EU)}read = ["${"x".repeat(257)}"]\n`, 3, ""],
    ["a token that is no text", "[eu]\ntoken = 1234567890123456\n", 2, ""],
    ["something beside the roles", `token = "${EU}"\n`, 1, ""],
  ])("is refused with its place: %s", async (_, text, line, more) => {
    const [path, message] = await refusal(text);
    expect(message).toContain(`${basename(path)}:${line}:`);
    expect(message).toContain(more);
    expect(message).not.toContain(EU);
  });

  test("tells all its problems together", async () => {
    const text = `
[a]
token = "short"
read = 1
[b]
token = "${READER}"
reed = ["^x"]
[c]
token = "${EU}"
write = ["^x", "y^^z"]
`;
    const [path, message] = await refusal(text);
    for (const line of [3, 4, 7, 10]) {
      expect(message).toContain(`${basename(path)}:${line}:`);
    }
  });

  test("needs a token for every role, each its own", async () => {
    const [path, message] = await refusal('[eu]\nread = ["^"]\n');
    expect(message).toBe(`${basename(path)}:1:1: eu: a role needs a token`);
    const [pair, twice] = await refusal(roleText("a", EU) + roleText("b", EU));
    const second = roleText("a", EU).split("\n").length + 1;
    expect(twice).toBe(`${basename(pair)}:${second}:1: b.token: somebody else has the same token`);
    const section = { token_file: file(EU) };
    expect((await refusal(roleText("a", EU), section))[1]).toContain(
      ":2:1: a.token: somebody else has the same token",
    );
  });

  test("that is not there is refused", async () => {
    const path = join(folder, "none.toml");
    expect(boot("store", { store: { roles_file: path } })).rejects.toThrow(
      `store.roles_file: cannot read ${path}`,
    );
  });

  test.each([["nothing"], ["# nobody yet"]])(
    "that holds no role lets nobody in: %s",
    async (text) => {
      const path = file(text === "nothing" ? "" : text);
      // A guarded store must not become an open one because a file was emptied.
      const booted = await boot("store", { store: { roles_file: path } }).catch(() => null);
      if (booted === null) return;
      const peer = await booted.join();
      const found = await outcome(peer, { action: "SET", key: "a", value: 1 });
      await booted.stop();
      expect(found).toBe("AUTH_REQUIRED");
    },
  );

  test("may have many roles", async () => {
    const roles = Array.from({ length: 300 }, (_, i) =>
      roleText(`r${i}`, `token-of-role-number-${i}`, { read: [`^n^${i}`] }),
    );
    const { join } = await start({ roles_file: file(roles.join("\n")) });
    const peer = await join();
    for (const i of [0, 7, 299]) {
      expect(await outcome(peer, { action: "AUTH", token: `token-of-role-number-${i}` })).toBe(
        "OK",
      );
      expect(await outcome(peer, { action: "EXISTS", key: `n^${i}^x` })).toBe(false);
      expect(await outcome(peer, { action: "EXISTS", key: `n^${i + 1}` })).toBe("FORBIDDEN");
    }
  });
});

describe("off loopback", () => {
  const problems = (store: object) =>
    load(settings, { object: { store: { enabled: true, ...store } } }).problems.map(
      ({ message }) => message,
    );

  test.each(["0.0.0.0", "::", "192.0.2.7", "example.org"])("a store on %s needs tokens", (host) => {
    expect(problems({ host })).toEqual([expect.stringContaining(`${host} is not loopback`)]);
    expect(problems({ host, token_file: "t" })).toEqual([]);
    expect(problems({ host, roles_file: "r" })).toEqual([]);
    expect(problems({ host, allow_open: true })).toEqual([]);
    expect(problems({ host, enabled: false })).toEqual([]);
  });

  test.each(["127.0.0.1", "127.1.2.3", "::1", "localhost"])("%s is loopback", (host) => {
    expect(problems({ host })).toEqual([]);
  });

  test("allow_open lets everybody in", async () => {
    const { join } = await start({ host: "0.0.0.0", allow_open: true });
    const peer = await join();
    expect(await outcome(peer, { action: "SET", key: "a", value: 1 })).toBe("OK");
    await until(() => stat("keys") === 1);
  });
});
