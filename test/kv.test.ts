import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { STORE_TOKEN_VARIABLE, StoreConnection } from "../lib/cli/kv/connection.ts";
import { HandClock } from "../lib/host/clock.ts";
import { ask, boot, openssl, selfSigned, turn, until } from "./kit.ts";

const program = join(import.meta.dir, "..", "index.ts");
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

function folderWith(settings: string | null = null): string {
  const folder = mkdtempSync(join(tmpdir(), "summoner-kv-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  if (settings !== null) writeFileSync(join(folder, "summoner.toml"), settings);
  return folder;
}

/** A store in this process; `kv` calls the command on it, `ask` speaks to it without the command. */
async function served(section: object = {}, rest: object = {}) {
  const server = await boot("store", { store: section, ...rest });
  endings.push(() => server.stop());
  const port = server.port();
  const at = ["--port", `${port}`];
  return {
    ...server,
    port,
    at,
    stat: (name: string) => server.stats()[name] as number,
    kv: (args: string[], input: string | Uint8Array = "") => kv([...at, ...args], { input }),
    async ask(request: object) {
      const peer = await server.join();
      const answer = await ask(peer, request);
      peer.end();
      return answer["result"];
    },
  };
}

interface Surroundings {
  /** The content of standard input; null leaves it open. */
  input?: string | Uint8Array | null;
  cwd?: string;
  env?: Record<string, string>;
}

/** A process of its own. */
function start(cmd: string[], { input = "", cwd = folderWith(), env = {} }: Surroundings = {}) {
  const child = Bun.spawn(cmd, {
    cwd,
    env: { ...process.env, [STORE_TOKEN_VARIABLE]: "", ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  endings.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  if (input !== null) {
    child.stdin.write(input);
    void child.stdin.end();
  }
  let out = "";
  let err = "";
  const all = Promise.all([
    (async () => {
      const decoder = new TextDecoder();
      for await (const bytes of child.stdout) out += decoder.decode(bytes, { stream: true });
    })(),
    (async () => {
      for await (const bytes of child.stderr) err += Buffer.from(bytes).toString();
    })(),
  ]);
  return {
    child,
    out: () => out,
    async ends() {
      const code = await child.exited;
      await all;
      return { out, err, code };
    },
  };
}

const command = (args: string[]) => [process.execPath, program, "kv", ...args];
const following = (args: string[]) => start(command(args), { input: null });
const kv = (args: string[], around: Surroundings = {}) => start(command(args), around).ends();

/** The command at a terminal. */
function atTerminal(args: string[]) {
  let shown = "";
  const decoder = new TextDecoder();
  const child = Bun.spawn(command(args), {
    cwd: folderWith(),
    env: { ...process.env, [STORE_TOKEN_VARIABLE]: "" },
    terminal: {
      cols: 80,
      rows: 24,
      data: (_, bytes) => (shown += decoder.decode(bytes, { stream: true })),
    },
  });
  endings.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  return { child, shown: () => shown.replaceAll("\r\n", "\n") };
}

/** A server of the test's own, which is no store. */
async function bare(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    endings.push(() => socket.destroy());
    socket.on("error", () => {});
    serve(socket);
  });
  endings.push(() => server.close());
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as AddressInfo).port;
}

const well = (out: string) => ({ out, err: "", code: 0 });
const failed = (message: string) => ({ out: "", err: `error: ${message}\n`, code: 1 });
const NOT_FOUND = failed("NOT_FOUND: there is no such key");
const lines = (some: readonly string[]) => some.map((line) => `${line}\n`).join("");

describe("get", () => {
  test("prints a value on one line, a text without quotes where that is asked for", async () => {
    const { kv, ask } = await served();
    const value = { a: [1, null], ключ: "two\nlines" };
    await ask({ action: "MSET", values: { value, name: "Ann\n\u009b", n: 4.5 } });
    expect(await kv(["get", "value"])).toEqual(well(`${JSON.stringify(value)}\n`));
    expect(await kv(["get", "name"])).toEqual(well(`"Ann\\n\u009b"\n`));
    expect(await kv(["get", "name", "--text"])).toEqual(well("Ann\n\u009b\n"));
    expect(await kv(["get", "value", "--text"])).toEqual(well(`${JSON.stringify(value)}\n`));
    expect(await kv(["get", "n", "--text"])).toEqual(well("4.5\n"));
  });

  test("tells version and time left", async () => {
    const { kv, ask } = await served();
    await ask({ action: "SET", key: "a", value: [1], ttl_ms: 1500 });
    expect(await kv(["get", "a", "--meta"])).toEqual(
      well('{"value":[1],"version":1,"ttl_ms":1500}\n'),
    );
  });

  test("tells of what there is not, or prints something else", async () => {
    const { kv, ask } = await served();
    await ask({ action: "SET", key: "a", value: null });
    expect(await kv(["get", "b"])).toEqual(NOT_FOUND);
    expect(await kv(["get", "b", "--or", '{"x":\n1}'])).toEqual(well('{"x":1}\n'));
    expect(await kv(["get", "b", "--or", "Ann"])).toEqual(well('"Ann"\n'));
    expect(await kv(["get", "a", "--or", "Ann"])).toEqual(well("null\n"));
  });

  test("a key may begin with a dash, and be in a namespace", async () => {
    const { kv, ask } = await served();
    await ask({ action: "SET", key: "users^42^--text", value: 1 });
    expect(await kv(["get", "--ns", "users^42", "--", "--text"])).toEqual(well("1\n"));
    expect(await kv(["get", "--", "--text"])).toEqual(NOT_FOUND);
  });
});

describe("set", () => {
  test.each([
    [["42"], 42],
    [["Ann"], "Ann"],
    [["two words"], "two words"],
    [['{"a": [1,\n 2]}'], { a: [1, 2] }],
    [['"42"'], "42"],
    [["{a: 1}"], "{a: 1}"],
    [["null"], null],
    [[""], ""],
    [["42", "--text"], "42"],
    [['"a"\n', "--text"], '"a"\n'],
    [["🙂 ßé\u2028"], "🙂 ßé\u2028"],
    [["--", "-1"], -1],
  ])("%j is %j", async (args, value) => {
    const { kv, ask } = await served();
    expect(await kv(["set", "k", ...args])).toEqual(well(""));
    expect(await ask({ action: "GET", key: "k" })).toEqual(value);
  });

  test.each([
    ["42\n", [], 42],
    ["Ann\n", [], "Ann"],
    ["Ann\r\n", [], "Ann"],
    ["two\nlines\n\n", [], "two\nlines\n"],
    ["42\n", ["--text"], "42"],
    ['{\n  "a": 1\n}\n', [], { a: 1 }],
    ["", [], ""],
    ["ключ 🙂", [], "ключ 🙂"],
  ] as const)("standard input %j with %j is %j", async (input, flags, value) => {
    const { kv, ask } = await served();
    expect(await kv(["set", "k", ...flags], input)).toEqual(well(""));
    expect(await ask({ action: "GET", key: "k" })).toEqual(value);
  });

  test("a long value goes there and comes back whole", async () => {
    const { kv } = await served();
    const text = "🙂 ключ\n".repeat(40_000);
    const json = JSON.stringify({ text, list: Array.from({ length: 5000 }, (_, i) => i) });
    expect(json.length).toBeGreaterThan(350_000);
    expect(Buffer.byteLength(json)).toBeGreaterThan(500_000);
    expect(await kv(["set", "long"], json)).toEqual(well(""));
    expect(await kv(["get", "long"])).toEqual(well(`${json}\n`));
    expect(await kv(["set", "text", "--text"], text)).toEqual(well(""));
    expect(await kv(["get", "text", "--text"])).toEqual(well(text));
  });

  test("alters no number, and stores no mended bytes", async () => {
    const { kv, stat } = await served();
    for (const value of ["[12345678901234567890]", "1e400"]) {
      const { err, code } = await kv(["set", "n", value]);
      expect(err).toStartWith("error: NUMBER_RANGE: ");
      expect(code).toBe(1);
    }
    expect(await kv(["set", "n"], new Uint8Array([0x61, 0xff]))).toEqual(
      failed("standard input is not UTF-8"),
    );
    expect(stat("keys")).toBe(0);
  });

  test("for a while, and under a condition", async () => {
    const { kv, ask } = await served();
    expect(await kv(["set", "a", "1", "--ttl", "0.25"])).toEqual(well(""));
    expect(await ask({ action: "TTL", key: "a" })).toBe(250);
    expect((await kv(["set", "a", "2", "--if-absent"])).err).toStartWith("error: ALREADY_EXISTS: ");
    expect((await kv(["set", "a", "3", "--if-version", "7"])).err).toStartWith(
      "error: VERSION_MISMATCH: ",
    );
    expect(await kv(["set", "a", "4", "--if-version", "1"])).toEqual(well(""));
    expect(await kv(["set", "b", "5", "--if-absent"])).toEqual(well(""));
    expect(await ask({ action: "MGET", keys: ["a", "b"] })).toEqual({
      values: [4, 5],
      found: [true, true],
    });
  });
});

describe("del", () => {
  test("tells how many there were", async () => {
    const { kv, ask, stat } = await served();
    await ask({ action: "MSET", values: { a: 1, b: 2, "b^1": 3, "b^2": 4, c: 5 } });
    expect(await kv(["del", "a", "nothing", "c"])).toEqual(well("2\n"));
    expect(await kv(["del", "b"])).toEqual(well("1\n"));
    expect(await kv(["del", "b", "--tree"])).toEqual(well("2\n"));
    expect(stat("keys")).toBe(0);
    expect(await kv(["del", "a", "b"])).toEqual({ ...well("0\n"), code: 1 });
  });

  test("tells of what was removed although something could not be", async () => {
    const { kv, ask, stat } = await served();
    await ask({ action: "MSET", values: { a: 1, b: 2 } });
    const { out, err, code } = await kv(["del", "a", "sys^epoch", "b"]);
    expect([out, code]).toEqual(["2\n", 1]);
    expect(err).toStartWith("error: RESERVED: ");
    expect(stat("keys")).toBe(0);
    expect((await kv(["del", "sys^epoch"])).out).toBe("");
  });
});

describe("keys", () => {
  const names = Array.from({ length: 2500 }, (_, i) => `k^${i}`);
  const many = { action: "MSET", values: Object.fromEntries(names.map((name) => [name, [name]])) };

  test("lists every page", async () => {
    const { kv, ask, stat } = await served();
    await ask(many);
    await ask({ action: "SET", key: "other", value: 1 });
    expect(await kv(["keys"])).toEqual(well(lines([...names, "other"])));
    expect(stat("requests_keys")).toBeGreaterThan(2);
    expect(await kv(["keys", "k^249"])).toEqual(well(lines(["k^249", ...names.slice(2490)])));
    expect(await kv(["keys", "--ns", "k", "--limit", "1500"])).toEqual(
      well(lines(names.slice(0, 1500).map((name) => name.slice(2)))),
    );
    expect(await kv(["keys", "nothing"])).toEqual(well(""));
  });

  test("lists values with them", async () => {
    const { kv, ask } = await served();
    await ask(many);
    expect(await kv(["keys", "--values", "--ns", "k"])).toEqual(
      well(lines(names.map((name) => `${name.slice(2)}\t["${name}"]`))),
    );
  });

  test("lists values that are longer together than any answer may be", async () => {
    const { kv, ask } = await served({ outbox_bytes: 2 ** 21, total_outbox_bytes: 2 ** 24 });
    const value = "x".repeat(300_000);
    for (const key of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
      await ask({ action: "SET", key, value });
    }
    const { out, err, code } = await kv(["keys", "--values"]);
    expect([err, code]).toEqual(["", 0]);
    expect(out.length).toBe(8 * 300_005);
  });

  test.skipIf(!Bun.which("bash"))("ends well when nobody reads it any more", async () => {
    const { at, ask, stat } = await served();
    const long = (i: number) => `${i}${"x".repeat(200)}`;
    for (let some = 0; some < 4; some++) {
      const keys = Array.from({ length: 5000 }, (_, i) => [long(some * 5000 + i), 1]);
      await ask({ action: "MSET", values: Object.fromEntries(keys) });
    }
    const piped = `"$@" | head -n 1; echo "\${PIPESTATUS[*]}"`;
    for (const flags of [[], ["--values"]]) {
      const shell = ["bash", "-c", piped, "-", ...command(["keys", ...at, ...flags])];
      expect(await start(shell).ends()).toEqual(well(`${long(0)}${flags[0] ? "\t1" : ""}\n0 0\n`));
    }
    // 20 of one kind and 200 of the other would be all.
    expect(stat("requests_keys")).toBeLessThan(100);
  });
});

describe("numbers and times", () => {
  test("incr adds, and tells the version where that is asked for", async () => {
    const { kv, ask } = await served();
    expect(await kv(["incr", "n"])).toEqual(well("1\n"));
    expect(await kv(["incr", "n", "41", "--meta"])).toEqual(well('{"value":42,"version":2}\n'));
    expect(await kv(["incr", "n", "--", "-2"])).toEqual(well("40\n"));
    expect(await kv(["set", "n", "1", "--meta"])).toEqual(well('{"version":4}\n'));
    for (const by of ["x", "1.5", "", "9007199254740993"]) {
      const { err, code } = await kv(["incr", "n", by]);
      expect(err).toStartWith(`error: BY: found ${by}; allowed: a whole number\n`);
      expect(code).toBe(2);
    }
    expect(await ask({ action: "GET", key: "n" })).toBe(1);
  });

  test("expire sets an end, or none", async () => {
    const { kv, ask } = await served();
    await ask({ action: "SET", key: "a", value: 1 });
    expect(await kv(["expire", "a", "0.25"])).toEqual(well(""));
    expect(await ask({ action: "TTL", key: "a" })).toBe(250);
    expect(await kv(["expire", "a", "never"])).toEqual(well(""));
    expect(await ask({ action: "TTL", key: "a" })).toBe(null);
    expect(await kv(["expire", "b", "1"])).toEqual(NOT_FOUND);
    for (const seconds of ["0", "soon"]) {
      const { err, code } = await kv(["expire", "a", seconds]);
      expect(err).toStartWith(`error: SECONDS: found ${seconds}; allowed: a number of seconds`);
      expect(code).toBe(2);
    }
    expect((await kv(["expire", "a"])).code).toBe(2);
  });
});

describe("several keys", () => {
  test("mget prints those that exist, and says by its exit code if all do", async () => {
    const { kv, ask } = await served();
    await ask({ action: "MSET", values: { "n^a": [1], "n^b": "x" } });
    expect(await kv(["mget", "b", "a", "--ns", "n"])).toEqual(well('b\t"x"\na\t[1]\n'));
    expect(await kv(["mget", "n^a", "none"])).toEqual({ ...well("n^a\t[1]\n"), code: 1 });
    expect((await kv(["mget", "a^^b"])).err).toStartWith("error: BAD_KEY: ");
  });

  test("range lists them with their values, either way round, page by page", async () => {
    const { kv, ask, stat } = await served();
    const names = Array.from({ length: 1500 }, (_, i) => `k^${i}`);
    await ask({ action: "MSET", values: Object.fromEntries(names.map((name, i) => [name, i])) });
    const all = names.map((name, i) => `${name}\t${i}`);
    expect(await kv(["range"])).toEqual(well(lines(all)));
    expect(await kv(["range", "k^", "--reverse"])).toEqual(well(lines(all.toReversed())));
    expect(stat("requests_range")).toBe(4);
    expect(await kv(["range", "--ns", "k", "--limit", "2", "--reverse", "--meta"])).toEqual(
      well('{"key":"1499","value":1499,"version":1}\n{"key":"1498","value":1498,"version":1}\n'),
    );
    expect(await kv(["range", "none"])).toEqual(well(""));
  });

  test("order tells the sibling", async () => {
    const { kv, ask } = await served();
    await ask({ action: "MSET", values: { "n^2": 1, "n^10": 1, "n^x": 1 } });
    expect(await kv(["order", "n^2"])).toEqual(well("n^10\n"));
    expect(await kv(["order", "", "--ns", "n", "--reverse"])).toEqual(well("x\n"));
    expect(await kv(["order", "n^x"])).toEqual({ ...well(""), code: 1 });
  });

  test("txn makes all changes or none, and alters no number on the way", async () => {
    const { kv, ask } = await served();
    const writes = '[{"action":"SET","key":"a","value":1.50},\n {"action":"INCR","key":"n"}]';
    const once = `{"writes": ${writes}, "if_absent": ["a"]}`;
    const done = well('{"results":[{"version":1},{"value":1,"version":1}]}\n');
    expect(await kv(["txn", "--ns", "x"], once)).toEqual(done);
    expect(await ask({ action: "GET", key: "x^a" })).toBe(1.5);
    expect((await kv(["txn", once, "--ns", "x"])).err).toStartWith("error: ALREADY_EXISTS: ");
    expect((await kv(["txn", once.replace("1.50", "1e400")])).err).toStartWith(
      "error: NUMBER_RANGE: ",
    );
    for (const wrong of ["[]", "no JSON", "1"]) {
      expect((await kv(["txn", wrong])).err).toStartWith("error: a TXN is an object");
    }
    expect((await kv(["txn", "{}"])).err).toStartWith("error: MISSING_FIELD: ");
  });

  test("info prints what the store tells about itself", async () => {
    const { kv, ask } = await served();
    await ask({ action: "SET", key: "a", value: 1 });
    const { out, code } = await kv(["info"]);
    expect([JSON.parse(out).keys, code]).toEqual([1, 0]);
  });
});

describe("watch", () => {
  test("prints what becomes of keys, as it came", async () => {
    const { at, ask, stat } = await served();
    const client = following(["watch", "a^*", ...at, "--count", "3"]);
    const other = following(["watch", ...at, "--ns", "b", "--count", "1"]);
    await until(() => stat("subscriptions") === 2);
    await ask({ action: "SET", key: "b^1", value: "other" });
    await ask({ action: "SET", key: "a^1", value: { x: "\u009b" } });
    await ask({ action: "DEL", key: "a^1" });
    await ask({ action: "DEL", key: "b", tree: true });
    await ask({ action: "SET", key: "a^b^c", value: 2 });
    expect(await client.ends()).toEqual(
      well(
        '{"event":"set","key":"a^1","version":1,"seq":2,"value":{"x":"\u009b"}}\n' +
          '{"event":"del","key":"a^1","seq":3}\n' +
          '{"event":"set","key":"a^b^c","version":2,"seq":5,"value":2}\n',
      ),
    );
    expect((await other.ends()).out).toStartWith('{"event":"set","key":"b^1",');
  });

  test.each(["SIGINT", "SIGTERM"] as const)("ends with %s, well", async (signal) => {
    const { at, ask, stat } = await served();
    const client = following(["watch", ...at]);
    await until(() => stat("subscriptions") === 1);
    await ask({ action: "SET", key: "a", value: 1 });
    await until(() => client.out() !== "");
    client.child.kill(signal);
    expect(await client.ends()).toEqual(
      well('{"event":"set","key":"a","version":1,"seq":1,"value":1}\n'),
    );
  });

  test("tells why the server has closed, and comes back", async () => {
    const { at, ask, stat, stop, port } = await served();
    const client = following(["watch", ...at, "--count", "2"]);
    await until(() => stat("subscriptions") === 1);
    await ask({ action: "SET", key: "a", value: 1 });
    await until(() => client.out() !== "");
    await stop();
    const second = await served({ port });
    await until(() => second.stat("subscriptions") === 1);
    await second.ask({ action: "SET", key: "a", value: 2 });
    expect(await client.ends()).toEqual({
      out:
        '{"event":"set","key":"a","version":1,"seq":1,"value":1}\n' +
        '{"event":"set","key":"a","version":1,"seq":1,"value":2}\n',
      err:
        `warning: 127.0.0.1:${port} has closed the connection: the server is stopping; trying to come back\n` +
        `listening again to * on 127.0.0.1:${port}\n` +
        "warning: the store cannot tell what it has sent since 1\n",
      code: 0,
    });
  });

  test.skipIf(!Bun.which("sh"))("a list goes on when the server has started again", async () => {
    const kept = { path: join(folderWith(), "kept"), durability: "batch" };
    const first = await served(kept);
    const names = Array.from({ length: 5000 }, (_, i) => `${"k".repeat(60)}${i}`);
    const sorted = names.toSorted();
    for (let i = 0; i < names.length; i += 1000) {
      const values = Object.fromEntries(names.slice(i, i + 1000).map((name) => [name, 1]));
      await first.ask({ action: "MSET", values });
    }
    // A pipe takes 64 kB of the 300.
    const client = start(
      ["sh", "-c", `exec 3<&0; "$@" </dev/null | { read go <&3; cat; }; echo end`, "-"].concat(
        command(["keys", ...first.at]),
      ),
      { input: null },
    );
    await until(() => first.stat("requests_keys") > 0);
    for (let i = 0; i < 200; i++) await turn();
    const before = first.stat("requests_keys");
    expect(before).toBeLessThan(4);
    await first.stop();
    const second = await served({ ...kept, port: first.port });
    client.child.stdin.write("go\n");
    void client.child.stdin.flush();
    const { out, err } = await client.ends();
    expect(err).toBe("");
    expect(out.split("\n")).toEqual([...sorted, "end", ""]);
    expect(second.stat("requests_keys")).toBeGreaterThan(0);
  });

  test("subscribe goes on when the server has started again", async () => {
    const first = await served();
    const client = following(["subscribe", "news", ...first.at, "--count", "2"]);
    await until(() => first.stat("subscriptions") === 1);
    await first.ask({ action: "PUBLISH", channel: "news", value: 1 });
    await until(() => client.out() !== "");
    await first.stop();
    const second = await served({ port: first.port });
    await until(() => second.stat("subscriptions") === 1);
    await second.ask({ action: "PUBLISH", channel: "news", value: 2 });
    const { out, err, code } = await client.ends();
    const values = lines(
      [1, 2].map((value) => `{"event":"message","channel":"news","seq":1,"value":${value}}`),
    );
    expect([out, code]).toEqual([values, 0]);
    expect(err).toContain("the store cannot tell what it has sent since 1\n");
  });

  test("gets what it missed after a broken connection", async () => {
    const server = await served();
    const { at, ask, stat } = server;
    const keys = following(["watch", "k^*", ...at, "--count", "3"]);
    const news = following(["subscribe", "news", ...at, "--count", "3"]);
    const all = following(["subscribe", "*", ...at, "--count", "2"]);
    await until(() => stat("subscriptions") === 3);
    const change = async (value: number) => {
      await ask({ action: "SET", key: "k^a", value });
      await ask({ action: "PUBLISH", channel: "news", value });
    };
    await change(1);
    await until(() => keys.out() !== "" && news.out() !== "" && all.out() !== "");
    for (const { id } of server.clients()) server.running().kick(id);
    await change(2);
    await change(3);
    const [keysEnd, newsEnd] = [await keys.ends(), await news.ends()];
    const values = (out: string) =>
      out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).value);
    for (const { out, err, code } of [keysEnd, newsEnd]) {
      expect([values(out), code]).toEqual([[1, 2, 3], 0]);
      expect(err).not.toContain("cannot tell");
    }
    // Of a pattern nobody can know.
    while (all.child.exitCode === null) await change(4);
    const { err, code } = await all.ends();
    expect([code, err]).toEqual([
      0,
      expect.stringContaining("the store cannot tell what it has sent meanwhile"),
    ]);
  });

  test.skipIf(!Bun.which("bash"))("ends well when nobody reads it any more", async () => {
    const { at, ask, stat } = await served();
    const piped = `"$@" | head -n 1; echo "\${PIPESTATUS[*]}"`;
    const client = start(["bash", "-c", piped, "-", ...command(["watch", ...at])], { input: null });
    await until(() => stat("subscriptions") === 1);
    await ask({ action: "SET", key: "a", value: 1 });
    await until(() => client.out() !== "");
    // It learns of it when it writes.
    while (client.child.exitCode === null) await ask({ action: "SET", key: "a", value: 2 });
    expect(await client.ends()).toEqual(
      well('{"event":"set","key":"a","version":1,"seq":1,"value":1}\n0 0\n'),
    );
  });
});

