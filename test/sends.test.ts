import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import type { Log } from "../lib/host/log.ts";
import { Client } from "../lib/net/client.ts";
import { LastRefusals } from "../lib/net/admission/last-refusals.ts";
import { Pinned } from "../lib/net/outbox.ts";
import { Sends } from "../lib/net/sends/sends.ts";
import type { Wire } from "../lib/net/wire.ts";
import { Ring, RING_ENTRIES, RING_PARTS } from "../lib/net/sends/ring.ts";
import { counts, pays } from "../lib/net/sends/way.ts";
import {
  boot,
  type Booted,
  configOf,
  dial,
  ended,
  enveloped,
  hasRing,
  openssl,
  selfSigned,
  sending,
  until,
} from "./kit.ts";
import { storm, stormy } from "./storm.ts";
import { WAYS } from "./ways.ts";

const index = join(import.meta.dir, "..", "index.ts");
const EAGAIN = -11;
const EBADF = -9;
const EPIPE = -32;

let server: Booted | null = null;
afterEach(async () => {
  sending.io = "auto";
  pays.from = hasRing ? 1 : 3;
  await server?.stop();
  server = null;
});

/** Sockets of a door that sends nothing by itself, and what comes out at their other ends. */
async function pairs(count: number) {
  const here: { fd: number; pause(): void; terminate(): void; data: number }[] = [];
  const there: Bun.Socket[] = [];
  const got: Buffer[] = [];
  const door = Bun.listen<number>({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => void here.push(socket as never), data() {} },
  });
  for (let i = 0; i < count; i++) {
    got.push(Buffer.alloc(0));
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: door.port,
      socket: {
        data(_, chunk) {
          got[i] = Buffer.concat([got[i] as Buffer, chunk]);
        },
      },
    });
    there.push(socket);
    await until(() => here.length === i + 1);
  }
  return {
    here,
    there,
    got,
    end() {
      for (const socket of there) socket.terminate();
      door.stop(true);
    },
  };
}

