import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import type { Disk } from "../lib/host/disk.ts";
import { Journal } from "../lib/services/store/journal/journal.ts";
import { Keys } from "../lib/services/store/keys/keys.ts";
import { type Call, Durable, watched } from "./fixtures/journal-disk.ts";
import { configure, type Reply, type Request, StoreChild, Wire } from "./fixtures/store-child.ts";
import { journalHead } from "./journal-suite.ts";
import { boot, dial, manyFiles, turn, until } from "./kit.ts";
import { Random } from "./random.ts";
import { mounted, unmount } from "./small-disk.ts";

const MiB = 2 ** 20;
const root = fs.mkdtempSync(join(tmpdir(), "store-"));
const small = join(root, "small-disk");
const fixed = join(root, "read-only-disk");
let made = 0;

/** A disk of 4 MiB, which a test can fill, and one that nobody can write to. */
const hasSmallDisk = mounted(small, "size=4m");
const hasFixedDisk = mounted(fixed, "size=4m,ro");
if (!hasSmallDisk || !hasFixedDisk) {
  console.log("full and read-only disks: SKIPPED, mounting a tmpfs is not permitted here");
}

/** True if system calls can be traced. */
const canTrace = (() => {
  const strace = Bun.which("strace");
  return strace !== null && Bun.spawnSync([strace, "-f", "true"]).exitCode === 0;
})();
if (!canTrace) console.log("order of system calls: SKIPPED, strace is missing or not permitted");

const children = new Set<StoreChild>();

afterAll(async () => {
  for (const child of children) await child.kill();
  if (hasSmallDisk) unmount(small);
  if (hasFixedDisk) unmount(fixed);
  fs.rmSync(root, { recursive: true });
});

function newFolder(): string {
  const folder = join(root, `${++made}`);
  fs.mkdirSync(folder);
  return folder;
}

async function ready(file: string, before: readonly string[] = []) {
  const started = await StoreChild.ready(file, before);
  children.add(started.child);
  return started;
}

async function gone(child: StoreChild, signal: NodeJS.Signals): Promise<number> {
  child.signal(signal);
  const code = await child.exit();
  children.delete(child);
  return code;
}

/** A store in this process, with a clock that moves by hand. */
async function served(section: object, clock = new HandClock()) {
  const server = await boot("store", { store: { durability: "batch", ...section } }, { clock });
  return { ...server, dial: () => Wire.dial(server.port()) };
}

/** The content of a folder, read by a server that starts on a copy of it. */
async function loaded(folder: string, keys: readonly string[], clock = new HandClock()) {
  const copy = join(newFolder(), "copy");
  fs.cpSync(folder, copy, { recursive: true });
  const server = await served({ path: copy, durability: "always" }, clock);
  const wire = await server.dial();
  const values = await wire.values(keys);
  wire.end();
  const { keys: count } = server.stats();
  await server.stop();
  return { values, count, printed: server.printed() };
}

const count = (text: string, part: string): number => text.split(part).length - 1;

// --- a storm of writes, and a process that is killed in it

/** A change that a writer asks for. */
type Step =
  | { readonly kind: "set"; readonly key: string }
  | { readonly kind: "count" | "total" | "pair" }
  | { readonly kind: "del"; readonly key: string };

interface Sent {
  readonly step: Step;
  readonly number: number;
}

const KINDS = ["set", "count", "pair", "set", "total", "del"] as const;

/** A client that writes without pause, and what its keys must hold. */
class Writer {
  readonly #name: string;
  readonly #random: Random;
  /** The values of its keys when they were last looked at. */
  #values = new Map<string, unknown>();
  /** Its requests since then, each step with the number that it writes. */
  #steps: Sent[] = [];
  #acknowledged = 0;
  #next = 1;

  constructor(name: string, random: Random) {
    this.#name = name;
    this.#random = random;
  }

  get keys(): string[] {
    return ["a", "b", "c", "d", "count", "left", "right"].map((key) => `${this.#name}^${key}`);
  }

  /** Writes until the connection ends. @param acknowledged told of each answer */
  async write(port: number, acknowledged: () => void): Promise<void> {
    const wire = await Wire.dial(port);
    wire.onReply = (reply) => {
      this.#check(reply);
      this.#acknowledged++;
      acknowledged();
      this.#send(wire);
    };
    for (let n = 0; n < 16; n++) this.#send(wire);
    await wire.closed;
  }