describe("publish and subscribe", () => {
  test("carry values", async () => {
    const { kv, at, stat } = await served();
    expect(await kv(["publish", "news", "1"])).toEqual(well("0\n"));
    const clients = ["news", "^*"].map((channel) =>
      following(["subscribe", channel.replace("^*", "*"), ...at, "--count", "3"]),
    );
    await until(() => stat("subscriptions") === 2);
    expect(await kv(["publish", "news", '{"a": "ß"}'])).toEqual(well("2\n"));
    expect(await kv(["publish", "news", "7", "--text"])).toEqual(well("2\n"));
    expect(await kv(["publish", "news"], "from a pipe\n")).toEqual(well("2\n"));
    const values = ['{"a":"ß"}', '"7"', '"from a pipe"'];
    const message = (value: string, i: number) =>
      `{"event":"message","channel":"news","seq":${i + 2},"value":${value}}`;
    for (const client of clients)
      expect(await client.ends()).toEqual(well(lines(values.map(message))));
  });

  test("begin with what was missed, and tell of what is lost", async () => {
    const { kv, ask } = await served({ replay_messages: 2 });
    for (let value = 1; value <= 5; value++) {
      await ask({ action: "PUBLISH", channel: "a^news", value });
    }
    const message = (n: number) =>
      `{"event":"message","channel":"a^news","seq":${n},"value":${n}}\n`;
    const since = (n: string, count: string) =>
      kv(["subscribe", "news", "--ns", "a", "--since", n, "--count", count]);
    expect(await since("3", "2")).toEqual(well(message(4) + message(5)));
    expect(await since("1", "2")).toEqual({
      out: message(4) + message(5),
      err: "warning: 2 messages since 1 are not kept any more\n",
      code: 0,
    });
    expect((await since("99", "2")).err).toBe(
      "warning: the store cannot tell what it has sent since 99\n",
    );
  });

  test.skipIf(!Bun.which("sh"))("read no more than can be printed, and lose none", async () => {
    const roomy = { outbox_bytes: 10 ** 9, total_outbox_bytes: 10 ** 9 };
    const server = await served(roomy);
    const args = ["subscribe", "news", ...server.at, "--count", "20000"];
    const client = start(
      ["sh", "-c", `exec 3<&0; "$@" </dev/null | { read go <&3; cat; }`, "-", ...command(args)],
      { input: null },
    );
    await until(() => server.stat("subscriptions") === 1);
    const peer = await server.join();
    const value = "x".repeat(1000);
    for (let i = 0; i < 20_000; i++) {
      peer.send(`${JSON.stringify({ action: "PUBLISH", channel: "news", value })}\n`);
    }
    await until(() => server.stat("published") === 20_000);
    // Far longer than it takes a client that does not wait to go on reading.
    let before = -1;
    for (let still = 0; still < 20_000; still++) {
      if (server.stat("bytes_out") !== before) still = 0;
      before = server.stat("bytes_out");
      await turn();
    }
    expect(server.stat("pinned_bytes")).toBeGreaterThan(0);
    client.child.stdin.write("go\n");
    void client.child.stdin.flush();
    const { out, err, code } = await client.ends();
    expect([err, code]).toEqual(["", 0]);
    const seqs = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).seq);
    expect(seqs).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1));
  });
});

