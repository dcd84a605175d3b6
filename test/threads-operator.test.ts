import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { StartError, SummonerServer } from "../index.ts";
import { load } from "../lib/config/load.ts";
import { settings } from "../lib/config/table.ts";
import { counts, sendsTold } from "../lib/net/sends/way.ts";
import { mergedState } from "../lib/services/relay/threads/merged.ts";
import type { StateTold } from "../lib/services/relay/panel/told.ts";
import { boot, dial, hasRing, openssl, type Peer, selfSigned, until } from "./kit.ts";
import { next, threaded, threadsHere, withThreads } from "./threads-suite.ts";

// What an operator sees of a relay over several threads, and does with it.

withThreads();

const folder = mkdtempSync(join(tmpdir(), "summoner-threads-"));
afterAll(() => rmSync(folder, { recursive: true }));

const QUERY = { address: "", sort: "id", order: "asc", limit: 1000, offset: 0 } as const;

describe.skipIf(!threadsHere)("over two threads", () => {
  test("the log has all that is relayed, in the order in which everybody hears it", async () => {
    const logger = { log_file_path: folder, enable_file_log: true, log_format: "%(message)s" };
    const relay = await threaded(2, { logger, name: "ordered" });
    const all = (await relay.fill(2)).flat();
    const [listener, ...senders] = all as [Peer, ...Peer[]];
    for (let i = 0; i < 300; i++)
      for (const [n, peer] of senders.entries()) peer.send(`${n} ${i}\n`);
    await until(() => listener.lines.length === 300 * senders.length);
    await relay.server.stop(5000);
    const logged = readFileSync(join(folder, "ordered.log"), "utf8").split("\n");
    const heard = listener.lines.slice(0, -1).map((line) => {
      const { remote_addr, content } = JSON.parse(line) as Record<string, string>;
      return `${remote_addr} ${content}`;
    });
    expect(logged.filter((line) => /^\S+ \d+ \d+$/.test(line))).toEqual(heard);
  });

  test("no id is given twice, by any thread or service", async () => {
    const relay = await threaded(2, {}, { names: ["relay", "store"] });
    const { server } = relay;
    for (let i = 0; i < 4; i++) {
      await relay.enter();
      await dial(server.port("store"));
    }
    await until(() => server.stats("store")["clients"] === 4);
    const { clients } = await server.running("relay").clients(QUERY);
    const ids = [...clients, ...server.clients("store")].map(({ id }) => id);
    expect(ids).toHaveLength(8);
    expect(new Set(ids).size).toBe(8);
  });

  test("a reload reaches all of them, and one that does not work none", async () => {
    const limited = (lines: number) => ({
      hyper_parameters: { worker_threads: 2, rate_limit_msgs_per_minute: lines },
    });
    const relay = await threaded(2, limited(1000));
    const all = (await relay.fill(1)).flat();
    expect(relay.server.reload(limited(1))).toEqual([]);
    await relay.server.running().clients(QUERY);
    for (const peer of all) peer.send("one\ntwo\n");
    await until(() => relay.count("refused_rate") === all.length);
    const broken = join(folder, "broken.pem");
    writeFileSync(broken, "nonsense");
    const failures = relay.server.reload({
      ...limited(1000),
      relay: { tls: { cert: broken, key: broken } },
    });
    expect(failures).toHaveLength(1);
    expect(failures[0]).toEndWith("the settings of the relay stay as they were");
    await relay.server.running().clients(QUERY);
    for (const peer of all) peer.send("three\n");
    await until(() => relay.count("refused_rate") === 2 * all.length);
  });

  test.skipIf(!openssl)(
    "a certificate that changes while they run is that of all at a reload, and of none before",
    async () => {
      const tls = selfSigned(folder, "first");
      const relay = await threaded(2, { tls });
      const shown = async () => {
        const names = new Set<string>();
        for (let i = 0; i < 12; i++) {
          const socket = connect({
            port: relay.server.port(),
            host: "127.0.0.1",
            rejectUnauthorized: false,
          });
          await new Promise((resolve) => socket.once("secureConnect", resolve));
          names.add(String(socket.getPeerCertificate().subject.CN));
          socket.destroy();
        }
        return [...names];
      };
      expect(await shown()).toEqual(["first"]);
      const other = selfSigned(folder, "second");
      copyFileSync(other.cert, tls.cert);
      copyFileSync(other.key, tls.key);
      // One that is started again has what the others have.
      const healthy = () => relay.server.running().health().ok;
      relay.worker(0).terminate();
      await until(() => !healthy());
      await until(healthy);
      expect(await shown()).toEqual(["first"]);
      expect(relay.server.reload({ hyper_parameters: { worker_threads: 2 }, tls })).toEqual([]);
      await relay.server.running().clients(QUERY);
      expect(await shown()).toEqual(["second"]);
    },
    30_000,
  );

  test("the panel shows those who send most, of all threads", async () => {
    const relay = await threaded(2, {}, { names: ["relay", "web"] });
    const parts = await relay.fill(2);
    const [one, other] = [parts[0]?.[0], parts[1]?.[0]] as [Peer, Peer];
    one.send("a\n".repeat(50));
    other.send("b\n".repeat(20));
    await until(() => relay.count("lines_relayed") === 70);
    const answer = await relay.server.get("/panels/relay/state");
    expect(answer.status).toBe(200);
    const state = (await answer.json()) as StateTold;
    expect(state.most.bytes.slice(0, 2)).toEqual([
      { id: expect.any(Number), address: one.address, value: 100 },
      { id: expect.any(Number), address: other.address, value: 40 },
    ]);
    expect(state.pressure?.fan_out).toBe(parts.flat().length - 1);
    expect(state.backlog).toMatchObject({ paused_ms: null, behind: 0, clients: [] });
    const varz = (await (await relay.server.get("/varz")).json()) as any;
    expect(varz.services.relay.tables[0].rows).toHaveLength(2);
  });

  test.skipIf(!hasRing)("the sends of a turn are one call in each of them", async () => {
    const relay = await threaded(2, { net: { io: "uring" } });
    const all = (await relay.fill(4)).flat();
    const [sender, ...listeners] = all as [Peer, ...Peer[]];
    const before = { ...counts };
    for (let i = 1; i <= 20; i++) {
      sender.send(`${i}\n`);
      await until(() => listeners.every(({ lines }) => lines.length === i));
    }
    await until(() => counts.sends - before.sends === 20 * listeners.length);
    expect(counts.calls - before.calls).toBe(2 * 20);
    expect(sendsTold("uring")).toMatchObject({ way: "io_uring" });
  });

  test("the fan-out of a line is that of the whole room", async () => {
    const relay = await threaded(2, {
      hyper_parameters: {
        backpressure_policy: {
          disconnect_threshold: 5,
          enable_throttle: false,
          enable_flow_control: false,
        },
      },
    });
    const all: Peer[] = [];
    for (let i = 0; i < 6; i++) all.push((await relay.enter()).peer);
    all[0]?.send("to five others\n");
    await all[0]?.closed;
    await until(() => relay.count("closed_pressure") === 1);
    expect(relay.count("quarantined")).toBe(1);
    const [entry] = relay.server.running().quarantine?.entries() ?? [];
    expect(entry?.key).toBe((all[0] as Peer).address);
    expect(relay.server.running().quarantine?.lift(entry?.key as string)).toBe(true);
    expect(relay.count("quarantined")).toBe(0);
  });
});