  /**
   * Expects the keys to hold their values after one of the steps from the last acknowledged one on.
   * @returns its additions to the key that all add to: at least, and at most
   */
  settle(found: ReadonlyMap<string, unknown>): [least: number, most: number] {
    const values = new Map(this.#values);
    const fits: number[] = [];
    let added = 0;
    for (let done = 0; done <= this.#steps.length; done++) {
      if (done > 0) {
        const { step, number } = this.#steps[done - 1] as Sent;
        if (step.kind === "total") added++;
        this.#apply(values, step, number);
      }
      if (done < this.#acknowledged) continue;
      if (this.keys.every((key) => values.get(key) === found.get(key))) fits.push(added);
    }
    if (fits.length === 0) {
      const sent = this.#steps.map(({ step, number }) => ({ ...step, number }));
      const about = { acknowledged: this.#acknowledged, before: [...this.#values], sent };
      throw new Error(`${JSON.stringify([...found])} after ${JSON.stringify(about)}`);
    }
    this.#values = new Map(
      this.keys.flatMap((key) => (found.has(key) ? [[key, found.get(key)]] : [])),
    );
    this.#steps = [];
    this.#acknowledged = 0;
    return [fits[0] as number, fits.at(-1) as number];
  }

  #apply(values: Map<string, unknown>, step: Step, number: number): void {
    const own = (key: string) => `${this.#name}^${key}`;
    if (step.kind === "set") values.set(own(step.key), number);
    else if (step.kind === "del") values.delete(own(step.key));
    else if (step.kind === "count") {
      values.set(own("count"), ((values.get(own("count")) as number | undefined) ?? 0) + 1);
    } else if (step.kind === "pair") values.set(own("left"), number).set(own("right"), number);
  }

  #send(wire: Wire): void {
    const number = this.#next++;
    const kind = KINDS[number % KINDS.length] as (typeof KINDS)[number];
    const key = "abcd"[this.#random.whole(0, 3)] as string;
    const ns = this.#name;
    this.#steps.push({ step: { kind, key }, number });
    if (kind === "set") wire.send({ action: "SET", ns, key, value: number });
    else if (kind === "count") wire.send({ action: "INCR", ns, key: "count" });
    else if (kind === "total") wire.send({ action: "INCR", key: "total" });
    else if (kind === "pair") {
      wire.send({ action: "MSET", ns, values: { left: number, right: number } });
    } else wire.send({ action: "DEL", ns, key });
  }

  #check({ result, error }: Reply): void {
    const { step } = this.#steps[this.#acknowledged] as Sent;
    const fits =
      step.kind === "del"
        ? result === 1 || error?.code === "NOT_FOUND"
        : step.kind === "set" || step.kind === "pair"
          ? result === "OK"
          : typeof result === "number";
    if (!fits) throw new Error(`${step.kind} was answered ${JSON.stringify({ result, error })}`);
  }
}

/** Stages of a snapshot. Every tenth round of a storm ends at one of them, the others after a number of answers. */
const MOMENTS = ["journal-", "snapshot.tmp", "manifest.tmp", "snapshot-", "done"] as const;

async function storm(durability: string, rounds: number, seed: number) {
  const random = new Random(seed);
  const folder = newFolder();
  const data = join(folder, "data");
  const file = configure(folder, { durability, snapshot_bytes: 20_000 });
  const writers = Array.from({ length: 4 }, (_, n) => new Writer(`w${n}`, random));
  let [least, most] = [0, 0];
  let snapshots = 0;
  let acknowledged = 0;
  const namesIn = () => fs.readdirSync(data);
  const snapshotIn = () => namesIn().find((name) => name.startsWith("snapshot-")) ?? "";

  for (let round = 0; round <= rounds; round++) {
    const { child, port } = await ready(file);
    const wire = await Wire.dial(port);
    const found = await wire.values(["total", ...writers.flatMap(({ keys }) => keys)]);
    for (const writer of writers) {
      const [atLeast, atMost] = writer.settle(found);
      least += atLeast;
      most += atMost;
    }
    const total = (found.get("total") as number | undefined) ?? 0;
    expect([round, total >= least, total <= most]).toEqual([round, true, true]);
    least = most = total;
    expect(child.said).not.toContain("damaged");

    let answers = 0;
    let enough = () => {};
    const wanted = random.whole(1, 1000);
    const reached = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const before = { names: namesIn(), snapshot: snapshotIn() };
    const writing = writers.map((writer) =>
      writer.write(port, () => {
        acknowledged++;
        if (++answers === wanted) enough();
      }),
    );
    const moment = round % 10 === 5 ? MOMENTS[((round - 5) / 10) % MOMENTS.length] : undefined;
    if (moment === undefined) await reached;
    else if (moment === "journal-") {
      await until(() => namesIn().some((n) => n.startsWith(moment) && !before.names.includes(n)));
      // Without rest: it is there for less than a millisecond.
    } else if (moment.endsWith(".tmp")) while (!namesIn().includes(moment)) await turn();
    else {
      await until(() => namesIn().some((n) => n.startsWith("snapshot-") && n !== before.snapshot));
      while (moment === "done" && snapshots === 0) {
        snapshots = (await wire.result<{ snapshots: number }>({ action: "INFO" })).snapshots;
      }
    }
    await gone(child, "SIGKILL");
    await Promise.all([...writing, wire.closed]);
  }
  return { acknowledged, snapshots };
}