describe("at a terminal", () => {
  test("values are indented, and command nothing", async () => {
    const { at, ask } = await served();
    await ask({
      action: "MSET",
      values: { a: { b: [1, "\x1b[31m\u009b\u202e"] }, t: "x\n\x1b[31m\u009b\u202e\u2028" },
    });
    const told = async (...args: string[]) => {
      const { child, shown } = atTerminal([...args, ...at]);
      const code = await child.exited;
      return [shown(), code];
    };
    expect(await told("get", "a")).toEqual([
      '{\n  "b": [\n    1,\n    "\\u001b[31m\\u009b\\u202e"\n  ]\n}\n',
      0,
    ]);
    expect(await told("get", "t", "--text")).toEqual(["x\n\\x1b[31m\\x9b\\u202e\\u2028\n", 0]);
    expect(await told("keys", "--values")).toEqual([
      'a\t{"b":[1,"\\u001b[31m\\u009b\\u202e"]}\nt\t"x\\n\\u001b[31m\\u009b\\u202e\\u2028"\n',
      0,
    ]);
    expect(await told("set", "n", "1")).toEqual(["OK\n", 0]);
    expect(await told("set", "n", "2", "--quiet")).toEqual(["", 0]);
    expect(await told("get", "nothing")).toEqual(["error: NOT_FOUND: there is no such key\n", 1]);
  });

  test("not even a false store commands it", async () => {
    const answers = [
      '{"result":"PONG"}\n',
      '{"result":{"keys":["\\u001b[31m"],"cursor":null}}\n',
      '{"error":{"code":"\\u001b[31m","message":"\u009b"}}\n',
    ];
    const port = await bare((socket) => {
      let next = 0;
      socket.on("data", () => void socket.write(answers[next++] as string));
    });
    const { child, shown } = atTerminal(["keys", "--values", "--port", `${port}`]);
    expect(await child.exited).toBe(1);
    expect(shown()).toBe("error: \\x1b[31m: \\x9b\n");
    answers.splice(2, 1);
    const other = atTerminal(["keys", "--port", `${port}`]);
    expect(await other.child.exited).toBe(0);
    expect(other.shown()).toBe("\\x1b[31m\n");
  });

  test("a value can be typed", async () => {
    const { at, ask } = await served();
    const { child, shown } = atTerminal(["set", "k", ...at]);
    await until(() => shown() === "Type the value; Ctrl-D ends it.\n");
    child.terminal?.write("some text\r\x04");
    expect(await child.exited).toBe(0);
    expect(await ask({ action: "GET", key: "k" })).toBe("some text");
  });

  test("events are told until Ctrl-C", async () => {
    const { at, ask, stat, port, clock } = await served();
    const keys = atTerminal(["watch", "a^*", ...at]);
    const news = atTerminal(["subscribe", "news", ...at]);
    const json = atTerminal(["watch", "a^*", "--json", ...at]);
    await until(() => [keys, news, json].every(({ shown }) => shown().endsWith("ends it\n")));
    expect(stat("subscriptions")).toBe(3);
    expect(keys.shown()).toBe(`listening to a^* on 127.0.0.1:${port}; Ctrl-C ends it\n`);
    await ask({ action: "SET", key: "a^1", value: { x: "\x1b[31m\u009b" } });
    await ask({ action: "SET", key: "a^2", value: 1, ttl_ms: 10 });
    clock.advance(100);
    await until(() => keys.shown().includes("expired"));
    await ask({ action: "DEL", key: "a", tree: true });
    await ask({ action: "PUBLISH", channel: "news", value: ["\u009b"] });
    await until(() => keys.shown().includes("below") && news.shown().includes("#"));
    await until(() => json.shown().includes("tree"));
    expect(keys.shown().split("\n").slice(1)).toEqual([
      'set a^1 {"x":"\\u001b[31m\\x9b"}',
      "set a^2 1",
      "expired a^2",
      "del a and all below",
      "",
    ]);
    expect(news.shown().split("\n").slice(1)).toEqual(['news #1 ["\\x9b"]', ""]);
    expect(json.shown().split("\n")[1]).toBe(
      '{"event":"set","key":"a^1","version":1,"seq":1,"value":{"x":"\\u001b[31m\\u009b"}}',
    );
    for (const { child } of [keys, news, json]) {
      child.terminal?.write("\x03");
      expect(await child.exited).toBe(0);
    }
  });
});

