import { expect, onTestFinished, test } from "bun:test";
import { StoreClient } from "../index.ts";
import { examples } from "./examples.ts";
import { boot, until } from "./kit.ts";

// The examples of the page of the store's client.

const { example, started } = examples();
const recipes = async () => import(await example("recipes.ts"));

async function served() {
  const server = await boot("store");
  const store = new StoreClient({ port: server.port() });
  onTestFinished(async () => {
    store.close();
    await server.stop();
  });
  return { server, store };
}

test("the first example keeps a note", async () => {
  const { server } = await served();
  const path = await example("notes.ts", (code) => code.replace("8890", `${server.port()}`));
  const { program, all, said } = await started(path, [], /\n/);
  await all;
  expect([said(), await program.exited]).toEqual(["buy milk\n", 0]);
});

test("a copy is what is there", async () => {
  const { store } = await served();
  await store.ask("MSET", { values: { "c^1": 1, "c^a^b": 2, d: 3 } });
  const { copyOf } = await import(await example("copy.ts"));
  const held: ReadonlyMap<string, unknown> = copyOf(store, "c^*");
  await until(() => held.size === 2);
  await store.ask("SET", { key: "c^2", value: 2 });
  await store.ask("DEL", { key: "c^a", tree: true });
  await store.ask("DEL", { key: "c^1" });
  await until(() => held.size === 1);
  expect([...held]).toEqual([["c^2", 2]]);
});

test("a lock is one's at a time, and not given back by who has lost it", async () => {
  const { server, store } = await served();
  const { locked } = await recipes();
  const versions: number[] = [];
  const inner: boolean[] = [];
  const done = await locked(store, "x", async (version: number) => {
    versions.push(version);
    inner.push(await locked(store, "x", async () => {}));
    void server.clock.leap(40_000);
    await until(() => server.stats()["keys"] === 0);
    // Another holds it by now, and keeps it.
    await store.ask("SET", { key: "locks^x", value: "another" });
  });
  expect([done, inner]).toEqual([true, [false]]);
  expect(await store.ask("GET", { key: "locks^x" })).toBe("another");
  await store.ask("DEL", { key: "locks^x" });
  await locked(store, "x", async (version: number) => void versions.push(version));
  expect(versions[1]).toBeGreaterThan(versions[0] as number);
  expect(await store.ask("EXISTS", { key: "locks^x" })).toBe(false);
});

test("a counter counts, and is gone after its time", async () => {
  const { server, store } = await served();
  const { counted } = await recipes();
  const all = Array.from({ length: 20 }, () => counted(store, "visits", "2026-01-02"));
  expect((await Promise.all(all)).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  void server.clock.leap(7 * 86_400_000);
  expect(await store.ask("EXISTS", { key: "counters^visits^2026-01-02" })).toBe(false);
});

test("a queue gives each once, in order", async () => {
  const { store } = await served();
  const { push, take } = await recipes();
  expect(await take(store, "q")).toBeUndefined();
  for (let i = 0; i < 12; i++) await push(store, "q", i);
  expect([await take(store, "q"), await take(store, "q")]).toEqual([0, 1]);
  const rest = await Promise.all(Array.from({ length: 12 }, () => take(store, "q")));
  const taken = rest.filter((one) => one !== undefined).toSorted((a, b) => a - b);
  expect(taken).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
});

test("presence tells who comes and goes", async () => {
  const { server, store } = await served();
  const { present, watchPresence } = await recipes();
  const told: string[] = [];
  await present(store, "ann");
  await watchPresence(store, (who: string, isThere: boolean) => {
    told.push(`${isThere ? "+" : "-"}${who}`);
  }).ready;
  await until(() => told.length === 1);
  await present(store, "bob");
  await until(() => told.length === 2);
  server.clock.advance(20_000);
  await present(store, "bob");
  server.clock.advance(15_000);
  await until(() => told.length === 3);
  expect(told).toEqual(["+ann", "+bob", "-ann"]);
});

test("a cache computes once in its time, a null too", async () => {
  const { server, store } = await served();
  const { cached } = await recipes();
  let computed = 0;
  const compute = async () => {
    computed++;
    return null;
  };
  for (let i = 0; i < 3; i++) expect(await cached(store, "x", compute)).toBeNull();
  expect(computed).toBe(1);
  void server.clock.leap(60_000);
  await cached(store, "x", compute);
  expect(computed).toBe(2);
});