describe.skipIf(!hasRing)("a ring", () => {
  let ring: Ring;
  beforeAll(() => {
    ring = new Ring();
  });

  test("sends each entry to its socket, call after call, past the end of its queues", async () => {
    const { here, got, end } = await pairs(3);
    const bytes = Buffer.from("0123456789");
    const calls = 40;
    // Neither queue is a multiple of this long, so entries and completions wrap around in all places.
    const entries = RING_ENTRIES - 1;
    const expected = ["", "", ""];
    for (let call = 0; call < calls; call++) {
      for (let i = 0; i < entries; i++) {
        const [to, start, length] = [i % 3, i % 7, 1 + (call % 3)];
        ring.put(i, here[to]?.fd as number, bytes, start, length);
        expected[to] += bytes.toString("latin1", start, start + length);
      }
      ring.send(entries);
      expect([...ring.results.subarray(0, entries)]).toEqual(
        Array.from({ length: entries }, () => 1 + (call % 3)),
      );
    }
    await until(() => got.every((one, i) => one.length === expected[i]?.length));
    expect(got.map(String)).toEqual(expected);
    expect(ring.broken).toBeNull();
    end();
  });

  test("sends the ranges of an entry as one, beside entries of a single range", async () => {
    const { here, got, end } = await pairs(3);
    const sources = [Buffer.from("0123456789"), Buffer.from("abcdefghijklmnopqrstuvwxyz")];
    const entries = RING_ENTRIES - 1;
    const expected = ["", "", ""];
    for (let call = 0; call < 20; call++) {
      const lengths: number[] = [];
      for (let i = 0; i < entries; i++) {
        const fd = here[i % 3]?.fd as number;
        const parts = Array.from({ length: 1 + ((i + call) % RING_PARTS) }, (_, n) => {
          const bytes = sources[(i + n) % 2] as Buffer;
          return { bytes, start: (i + call) % 7, length: 1 + ((i * n) % 3) };
        });
        const [first] = parts as [(typeof parts)[0]];
        if (parts.length === 1) ring.put(i, fd, first.bytes, first.start, first.length);
        else ring.putParts(i, fd, parts, parts.length);
        const text = parts
          .map(({ bytes, start, length }) => bytes.toString("latin1", start, start + length))
          .join("");
        lengths.push(text.length);
        expected[i % 3] += text;
      }
      ring.send(entries);
      expect([...ring.results.subarray(0, entries)]).toEqual(lengths);
    }
    await until(() => got.every((one, i) => one.length === expected[i]?.length));
    expect(got.map(String)).toEqual(expected);
    end();
  });

  test("takes of several ranges what there is room for, from their beginning", async () => {
    const { here, there, got, end } = await pairs(2);
    const [full, closed] = here as [(typeof here)[0], (typeof here)[0]];
    there[0]?.pause();
    const parts = Array.from({ length: RING_PARTS }, (_, i) => {
      const bytes = Buffer.alloc(4_000_000, 65 + i);
      return { bytes, start: i, length: bytes.length - i };
    });
    const all = Buffer.concat(parts.map(({ bytes, start }) => bytes.subarray(start)));
    const { libc } = await import("../lib/host/system/libc.ts");
    libc().shutdown(closed.fd, 1);
    ring.putParts(0, full.fd, parts, parts.length);
    ring.putParts(1, full.fd, parts, parts.length);
    ring.putParts(2, -1, parts, parts.length);
    ring.putParts(3, closed.fd, parts, parts.length);
    ring.send(4);
    const [taken, ...others] = ring.results.subarray(0, 4);
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(all.length);
    expect(others).toEqual([EAGAIN, EBADF, EPIPE]);
    there[0]?.resume();
    await until(() => got[0]?.length === taken);
    expect(got[0]?.equals(all.subarray(0, taken))).toBe(true);
    end();
  });

  test("tells what was taken in part, what was not, and what failed, each for its own socket", async () => {
    const { here, there, got, end } = await pairs(3);
    const [full, broken, well] = here as [(typeof here)[0], (typeof here)[0], (typeof here)[0]];
    there[0]?.pause();
    const many = Buffer.alloc(30_000_000, 7);
    const word = Buffer.from("word");
    ring.put(0, full.fd, many, 0, many.length);
    ring.put(1, full.fd, many, 0, many.length);
    ring.put(2, -1, word, 0, 4);
    ring.put(3, well.fd, word, 0, 4);
    ring.send(4);
    const [part, none, nobody, whole] = ring.results;
    expect(part).toBeGreaterThan(0);
    expect(part).toBeLessThan(many.length);
    expect([none, nobody, whole]).toEqual([EAGAIN, EBADF, 4]);
    const { libc } = await import("../lib/host/system/libc.ts");
    libc().shutdown(broken.fd, 1);
    ring.put(0, broken.fd, word, 0, 4);
    ring.put(1, well.fd, word, 0, 4);
    ring.send(2);
    expect([...ring.results.subarray(0, 2)]).toEqual([EPIPE, 4]);
    await until(() => String(got[2]) === "wordword");
    end();
  });

  test("is not left open in programs that this one starts", () => {
    const list = (whose: string) =>
      Bun.spawnSync(["sh", "-c", `for f in /proc/${whose}/fd/*; do readlink $f; done`]).stdout;
    expect(list(`${process.pid}`).toString()).toContain("io_uring");
    expect(list("self").toString()).toContain("/dev/null");
    expect(list("self").toString()).not.toContain("io_uring");
  });

  test("is used no more once the kernel takes no entries, and those are as if their sockets were full", async () => {
    const { here, got, end } = await pairs(1);
    const { readdirSync, readlinkSync } = await import("node:fs");
    const { libc } = await import("../lib/host/system/libc.ts");
    const rings = () =>
      readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).includes("io_uring");
        } catch {
          return false;
        }
      });
    const others = rings();
    const lost = new Ring();
    const own = rings().filter((fd) => !others.includes(fd));
    expect(own).toHaveLength(1);
    libc().close(Number(own[0]));
    for (const _ of [1, 2]) {
      lost.put(0, here[0]?.fd as number, Buffer.from("lost"), 0, 4);
      lost.put(1, here[0]?.fd as number, Buffer.from("lost"), 0, 4);
      lost.send(2);
      expect([...lost.results.subarray(0, 2)]).toEqual([EAGAIN, EAGAIN]);
      expect(lost.broken).toContain("the kernel takes no sends any more");
    }
    ring.put(0, here[0]?.fd as number, Buffer.from("kept"), 0, 4);
    ring.send(1);
    await until(() => String(got[0]) === "kept");
    end();
  });
});

