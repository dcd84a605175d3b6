import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { configure, StoreChild, Wire } from "./fixtures/store-child.ts";
import { boot, ended } from "./kit.ts";
import { Chain, journalHead, manifestOf, markOf, oldBatch } from "./journal-suite.ts";

// What an operator sees of a damaged folder, from the start of a server to its end.

const root = fs.mkdtempSync(join(tmpdir(), "store-damage-"));
const program = join(import.meta.dir, "..", "index.ts");
const children = new Set<StoreChild>();
let made = 0;

afterAll(async () => {
  for (const child of children) await child.kill();
  fs.rmSync(root, { recursive: true, force: true });
}, 60_000);

async function run(...args: string[]) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1", SUMMONER_STORE_TOKEN: undefined },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const { out, err, code } = await ended(child);
  return { out: out.trim().split("\n"), err: err.trim().split("\n"), code };
}

async function ready(file: string) {
  const started = await StoreChild.ready(file);
  children.add(started.child);
  return started;
}

async function stopped(child: StoreChild): Promise<void> {
  child.signal("SIGTERM");
  expect(await child.exit()).toBe(0);
  children.delete(child);
}

/** A store in this process. */
const served = (section: object, web: object = {}) =>
  boot(
    ["store", "web"],
    { store: { durability: "always", ...section }, web },
    { clock: new HandClock() },
  );

/** A folder with three keys, whose first batch was changed. */
async function damaged() {
  const folder = join(root, `${++made}`);
  fs.mkdirSync(folder);
  const data = join(folder, "data");
  const server = await served({ path: data });
  const wire = await Wire.dial(server.port());
  for (const key of ["a", "b", "c"]) await wire.result({ action: "SET", key, value: 1 });
  await wire.result({ action: "SET", key: "c", value: 2 });
  wire.end();
  await server.stop();
  const journal = join(data, "journal-1");
  const bytes = fs.readFileSync(journal);
  bytes[bytes.indexOf('"a"') + 1] = 120;
  fs.writeFileSync(journal, bytes);
  const at = journalHead(1).length;
  const said = `${journal} is damaged from byte ${at} to ${bytes.indexOf("\n", at + 51) + 1}: batch 1`;
  return { folder, data, said };
}

test("stops the start, and says what is damaged, what is whole, and what can be done", async () => {
  const { folder, data, said } = await damaged();
  const file = configure(folder, { durability: "always" });
  const before = fs.readFileSync(join(data, "journal-1"));
  for (const words of [
    ["--config", file],
    ["check", "--config", file],
  ]) {
    const { err, out, code } = await run(...words);
    const text = [...err, ...out].join("\n");
    expect(text).toContain(`store.path: ${said}\n`);
    expect(text).toContain(
      `${data} is damaged, and nothing was changed; 3 whole batches with 3 records could be kept`,
    );
    expect(text).toContain("store salvage --out FOLDER");
    // Of a check any fault of a setting is 2.
    expect(code).toBe(words[0] === "check" ? 2 : 1);
  }
  expect(fs.readFileSync(join(data, "journal-1"))).toEqual(before);
});

test("is told by store check, and store salvage writes what is whole to another folder", async () => {
  const { folder, data, said } = await damaged();
  const file = configure(folder, { durability: "always" });
  const found = await run("store", "check", "--config", file);
  expect(found).toEqual({
    out: [`${data}: 3 whole batches, 3 records, 2 keys, 1 damage`],
    err: [`error: ${said}`],
    code: 1,
  });
  const saved = join(folder, "saved");
  expect(await run("store", "salvage", "--config", file)).toMatchObject({ code: 2 });
  const { out, code } = await run("store", "salvage", "--out", saved, "--config", file);
  expect([out[1], code]).toEqual([`${saved}: written; store.path may name it now`, 0]);
  const again = await run("store", "salvage", "--out", saved, "--config", file);
  expect([again.err, again.code]).toEqual([[`error: ${saved} is not empty`], 1]);
  const whole = await run("store", "check", "--config", file, "--set", `store.path=${saved}`);
  expect([whole.code, whole.err]).toEqual([0, [""]]);
  const server = await served({ path: saved });
  const wire = await Wire.dial(server.port());
  expect(await wire.values(["a", "b", "c"])).toEqual(
    new Map([
      ["b", 1],
      ["c", 2],
    ]),
  );
  wire.end();
  await server.stop();
  const nothing = await run("store", "check", "--set", `store.path=${join(root, "nothing")}`);
  expect([nothing.err, nothing.code]).toEqual([
    [`error: ${join(root, "nothing")}: there is no store`],
    1,
  ]);
});

