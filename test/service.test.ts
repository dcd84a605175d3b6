import { afterAll, afterEach, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { services } from "../index.ts";
import { THREADS_SHARE_PORTS } from "../lib/config/sections/relay.ts";
import { settings } from "../lib/config/table.ts";
import { systemClock } from "../lib/host/clock.ts";
import type { ClientInfo } from "../lib/host/service.ts";
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
/** Rows of services as other settings make them. */
const variants = [...rows.keys()].filter((name) => {
  const { settings, inThreads = false } = rows.get(name) as Row;
  return settings !== undefined && (THREADS_SHARE_PORTS || !inThreads);
});

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
async function call(name: string, row: Row, options: CallOptions = {}): Promise<Caller> {
  const caller = await row.call(server.port(name), options);
  callers.push(caller);
  await eventually(async () => caller.isClosed() || (await isIn(name, caller)));
  return caller;
}

/** All clients of a service, the oldest first. */
async function clientsIn(name: string): Promise<readonly ClientInfo[]> {
  const query = { address: "", sort: "id", order: "asc", limit: Infinity, offset: 0 } as const;
  return (await server.running(name).clients(query)).clients;
}

/** True if a service counts a caller among its clients. */
const isIn = async (name: string, { address }: Caller) =>
  (await clientsIn(name)).some((client) => client.address === address);

const isOut = async (name: string, caller: Caller) => !(await isIn(name, caller));

/** Turns the event loop until something holds that has to be asked for. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await turn();
}

/** Everything that holds for the service of a row. */
function suiteOf(rowName: string): void {
  const row = rows.get(rowName) as Row;
  const name = row?.service ?? rowName;
  const options = { table, ...(row?.inThreads ? { clock: systemClock } : {}) };
  const start = async (section: object = {}) => {
    server = await boot(name, { ...row.settings, [name]: section }, options);
  };
  const reload = async (section: object) => {
    const failures = server.reload({ ...row.settings, [name]: section });
    // Threads answer this after they have taken the settings.
    await clientsIn(name);
    return failures;
  };
  /** Time passes: where it is not moved by hand, it does so by itself. */
  const pass = (ms: number) => {
    if (!row.inThreads) server.clock.advance(ms);
  };

  /** Calls and expects to be let in. */
  async function enters(options?: CallOptions): Promise<Caller> {
    const caller = await call(name, row, options);
    expect([await isIn(name, caller), caller.isClosed()]).toEqual([true, false]);
    return caller;
  }

  /** Calls and expects to be turned away with a notice. */
  async function isRefused(why: keyof Row["notices"], options?: CallOptions): Promise<Caller> {
    const before = counted(row.counts[why] ?? "");
    const caller = await call(name, row, options);
    expect(caller.heard()).toEndWith(row.notices[why]);
    expect([await isIn(name, caller), caller.isClosed()]).toEqual([false, true]);
    await expectCounted(why, before + 1);
    return caller;
  }

  const counted = (number: string) => server.stats()[number] ?? 0;

  /** Expects this number of callers turned away or closed, if the service counts them. */
  async function expectCounted(why: Why, count: number): Promise<void> {
    const name = row.counts[why];
    if (!name) return;
    if (row.inThreads) await until(() => counted(name) >= count);
    expect([why, counted(name)]).toEqual([why, count]);
  }

  /** @returns the log's notices about callers that were turned away, of which there is one at least */
  async function toldOf(): Promise<string[]> {
    const told = () => {
      const found = server.printed().matchAll(new RegExp(`${name}: turned away (.*)\\n`, "g"));
      return Array.from(found, ([, what]) => what as string);
    };
    if (row.inThreads) await until(() => told().length > 0);
    return told();
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
    await eventually(() => isOut(name, first));
    await enters();
    await isRefused("limit");
    expect(await clientsIn(name)).toHaveLength(2);
  });

  test("serves as many of one address as max_clients_per_address, whoever else is in", async () => {
    await start({ max_clients_per_address: 2 });
    const from = "127.0.0.2";
    const [first] = [await enters({ from }), await enters({ from })];
    const { address } = await isRefused("perAddress", { from });
    const key = `${row.service ?? name}.max_clients_per_address`;
    expect(await toldOf()).toEqual([`${address}: too many clients from its address (${key})`]);
    await enters({ from: "127.0.0.3" });
    first.end();
    await eventually(() => isOut(name, first));
    await enters({ from });
    await isRefused("perAddress", { from });
  });

  test.skipIf(row?.inThreads === true)(
    "logs at once whom it turns away, and all further ones of a minute in one line",
    async () => {
      await start({ max_clients: 1 });
      await enters();
      const { address: first } = await isRefused("limit");
      const why = `too many clients (${row.service ?? name}.max_clients)`;
      const told = [`${first}: ${why}`];
      expect(await toldOf()).toEqual(told);
      for (let i = 0; i < 19; i++) await isRefused("limit");
      const { address: last } = await isRefused("limit");
      pass(59_999);
      expect(await toldOf()).toEqual(told);
      pass(1);
      told.push(`20 clients in the last minute, the last ${last}: ${why}`);
      expect(await toldOf()).toEqual(told);
    },
  );

  test("lets nobody in from an address that access denies", async () => {
    await start({ access: { deny: ["127.0.0.2"] } });
    await enters({ from: "127.0.0.3" });
    const refused = await isRefused("denied", { from: "127.0.0.2" });
    expect(await toldOf()).toEqual([`${refused.address}: ${CLOSE_REASONS.denied}`]);
  });

  test("kicks the client of an id, and that one alone", async () => {
    await start();
    const [goes, stays] = [await enters(), await enters()];
    const { id } = (await clientsIn(name)).find(
      ({ address }) => address === goes.address,
    ) as ClientInfo;
    expect(await server.running().kick(id)).toBe(goes.address);
    await until(goes.isClosed);
    expect(goes.heard()).toContain(row.notices.kicked);
    expect(await server.running().kick(id)).toBeNull();
    await expectCounted("kicked", 1);
    expect([await isIn(name, stays), stays.isClosed()]).toEqual([true, false]);
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
      pass(50);
      await turn();
    }
    await drained;
    expect(await clientsIn(name)).toEqual([]);
    await expectCounted("shutdown", 2);
  });

  test("takes other limits with a reload", async () => {
    await start({ max_clients: 1 });
    await enters();
    await isRefused("limit");
    expect(await reload({ max_clients: 2 })).toEqual([]);
    await enters();
    await isRefused("limit");
    expect(await reload({ max_clients_per_address: 2 })).toEqual([]);
    await isRefused("perAddress");
  });

  test("takes other access lists with a reload", async () => {
    await start();
    const [bad, good] = [await enters({ from: "127.0.0.2" }), await enters({ from: "127.0.0.3" })];
    expect(await reload({ access: { deny: ["127.0.0.2"] } })).toEqual([]);
    await until(bad.isClosed);
    if (!row.endsInSilence) {
      expect(bad.heard()).toContain(row.notices.denied.trimEnd());
      await expectCounted("denied", 1);
    }
    await isRefused("denied", { from: "127.0.0.2" });
    expect([await isIn(name, good), good.isClosed()]).toEqual([true, false]);
    expect(await reload({})).toEqual([]);
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
      const started = boot(
        name,
        { ...row.settings, [name]: { tls: { [key as string]: "x.pem" } } },
        options,
      );
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
      const owns = (key: string) => entry?.kind === "section" && Object.hasOwn(entry.entries, key);
      const own = {
        ...(owns("host") ? { host: "0.0.0.0" } : {}),
        ...(owns("token_file") ? { token_file: token } : {}),
        ...(owns("allow_open") ? { allow_open: true } : {}),
        ...section,
      };
      const overrides = (more: object) => ({
        host: "0.0.0.0",
        ...row.settings,
        ...more,
        [name]: own,
      });
      server = await boot(name, overrides(whole), options);
      return async (more: object) => {
        const failures = server.reload(overrides(more));
        await clientsIn(name);
        return failures;
      };
    };
    /** Connects once more. @returns the seconds after which the system asks, for each connection, sorted */
    const connected = async (tls = false) => {
      const before = keepalives(server.port()).length;
      const accepted = counted("accepted");
      const peer = await dial(server.port());
      peers.push(peer);
      // The system hands a connection to an HTTP server with its first byte, or a second later.
      peer.send(tls ? "\x16" : "P");
      await until(() => keepalives(server.port()).length > before);
      // The system knows a connection before a thread does.
      if (row.inThreads) await until(() => counted("accepted") > accepted);
      return keepalives(server.port()).toSorted();
    };
    const peers: Peer[] = [];
    afterEach(() => {
      for (const peer of peers.splice(0)) peer.end();
    });

    test("whether a client is still there that has been silent for keepalive_secs", async () => {
      const apply = await open({ keepalive_secs: 30 });
      expect(await connected()).toEqual([30]);
      expect(await apply({ keepalive_secs: 45 })).toEqual([]);
      expect(await connected()).toEqual([30, 45]);
    });

    test("by default, and not at all where that is switched off", async () => {
      const apply = await open();
      expect(await connected()).toEqual([60]);
      await apply({ keepalive_secs: 0 });
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
      await expectCounted("handshake", 1);
      expect(await clientsIn(name)).toHaveLength(1);
    });

    test("takes another certificate with a reload, and keeps who is in", async () => {
      await start({ tls: one });
      const before = await enters({ tls });
      expect(await reload({ tls: two })).toEqual([]);
      expect((await enters({ tls })).certificate).toBe("two");
      expect([await isIn(name, before), before.isClosed()]).toEqual([true, false]);
    });

    test("keeps what it has when a reload brings one that does not work", async () => {
      await start({ tls: one });
      const broken = join(folder, "broken.pem");
      writeFileSync(broken, "nonsense");
      expect(await reload({ tls: { ...two, cert: broken } })).toHaveLength(1);
      expect(await reload({ tls: { ...two, key: one.key } })).toHaveLength(1);
      const [missing] = await reload({ tls: { ...two, cert: join(folder, "none") } });
      expect(missing).toContain(`${name}.tls.cert: cannot read `);
      expect((await enters({ tls })).certificate).toBe("one");
    });

    const listensAnew = !row?.staysListening && !row?.inThreads;
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
          expect(await reload({ tls: one })).toEqual([]);
          expect(server.running().health()).toEqual({
            ok: false,
            reason: expect.stringContaining(`${name}: cannot listen on 127.0.0.1:${port}: `),
          });
          expect(await isIn(name, client)).toBe(true);
        } finally {
          for (const mock of mocks) mock.mockRestore();
        }
        server.clock.advance(1000);
        expect(server.running().health()).toEqual({ ok: true, reason: "listening" });
        expect((await enters({ tls })).certificate).toBe("one");
      },
    );
  });
}

overBothWays(() => {
  describe.each(names)("%s", suiteOf);

  test("no id of a client is given twice, whatever service it is of", async () => {
    server = await boot(names, {}, { table });
    for (let round = 0; round < 2; round++)
      for (const name of names) await call(name, rows.get(name) as Row);
    const ids = names.flatMap((name) => server.clients(name).map(({ id }) => id));
    expect(ids).toHaveLength(2 * names.length);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe.each(variants)("%s", suiteOf);