describe("a process that is killed in a storm of writes, 50 times,", () => {
  for (const [durability, seed] of [
    ["always", 1],
    ["batch", 2],
  ] as const) {
    test.concurrent(
      `has lost nothing that was acknowledged (${durability})`,
      async () => {
        const { acknowledged, snapshots } = await storm(durability, 50, seed);
        expect(acknowledged).toBeGreaterThan(10_000);
        expect(snapshots).toBeGreaterThan(0);
      },
      400_000,
    );
  }
});

// --- what is done first

describe.skipIf(!canTrace)("a change is written, synced and answered", () => {
  interface Traced {
    readonly writes: number[];
    readonly syncs: number[];
    readonly answers: number[];
  }

  /** The places in the trace of a change's write, of the syncs that ended after it, and of its answer. */
  async function traced(durability: string): Promise<Traced[]> {
    const folder = newFolder();
    const trace = join(folder, "trace");
    const file = configure(folder, { durability });
    // -D: it is the store that is the child, and is signalled.
    const strace = ["strace", "-D", "-f", "-y", "-s", "9999", "-o", trace];
    strace.push("-e", "trace=pwrite64,fdatasync,sendto,write,writev,sendmsg");
    const { child, port } = await ready(file, strace);
    const wire = await Wire.dial(port);
    for (let n = 0; n < 10; n++) {
      const request = { action: "SET", key: `key-${n}-`, value: n, id: `id-${n}-` };
      const answer = { result: "OK", id: `id-${n}-` };
      if (n % 2 === 0) {
        expect(await wire.ask(request)).toEqual(answer);
        continue;
      }
      // Served at the end of a turn: a last line that only the end of its client's side ends.
      const peer = await dial(port);
      peer.send(JSON.stringify(request));
      peer.half();
      expect(JSON.parse(await peer.next())).toEqual(answer);
    }
    expect(await gone(child, "SIGTERM")).toBe(0);
    // The tracer outlives it by a moment.
    const end = new RegExp(`^${child.pid} +\\+{3} exited`, "m");
    await until(() => end.test(fs.readFileSync(trace, "utf8")));
    const lines = fs.readFileSync(trace, "utf8").split("\n");
    /** A call that another thread has interrupted stands in two lines; it is done with the second. */
    const where = (fits: (line: string, i: number) => boolean) =>
      lines.flatMap((line, i) => (fits(line, i) ? [i] : []));
    const ofThread = (line: string) => line.split(" ")[0] as string;
    const syncs = where((line, i) => {
      if (line.includes("unfinished")) return false;
      if (/fdatasync\(\d+<[^>]*journal-/.test(line)) return line.endsWith(" = 0");
      if (!line.includes("<... fdatasync resumed>")) return false;
      const begun = lines.slice(0, i).findLast((one) => ofThread(one) === ofThread(line)) as string;
      return /fdatasync\(\d+<[^>]*journal-/.test(begun) && line.endsWith(" = 0");
    });
    return Array.from({ length: 10 }, (_, n) => ({
      writes: where(
        (line) => /pwrite64\(\d+<[^>]*journal-/.test(line) && line.includes(`key-${n}-`),
      ),
      syncs,
      answers: where((line) => line.includes(`\\"id\\":\\"id-${n}-\\"`)),
    }));
  }

  test("in this order with always", async () => {
    for (const { writes, syncs, answers } of await traced("always")) {
      expect([writes.length, answers.length]).toEqual([1, 1]);
      const [write, answer] = [writes[0] as number, answers[0] as number];
      expect(syncs.some((sync) => write < sync && sync < answer)).toBe(true);
    }
  });

  test("with batch the answer may come before the sync, and not before the write", async () => {
    const all = await traced("batch");
    for (const { writes, answers } of all) {
      expect([writes.length, answers.length]).toEqual([1, 1]);
      expect(writes[0]).toBeLessThan(answers[0] as number);
    }
    expect(all[0]?.syncs.length).toBeGreaterThan(0);
  });

  test("with none the disk is left alone", async () => {
    for (const { writes, syncs, answers } of await traced("none")) {
      expect([writes.length, syncs.length, answers.length]).toEqual([0, 0, 1]);
    }
  });
});

describe("a power cut", () => {
  /** Real keys in a real journal on a disk that knows which part would outlive a power cut. */
  function open(folder: string, disk?: Disk) {
    const clock = new HandClock();
    const quiet = { any: false, set: () => {}, gone: () => {} };
    const keys = new Keys(clock, quiet, () => Infinity);
    const journal = new Journal(folder, {
      clock,
      snapshotBytes: Infinity,
      onTrouble: (message) => expect(message).toBe(""),
      onNote: () => {},
      ...(disk ? { disk } : {}),
    });
    journal.load(
      (records) => keys.restore(records),
      () => keys.snapshot(),
    );
    keys.restored();
    keys.record(journal);
    return { clock, keys, journal };
  }

  /** A slice of a snapshot holds some three of these. */
  const large = (number: number) => JSON.stringify(`${number}${"x".repeat(20_000)}`);

  /** Every key with its value and version. */
  function dump(keys: Keys): string {
    const { names } = keys.scan([], "", { after: null, limit: 10_000 });
    const all = names.map((name) => {
      const { text, version } = keys.get(name.split("^")) as { text: string; version: number };
      return [name, text.slice(0, 10), version];
    });
    return JSON.stringify(all);
  }

  /** Waits until something holds, or far more has been synced than a snapshot needs for its end. */
  async function patience(holds: () => boolean): Promise<void> {
    const file = await fs.promises.open(join(root, "patience"), "w");
    for (let n = 0; n < 40 && !holds(); n++) {
      await file.write("x");
      await file.datasync();
    }
    await file.close();
  }

  async function dumped(folder: string): Promise<string> {
    const { keys, journal } = open(folder);
    const found = dump(keys);
    await journal.close();
    return found;
  }

  test("at any moment leaves what was there after some change, and all that was synced", async () => {
    for (const seed of [1, 2, 3, 4]) {
      const random = new Random(seed);
      const folder = newFolder();
      const durable = new Durable(folder);
      const states = ["[]"];
      const crashes: { copy: string; at: string; synced: number; done: number }[] = [];
      /** The state after each batch. */
      const after: number[] = [0];
      let journal: Journal | null = null;
      const held: (() => void)[] = [];
      let slicing = false;
      let slices = 0;
      const crash = (at: string) => {
        const copy = join(newFolder(), "copy");
        durable.copyTo(copy);
        const synced = after[journal?.synced ?? 0] as number;
        crashes.push({ copy, at, synced, done: states.length });
      };
      const disk = watched({
        before: (call: Call) => {
          durable.before(call);
          if (/^(fdatasync|fsync|rename|unlink)/.test(call.name)) {
            crash(`before ${call.name} ${call.file}`);
          }
        },
        after: (call: Call) => {
          durable.after(call);
          if (/^(fdatasync|fsync|rename|unlink)/.test(call.name)) {
            crash(`after ${call.name} ${call.file}`);
          }
        },
        // Now and then the journal is far slower than the snapshot.
        hold: (call, go) => {
          const holds = slicing && call.file.startsWith("journal") && random.whole(0, 3) === 0;
          if (holds) held.push(go);
          else go();
        },
      });
      const opened = open(folder, disk);
      const { keys } = opened;
      journal = opened.journal;
      let number = 0;
      const change = () => {
        for (let n = random.whole(1, 3); n > 0; n--) {
          number++;
          const key = [`${random.whole(0, 9)}`, `${random.whole(0, 3)}`];
          const kind = random.whole(0, 5);
          if (kind < 3) {
            keys.setAll([
              [["a"], `${number}`],
              [["z"], `${number}`],
              [key, large(number)],
            ]);
          } else if (kind === 3) keys.del(key, false, undefined);
          else if (kind === 4) keys.del([key[0] as string], true, undefined);
          else keys.increase(["n"], 1);
        }
        opened.journal.write();
        states.push(dump(keys));
        after[opened.journal.written] = states.length - 1;
      };
      for (let round = 0; round < 4; round++) {
        for (let n = 0; n < 5; n++) {
          change();
          await turn();
        }
        let ended = false;
        const next = keys.snapshot();
        const snapshot = journal.snapshot(() => {
          slicing = true;
          slices++;
          change();
          return next();
        });
        void snapshot.then(() => {
          ended = true;
        });
        while (!ended) {
          await patience(() => {
            // Until the first slice the journal goes on in the old file, and then in the next one.
            if (!slicing) change();
            return ended;
          });
          for (const go of held.splice(0)) go();
        }
        expect(await snapshot).toBe(true);
        slicing = false;
        for (const go of held.splice(0)) go();
      }
      const closing = journal.close();
      let closed = false;
      void closing.then(() => {
        closed = true;
      });
      await until(() => {
        for (const go of held.splice(0)) go();
        return closed;
      });
      expect([crashes.length > 50, slices > 12]).toEqual([true, true]);
      for (const { copy, at, synced, done } of crashes) {
        const found = await dumped(copy);
        const fits = states.slice(synced, done).includes(found);
        expect([seed, at, fits ? "" : found]).toEqual([seed, at, ""]);
      }
      expect(await dumped(folder)).toBe(states.at(-1) as string);
    }
  }, 200_000);

  test("right after a snapshot leaves both of two values that were set together, or none", async () => {
    const folder = newFolder();
    const durable = new Durable(folder);
    const held: (() => void)[] = [];
    let slices = 0;
    const disk = watched({
      before: (call) => durable.before(call),
      after: (call) => durable.after(call),
      hold: ({ name, file }, go) => {
        if (slices > 0 && name === "fdatasync" && file === "journal-2") held.push(go);
        else go();
      },
    });
    const { keys, journal } = open(folder, disk);
    const both = (text: string) => {
      keys.setAll([
        [["a"], text],
        [["z"], text],
      ]);
      journal.write();
    };
    for (let n = 0; n < 100; n++) keys.set([`k${n}`], large(n), {});
    both("1");
    await until(() => journal.synced === journal.written);
    const next = keys.snapshot();
    let ended = false;
    const done = journal.snapshot(() => {
      if (slices++ === 1) both("2");
      return next();
    });
    void done.then(() => {
      ended = true;
    });
    const copy = join(newFolder(), "copy");
    // Either the snapshot waits for the journal, or the snapshot alone is on disk now.
    await until(() => held.length > 0);
    await patience(() => ended);
    durable.copyTo(copy);
    await until(() => {
      for (const go of held.splice(0)) go();
      return ended;
    });
    expect([await done, slices > 5]).toEqual([true, true]);
    const closing = journal.close();
    await until(() => {
      for (const go of held.splice(0)) go();
      return journal.synced === journal.written;
    });
    await closing;
    const found = open(copy);
    const [left, right] = ["a", "z"].map((name) => found.keys.get([name])?.text);
    await found.journal.close();
    expect([left, left === right]).toEqual([left as string, true]);
  });
});

// --- a disk that is full

describe.skipIf(!hasSmallDisk)("a disk that is full", () => {
  test("refuses writes and nothing else, loses nothing, and is used again once it has room", async () => {
    const folder = join(small, "store");
    const ballast = join(small, "ballast");
    fs.writeFileSync(ballast, Buffer.alloc(2 * MiB));
    const server = await served({ path: folder, durability: "always" });
    const wires = await Promise.all(Array.from({ length: 4 }, server.dial));
    const value = "x".repeat(1000);
    const accepted: string[] = [];
    const refused: string[] = [];
    // All write until each has been refused twice.
    await Promise.all(
      wires.map(async (wire, w) => {
        for (let n = 0, failed = 0; failed < 2; n++) {
          const key = `w${w}^${n}`;
          const { error } = await wire.ask({ action: "SET", key, value: value + key });
          if (error === undefined) accepted.push(key);
          else {
            failed++;
            expect(error.code).toBe("DISK_FULL");
            refused.push(key);
          }
        }
      }),
    );
    expect(accepted.length).toBeGreaterThan(1000);
    const lost = async () => {
      const { values, count } = await loaded(folder, [...accepted, ...refused]);
      const missing = accepted.filter((key) => values.get(key) !== value + key);
      return { missing, came: refused.filter((key) => values.has(key)), count };
    };

    const [first] = accepted as [string];
    const failing = async () =>
      (await (wires[0] as Wire).result<Record<string, number>>({ action: "INFO" }))[
        "journal_failing"
      ];
    expect(await failing()).toBe(1);
    const { ok, reason } = server.running().health();
    expect([ok, reason]).toEqual([
      false,
      `changes are refused: cannot write: no space left on device; make room on the disk of ${folder}, or remove keys: DEL is taken`,
    ]);
    for (const wire of wires) {
      expect(await wire.result<string>({ action: "GET", key: first })).toBe(value + first);
      const changes: Request[] = [
        { action: "SET", key: first, value: 1 },
        { action: "INCR", key: "n" },
        { action: "MSET", values: { n: 1 } },
      ];
      for (const change of changes) {
        expect((await wire.ask(change)).error?.code).toBe("DISK_FULL");
      }
      expect(await wire.result({ action: "PING" })).toBe("PONG");
    }
    server.clock.advance(5000);
    const wire = wires[0] as Wire;
    expect((await wire.ask({ action: "INCR", key: "n" })).error?.code).toBe("DISK_FULL");
    expect(count(server.printed(), "writes are refused")).toBe(1);
    expect(await lost()).toEqual({ missing: [], came: [], count: accepted.length });

    // What makes room goes through, and is kept; nothing else does.
    for (const [n, one] of wires.entries()) {
      const [key] = accepted.splice(n + 1, 1) as [string];
      expect(await one.result<number>({ action: "DEL", key })).toBe(1);
      refused.push(key);
      const gone = { action: "EXPIRE", key: accepted.at(-1), ttl_ms: 10_000_000 };
      expect(await one.result<string>(gone)).toBe("OK");
      expect((await one.ask({ action: "INCR", key: "n" })).error?.code).toBe("DISK_FULL");
    }
    expect(await wire.result({ action: "DEL", key: "w3", tree: true })).toBeGreaterThan(100);
    refused.push(...accepted.filter((key) => key.startsWith("w3^")));
    accepted.splice(0, Infinity, ...accepted.filter((key) => !key.startsWith("w3^")));
    expect(await lost()).toEqual({ missing: [], came: [], count: accepted.length });

    fs.unlinkSync(ballast);
    expect((await wire.ask({ action: "INCR", key: "n" })).error?.code).toBe("DISK_FULL");
    server.clock.advance(250);
    for (const [n, one] of wires.entries()) {
      expect(await one.result<number>({ action: "INCR", key: "n" })).toBe(n + 1);
    }
    expect([await failing(), server.running().health().ok]).toEqual([0, true]);
    expect([
      count(server.printed(), "writes are refused"),
      count(server.printed(), "again"),
    ]).toEqual([1, 1]);
    expect(await lost()).toEqual({ missing: [], came: [], count: accepted.length + 1 });
    for (const one of wires) one.end();
    await server.stop();

    // A server starts on a full disk, too.
    const { bavail, bsize } = fs.statfsSync(small);
    fs.writeFileSync(ballast, Buffer.alloc(bavail * bsize));
    const again = await served({ path: folder, durability: "always" });
    const other = await again.dial();
    const values = await other.values(accepted);
    expect(accepted.filter((key) => values.get(key) !== value + key)).toEqual([]);
    const more = () => other.ask({ action: "SET", key: "more", value });
    let answer = await more();
    // The last page of the journal may have some room left.
    for (let n = 0; n < 10 && !answer.error; n++) answer = await more();
    expect(answer.error?.code).toBe("DISK_FULL");
    fs.unlinkSync(ballast);
    again.clock.advance(250);
    expect(await more()).toEqual({ result: "OK" });
    other.end();
    await again.stop();
    fs.rmSync(folder, { recursive: true });
  });
});

// --- from one start to the next

describe("a restart", () => {
  test("forgets everything with none, and nothing with batch and always", async () => {
    for (const durability of ["none", "batch", "always"]) {
      const folder = newFolder();
      const file = configure(folder, { durability });
      const first = await ready(file);
      const wire = await Wire.dial(first.port);
      for (let n = 0; n < 100; n++) wire.send({ action: "SET", key: `k${n}`, value: n });
      expect(await wire.result<number>({ action: "INCR", key: "n", by: 7 })).toBe(7);
      expect(await gone(first.child, "SIGTERM")).toBe(0);
      expect(fs.existsSync(join(folder, "data"))).toBe(durability !== "none");
      const second = await ready(file);
      const again = await Wire.dial(second.port);
      const keys = ["n", ...Array.from({ length: 100 }, (_, n) => `k${n}`)];
      const expected = new Map(keys.map((key, n) => [key, n === 0 ? 7 : n - 1]));
      const found = await again.values(keys);
      expect([durability, found]).toEqual([
        durability,
        durability === "none" ? new Map() : expected,
      ]);
      expect(await gone(second.child, "SIGTERM")).toBe(0);
    }
  });

  test("gives every value back as it was, from the journal and from a snapshot", async () => {
    const path = join(newFolder(), "data");
    const texts = 'null true 0 -1.5 1e+300 5e-324 9007199254740991 "" [] {}'.split(" ");
    texts.push('"\\u0000\\n\\"\\\\"', '"é€😀"', '"\\ud800"', '"]\\n[\\"set\\""');
    texts.push('{"__proto__":{"a":1},"constructor":2}', '{"b":1,"a":[{"":null}]}');
    texts.push(`"${"x".repeat(300_000)}"`, "[".repeat(128) + "]".repeat(128));
    const keys = [...texts.keys()].map((n) => `__proto__^${n}`);
    const raw = async (server: Awaited<ReturnType<typeof served>>) => {
      const wire = await server.dial();
      const found = await wire.values(keys);
      wire.end();
      return keys.map((key) => JSON.stringify(found.get(key)));
    };
    let server = await served({ path, snapshot_bytes: 4096 });
    const wire = await server.dial();
    for (const [n, text] of texts.entries()) {
      const value = JSON.parse(text) as unknown;
      await wire.result({ action: "SET", key: keys[n], value });
    }
    wire.end();
    expect(await raw(server)).toEqual(texts);
    await server.stop();
    server = await served({ path, snapshot_bytes: 4096 });
    expect(await raw(server)).toEqual(texts);
    server.clock.advance(1000);
    await until(() => server.stats()["snapshots"] === 1);
    await server.stop();
    const { first } = { first: fs.readdirSync(path).filter((name) => name.startsWith("journal")) };
    expect(first.map((name) => fs.statSync(join(path, name)).size)).toEqual([
      journalHead(1).length,
    ]);
    server = await served({ path });
    expect(await raw(server)).toEqual(texts);
    await server.stop();
  });

  test("with the clock set back does not bring back what was seen expired, by a request, by nobody, or at a start", async () => {
    const path = join(newFolder(), "data");
    const at = 1_000_000_000_000;
    const start = async (wall: number) => {
      const server = await served({ path, durability: "always" }, new HandClock(wall));
      return { server, wire: await server.dial() };
    };
    const stop = async ({ server, wire }: Awaited<ReturnType<typeof start>>) => {
      wire.end();
      await server.stop();
    };
    let one = await start(at);
    for (const [key, ttl_ms] of [
      ["asked", 1000],
      ["swept", 2000],
      ["later", 60_000],
      ["kept", 1e9],
    ] as const) {
      await one.wire.result({ action: "SET", key, value: 1, ttl_ms });
    }
    const left = () => one.wire.values(["asked", "swept", "later", "kept"]);
    // The look comes before any sweep: the slot of now is not swept.
    one.server.clock.advance(1000);
    expect([...(await left()).keys()]).toEqual(["swept", "later", "kept"]);
    one.server.clock.advance(3000);
    await until(() => one.server.stats()["expired"] === 2);
    // As after a kill: what the sweep wrote is there, though nobody asked.
    const killed = join(newFolder(), "killed");
    await until(() => one.server.stats()["journal_batches"] === 6);
    fs.cpSync(path, killed, { recursive: true });
    await stop(one);
    const again = await served({ path: killed, durability: "always" }, new HandClock(at));
    expect(again.stats()["keys"]).toBe(2);
    await again.stop();

    one = await start(at + 100_000);
    expect([...(await left()).keys()]).toEqual(["kept"]);
    await stop(one);
    one = await start(at - 1_000_000);
    expect([...(await left()).keys()]).toEqual(["kept"]);
    await stop(one);
  });

  test("counts the time in between: a value that has expired meanwhile is gone", async () => {
    const path = join(newFolder(), "data");
    const at = 1_000_000_000_000;
    const server = await served({ path, durability: "always" }, new HandClock(at));
    const wire = await server.dial();
    await wire.result({ action: "SET", key: "short", value: 1, ttl_ms: 10_000 });
    await wire.result({ action: "SET", key: "long", value: 2, ttl_ms: 10_001 });
    await wire.result({ action: "SET", key: "late", value: 3 });
    await wire.result({ action: "EXPIRE", key: "late", ttl_ms: 20_000 });
    await wire.result({ action: "SET", key: "kept", value: 4, ttl_ms: 5000 });
    await wire.result({ action: "EXPIRE", key: "kept", ttl_ms: null });
    await wire.result({ action: "SET", key: "put-off", value: 5, ttl_ms: 5000 });
    await wire.result({ action: "EXPIRE", key: "put-off", ttl_ms: 30_000 });
    wire.end();
    await server.stop();
    const found = async (after: number) => {
      const again = await served({ path, durability: "always" }, new HandClock(at + after));
      const other = await again.dial();
      const left: [string, unknown][] = [];
      for (const key of ["short", "long", "late", "kept", "put-off"]) {
        const { result, error } = await other.ask({ action: "TTL", key });
        left.push([key, error?.code ?? result]);
      }
      other.end();
      await again.stop();
      return Object.fromEntries(left);
    };
    const none = "NOT_FOUND";
    const soon = { short: 1, long: 2, late: 10_001, kept: null, "put-off": 20_001 };
    expect(await found(9999)).toEqual(soon);
    const then = { short: none, long: 1, late: 10_000, kept: null, "put-off": 20_000 };
    expect(await found(10_000)).toEqual(then);
    const later = { short: none, long: none, late: none, kept: null, "put-off": 1 };
    expect(await found(29_999)).toEqual(later);
    expect(await found(30_000)).toEqual({ ...later, "put-off": none });
  });

  test("gives 200,000 keys back", async () => {
    const total = 200_000;
    const folder = newFolder();
    const file = configure(folder, {});
    const first = await ready(file);
    const wire = await Wire.dial(first.port);
    const writing: Promise<unknown>[] = [];
    for (let at = 0; at < total; at += 10_000) {
      const pairs = Array.from({ length: 10_000 }, (_, n) => [`k${at + n}`, at + n]);
      writing.push(wire.result({ action: "MSET", values: Object.fromEntries(pairs) }));
    }
    await Promise.all(writing);
    await gone(first.child, "SIGKILL");
    const { child, port } = await ready(file);
    const again = await Wire.dial(port);
    expect((await again.result<{ keys: number }>({ action: "INFO" })).keys).toBe(total);
    const keys = Array.from({ length: total }, (_, n) => `k${n}`);
    const values = await again.values(keys);
    expect(keys.findIndex((key, n) => values.get(key) !== n)).toBe(-1);
    expect(await gone(child, "SIGTERM")).toBe(0);
  });
});

describe("a folder", () => {
  /** The output of a server that does not start. */
  async function refused(file: string): Promise<string> {
    const child = new StoreChild(file);
    children.add(child);
    expect([await child.exit(), child.said]).toEqual([1, child.said]);
    children.delete(child);
    expect(child.said).toMatch(/^[^\n]+\nNothing was started\.\n$/);
    return child.said;
  }

  test("is one server's alone", async () => {
    const folder = newFolder();
    const file = configure(folder, {});
    const { child, port } = await ready(file);
    expect(await refused(file)).toContain(`${folder}/data: another process has it`);
    const wire = await Wire.dial(port);
    expect(await wire.result({ action: "SET", key: "a", value: 1 })).toBe("OK");
    await gone(child, "SIGKILL");
    const again = await ready(file);
    expect(await (await Wire.dial(again.port)).result<number>({ action: "GET", key: "a" })).toBe(1);
    await gone(again.child, "SIGTERM");
  });

  test("that cannot be one is told of in a line", async () => {
    const folder = newFolder();
    const file = configure(folder, { path: join(folder, "file", "data") });
    fs.writeFileSync(join(folder, "file"), "");
    expect(await refused(file)).toContain("part of the path is not a folder");
  });

  test.skipIf(!hasFixedDisk)("that cannot be written to is told of in a line", async () => {
    const folder = newFolder();
    for (const path of [fixed, join(fixed, "data")]) {
      expect(await refused(configure(folder, { path }))).toContain("read-only file system");
    }
  });
});

// --- under load

describe("a server that is busy", () => {
  test("loses nothing to the snapshots that it makes meanwhile", async () => {
    const path = join(newFolder(), "data");
    const server = await served({ path, durability: "always", snapshot_bytes: 4096 });
    const wires = await Promise.all(Array.from({ length: 4 }, server.dial));
    const kept = new Map<string, number>();
    let stopped = false;
    const writing = wires.map(async (wire, w) => {
      for (let n = 0; !stopped; n++) {
        const key = `w${w}^${n % 3000}`;
        await wire.result({ action: "SET", key, value: n });
        kept.set(key, n);
      }
    });
    for (let snapshots = 1; snapshots <= 5; snapshots++) {
      const { size } = kept;
      await until(() => kept.size >= Math.min(size + 200, 4 * 3000));
      await until(() => {
        server.clock.advance(20);
        return server.stats()["snapshots"] === snapshots;
      });
    }
    stopped = true;
    await Promise.all(writing);
    const { values, count } = await loaded(path, [...kept.keys()]);
    expect([values, count]).toEqual([kept, kept.size]);
    for (const wire of wires) wire.end();
    await server.stop();
    expect(fs.readdirSync(path).filter((name) => name.startsWith("journal"))).toHaveLength(1);
    expect((await loaded(path, [...kept.keys()])).values).toEqual(kept);
  });

  test.skipIf(!manyFiles)("answers a thousand clients rightly", async () => {
    const folder = newFolder();
    const { child, port } = await ready(configure(folder, {}));
    const clients = 1000;
    const wires = await Promise.all(Array.from({ length: clients }, () => Wire.dial(port)));
    const added = new Set<number>();
    await Promise.all(
      wires.map(async (wire, w) => {
        for (let n = 0; n < 10; n++) {
          const [key, id] = [`c${w}`, `${w}/${n}`];
          const [set, get, incr] = await Promise.all([
            wire.ask({ action: "SET", key, value: { w, n }, id }),
            wire.ask({ action: "GET", key, id }),
            wire.ask({ action: "INCR", key: "n", id }),
          ]);
          expect([set, get, incr.id]).toEqual([{ result: "OK", id }, { result: { w, n }, id }, id]);
          added.add(incr.result as number);
        }
      }),
    );
    // Each number was given once.
    expect([added.size, Math.max(...added)]).toEqual([clients * 10, clients * 10]);
    const info = await (wires[0] as Wire).result<Record<string, number>>({ action: "INFO" });
    expect([info["clients"], info["keys"], info["requests"]]).toEqual([
      clients,
      clients + 1,
      clients * 30 + 1,
    ]);
    await gone(child, "SIGTERM");
  });
});
