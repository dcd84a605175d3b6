import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configure, StoreChild, Wire } from "./fixtures/store-child.ts";
import { until } from "./kit.ts";

const root = fs.mkdtempSync(join(tmpdir(), "store-failing-disk-"));
const children = new Set<StoreChild>();
afterAll(async () => {
  for (const child of children) await child.kill();
  fs.rmSync(root, { recursive: true, force: true });
}, 60_000);

/** True if calls to the system can be made to fail. */
const canFail = (() => {
  const strace = Bun.which("strace");
  const inject = "inject=fdatasync:error=EIO";
  return strace !== null && Bun.spawnSync([strace, "-f", "-e", inject, "true"]).exitCode === 0;
})();
if (!canFail) console.log("a sync that fails: SKIPPED, strace is missing or not permitted");

/** Makes every fdatasync of a process fail, or another call, until the answer is called. */
async function failing(pid: number, call = "fdatasync"): Promise<() => Promise<void>> {
  const words = ["strace", "-f", "-p", `${pid}`, "-e", `trace=${call}`];
  const tracer = Bun.spawn([...words, "-e", `inject=${call}:error=EIO`], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  let said = "";
  void (async () => {
    for await (const bytes of tracer.stderr) said += Buffer.from(bytes).toString();
  })();
  await until(() => said.includes("attached"));
  return async () => {
    tracer.kill("SIGINT");
    await tracer.exited;
  };
}

describe.skipIf(!canFail)("a sync that fails", () => {
  test("with always holds up what waits for it and what would show it, and nobody else, until it heals", async () => {
    const file = configure(root, { durability: "always" });
    const { child, port } = await StoreChild.ready(file);
    children.add(child);
    const [writer, other] = [await Wire.dial(port), await Wire.dial(port)];
    for (const key of ["kept", "a^b", "tree^x", "tree^y"]) {
      await other.result({ action: "SET", key, value: 1 });
    }
    const heal = await failing(child.pid);
    const waits = writer.ask({ action: "SET", key: "a^b", value: 2 });
    let answered = false;
    void waits.then(() => {
      answered = true;
    });
    await child.says(/cannot sync .*; writes are refused/);

    const code = async (request: object) => (await other.ask({ ...request })).error?.code;
    expect(await other.result({ action: "PING" })).toBe("PONG");
    expect(await other.result<number>({ action: "GET", key: "kept" })).toBe(1);
    expect(await other.values(["kept", "tree^x"])).toEqual(
      new Map([
        ["kept", 1],
        ["tree^x", 1],
      ]),
    );
    expect(await other.result({ action: "TTL", key: "kept" })).toBeNull();
    expect(await other.result({ action: "PUBLISH", channel: "c", value: 1 })).toBe(0);
    expect(
      (await other.result<Record<string, number>>({ action: "INFO" }))["journal_failing"],
    ).toBe(1);
    // Nobody may see what may be gone after a crash.
    for (const request of [
      { action: "GET", key: "a^b" },
      { action: "GET", key: "b", ns: "a" },
      { action: "EXISTS", key: "^a^b" },
      { action: "MGET", keys: ["kept", "a^b"] },
      { action: "KEYS" },
      { action: "ORDER", key: "" },
      { action: "NAMESPACES" },
      { action: "BACKUP" },
      { action: "SET", key: "kept", value: 2 },
      { action: "SET", key: "a^b", value: 2, if_absent: true },
      { action: "DEL", key: "kept" },
      { action: "INCR", key: "n" },
    ]) {
      expect([request, await code(request)]).toEqual([request, "DISK_FAILING"]);
    }
    // In the order of requests: behind an answer that waits, others wait.
    const behind = writer.ask({ action: "PING" });
    expect(await other.result({ action: "PING" })).toBe("PONG");
    expect(answered).toBe(false);

    await heal();
    expect(await waits).toEqual({ result: "OK" });
    expect(await behind).toEqual({ result: "PONG" });
    await child.says(/writing .* again/);
    expect(await other.result<number>({ action: "GET", key: "a^b" })).toBe(2);
    expect(await other.result({ action: "SET", key: "kept", value: 3 })).toBe("OK");
    child.signal("SIGTERM");
    expect(await child.exit()).toBe(0);
    children.delete(child);
    const again = await StoreChild.ready(file);
    children.add(again.child);
    const wire = await Wire.dial(again.port);
    expect(await wire.values(["kept", "a^b", "tree^x", "tree^y"])).toEqual(
      new Map([
        ["kept", 3],
        ["a^b", 2],
        ["tree^x", 1],
        ["tree^y", 1],
      ]),
    );
    wire.end();
  }, 120_000);

  test.each(["fdatasync", "pwrite64"])(
    "with batch, by %s, refuses changes with a code of its own until it heals",
    async (call) => {
      const folder = join(root, call);
      fs.mkdirSync(folder);
      const file = configure(folder, { durability: "batch" });
      const { child, port } = await StoreChild.ready(file);
      children.add(child);
      const wire = await Wire.dial(port);
      expect(await wire.result({ action: "SET", key: "a", value: 1 })).toBe("OK");
      const heal = await failing(child.pid, call);
      // Answered once it is written: at once, or when the disk works again.
      const writer = await Wire.dial(port);
      const first = writer.ask({ action: "SET", key: "b", value: 1 });
      await child.says(/cannot (sync|write) .*; writes are refused/);
      for (const request of [
        { action: "DEL", key: "a" },
        { action: "EXPIRE", key: "a", ttl_ms: 1000 },
        { action: "INCR", key: "n" },
        { action: "MSET", values: { a: 2 } },
        { action: "TXN", writes: [{ action: "SET", key: "a", value: 2 }] },
      ]) {
        const { error } = await wire.ask({ ...request });
        expect([request, error?.code]).toEqual([request, "DISK_FAILING"]);
      }
      expect(await wire.result<number>({ action: "GET", key: "a" })).toBe(1);
      await heal();
      expect(await first).toEqual({ result: "OK" });
      await child.says(/INFO.*writing .* again/);
      expect(await wire.result({ action: "SET", key: "a", value: 3 })).toBe("OK");
      wire.end();
      writer.end();
      child.signal("SIGTERM");
      expect(await child.exit()).toBe(0);
      children.delete(child);
    },
    120_000,
  );
});
