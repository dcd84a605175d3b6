import { afterAll, describe, expect, onTestFinished, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ask, boot, type Booted, until } from "./kit.ts";
import { mounted, remount, unmount } from "./small-disk.ts";

// A disk that the store's own files have filled.

const root = fs.mkdtempSync(join(tmpdir(), "store-full-disk-"));
const small = join(root, "small");
const hasSmallDisk = mounted(small, "size=8m");
if (!hasSmallDisk) console.log("full disk: SKIPPED, mounting a tmpfs is not permitted here");
afterAll(() => {
  if (hasSmallDisk) unmount(small);
  fs.rmSync(root, { recursive: true });
});

const MiB = 2 ** 20;
let made = 0;

async function served() {
  const path = join(small, `${++made}`);
  const server = await boot("store", { store: { path, durability: "batch" } });
  const peer = await server.join();
  onTestFinished(async () => {
    peer.end();
    await server.stop();
    fs.rmSync(path, { recursive: true });
  });
  const tell = async (request: object) => (await ask(peer, request)) as any;
  const health = () => server.running().health();
  /** Sets values of keys in turn until the disk is full. @returns the last value of each key */
  const fill = async (keys: number, bytes: number) => {
    const values = new Map<string, string>();
    for (let n = 0; ; n++) {
      const [key, value] = [`k^${n % keys}`, `${n}${"x".repeat(bytes)}`];
      const { error } = await tell({ action: "SET", key, value });
      if (error?.code === "DISK_FULL") return values;
      expect(error).toBeUndefined();
      values.set(key, value);
    }
  };
  const held = async () => {
    const found = new Map<string, string>();
    for (let cursor: string | null = ""; cursor !== null;) {
      const from = cursor === "" ? {} : { cursor };
      const { result } = await tell({ action: "RANGE", ns: "k", ...from });
      for (const { key, value } of result.entries) found.set(`k^${key}`, value);
      cursor = result.cursor;
    }
    return shortened(found);
  };
  return { server, path, tell, health, fill, held };
}

/** Values as a failure can show them. */
function shortened(values: ReadonlyMap<string, string>): Record<string, string> {
  const short = (value: string) => value.replace(/x+$/, (all) => `x${all.length}`);
  return Object.fromEntries([...values].map(([key, value]) => [key, short(value)] as const).sort());
}

const printed = (server: Booted) => server.printed();
const sizeOf = (path: string) =>
  fs.readdirSync(path).reduce((sum, name) => sum + fs.statSync(join(path, name)).size, 0);

describe.skipIf(!hasSmallDisk)("a disk that is full of values that have changed since", () => {
  test("makes room by itself, and loses nothing", async () => {
    const { server, path, tell, health, fill, held } = await served();
    const values = await fill(10, 10_000);
    expect(sizeOf(path)).toBeGreaterThan(6 * MiB);
    expect(health().reason).toMatch(
      /^changes are refused: cannot write: no space left on device; the files in .* are written anew, which frees \d+ bytes$/,
    );
    server.clock.advance(1000);
    await until(() => {
      server.clock.advance(50);
      return health().ok;
    });
    expect(await tell({ action: "SET", key: "k^new", value: "" })).toEqual({ result: "OK" });
    values.set("k^new", "");
    expect(sizeOf(path)).toBeLessThan(3 * MiB);
    expect(await held()).toEqual(shortened(values));
    expect(printed(server)).toMatch(/INFO.*writing .* again/);
    expect(printed(server)).not.toMatch(/WARNING.*again/);
    // Once more, and after a restart too.
    const more = await fill(10, 10_000);
    server.clock.advance(1000);
    await until(() => {
      server.clock.advance(50);
      return health().ok;
    });
    for (const [key, value] of more) values.set(key, value);
    await server.stop();
    const again = await boot("store", { store: { path, durability: "batch" } });
    onTestFinished(() => again.stop());
    const peer = await again.join();
    const { result } = (await ask(peer, { action: "RANGE", ns: "k", limit: 1000 })) as any;
    const kept = new Map<string, string>(
      result.entries.map((one: any) => [`k^${one.key}`, one.value]),
    );
    expect(shortened(kept)).toEqual(shortened(values));
  });

  test("makes room after keys are removed", async () => {
    const { server, path, tell, health, fill, held } = await served();
    const values = await fill(1_000_000, 10_000);
    expect(health().reason).toEndWith(
      `make room on the disk of ${path}, or remove keys: DEL is taken`,
    );
    for (let i = 0; i < 15; i++) server.clock.advance(1000);
    expect(health().ok).toBe(false);
    for (const key of [...values.keys()].slice(5)) {
      expect(await tell({ action: "DEL", key })).toEqual({ result: 1 });
      values.delete(key);
    }
    await until(() => {
      server.clock.advance(50);
      return health().ok;
    });
    expect(await held()).toEqual(shortened(values));
    expect(sizeOf(path)).toBeLessThan(3 * MiB);
  });

  test("and has no room to write them anew says how much it lacks, and waits for it", async () => {
    const { server, path, tell, health, fill, held } = await served();
    const values = await fill(220, 10_000);
    expect(health().reason).toMatch(
      /; the files in .* would be written anew and \d+ bytes freed, if its disk had \d+ bytes more: make room there$/,
    );
    const lacks = Number(/had (\d+) bytes/.exec(health().reason)?.[1]);
    expect(lacks).toBeGreaterThan(0.5 * MiB);
    const before = sizeOf(path);
    for (let i = 0; i < 15; i++) server.clock.advance(1000);
    expect(sizeOf(path)).toBe(before);
    // DEL goes on meanwhile.
    expect(await tell({ action: "DEL", key: "k^0" })).toEqual({ result: 1 });
    values.delete("k^0");
    expect(await held()).toEqual(shortened(values));
    // With some room it is not full any more, and makes more at once, before it is full again.
    expect(remount(small, "size=16m")).toBe(true);
    await until(() => {
      server.clock.advance(50);
      return health().ok && server.stats()["snapshots"] === 1;
    });
    expect(sizeOf(path)).toBeLessThan(4 * MiB);
    expect(await held()).toEqual(shortened(values));
  });
});