test("a client on another wire is sent to at once, and the time at which it took bytes is noted", () => {
  const taken: string[] = [];
  const wire = {
    write: (bytes: Uint8Array | string, offset = 0, length = 0) => {
      taken.push(Buffer.from(bytes as Uint8Array).toString("latin1", offset, offset + length));
      return length;
    },
  } as unknown as Wire;
  const clock = new HandClock();
  const log = null as unknown as Log;
  const sends = new Sends<Client>(configOf(), { clock, log }, {});
  const born = clock.now();
  const accepted = { id: 1, wire, isPlain: false, ip: "127.0.0.1", port: 1, now: born };
  const client = new Client({ ...accepted, refusals: new LastRefusals() }, new Pinned());
  clock.advance(10);
  client.put("box");
  sends.outbox(client);
  expect([taken, client.tookAt]).toEqual([["box"], born + 10]);
  clock.advance(10);
  sends.range(client, Buffer.from("a range"), 2, 5);
  expect([taken, client.tookAt]).toEqual([["box", "range"], born + 20]);
});

describe.skipIf(!hasRing)("the sends of a turn", () => {
  const clients = async (count: number) => {
    server = await boot("relay");
    const from = await server.join();
    const peers = [];
    for (let i = 0; i < count; i++) peers.push(await server.join());
    return { from, peers };
  };

  test("leave by one call of the kernel for many, and by a write for few", async () => {
    const { from, peers } = await clients(4);
    pays.from = 4;
    const before = { ...counts };
    from.send("all\n");
    for (const peer of peers) expect(await peer.next()).toBe(enveloped(from, "all"));
    expect(counts).toEqual({ sends: before.sends + 4, calls: before.calls + 1 });
    pays.from = 5;
    from.send("again\n");
    for (const peer of peers) expect(await peer.next()).toBe(enveloped(from, "again"));
    expect(counts).toEqual({ sends: before.sends + 4, calls: before.calls + 1 });
  });

  test("of a member that sent lines itself are the bytes around them, in order", async () => {
    const { from, peers } = await clients(3);
    const [a, b] = peers as [typeof from, typeof from];
    for (let i = 0; i < 50; i++) {
      a.send(`a${i}\n`);
      b.send(`b${i}\n`);
      from.send(`c${i}\n`);
    }
    const told: string[] = [];
    while (told.length < 100) told.push(JSON.parse(await a.next()).content);
    for (const who of ["b", "c"]) {
      const own = told.filter((text) => text.startsWith(who));
      expect(own).toEqual(Array.from({ length: 50 }, (_, i) => `${who}${i}`));
    }
  });

  test.skipIf(!openssl)(
    "to clients with TLS leave beside those to plain ones, each in its own way",
    async () => {
      const { from, peers } = await clients(3);
      const booted = server as Booted;
      const tls = selfSigned(mkdtempSync(join(tmpdir(), "sends-")));
      booted.reload({ tls });
      const { connect } = await import("node:tls");
      const texts = ["", "", ""];
      const sockets = texts.map((_, i) => {
        const to = { port: booted.port(), host: "127.0.0.1", rejectUnauthorized: false };
        return connect(to).on("data", (chunk) => {
          texts[i] = `${texts[i]}${chunk}`;
        });
      });
      await until(() => booted.stats()["clients"] === 7);
      const before = counts.sends;
      let all = "";
      for (let i = 0; i < 20; i++) {
        const text = `${i}`.repeat(1 + i * 100);
        from.send(`${text}\n`);
        for (const peer of peers) expect(await peer.next()).toBe(enveloped(from, text));
        all += `${enveloped(from, text)}\n`;
      }
      await until(() => texts.every((text) => text.length >= all.length));
      expect(texts).toEqual([all, all, all]);
      expect(counts.sends).toBe(before + 20 * peers.length);
      for (const socket of sockets) socket.destroy();
    },
  );

  test.skipIf(!openssl)("to clients with TLS never leave by it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sends-"));
    server = await boot("relay", { tls: selfSigned(folder), net: { io: "uring" } });
    const { connect } = await import("node:tls");
    const texts = ["", "", "", ""];
    const sockets = texts.map((_, i) => {
      const to = { port: server?.port() as number, host: "127.0.0.1", rejectUnauthorized: false };
      return connect(to).on("data", (chunk) => {
        texts[i] = `${texts[i]}${chunk}`;
      });
    });
    await until(() => server?.stats()["clients"] === 4);
    const before = { ...counts };
    sockets[0]?.write("hello\n");
    await until(() => texts.slice(1).every((text) => text.includes("hello")));
    expect(counts).toEqual(before);
    for (const socket of sockets) socket.destroy();
  });
});

