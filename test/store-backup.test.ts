import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock, systemClock } from "../lib/host/clock.ts";
import { QUIET } from "../lib/services/store/journal/read/salvage.ts";
import { Keys } from "../lib/services/store/keys/keys.ts";
import { configure, type Reply, Wire } from "./fixtures/store-child.ts";
import { boot, type Booted, ended, until } from "./kit.ts";

const root = fs.mkdtempSync(join(tmpdir(), "store-backup-"));
const program = join(import.meta.dir, "..", "index.ts");
let made = 0;

afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

function folder(): string {
  const path = join(root, `${++made}`);
  fs.mkdirSync(path);
  return path;
}

async function run(words: readonly string[], input = "") {
  const child = Bun.spawn([process.execPath, program, ...words], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1", SUMMONER_STORE_TOKEN: undefined },
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  return ended(child);
}

/** A store on the real clock, since a command of its own reads the ends of keys. */
async function served(section: object, act: (server: Booted, wire: Wire) => Promise<void>) {
  const server = await boot("store", { store: section }, { clock: systemClock });
  const wire = await Wire.dial(server.port());
  try {
    await act(server, wire);
  } finally {
    wire.end();
    await server.stop();
  }
}

interface Part {
  readonly records: readonly unknown[][];
  readonly done: boolean;
}

const codeOf = ({ error }: Reply) => error?.code;
const set = (key: string, value: unknown, more: object = {}) => ({
  action: "SET",
  key,
  value,
  ...more,
});

/** All keys of a store with their versions and whether they end, in order. */
async function stateOf(wire: Wire): Promise<unknown[]> {
  const found: unknown[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: { entries: { key: string }[]; cursor: string | null } = await wire.result({
      action: "RANGE",
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const entry of page.entries) {
      const ttl = await wire.result({ action: "TTL", key: entry.key });
      found.push({ ...entry, ends: ttl !== null });
    }
    ({ cursor } = page);
  }
  return found;
}

/** The same of keys that records were applied to. */
function statesIn(keys: Keys): unknown[] {
  return keys.scan([], "", { after: null, limit: 100_000 }).names.map((key) => {
    const { text, version, expiresAt } = keys.get(key.split("^")) as NonNullable<
      ReturnType<Keys["get"]>
    >;
    return { key, value: JSON.parse(text), version, ends: expiresAt !== Infinity };
  });
}

describe("BACKUP", () => {
  for (const durability of ["none", "batch"]) {
    test(`tells all keys at the moment of its last part, with durability ${durability}`, async () => {
      const section = {
        durability,
        path: join(folder(), "data"),
        outbox_bytes: 65536,
        max_line_bytes: 32768,
      };
      await served(section, async (_, wire) => {
        const keys = new Keys(new HandClock(), QUIET, () => Infinity);
        for (let from = 0; from < 3000; from += 1000) {
          const some = Array.from({ length: 1000 }, (__, i) => [`n^${from + i}`, from + i]);
          await wire.result({ action: "MSET", values: Object.fromEntries(some) });
        }
        await wire.result(set("gone^a", 1));
        let parts = 0;
        // Changes on both sides of the walk, of every kind, by bytes and by table, between any two parts.
        const changes = async () => {
          const at = parts * 37;
          await wire.result(set(`n^${at % 3000}`, parts));
          await wire.result(set(`n^${2999 - (at % 3000)}`, `late ${parts}`));
          await wire
            .result({ action: "DEL", key: `n^${(at * 7 + 5) % 3000}`, tree: true })
            .catch(() => {});
          await wire.result(set(`new^${parts}^é`, { parts }, { ttl_ms: 1e9 }));
          await wire.result({ action: "INCR", key: "count" });
          await wire.result({
            action: "TXN",
            writes: [
              { action: "INCR", key: "left", by: -1 },
              { action: "INCR", key: "right" },
            ],
          });
          if (parts === 3) await wire.result({ action: "DEL", key: "gone", tree: true });
          if (parts === 5) await wire.result({ action: "EXPIRE", key: "count", ttl_ms: 1e9 });
        };
        for (let done = false; !done; parts++) {
          if (parts > 0) await changes();
          const part = await wire.result<Part>({ action: "BACKUP", more: parts > 0 });
          for (const record of part.records) keys.restore(Buffer.from(JSON.stringify(record)));
          ({ done } = part);
        }
        expect(parts).toBeGreaterThan(6);
        const state = await stateOf(wire);
        expect(state.length).toBeGreaterThan(2500);
        expect(statesIn(keys)).toEqual(state);
        // It has ended.
        expect(codeOf(await wire.ask({ action: "BACKUP", more: true }))).toBe("NO_BACKUP");
      });
    });
  }

  test("ends when more changes wait for it than outbox_bytes, and not before", async () => {
    await served({ outbox_bytes: 4096, max_line_bytes: 2048 }, async (_, wire) => {
      const record = (value: string) => `["set","k",1,0,"${value}"]\n`.length;
      for (const more of [0, 1]) {
        if (more > 0) await wire.result({ action: "DEL", key: "k" });
        expect(await wire.result<Part>({ action: "BACKUP" })).toMatchObject({ done: false });
        // Four records that come to the bound, or one character more; the versions have one digit.
        const long = "x".repeat(1000);
        const last = "x".repeat(4096 - 3 * record(long) - record("") + more);
        for (const value of [long, long, long, last]) await wire.result(set("k", value));
        const answer = await wire.ask({ action: "BACKUP", more: true });
        expect(codeOf(answer)).toBe(more === 0 ? undefined : "NO_BACKUP");
      }
    });
  });

  test("four are under way at most, and one whose client has gone is not", async () => {
    await served({}, async (server, wire) => {
      const others: Wire[] = [];
      for (let i = 0; i < 4; i++) {
        const other = await Wire.dial(server.port());
        others.push(other);
        await other.result({ action: "BACKUP" });
      }
      expect(codeOf(await wire.ask({ action: "BACKUP" }))).toBe("TOO_MANY");
      // One that is begun anew is no further one.
      await others[0]?.result({ action: "BACKUP" });
      others[0]?.end();
      await until(() => server.stats()["clients"] === 4);
      expect(await wire.result<Part>({ action: "BACKUP" })).toMatchObject({ done: false });
      for (const other of others) other.end();
    });
  });

  test("is for the token that may do everything alone, as min_version is", async () => {
    const at = folder();
    const [token_file, roles_file] = [join(at, "token"), join(at, "roles")];
    fs.writeFileSync(token_file, "a-long-enough-token\n", { mode: 0o600 });
    fs.writeFileSync(
      roles_file,
      '[shop]\ntoken = "another-long-token"\nread = ["^"]\nwrite = ["^"]\n',
      { mode: 0o600 },
    );
    await served({ token_file, roles_file }, async (_, wire) => {
      const txn = (min_version: number) => ({
        action: "TXN",
        writes: [set("a", 1, { min_version })],
      });
      await wire.result({ action: "AUTH", token: "another-long-token" });
      expect(codeOf(await wire.ask({ action: "BACKUP" }))).toBe("FORBIDDEN");
      expect(codeOf(await wire.ask(txn(7)))).toBe("FORBIDDEN");
      await wire.result({ action: "AUTH", token: "a-long-enough-token" });
      expect(await wire.result<Part>({ action: "BACKUP" })).toMatchObject({ done: false });
      expect(await wire.result<object>(txn(7))).toEqual({ results: [{ version: 7 }] });
      // No version is used twice.
      expect(await wire.result<object>(txn(7))).toEqual({ results: [{ version: 8 }] });
      expect(codeOf(await wire.ask(txn(2 ** 52 + 1)))).toBe("WRONG_TYPE");
      expect(await wire.result<object>(txn(2 ** 52))).toEqual({ results: [{ version: 2 ** 52 }] });
    });
  });
});

describe("the store command", () => {
  const SET = [
    set("users^42", { name: "Ann", tags: ["é", 0.1, null] }),
    set("users^42^name", "Ann"),
    set("users^42^name", "Anna"),
    set("session", "s", { ttl_ms: 10 ** 9 }),
    set("gone", 1),
    { action: "DEL", key: "gone" },
    set("-1", "\u2028\\n"),
  ];
  let state: unknown[] = [];

  /** A server with keys, and a backup of it that was made while it ran. */
  async function backedUp() {
    const at = folder();
    const path = join(at, "data");
    const file = configure(at, { path, durability: "batch" });
    const copy = join(at, "copy");
    await served({ path, durability: "batch" }, async (server, wire) => {
      for (const request of SET) await wire.result(request);
      state = await stateOf(wire);
      const words = ["store", "backup", copy, "--config", file, "--port", `${server.port()}`];
      const { out, err, code } = await run(words);
      expect([err, code]).toEqual(["", 0]);
      expect(out).toContain(`from the server at 127.0.0.1:${server.port()}`);
    });
    return { at, path, file, copy };
  }

  const holds = (section: object, expected: unknown[]) =>
    served(section, async (_, wire) => expect(await stateOf(wire)).toEqual(expected));

  test("backup and restore give back keys, values, versions and ends", async () => {
    const { at, path, file, copy } = await backedUp();
    const out = join(at, "restored");
    const taken = await run(["store", "restore", copy, "--config", file]);
    expect(taken).toMatchObject({
      err: `error: ${path} is not empty: move what is there away, or use --out\n`,
      code: 1,
    });
    const { err, code } = await run(["store", "restore", copy, "--out", out, "--config", file]);
    expect([err, code]).toEqual(["", 0]);
    expect((await run(["store", "check", "--set", `store.path=${out}`])).code).toBe(0);
    await holds({ path: out, durability: "batch" }, state);
    await holds({ path, durability: "batch" }, state);
    // A version of a key that was deleted before the backup is not used again.
    await served({ path: out, durability: "batch" }, async (_, wire) => {
      const fresh = await wire.result<{ version: number }>(set("gone", 2, { meta: true }));
      expect(fresh.version).toBeGreaterThan(1);
    });
    const raised = join(at, "raised");
    await run(["store", "restore", copy, "--out", raised, "--raise"]);
    await served({ path: raised, durability: "batch" }, async (_, wire) => {
      const found = (await stateOf(wire)) as { version: number }[];
      const versions = (state as { version: number }[]).map(({ version }) => version + 10 ** 9);
      expect(found.map(({ version }) => version)).toEqual(versions);
    });
  }, 120_000);

  test("a damaged or cut backup is refused, and nothing is made of it", async () => {
    const { at, copy } = await backedUp();
    const bytes = fs.readFileSync(copy);
    const changed = Buffer.from(bytes);
    const place = changed.indexOf('"Anna"') + 1;
    changed[place] = 66;
    const out = join(at, "restored");
    for (const [what, content] of Object.entries({
      changed,
      cut: bytes.subarray(0, bytes.length - 1),
      empty: Buffer.alloc(0),
      other: Buffer.from("no backup"),
      doubled: Buffer.concat([bytes, bytes]),
    })) {
      const path = join(at, what);
      fs.writeFileSync(path, content);
      const { err, code } = await run(["store", "restore", path, "--out", out]);
      expect([what, code, err.startsWith(`error: ${path} `)]).toEqual([what, 1, true]);
      expect(fs.existsSync(out)).toBe(false);
    }
    const missing = await run(["store", "restore", join(at, "missing"), "--out", out]);
    expect([missing.code, fs.existsSync(out)]).toEqual([1, false]);
  }, 120_000);

  test("a backup that fails leaves the one before as it is, and no file of its own", async () => {
    const { at, copy, file } = await backedUp();
    const before = fs.readFileSync(copy);
    const words = ["store", "backup", copy, "--host", "127.0.0.1", "--port", "1"];
    expect((await run(words)).code).toBe(1);
    expect(fs.readFileSync(copy)).toEqual(before);
    expect(fs.readdirSync(at).filter((name) => name.startsWith("copy"))).toEqual(["copy"]);
    // Its name is that of a folder.
    const taken = join(at, "copies");
    fs.mkdirSync(taken);
    const { err, code } = await run(["store", "backup", taken, "--config", file]);
    expect([err.includes("copies"), code]).toEqual([true, 1]);
    expect(fs.readdirSync(at).filter((name) => name.startsWith("copies"))).toEqual(["copies"]);
  });

  test("a copy that does not fit leaves what was there; a link is followed, and a pipe stays one", async () => {
    const at = folder();
    const path = join(at, "data");
    const file = configure(at, { path, durability: "batch" });
    await served({ path, durability: "batch" }, async (_, wire) => {
      await wire.result(set("long", "x".repeat(8000)));
    });
    for (const what of ["backup", "export"]) {
      const copy = join(at, what);
      const words = ["store", what, copy, "--config", file];
      fs.writeFileSync(copy, "before");
      // Files of at most four kilobytes, as on a disk that is nearly full.
      const limited = ["bash", "-c", 'trap "" XFSZ; ulimit -f 4; exec "$@"', "bash"];
      const child = Bun.spawn([...limited, process.execPath, program, ...words], {
        cwd: root,
        env: { ...process.env, NO_COLOR: "1" },
        stdout: "pipe",
        stderr: "pipe",
      });
      const { err, code } = await ended(child);
      expect([what, code, err]).toEqual([what, 1, expect.stringMatching(/^error: .*EFBIG/)]);
      expect(fs.readFileSync(copy, "utf8")).toBe("before");
      fs.symlinkSync(copy, `${copy}-link`);
      expect((await run(["store", what, `${copy}-link`, "--config", file])).code).toBe(0);
      expect(fs.readFileSync(copy, "utf8")).toContain("xxx");
      expect(fs.readlinkSync(`${copy}-link`)).toBe(copy);
      const pipe = join(at, `${what}-pipe`);
      expect(Bun.spawnSync(["mkfifo", pipe]).exitCode).toBe(0);
      const reader = Bun.spawn(["cat", pipe], { stdout: "pipe" });
      expect((await run(["store", what, pipe, "--config", file])).code).toBe(0);
      expect(await reader.stdout.text()).toContain("xxx");
      expect(fs.statSync(pipe).isFIFO()).toBe(true);
    }
    const left = fs.readdirSync(at).filter((name) => name.endsWith(".unfinished"));
    expect(left).toEqual([]);
  }, 120_000);

  test("reads the files where no server runs, and export and import carry versions and ends", async () => {
    const { at, path, file } = await backedUp();
    const again = join(at, "again");
    const { out } = await run(["store", "backup", again, "--config", file]);
    expect(out).toContain(`from the files in ${path}`);
    const lines = join(at, "keys.jsonl");
    expect((await run(["store", "export", lines, "--config", file])).code).toBe(0);
    const text = fs.readFileSync(lines, "utf8");
    const entries = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const told = (state as { ends: boolean }[]).map(({ ends, ...rest }) => ({
      ...rest,
      ...(ends ? { expires_at: expect.any(Number) } : {}),
    }));
    expect(entries).toEqual(told);
    await served({}, async (server, wire) => {
      const port = ["--port", `${server.port()}`];
      const done = await run(["store", "import", lines, "--config", file, ...port]);
      expect(done).toMatchObject({ out: `${state.length} keys imported\n`, err: "", code: 0 });
      expect(await stateOf(wire)).toEqual(state);
      const shown = await run(["store", "export", "-", "--config", file, ...port]);
      const withoutEnds = (lines: string) => lines.replaceAll(/"expires_at":\d+/g, "");
      expect(withoutEnds(shown.out)).toBe(withoutEnds(text));
      // Twice the same key in a row, a key that has expired, fields that are missing.
      const more = [
        '{"key":"twice","value":1}',
        '{"key":"^twice","value":2}',
        "",
        '{"key":"over","value":1,"expires_at":1000}',
        '{"key":"low","value":1,"version":5}',
      ].join("\n");
      const third = await run(["store", "import", "-", "--config", file, ...port], more);
      expect(third).toMatchObject({
        out: "3 keys imported, 1 key had expired\n",
        err: "",
        code: 0,
      });
      expect(await wire.result<unknown>({ action: "GET", key: "twice" })).toBe(2);
      expect(await wire.result<unknown>({ action: "EXISTS", key: "over" })).toBe(false);
      for (const [line, why] of [
        ["{", "line 2: it is not JSON"],
        ["[]", "line 2: it is not an object"],
        ['{"value":1}', "line 2: key; allowed: text"],
        ['{"key":"a"}', "line 2: value is missing"],
        ['{"key":"a","value":1,"ttl":1}', "line 2: ttl; allowed: key, value, version, expires_at"],
        ['{"key":"a","value":9007199254740993}', "line 2: it holds a number that would not"],
        ['{"key":"^sys^a","value":1}', "up to line 2: RESERVED"],
      ] as const) {
        const input = `{"key":"a","value":1}\n${line}\n`;
        const { err, code } = await run(["store", "import", "-", "--config", file, ...port], input);
        expect([line, code, err.startsWith(`error: ${why}`)]).toEqual([line, 1, true]);
      }
      // Nothing of a group that is refused.
      expect(await wire.result<unknown>({ action: "EXISTS", key: "a" })).toBe(false);
    });
  }, 120_000);
});