test("is not salvaged into the folder that is to stay as it is", async () => {
  const { folder, data } = await damaged();
  const file = configure(folder, { durability: "always" });
  const link = join(folder, "link");
  fs.symlinkSync(data, link);
  const before = fs.readdirSync(data);
  for (const out of [data, join(data, "saved"), join(data, "a", "b"), join(link, "saved")]) {
    const { err, code } = await run("store", "salvage", "--out", out, "--config", file);
    const said = `error: ${out} is in ${data}, which stays as it is: name a folder elsewhere`;
    expect([err, code]).toEqual([[said], 1]);
  }
  expect(fs.readdirSync(data)).toEqual(before);
  // What only begins alike is another folder.
  const { code } = await run("store", "salvage", "--out", `${data}-saved`, "--config", file);
  expect(code).toBe(0);
}, 60_000);

test.each(["journal-1", "manifest", "mark-1"])(
  "that is a folder in the place of %s is told by store check, and stops a start",
  async (name) => {
    const { folder, data } = await damaged();
    const file = configure(folder, { durability: "always" });
    fs.rmSync(join(data, name));
    fs.mkdirSync(join(data, name));
    const { err, code } = await run("store", "check", "--config", file);
    expect(err).toContain(`error: ${join(data, name)} is a folder`);
    expect(code).toBe(1);
    const started = await run("check", "--config", file);
    expect([started.code, started.err.join("\n")]).toEqual([2, expect.stringContaining(name)]);
    await expect(served({ path: data })).rejects.toThrow(join(data, name));
  },
);

test('with damage = "salvage" is gone on with, is told until somebody acknowledges it, and gives no version twice', async () => {
  const { data, said } = await damaged();
  const section = { path: data, damage: "salvage" };
  let server = await served(section);
  const reason =
    "the journal was salvaged from 1 damage at 2026-01-02T03:04:05.678Z: store acknowledge tells them, and ends this";
  expect(server.printed()).toContain(said);
  for (let start = 0; start < 2; start++) {
    const health = await server.get("/healthz");
    expect([health.status, (await health.text()).includes(reason)]).toEqual([503, true]);
    await server.stop();
    server = await served(section);
  }
  const wire = await Wire.dial(server.port());
  expect(await wire.values(["a", "b", "c"])).toEqual(
    new Map([
      ["b", 1],
      ["c", 2],
    ]),
  );
  // Version 2 may have been that of a value that was lost.
  for (const if_version of [1, 2]) {
    const { error } = await wire.ask({ action: "SET", key: "c", value: 9, if_version });
    expect(error?.code).toBe("VERSION_MISMATCH");
  }
  const { version } = await wire.result<{ version: number }>({
    action: "GET",
    key: "c",
    meta: true,
  });
  await wire.result({ action: "SET", key: "a", value: 1 });
  const fresh = await wire.result<{ version: number }>({ action: "GET", key: "a", meta: true });
  expect([version > 10 ** 9, fresh.version > 10 ** 9]).toEqual([true, true]);

  expect(await wire.result({ action: "ACKNOWLEDGE" })).toEqual({
    at: "2026-01-02T03:04:05.678Z",
    damages: [said],
  });
  expect(await wire.result({ action: "ACKNOWLEDGE" })).toBeNull();
  expect((await server.get("/healthz")).status).toBe(200);
  wire.end();
  await server.stop();
  expect(fs.readdirSync(join(data, "damaged-1")).sort()).toEqual([
    "journal-1",
    "manifest",
    "mark-1",
  ]);
  server = await served(section);
  expect((await server.get("/healthz")).status).toBe(200);
  await server.stop();
});

