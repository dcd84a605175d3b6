import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, ask, boot, computedMs, until } from "./kit.ts";

const TOKEN = "the-token-of-this-test";
const endings: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** A store and the web service on free ports, with a clock that moves by hand. */
async function served(section: object = {}) {
  const server = await boot(["store", "web"], { store: section }, { token: TOKEN });
  endings.push(() => server.stop());
  return {
    ...server,
    json: async (path: string) => (await (await server.get(path)).json()) as Answer,
  };
}

type Served = Awaited<ReturnType<typeof served>>;

/** A request that sets so many keys of each namespace. */
const fill = (counts: Record<string, number>) => {
  const all = Object.entries(counts).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, i) => [`${name}^${i}`, i] as const),
  );
  return { action: "MSET", values: Object.fromEntries(all) };
};

describe("the panel of the store", () => {
  const level = async (server: Served, query: string) =>
    (await server.json(`/panels/store/level?${query}`)) as Record<string, any>;

  test("shows a level page by page, with the sums below each name", async () => {
    const server = await served();
    const peer = await server.join();
    await ask(peer, fill({ users: 1234, orders: 2 }));
    await ask(peer, { action: "SET", key: "users", value: 1 });
    await ask(peer, { action: "SET", key: "flag", value: "x".repeat(1000) });
    const top = await level(server, "");
    expect(top).toMatchObject({ total: 3, keys: 1238, by_size: true });
    expect(top["rows"]).toMatchObject([
      { name: "users", keys: 1235, holds: true, branches: true },
      { name: "orders", keys: 2, holds: false, branches: true },
      { name: "flag", keys: 1, holds: true, branches: false },
    ]);
    expect(top["bytes"]).toBe(server.stats()["memory_bytes"]);
    // The list itself takes some besides.
    const sum = top["rows"].reduce((all: number, { bytes }: { bytes: number }) => all + bytes, 0);
    expect(top["bytes"] - sum).toBeWithin(0, 1000);
    const names = async (query: string) =>
      (await level(server, query))["rows"].map(({ name }: { name: string }) => name);
    // Numbers come in the order of their values.
    expect(await names("path=users&limit=3")).toEqual(["0", "1", "2"]);
    expect(await names("path=users&limit=3&offset=1232")).toEqual(["1232", "1233"]);
    expect(await names("path=users&limit=3&from=999")).toEqual(["999", "1000", "1001"]);
    expect(await names("path=users&limit=3&offset=1234")).toEqual([]);
    expect(await names("path=nothing")).toEqual([]);
    for (const [query, why] of [
      ["path=a%5E%5Eb", "path: it can be no key's"],
      ["limit=101", "limit: needs a whole number from 1 to 100"],
      [`path=${"x".repeat(257)}`, "path: it can be no key's"],
    ] as const) {
      const answer = await server.get(`/panels/store/level?${query}`);
      expect([answer.status, await answer.text()]).toEqual([400, `${why}\n`]);
    }
  });

  test("a page of a hundred thousand names costs no walk through them", async () => {
    const server = await served();
    const peer = await server.join();
    for (let from = 0; from < 100_000; from += 5000) {
      const values = Array.from({ length: 5000 }, (_, i) => [`many^n${100_000 + from + i}`, 0]);
      await ask(peer, { action: "MSET", values: Object.fromEntries(values) });
    }
    const read = (query: Record<string, string>) =>
      server.running("store").panel?.views["level"]?.read(query) as Record<string, any>;
    const before = computedMs();
    for (let i = 0; i < 100; i++) {
      const page = read({ path: "many", offset: `${i * 997}`, limit: "25" });
      expect(page).toMatchObject({ total: 100_000, by_size: false, start: i * 997 });
      expect(page["rows"][0].name).toBe(`n${100_000 + i * 997}`);
      const found = read({ path: "many", from: `n${150_000 + i}`, limit: "25" });
      expect(found["start"]).toBe(50_000 + i);
    }
    // A walk through them takes several milliseconds each.
    expect((computedMs() - before) / 200).toBeLessThan(2);
  });

  test("values are for operators, and names too where clients need a token", async () => {
    const folder = mkdtempSync(join(tmpdir(), "store-panel-"));
    const file = join(folder, "token");
    writeFileSync(file, "a token for the store\n");
    try {
      for (const [store, names] of [
        [{}, 200],
        [{ token_file: file }, 401],
      ] as const) {
        const server = await served(store);
        const status = async (path: string) => (await server.get(`/panels/store/${path}`)).status;
        expect(await status("state")).toBe(200);
        for (const view of ["level", "channels", "subscribers?channel=news"]) {
          expect([view, await status(view)]).toEqual([view, names]);
        }
        expect(await status("key?path=flag")).toBe(401);
        const headers = { authorization: `Bearer ${TOKEN}` };
        for (const view of ["level", "channels", "subscribers?channel=news", "key?path=flag"]) {
          const answer = await server.get(`/panels/store/${view}`, { headers });
          expect([view, answer.status]).toEqual([view, 200]);
        }
        const login = await server.post("/login", { token: TOKEN }, { "x-summoner-page": "1" });
        const cookie = (login.headers.get("set-cookie") as string).split(";")[0] as string;
        const byCookie = (more: object) =>
          server.get("/panels/store/key?path=flag", { headers: { cookie, ...more } });
        expect((await byCookie({})).status).toBe(403);
        expect((await byCookie({ "x-summoner-page": "1" })).status).toBe(200);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("tells how the journal fares, as it is on disk", async () => {
    const folder = mkdtempSync(join(tmpdir(), "store-panel-"));
    const server = await served({ durability: "always", path: folder, snapshot_bytes: 4096 });
    const peer = await server.join();
    const state = async () => (await server.json("/panels/store/state"))["journal"];
    expect(await state()).toMatchObject({ folder, trouble: null, snapshot: null, unsynced: 0 });
    await ask(peer, { action: "SET", key: "a", value: "x".repeat(5000) });
    expect(await state()).toMatchObject({ batches: 1, unsynced: 0, is_pending: false });
    server.clock.advance(1000);
    await until(() => server.stats()["snapshots"] === 1);
    const told = await state();
    expect(told).toMatchObject({ snapshots: 1, unsynced: 0 });
    const name = readdirSync(folder).find((one) => one.startsWith("snapshot")) as string;
    expect(told.snapshot.bytes).toBe(statSync(join(folder, name)).size);
    expect(told.bytes).toBe(server.stats()["journal_bytes"]);
    peer.end();
    await server.stop();
    rmSync(folder, { recursive: true });
  });
});