describe.skipIf(!threadsHere)("a relay with worker_threads", () => {
  test("may have 64, and is remarked on from one more than there are cores", () => {
    const read = (worker_threads: number) =>
      load(settings, { object: { hyper_parameters: { worker_threads } } });
    const cores = availableParallelism();
    expect([read(1).unsaid, read(Math.min(64, cores)).unsaid]).toEqual([[], []]);
    expect(read(64).problems).toEqual([]);
    if (cores < 64) {
      expect(read(cores + 1).unsaid).toEqual([
        `hyper_parameters.worker_threads: ${cores + 1} threads for ${cores} cores take turns, which makes none of them faster`,
      ]);
    }
    expect(read(65).problems.map(({ message }) => message)).toEqual([
      expect.stringContaining("hyper_parameters.worker_threads"),
    ]);
  });

  test("does not start on a port that is taken, even by threads like its own", async () => {
    const relay = await threaded(2);
    const port = relay.server.port();
    for (const threads of [1, 2]) {
      const again = boot("relay", { port, hyper_parameters: { worker_threads: threads } });
      await expect(again).rejects.toThrow(`relay: cannot listen on 127.0.0.1:${port}: `);
    }
  });

  test("says why it does not start, once", async () => {
    const started = boot("relay", {
      host: "203.0.113.7",
      hyper_parameters: { worker_threads: 2 },
    });
    await expect(started).rejects.toThrow(/^relay: cannot listen on 203\.0\.113\.7:0: [^\n]*$/);
    next.module = new URL("./fixtures/threads/broken.ts", import.meta.url);
    const broken = boot("relay", { hyper_parameters: { worker_threads: 2 } });
    await expect(broken).rejects.toThrow(
      "relay: thread 1 cannot start: uncaught error: it is broken",
    );
  });

  test("serves no program that handles the clients itself", async () => {
    const config = { port: 0, hyper_parameters: { worker_threads: 2 } };
    const server = new SummonerServer("own", { handleClient() {}, print() {} });
    const started = server.run({ config });
    await expect(started).rejects.toThrow(StartError);
    await expect(started).rejects.toThrow(
      "hyper_parameters.worker_threads: a program that handles the clients itself has them all in one thread; set 1",
    );
  });

  test("serves a program that leaves the clients to it", async () => {
    const server = new SummonerServer("library", { print() {} });
    const config = { port: 0, hyper_parameters: { worker_threads: 2 } };
    const running = server.run({ config });
    const [address] = await server.listening;
    const [one, two] = await Promise.all([1, 2].map(() => dial(address?.port as number)));
    // Its first lines may come before the other one is a member.
    let heard = "";
    void two?.next().then((line) => (heard = line));
    await until(() => {
      one?.send("are you there?\n");
      return heard !== "";
    });
    expect(JSON.parse(heard)).toMatchObject({ remote_addr: one?.address });
    server.shutdown();
    await running;
  });
});

