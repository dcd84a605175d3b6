import { afterAll, afterEach, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { services } from "../index.ts";
import { settings } from "../lib/config/table.ts";
import { CLOSE_REASONS } from "../lib/net/client.ts";
import {
  boot,
  type Booted,
  dial,
  openssl,
  type Peer,
  selfSigned,
  type Table,
  turn,
  until,
} from "./kit.ts";
import type { Caller, CallOptions, Row, Why } from "./row.ts";
import { keepalives } from "./sockets.ts";
import { overBothWays } from "./ways.ts";

const folderOfRows = join(import.meta.dir, "rows");
/** The row of each service, by which this suite speaks to it: those of the program, and test services with their tables. */
const rows = new Map<string, Row>();
for (const file of [...new Bun.Glob("*.ts").scanSync(folderOfRows)].toSorted()) {
  const { row } = (await import(join(folderOfRows, file))) as { row: Row };
  rows.set(basename(file, ".ts"), row);
}

/** The tables of the program and of the test services. */
const tables = [{ services, settings }, ...[...rows.values()].flatMap((row) => row.table ?? [])];
const table: Table = {
  services: Object.assign({}, ...tables.map((one) => one.services)),
  settings: Object.assign({}, ...tables.map((one) => one.settings)),
};
const names = Object.keys(table.services);

let server: Booted;
const callers: Caller[] = [];
afterEach(async () => {
  for (const caller of callers.splice(0)) caller.end();
  await server?.stop();
});

const folder = mkdtempSync(join(tmpdir(), "summoner-service-"));
/** Two certificates for this machine. */
let one: { cert: string; key: string };
let two: { cert: string; key: string };
beforeAll(() => {
  if (openssl) [one, two] = [selfSigned(folder, "one"), selfSigned(folder, "two")];
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Calls a service and waits until it has let the caller in, or has closed its connection. */
async function call(name: string, options: CallOptions = {}): Promise<Caller> {
  const caller = await (rows.get(name) as Row).call(server.port(name), options);
  callers.push(caller);
  await until(() => isIn(name, caller) || caller.isClosed());
  return caller;
}

/** True if a service counts a caller among its clients. */
const isIn = (name: string, caller: Caller) =>
  server.clients(name).some(({ address }) => address === caller.address);

const idOf = (name: string, caller: Caller) =>
  server.clients(name).find(({ address }) => address === caller.address)?.id as number;

overBothWays(() => {
  describe.each(names)("%s", (name) => {
    const row = rows.get(name) as Row;
    const start = async (section: object = {}) => {
      server = await boot(name, { [name]: section }, { table });
    };
    const reload = (section: object) => server.reload({ [name]: section });

    /** Calls and expects to be let in. */
    async function enters(options?: CallOptions): Promise<Caller> {
      const caller = await call(name, options);
      expect([isIn(name, caller), caller.isClosed()]).toEqual([true, false]);
      return caller;
    }

    /** Calls and expects to be turned away with a notice. */
    async function isRefused(why: keyof Row["notices"], options?: CallOptions): Promise<Caller> {
      const before = counted(why);
      const caller = await call(name, options);
      expect(caller.heard()).toEndWith(row.notices[why]);
      expect([isIn(name, caller), caller.isClosed()]).toEqual([false, true]);
      expectCounted(why, before + 1);
      return caller;
    }

    const counted = (why: Why) => server.stats()[row.counts[why] ?? ""] ?? 0;

    /** Expects this number of callers turned away or closed, if the service counts them. */
    function expectCounted(why: Why, count: number): void {
      if (row.counts[why]) expect([why, counted(why)]).toEqual([why, count]);
    }

    /** Moves the clock by a second. @returns the log's notices about callers that were turned away */
    function toldOf(): string[] {
      server.clock.advance(1000);
      const found = server.printed().matchAll(new RegExp(`${name}: turned away (.*)\\n`, "g"));
      return Array.from(found, ([, what]) => what as string);
    }

    test("has a row by which this suite speaks to it", () => {
      expect(row).toBeDefined();
    });

    test("declares every number that it counts", async () => {
      await start();
      await enters();
      const declared = Object.keys(server.running().declared);
      expect(Object.keys(server.stats()).toSorted()).toEqual(declared.toSorted());
    });

    test("serves as many clients as max_clients, turns away one more, and takes another when one has left", async () => {
      await start({ max_clients: 2 });
      const [first] = [await enters(), await enters()];
      await isRefused("limit");
      first.end();
      await until(() => !isIn(name, first));
      await enters();
      await isRefused("limit");
      expect(server.clients()).toHaveLength(2);
    });

    test("serves as many of one address as max_clients_per_address, whoever else is in", async () => {
      await start({ max_clients_per_address: 2 });
      const from = "127.0.0.2";
      const [first] = [await enters({ from }), await enters({ from })];
      await isRefused("perAddress", { from });
      await enters({ from: "127.0.0.3" });
      first.end();
      await until(() => !isIn(name, first));
      await enters({ from });
      await isRefused("perAddress", { from });
    });

    test("logs those whom it turns away, all of a second in one line", async () => {
      await start({ max_clients: 1 });
      await enters();
      const alone = await isRefused("limit");
      expect(toldOf()).toEqual([`${alone.address}: ${CLOSE_REASONS.limit}`]);
      for (let i = 0; i < 19; i++) await isRefused("limit");
      const { address } = await isRefused("limit");
      expect(toldOf().slice(1)).toEqual([
        `20 clients, the last ${address}: ${CLOSE_REASONS.limit}`,
      ]);
    });

    test("lets nobody in from an address that access denies", async () => {
      await start({ access: { deny: ["127.0.0.2"] } });
      await enters({ from: "127.0.0.3" });
      const refused = await isRefused("denied", { from: "127.0.0.2" });
      expect(toldOf()).toEqual([`${refused.address}: ${CLOSE_REASONS.denied}`]);
    });

    test("kicks the client of an id, and that one alone", async () => {
      await start();
      const [goes, stays] = [await enters(), await enters()];
      const id = idOf(name, goes);
      expect(await server.running().kick(id)).toBe(goes.address);
      await until(goes.isClosed);
      expect(goes.heard()).toContain(row.notices.kicked);
      expect(await server.running().kick(id)).toBeNull();
      expectCounted("kicked", 1);
      expect([isIn(name, stays), stays.isClosed()]).toEqual([true, false]);
    });

    test("drains with a notice for each client, lets nobody in meanwhile, and is done in time", async () => {
      await start();
      const [stalls, reads] = [await enters(), await enters()];
      stalls.stall();
      const port = server.port();
      const drained = server.drain(1000);
      await until(reads.isClosed);
      expect(reads.heard()).toContain(row.notices.shutdown);
      expect(server.running().health()).toEqual({ ok: false, reason: "draining" });
      expect(await dial(port).catch(({ code }) => code)).toBe("ECONNREFUSED");
      for (let ms = 0; ms < 1500; ms += 50) {
        server.clock.advance(50);
        await turn();
      }
      await drained;
      expect(server.clients()).toEqual([]);
      expectCounted("shutdown", 2);
    });

    test("takes other limits with a reload", async () => {
      await start({ max_clients: 1 });
      await enters();
      await isRefused("limit");
      expect(reload({ max_clients: 2 })).toEqual([]);
      await enters();
      await isRefused("limit");
      expect(reload({ max_clients_per_address: 2 })).toEqual([]);
      await isRefused("perAddress");
    });

    test("takes other access lists with a reload", async () => {
      await start();
      const [bad, good] = [
        await enters({ from: "127.0.0.2" }),
        await enters({ from: "127.0.0.3" }),
      ];
      expect(reload({ access: { deny: ["127.0.0.2"] } })).toEqual([]);
      await until(bad.isClosed);
      if (!row.endsInSilence) {
        expect(bad.heard()).toContain(row.notices.denied.trimEnd());
        expectCounted("denied", 1);
      }
      await isRefused("denied", { from: "127.0.0.2" });
      expect([isIn(name, good), good.isClosed()]).toEqual([true, false]);
      expect(reload({})).toEqual([]);
      await enters({ from: "127.0.0.2" });
    });

    test("tells of its clients page by page", async () => {
      await start();
      const addresses: string[] = [];
      for (let i = 1; i <= 5; i++) addresses.push((await enters({ from: `127.0.0.${i}` })).address);
      const query = { address: "", sort: "id", order: "asc", limit: 2, offset: 0 } as const;
      const page = async (more: object) => {
        const { total, clients } = await server.running().clients({ ...query, ...more });
        return [total, clients.map(({ address }) => address)];
      };
      expect(await page({})).toEqual([5, addresses.slice(0, 2)]);
      expect(await page({ offset: 4 })).toEqual([5, addresses.slice(4)]);
      expect(await page({ offset: 5 })).toEqual([5, []]);
      expect(await page({ order: "desc", limit: 9 })).toEqual([5, addresses.toReversed()]);
      expect(await page({ sort: "address", order: "desc" })).toEqual([
        5,
        addresses.toReversed().slice(0, 2),
      ]);
      expect(await page({ address: addresses[2] })).toEqual([1, addresses.slice(2, 3)]);
    });

    test("does not start with half of a certificate", async () => {
      for (const [key, missing] of [
        ["cert", "key"],
        ["key", "cert"],
      ]) {
        const started = boot(name, { [name]: { tls: { [key as string]: "x.pem" } } }, { table });
        await expect(started).rejects.toThrow(
          `${name}.tls.${key}: given without ${missing}; TLS needs both`,
        );
      }
    });

    describe.skipIf(process.platform !== "linux")("has the system ask", () => {
      /** Starts it on all addresses: on loopback an HTTP server asks no client. */
      const open = async (whole: object = {}, section: object = {}) => {
        const entry = table.settings[name];
        const token = join(folder, "token");
        writeFileSync(token, "sixteen-characters-or-more");
        const owns = (key: string) =>
          entry?.kind === "section" && Object.hasOwn(entry.entries, key);
        const own = {
          ...(owns("host") ? { host: "0.0.0.0" } : {}),
          ...(owns("token_file") ? { token_file: token } : {}),
          ...(owns("allow_open") ? { allow_open: true } : {}),
          ...section,
        };
        const overrides = (more: object) => ({ host: "0.0.0.0", ...more, [name]: own });
        server = await boot(name, overrides(whole), { table });
        return (more: object) => server.reload(overrides(more));
      };
      /** Connects once more. @returns the seconds after which the system asks, for each connection, sorted */
      const connected = async (tls = false) => {
        const before = keepalives(server.port()).length;
        const peer = await dial(server.port());
        peers.push(peer);
        // The system hands a connection to an HTTP server with its first byte, or a second later.
        peer.send(tls ? "\x16" : "P");
        await until(() => keepalives(server.port()).length > before);
        return keepalives(server.port()).toSorted();
      };
      const peers: Peer[] = [];
      afterEach(() => {
        for (const peer of peers.splice(0)) peer.end();
      });

      test("whether a client is still there that has been silent for keepalive_secs", async () => {
        const apply = await open({ keepalive_secs: 30 });
        expect(await connected()).toEqual([30]);
        expect(apply({ keepalive_secs: 45 })).toEqual([]);
        expect(await connected()).toEqual([30, 45]);
      });

      test("by default, and not at all where that is switched off", async () => {
        const apply = await open();
        expect(await connected()).toEqual([60]);
        apply({ keepalive_secs: 0 });
        expect(await connected()).toEqual([60, null]);
      });

      test.skipIf(!openssl)("with TLS too, before the handshake is complete", async () => {
        await open({}, { tls: one });
        expect(await connected(true)).toEqual([60]);
      });
    });

    describe.skipIf(!openssl)("with TLS", () => {
      const tls = true;

      test("shows its certificate, and takes nothing but TLS", async () => {
        await start({ tls: one });
        expect((await enters({ tls })).certificate).toBe("one");
        const plain = await dial(server.port());
        plain.send("GET / HTTP/1.0\r\n\r\n");
        await plain.closed;
        expectCounted("handshake", 1);
        expect(server.clients()).toHaveLength(1);
      });

      test("takes another certificate with a reload, and keeps who is in", async () => {
        await start({ tls: one });
        const before = await enters({ tls });
        expect(reload({ tls: two })).toEqual([]);
        expect((await enters({ tls })).certificate).toBe("two");
        expect([isIn(name, before), before.isClosed()]).toEqual([true, false]);
      });

      test("keeps what it has when a reload brings one that does not work", async () => {
        await start({ tls: one });
        const broken = join(folder, "broken.pem");
        writeFileSync(broken, "nonsense");
        expect(reload({ tls: { ...two, cert: broken } })).toHaveLength(1);
        expect(reload({ tls: { ...two, key: one.key } })).toHaveLength(1);
        const [missing] = reload({ tls: { ...two, cert: join(folder, "none") } });
        expect(missing).toContain(`${name}.tls.cert: cannot read `);
        expect((await enters({ tls })).certificate).toBe("one");
      });

      const listensAnew = !row?.staysListening;
      test.if(listensAnew)(
        "says in its health that it cannot listen again, and when it can",
        async () => {
          await start();
          const client = await enters();
          const port = server.port();
          expect(server.running().health()).toEqual({ ok: true, reason: "listening" });
          const busy = () => Object.assign(new Error("in use"), { code: "EADDRINUSE" });
          const mocks = [spyOn(Bun, "listen"), spyOn(Bun, "serve")].map((door) =>
            door.mockImplementation((() => {
              throw busy();
            }) as never),
          );
          try {
            expect(reload({ tls: one })).toEqual([]);
            expect(server.running().health()).toEqual({
              ok: false,
              reason: expect.stringContaining(`${name}: cannot listen on 127.0.0.1:${port}: `),
            });
            expect(isIn(name, client)).toBe(true);
          } finally {
            for (const mock of mocks) mock.mockRestore();
          }
          server.clock.advance(1000);
          expect(server.running().health()).toEqual({ ok: true, reason: "listening" });
          expect((await enters({ tls })).certificate).toBe("one");
        },
      );
    });
  });

  test("no id of a client is given twice, whatever service it is of", async () => {
    server = await boot(names, {}, { table });
    for (let round = 0; round < 2; round++) for (const name of names) await call(name);
    const ids = names.flatMap((name) => server.clients(name).map(({ id }) => id));
    expect(ids).toHaveLength(2 * names.length);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