describe("with a token", () => {
  const token = "0123456789abcdef";
  const env = (value: string) => ({ [STORE_TOKEN_VARIABLE]: value });

  test("it is taken from the environment, else from the file of the configuration", async () => {
    const file = join(folderWith(), "token");
    writeFileSync(file, `${token}\n`);
    const { port } = await served({ token_file: file });
    const folder = folderWith(`[store]\nenabled = true\nport = ${port}\ntoken_file = "${file}"\n`);
    const at = ["--port", `${port}`];
    expect(await kv(["set", "a", "1"], { cwd: folder })).toEqual(well(""));
    expect(await kv(["get", "a", ...at], { env: env(token) })).toEqual(well("1\n"));
    expect(await kv(["get", "a"], { cwd: folder, env: env("x".repeat(16)) })).toEqual(
      failed("BAD_TOKEN: nobody has this token"),
    );
    expect(await kv(["get", "a", ...at])).toEqual(
      failed(
        "AUTH_REQUIRED: show a token with AUTH first; set SUMMONER_STORE_TOKEN or store.token_file",
      ),
    );
  });

  test("what a role may not do is told", async () => {
    const roles = join(folderWith(), "roles.toml");
    writeFileSync(roles, `[reader]\ntoken = "${token}"\nread = ["^a"]\n`);
    const { at, ask } = await served({ roles_file: roles });
    expect(await ask({ action: "PING" })).toBe("PONG");
    const told = (...args: string[]) => kv([...args, ...at], { env: env(token) });
    expect(await told("get", "a^1")).toEqual(NOT_FOUND);
    expect(await told("set", "a^1", "1")).toEqual(
      failed("FORBIDDEN: the role reader may not write there"),
    );
    expect((await told("watch", "b")).err).toStartWith("error: FORBIDDEN: ");
  });

  test("it is shown to nothing but a store", async () => {
    let heard = "";
    const port = await bare((socket) => {
      socket.on("data", (bytes) => {
        heard += bytes;
        socket.write(bytes);
      });
    });
    const args = ["set", "secret", "secret", "--port", `${port}`];
    expect(await kv(args, { env: env(token) })).toEqual(
      failed(`no store on 127.0.0.1:${port}: it does not answer as one`),
    );
    expect(heard).toBe('{"action":"PING"}\n');
  });
});