test("is acknowledged by a command, with the server running or not, and not by just any role", async () => {
  for (const runs of [true, false]) {
    const { folder, said } = await damaged();
    fs.writeFileSync(join(folder, "token"), "a-long-enough-token\n", { mode: 0o600 });
    fs.writeFileSync(
      join(folder, "roles"),
      '[shop]\ntoken = "another-long-token"\nread = ["^"]\n',
      { mode: 0o600 },
    );
    const file = configure(folder, {
      damage: "salvage",
      token_file: join(folder, "token"),
      roles_file: join(folder, "roles"),
    });
    const { child, port } = await ready(file);
    const wire = await Wire.dial(port);
    await wire.result({ action: "AUTH", token: "another-long-token" });
    expect((await wire.ask({ action: "ACKNOWLEDGE" })).error?.code).toBe("FORBIDDEN");
    wire.end();
    if (!runs) await stopped(child);
    const acknowledge = ["store", "acknowledge", "--config", file];
    if (runs) acknowledge.push("--port", `${port}`);
    const { out, err, code } = await run(...acknowledge);
    expect([err, code]).toEqual([[""], 0]);
    expect([out[0], out[1]?.startsWith("Salvaged at ")]).toEqual([said, true]);
    expect((await run(...acknowledge)).out).toEqual(["There is no damage to acknowledge."]);
    if (runs) await stopped(child);
  }
}, 120_000);

test("in no way are records of a newer version applied: the start is refused", async () => {
  for (const record of [
    ["txn", []],
    ["del"],
    ["deltree", "a", 1],
    ["set", "a", 1, 0],
    ["floor", -1],
    [],
  ]) {
    const path = join(root, `${++made}`);
    fs.mkdirSync(path);
    const chain = new Chain();
    const batches = [chain.batch(["set", "a", 1, 0, 1]), chain.batch(record)];
    fs.writeFileSync(
      join(path, "manifest"),
      manifestOf({ snapshot: null, journals: [1], mark: 1 }),
    );
    fs.writeFileSync(join(path, "mark-1"), markOf(0, 0));
    fs.writeFileSync(join(path, "journal-1"), Buffer.concat([journalHead(1), ...batches]));
    const said = `store.path: journal-1: batch 2 cannot be read by this version (unknown record ${JSON.stringify(record)}): a newer version wrote it; nothing was changed`;
    for (const damage of ["refuse", "salvage"]) {
      expect(served({ path, damage })).rejects.toThrow(said);
    }
    if (record.length !== 1) continue;
    const file = configure(join(root, `${made}`), { durability: "always" });
    const { err, code } = await run("check", "--config", file, "--set", `store.path=${path}`);
    expect([err.join("\n").includes(said), code]).toEqual([true, 2]);
  }
}, 60_000);

test("a folder of the format before is read and upgraded", async () => {
  const path = join(root, `${++made}`);
  fs.mkdirSync(path);
  fs.writeFileSync(
    join(path, "snapshot"),
    Buffer.concat([
      oldBatch(["snapshot", 4], ["floor", 7], ["set", "a", 3, 0, "x"]),
      oldBatch(["floor", 7], ["set", "b^c", 8, 0, { d: 1 }]),
    ]),
  );
  fs.writeFileSync(
    join(path, "journal.4"),
    Buffer.concat([oldBatch(["del", "a"]), oldBatch(["set", "e", 9, 0, 1]), Buffer.alloc(5000)]),
  );
  for (let start = 0; start < 2; start++) {
    const server = await served({ path });
    const wire = await Wire.dial(server.port());
    expect(await wire.values(["a", "b^c", "e"])).toEqual(
      new Map<string, unknown>([
        ["b^c", { d: 1 }],
        ["e", 1],
      ]),
    );
    const { version } = await wire.result<{ version: number }>({
      action: "GET",
      key: "e",
      meta: true,
    });
    expect(version).toBe(9);
    wire.end();
    await server.stop();
    expect(fs.readdirSync(path).sort()).toEqual([
      "journal-5",
      "lock",
      "manifest",
      "mark-5",
      "snapshot-5",
    ]);
  }
});