test.each(WAYS)(
  "by %s a client that resets amid the sends dies once, and the others go on",
  async (io) => {
    const { server: other, made } = await stormy(io);
    server = other;
    const peers = [
      await server.join(),
      await server.join(),
      await server.join(),
      await server.join(),
    ];
    await until(() => server?.stats()["clients"] === 4);
    peers[1]?.reset();
    // Its reset is there, and nobody has read of it yet.
    for (let i = 0; i < 3; i++) made.turn();
    await until(() => server?.stats()["clients"] === 3);
    made.turn();
    // Bun does not tell of the error of a write, and after it the system tells of an end alone.
    const reason = io === "uring" ? { closed_reset: 1, closed_eof: 0 } : {};
    const { closed_reset: reset, closed_eof: eof } = server.stats() as Record<string, number>;
    expect(server.stats()).toMatchObject({ ...reason, closed_bug: 0, clients: 3 });
    expect((reset as number) + (eof as number)).toBe(1);
  },
);

/** Sends a word by the ring to these descriptors. @returns the clients that stand for them */
function sentTo(fds: readonly number[]): Client[] {
  const log = null as unknown as Log;
  const sends = new Sends<Client>(configOf(), { clock: new HandClock(), log }, {});
  const clients = fds.map((fd, i) => {
    const wire = { fd, write: () => -1 } as unknown as Wire;
    const accepted = { id: i, wire, isPlain: true, ip: "127.0.0.1", port: 1, now: 0 };
    return new Client({ ...accepted, refusals: new LastRefusals() }, new Pinned());
  });
  for (const client of clients) sends.range(client, Buffer.from("text"), 0, 4);
  sends.leave();
  return clients;
}

test.skipIf(!hasRing)("only sends that were taken count as sends by the ring", async () => {
  const { here, end } = await pairs(2);
  const [one, other] = here.map(({ fd }) => fd) as [number, number];
  const before = { ...counts };
  sentTo([-1, one, -1, other, one, -1]);
  expect(counts).toEqual({ sends: before.sends + 3, calls: before.calls + 1 });
  sentTo([-1, -1, -1]);
  expect(counts).toEqual({ sends: before.sends + 3, calls: before.calls + 2 });
  end();
});

test.skipIf(!hasRing)(
  "an error that ends a connection marks its client, whichever it is, and one of the moment does not",
  async () => {
    const { here, end } = await pairs(1);
    const file = openSync(join(mkdtempSync(join(tmpdir(), "sends-")), "file"), "a");
    // The error of a file stands for those that only a network gives, as when it has timed out.
    const clients = sentTo([file, -1, here[0]?.fd as number]);
    expect(clients.map(({ isBroken }) => isBroken)).toEqual([true, false, false]);
    expect(clients.map(({ bytesOut }) => bytesOut)).toEqual([0, 0, 4]);
    closeSync(file);
    end();
  },
);

describe("a storm of clients that stall, reset and are cut amid the sends", () => {
  test.each(WAYS)("sends every byte to whom it is meant for, by %s", async (io) => {
    const before = counts.sends;
    let rounds = 0;
    const told = await storm(io, { goesOn: (others) => others < 30 || rounds++ < 100 });
    expect(told).toMatchObject({ wrong: [], inFiles: 0, elsewhere: 0 });
    expect(told.bytes).toBeGreaterThan(100_000);
    expect(told.resets).toBeGreaterThan(0);
    expect(told.signals).toBeGreaterThan(0);
    expect(counts.sends > before).toBe(io === "uring");
  });
});