describe("where the store is", () => {
  test("follows the configuration, whose host may be everywhere", async () => {
    const { port } = await served();
    const folder = folderWith(
      `[store]\nenabled = true\nport = ${port}\nhost = "0.0.0.0"\nallow_open = true\n`,
    );
    expect(await kv(["set", "a", "1"], { cwd: folder })).toEqual(well(""));
    const other = folderWith(`[store]\nport = 1\n`);
    const given = ["--port", `${port}`, "--host", "127.0.0.1"];
    expect(await kv(["get", "a", ...given], { cwd: other })).toEqual(well("1\n"));
    const sets = ["--set", "store.enabled=true", "--set", `store.port=${port}`];
    expect(await kv(["get", "a", ...sets])).toEqual(well("1\n"));
  });

  test("may be an IPv6 address in brackets", async () => {
    const { at } = await served({ host: "::1" });
    expect(await kv(["set", "a", "1", ...at, "--host", "[::1]"])).toEqual(well(""));
  });

  test.each([
    ["port = 1", "the store is off in summoner.toml"],
    [
      "[store]\nenabled = true\nport = 0",
      "store.port is 0 in summoner.toml, so nobody knows where the store listens",
    ],
    [
      '[store]\nenabled = true\ntoken_file = "x"',
      "store.token_file: cannot read x: there is no such file",
    ],
    [
      '[store]\nenabled = true\ntls = { cert = "x", key = "x" }',
      "store.tls.cert: cannot read x: there is no such file",
    ],
  ])("%j is one line, and 1", async (settings, why) => {
    expect(await kv(["get", "a"], { cwd: folderWith(`${settings}\n`) })).toEqual(failed(why));
  });

  test("a configuration with problems is 2", async () => {
    const { err, code } = await kv(["get", "a"], { cwd: folderWith("[store]\nprot = 1\n") });
    expect(err).toStartWith("error: summoner.toml:2:1: store.prot: unknown key");
    expect(code).toBe(2);
  });

  test("nobody listens there", async () => {
    const { kv, stop, port } = await served();
    await stop();
    expect(await kv(["get", "a"])).toEqual(
      failed(`no store on 127.0.0.1:${port}: nobody listens there`),
    );
  });

  test("something else listens there", async () => {
    const relay = await boot();
    endings.push(() => relay.stop());
    const clock = new HandClock();
    const opening = StoreConnection.open(
      {
        service: "store",
        host: "127.0.0.1",
        port: relay.port(),
        tls: null,
        certificate: null,
      },
      "",
      clock,
    );
    opening.catch(() => {});
    await until(() => relay.stats()["lines_in"] === 1);
    clock.advance(5000);
    const none = `no store on 127.0.0.1:${relay.port()}`;
    await expect(opening).rejects.toThrow(`${none}: no answer within 5 s`);
    await until(() => relay.stats()["clients"] === 0);
  });

  test.each(["json", "echo"])("a server in the mode %s is no store", async (mode) => {
    const { kv, port } = await served({ mode });
    expect(await kv(["get", "a"])).toEqual(
      failed(`no store on 127.0.0.1:${port}: it does not answer as one`),
    );
  });

  test.each([
    [{ max_clients: 1 }, "the server has too many clients; try again later"],
    [{ access: { deny: ["127.0.0.1"] } }, "your address may not connect"],
  ])("with %j it tells why it may not come in", async (section, why) => {
    const server = await served();
    await server.join();
    server.reload({ store: section });
    expect(await server.kv(["get", "a"])).toEqual(
      failed(`127.0.0.1:${server.port} has closed the connection: ${why}`),
    );
  });

  test("a server that goes away without a word is told of", async () => {
    const port = await bare((socket) => {
      socket.once("data", () => {
        socket.write('{"result":"PONG"}\n');
        socket.once("data", () => socket.end());
      });
    });
    expect(await kv(["get", "a", "--port", `${port}`])).toEqual(
      failed(`127.0.0.1:${port} has closed the connection`),
    );
  });
});