test("what the panel shows of several threads is one state", () => {
  const client = (id: number) => ({ id, address: `10.0.0.1:${id}` });
  const state = (of: number, paused_ms: number | null): StateTold => ({
    pressure: {
      fan_out: 9,
      rules: [{ name: "throttle", enabled: true, from: 2, ms: 200, acts: true, times: of }],
      held: of,
      clients: [{ ...client(of), since_ms: 10 * of, lines_per_second: 1 }],
      dropped_reports: 2 * of,
      dropped_commands: 3 * of,
    },
    backlog: {
      waiting: { bytes: 100 * of, most: 5000 },
      paused_ms,
      pauses: of,
      most_for_one: 700,
      behind: 1,
      clients: [{ ...client(of), bytes: of, since_ms: 5 }],
    },
    most: { lines: [{ ...client(of), value: of }], bytes: [], refused: [] },
  });
  const merged = mergedState([state(1, null), state(3, 50), state(2, 70)]);
  expect(merged.pressure).toMatchObject({ fan_out: 9, held: 6 });
  expect(merged.pressure).toMatchObject({ dropped_reports: 12, dropped_commands: 18 });
  expect(merged.pressure?.rules.map(({ times }) => times)).toEqual([6]);
  expect(merged.pressure?.clients.map(({ id }) => id)).toEqual([3, 2, 1]);
  expect(merged.backlog).toMatchObject({ waiting: { bytes: 600, most: 5000 }, paused_ms: 70 });
  expect(merged.backlog).toMatchObject({ pauses: 6, behind: 3, most_for_one: 700 });
  expect(merged.backlog.clients.map(({ id }) => id)).toEqual([3, 2, 1]);
  expect(merged.most.lines.map(({ value }) => value)).toEqual([3, 2, 1]);
  const plain = { ...state(1, null), pressure: null };
  expect(mergedState([plain, plain]).pressure).toBeNull();
});