describe("the way", () => {
  const python = Bun.which("python3");
  /** Starts a command of the program where a call of the kernel fails with this error. */
  const without = (call: number, errno: number, ...args: string[]) =>
    Bun.spawn(
      [
        python as string,
        join(import.meta.dir, "fixtures", "without-uring.py"),
        `${call}`,
        `${errno}`,
        process.execPath,
        index,
        ...args,
      ],
      { cwd: mkdtempSync(join(tmpdir(), "sends-")), stdout: "pipe", stderr: "pipe" },
    );
  const forbidden = process.platform === "linux" && python !== null;

  test.skipIf(!forbidden).each([
    [425, 1, "the rules of this container or service (seccomp) forbid io_uring"],
    [425, 38, "the kernel has no io_uring"],
    [425, 12, "too little memory may be locked for io_uring (ulimit -l)"],
    [425, 24, "too few files may be open for io_uring (ulimit -n)"],
    [425, 22, "the kernel refuses io_uring (error 22)"],
    [426, 1, "the kernel takes no sends any more (error 1)"],
  ])(
    "where call %i fails with %i, uring does not start, with key and reason",
    async (call, errno, why) => {
      const check = await ended(without(call, errno, "check", "--set", "net.io=uring"));
      expect(check.code).toBe(2);
      expect(check.err).toContain(`net.io: io_uring cannot be had here: ${why}`);
      expect((await ended(without(call, errno, "check"))).code).toBe(0);
    },
  );

  test.skipIf(!forbidden)("uring is a start error where it cannot be had", async () => {
    const run = await ended(without(425, 1, "--port", "0", "--set", "net.io=uring"));
    expect(run.code).toBe(1);
    expect(run.err).toContain("net.io: io_uring cannot be had here: the rules of this container");
    expect(run.err).toContain("Nothing was started.");
  });

  test.skipIf(!forbidden)(
    "auto goes by writes there, says so, and everybody gets everything",
    async () => {
      const child = without(425, 1, "--port", "0", "--set", "web.enabled=false");
      const lines = readLines(child.stdout);
      const ready = await lines.find(/relay is ready on .*:(\d+)/);
      await lines.find(/sends leave by writes: the rules of this container/);
      const port = Number(ready[1]);
      const peers = await Promise.all([0, 1, 2, 3].map(() => dial(port)));
      await lines.find(/\(4 clients\)/);
      peers[0]?.send("one\n");
      for (const peer of peers.slice(1)) expect(await peer.next()).toContain('"one"');
      for (const peer of peers) peer.end();
      child.kill("SIGTERM");
      expect(await child.exited).toBe(0);
    },
  );

  test("is settled by auto at the start, where something sends", async () => {
    const run = (...args: string[]) => {
      const cwd = mkdtempSync(join(tmpdir(), "sends-"));
      const cmd = [process.execPath, index, ...args];
      return Bun.spawn(cmd, { cwd, stdout: "pipe", stderr: "inherit" });
    };
    const relay = run("--port", "0", "--set", "web.enabled=false");
    const lines = readLines(relay.stdout);
    const [, way] = await lines.find(/sends leave by (\w+): /);
    expect(way).toBe(hasRing ? "io_uring" : "writes");
    relay.kill("SIGTERM");
    await relay.exited;
    const web = run("--set", "relay.enabled=false", "--set", "web.port=0");
    const others = readLines(web.stdout);
    await others.find(/web is ready/);
    web.kill("SIGTERM");
    await web.exited;
    await others.find(/exited cleanly/);
    expect(others.text()).not.toContain("sends leave");
  });

  test("is told by /varz and by status", async () => {
    for (const io of WAYS) {
      server = await boot(["relay", "web"], { net: { io } });
      const { sends } = (await (await server.get("/varz")).json()) as any;
      expect(sends.way).toBe(io === "uring" ? "io_uring" : "writes");
      expect(sends.why).toContain(io === "uring" ? "one call" : 'net.io is "writes"');
      const of = ["--set", `web.port=${server.port("web")}`, "--port", `${server.port()}`];
      const args = [process.execPath, index, "status", ...of, "--set", `net.io=${io}`];
      const status = await ended(Bun.spawn(args, { stdout: "pipe", stderr: "pipe" }));
      expect(status.out).toContain(`sends leave by ${sends.way}`);
      await server.stop();
    }
    server = null;
  });

  test("takes a restart to change", () => {
    expect(configOf({ net: { io: "writes" } }).net.io).toBe("writes");
    expect(() => configOf({ net: { io: "fast" } })).toThrow('"auto", "writes", "uring"');
  });
});

/** The lines that a program prints. */
function readLines(stream: ReadableStream<Uint8Array>) {
  let text = "";
  const done = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  })();
  void done;
  return {
    text: () => text,
    /** Waits for a match. */
    async find(pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        const found = pattern.exec(text);
        if (found !== null) return found;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },
  };
}