describe("a server that breaks the connection", () => {
  test("is asked three times what only reads, and once for a change", async () => {
    const heard: string[] = [];
    const port = await bare((socket) => {
      socket.once("data", () => {
        socket.write('{"result":"PONG"}\n');
        socket.once("data", (bytes) => {
          heard.push(JSON.parse(`${bytes}`).action);
          socket.end();
        });
      });
    });
    const closed = `127.0.0.1:${port} has closed the connection`;
    expect(await kv(["get", "a", "--port", `${port}`])).toEqual(failed(closed));
    expect(heard).toEqual(["GET", "GET", "GET"]);
    const { err, code } = await kv(["set", "a", "1", "--port", `${port}`]);
    expect([err, code]).toEqual([
      `error: ${closed}, before it answered: a change may have been made or not\n`,
      1,
    ]);
    expect(heard.slice(3)).toEqual(["SET"]);
  });

  test("and does not come back is waited for for a minute, and no longer", async () => {
    const server = await served();
    const clock = new HandClock();
    const to = { host: "127.0.0.1", port: server.port, tls: null, certificate: null };
    const store = await StoreConnection.open({ service: "store", ...to }, "", clock);
    endings.push(() => store.close());
    await server.stop();
    let error: Error | null = null;
    store.ask({ action: "GET", key: "a" }).catch((found) => {
      error = found;
    });
    clock.advance(59_800);
    for (let i = 0; i < 20; i++) await turn();
    expect(error).toBeNull();
    clock.advance(300);
    await until(() => error !== null);
    expect(`${error}`).toContain("within 60000 ms");
  });
});

describe("something that only greets as a store", () => {
  /** The port of a server that answers one request after the other. */
  function greeting(...answers: string[]): Promise<number> {
    return bare((socket) => {
      const left = ['{"result":"PONG"}', ...answers];
      socket.on("data", () => {
        socket.write(`${left.length > 1 ? left.shift() : left[0]}\n`);
      });
    });
  }

  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  const notOne = (port: number) =>
    failed(`no store on 127.0.0.1:${port}: it does not answer as one`);

  test.each([
    ["get k", '{"error":null}'],
    ["get k", '{"error":7}'],
    ["get k", '{"error":{"code":{"toString":1},"message":"no"}}'],
    ["get k", "null"],
    ["get k", "[]"],
    ["del k", '{"result":null}'],
    ["keys", '{"result":null}'],
    ["keys", '{"result":{"keys":1,"cursor":null}}'],
    ["keys", '{"result":{"keys":[1,null,{}],"cursor":null}}'],
    ["publish c 1", '{"result":{}}'],
    ["subscribe c", '{"result":null}'],
    ["subscribe c", '{"result":{"subscribed":1}}'],
  ])("and answers %s with %s is no store", async (words, answer) => {
    const port = await greeting(answer);
    expect(await kv([...words.split(" "), "--port", `${port}`])).toEqual(notOne(port));
  });

  test("may close without saying why", async () => {
    const port = await greeting('{"event":"closed","message":{"toString":1}}');
    expect(await kv(["get", "k", "--port", `${port}`])).toEqual(
      failed(`127.0.0.1:${port} has closed the connection: it does not say why`),
    );
  });

  test.each(['{"result":{"keys":[],"cursor":"x"}}', '{"result":{"keys":["x"],"cursor":"x"}}'])(
    "and lists %s for ever is left",
    async (answer) => {
      const port = await greeting(answer);
      const { err, code } = await kv(["keys", "--port", `${port}`]);
      const said = `error: 127.0.0.1:${port} lists the same page of keys again and again\n`;
      expect([err, code]).toEqual([said, 1]);
    },
  );

  test("and sends a line without end is left after 16 MiB, or more where the settings say so", async () => {
    let sent = 0;
    const port = await bare((socket) => {
      const chunk = Buffer.alloc(2 ** 20, "x");
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
        sent += chunk.length;
      };
      socket.once("data", () => {
        socket.write('{"result":"PONG"}\n');
        socket.once("data", pour);
        socket.on("drain", pour);
      });
    });
    const tooLong = (bytes: number) =>
      failed(
        `127.0.0.1:${port} sends a line of more than ${bytes} bytes, the bound of store.outbox_bytes here`,
      );
    expect(await kv(["get", "k", "--port", `${port}`])).toEqual(tooLong(16 * 2 ** 20));
    expect(sent).toBeLessThan(64 * 2 ** 20);
    const cwd = folderWith("store.outbox_bytes = 33554432\nstore.total_outbox_bytes = 67108864\n");
    expect(await kv(["get", "k", "--port", `${port}`], { cwd })).toEqual(tooLong(32 * 2 ** 20));
  });

  test("and whose value is nested deep gets no gigabytes of indentation", async () => {
    const deep = nested(900).replace("[]", `[${"1,".repeat(20_000)}1]`);
    const port = await greeting(`{"result":${deep}}`);
    const { child, shown } = atTerminal(["get", "k", "--port", `${port}`]);
    expect(await child.exited).toBe(0);
    expect(shown()).toBe(`${deep}\n`);
    const deepest = await greeting(`{"result":${nested(200_000)}}`);
    const other = atTerminal(["get", "k", "--port", `${deepest}`]);
    expect(await other.child.exited).toBe(1);
    expect(other.shown()).toBe(notOne(deepest).err);
  });

  test("and sends odd events has them shown as they came", async () => {
    const events = ['{"event":"set","key":{"toString":1}}', '{"event":"message","channel":"c"}'];
    const port = await greeting('{"result":{"subscribed":"c"}}\n' + events.join("\n"));
    const args = ["subscribe", "c", "--count", "2", "--port", `${port}`];
    const { child, shown } = atTerminal(args);
    expect(await child.exited).toBe(0);
    expect(shown()).toEndWith(lines(events));
  });
});

describe.skipIf(!openssl)("with TLS", () => {
  test("it trusts the configured certificate and no other", async () => {
    const folder = folderWith();
    const tls = selfSigned(folder, "store.example");
    const { at, stat, port } = await served({ tls });
    const trusting = (cert: string, key: string) =>
      ["enabled=true", `port=${port}`, `tls.cert=${cert}`, `tls.key=${key}`].flatMap((set) => [
        "--set",
        `store.${set}`,
      ]);
    const value = JSON.stringify("🙂".repeat(130_000));
    const own = trusting(tls.cert, tls.key);
    expect(await kv(["set", "a", ...own], { input: value })).toEqual(well(""));
    expect(await kv(["get", "a", ...own])).toEqual(well(`${value}\n`));
    const watcher = following(["watch", ...own, "--count", "3"]);
    await until(() => stat("subscriptions") === 1);
    for (const key of ["b", "c", "d"]) await kv(["set", key, ...own], { input: value });
    const { out, code } = await watcher.ends();
    expect([out.split("\n").length, out.length, code]).toEqual([
      4,
      3 * (value.length + '{"event":"set","key":"b","version":2,"seq":2,"value":}\n'.length),
      0,
    ]);
    const other = selfSigned(folder, "other.example");
    const strange = trusting(other.cert, other.key);
    const { err } = await kv(["get", "a", ...strange]);
    expect(err).toMatch(
      /^error: no store on 127\.0\.0\.1:\d+: its certificate is not the configured one \([^\n]+\); --insecure takes any\n$/,
    );
    expect(await kv(["get", "a", "--insecure", ...strange])).toEqual(well(`${value}\n`));
    expect((await kv(["get", "a", ...at])).code).toBe(1);
  });
});

test.each([
  [
    [],
    "ACTION: missing; allowed: get, set, incr, expire, mget, del, keys, range, order, txn, info, watch, publish, subscribe",
  ],
  [
    ["gte"],
    "ACTION: found gte; allowed: get, set, incr, expire, mget, del, keys, range, order, txn, info, watch, publish, subscribe; did you mean get?",
  ],
  [["get"], "KEY: missing; get KEY needs it"],
  [["del"], "KEY: missing; del KEY needs it"],
  [["publish"], "CHANNEL: missing; publish CHANNEL VALUE needs it"],
  [["subscribe", "a", "b"], "b: unexpected argument"],
  [["get", "a", "b"], "b: unexpected argument"],
  [["set", "a", "b", "c"], "c: unexpected argument"],
  [["keys", "a", "b"], "b: unexpected argument"],
  [["get", "a", "--ttl", "3"], "--ttl: not with get"],
  [
    ["set", "a", "1", "--ttl", "0"],
    "--ttl: found 0; allowed: a number of seconds from 0.001 to 10000000000",
  ],
  [["set", "a", "1", "--if-version", "x"], "--if-version: found x; allowed: a whole number from 0"],
  [["keys", "--limit", "0"], "--limit: found 0; allowed: a whole number from 1"],
  [["watch", "--count", "1.5"], "--count: found 1.5; allowed: a whole number from 1"],
  [["subscribe", "a", "--since", "-1"], "--since: found -1; allowed: a whole number from 0"],
  [
    ["get", "a", "--host", "127.0.0.1:8890"],
    "--host: found 127.0.0.1:8890; allowed: an address or a name, without a port",
  ],
  [["get", "a", "--port", "0"], "--port: found 0; allowed: a whole number from 1 to 65535"],
])("%j is refused", async (args, problem) => {
  const { out, err, code } = await kv(args);
  expect(err).toStartWith(`error: ${problem}\n`);
  expect([out, code]).toEqual(["", 2]);
});
