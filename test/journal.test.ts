import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { HandClock } from "../lib/host/clock.ts";
import { StartError } from "../lib/host/errors.ts";
import type { Disk } from "../lib/host/disk.ts";
import { Journal, type JournalOptions } from "../lib/services/store/journal/journal.ts";
import { type Call, Durable, systemError, watched } from "./fixtures/journal-disk.ts";
import { turn, until } from "./kit.ts";
import { mounted, unmount } from "./small-disk.ts";

const HEADER = 18;
const MiB = 1024 * 1024;
const root = fs.mkdtempSync(join(tmpdir(), "journal-"));
const small = join(root, "small-disk");
let made = 0;

/** A disk of 4 MiB, which a test can fill. */
const hasSmallDisk = mounted(small, "size=4m");
if (!hasSmallDisk) console.log("full disk: SKIPPED, mounting a tmpfs is not permitted here");

afterAll(() => {
  if (hasSmallDisk) unmount(small);
  fs.rmSync(root, { recursive: true });
});

const newFolder = (): string => join(root, `${++made}`);
const lineOf = (record: unknown[]): string => `${JSON.stringify(record)}\n`;
/** A batch made without the code under test. */
const batch = (text: string): Buffer => {
  const hex = (value: number) => value.toString(16).padStart(8, "0");
  return Buffer.from(`${hex(Buffer.byteLength(text))} ${hex(crc32(text))}\n${text}`);
};
const batchOf = (...records: unknown[][]): Buffer => batch(records.map(lineOf).join(""));

/** A clock that knows how many jobs it has. */
class CountingClock extends HandClock {
  readonly jobs = new Set<() => void>();

  override every(ms: number, job: () => void): () => void {
    const end = super.every(ms, job);
    this.jobs.add(job);
    return () => {
      this.jobs.delete(job);
      end();
    };
  }
}

/** A journal that was opened and loaded, and all that it has told. */
function open(folder = newFolder(), options: Partial<JournalOptions> = {}) {
  const clock = new CountingClock();
  const notes: string[] = [];
  const troubles: string[] = [];
  const records: unknown[][] = [];
  /** What `synced` was each time it was told of. */
  const syncs: number[] = [];
  const journal = new Journal(folder, {
    clock,
    snapshotBytes: Infinity,
    onTrouble: (message) => troubles.push(message),
    onNote: (message) => notes.push(message),
    ...options,
  });
  journal.onSynced = () => syncs.push(journal.synced);
  journal.load((record) => records.push(record));
  /** Writes records as one batch; whether they were accepted. */
  const put = (...batch: unknown[][]): boolean => {
    const lines = batch.map(lineOf);
    const sizes = lines.map((line) => Buffer.byteLength(line));
    if (!journal.reserve(sizes.reduce((sum, size) => sum + size, 0))) return false;
    for (const [at, line] of lines.entries()) journal.append(line, sizes[at] as number);
    journal.write();
    return true;
  };
  const idle = () => until(() => journal.synced === journal.written);
  return { journal, clock, folder, notes, troubles, records, syncs, put, idle };
}

/** All that a folder loads to. */
async function load(folder: string, options: Partial<JournalOptions> = {}) {
  const { journal, records, notes } = open(folder, options);
  await journal.close();
  return { records, notes };
}

/** A folder that holds these files. */
function folderOf(files: Record<string, Uint8Array | string>): string {
  const folder = newFolder();
  fs.mkdirSync(folder);
  for (const [name, content] of Object.entries(files))
    fs.writeFileSync(join(folder, name), content);
  return folder;
}

const sizeOf = (folder: string, name: string): number => fs.statSync(join(folder, name)).size;
const filesIn = (folder: string): string[] =>
  fs
    .readdirSync(folder)
    .filter((name) => name !== "lock")
    .sort();

describe("records", () => {
  test("come back in order, over several batches and several openings", async () => {
    const folder = newFolder();
    const written: unknown[][] = [];
    for (let opening = 0; opening < 3; opening++) {
      const { journal, records, notes, put } = open(folder);
      expect(records).toEqual(written);
      for (let n = 0; n < 5; n++) {
        const some = Array.from({ length: n + 1 }, (_, i) => ["set", `${opening}^${n}`, i]);
        put(...some);
        written.push(...some);
      }
      await journal.close();
      expect(notes).toEqual([]);
    }
    expect((await load(folder)).records).toEqual(written);
  });

  test("are on disk in the form that is documented, and nothing else is", async () => {
    const { journal, folder, put } = open();
    put(["set", "é", 1], ["del", "b"]);
    put([null]);
    await journal.close();
    expect(filesIn(folder)).toEqual(["journal.1"]);
    const expected = Buffer.concat([batchOf(["set", "é", 1], ["del", "b"]), batchOf([null])]);
    expect(fs.readFileSync(join(folder, "journal.1"))).toEqual(expected);
    expect(expected.toString()).toStartWith("0000001b 6d143c2d\n");
  });

  test("keep every character and every number", async () => {
    const { journal, folder, put } = open();
    const odd = ["é", "😀", "\u2028\u2029\ufeff", '\0\n\r\t"\\', "\ud800", "", -0, 1e-7, 2 ** 53];
    put(odd, [JSON.parse('{"__proto__":[]}')]);
    for (const one of odd) put([one]);
    await journal.close();
    const { records } = await load(folder);
    expect(JSON.stringify(records)).toBe(
      JSON.stringify([odd, [JSON.parse('{"__proto__":[]}')], ...odd.map((one) => [one])]),
    );
  });

  test("may be larger than any buffer, and small ones go on after them", async () => {
    const { journal, folder, put } = open();
    const expected: unknown[][] = [];
    for (let n = 0; n < 12; n++) {
      const size = n % 4 === 1 ? 5 * MiB : 900_000 + 7919 * n;
      const records = [
        [n, "x".repeat(size)],
        ["é", n],
      ];
      expect(put(...records)).toBe(true);
      expected.push(...records);
    }
    await journal.close();
    const { records } = await load(folder);
    expect(records.map(String)).toEqual(expected.map(String));
  });

  test.each([
    ["a length that is too short", "[1]\n", 3],
    ["a length that is too long", "[1]\n", 5],
    ["a length in characters", '["é"]\n', 6],
    ["no newline", "[12]", 4],
  ])("that could not be read back are refused: %s", async (_, text, bytes) => {
    const { journal, folder, put } = open();
    // What stood in the buffer before ends just where the record should.
    put([111_111]);
    journal.append("[0]\n", 4);
    expect(() => journal.append(text, bytes)).toThrow(`not a line of ${bytes} bytes: ${text}`);
    put([1]);
    await journal.close();
    expect((await load(folder)).records).toEqual([[111_111], [0], [1]]);
  });

  test.each(["nonsense\n", "[1] [2]\n", "[1]\n\n", '{"a":1}\n', "[1]\n[2\n"])(
    "that were never records are a bug, not damage: %j",
    async (text) => {
      const folder = folderOf({ "journal.1": Buffer.concat([batchOf([0]), batch(text)]) });
      expect(() => open(folder)).toThrow();
      expect(() => open(folder)).not.toThrow(StartError);
      expect(filesIn(folder)).toEqual(["journal.1"]);
    },
  );

  test("an empty write is no batch", async () => {
    const { journal } = open();
    journal.write();
    expect([journal.written, journal.pending]).toEqual([0, false]);
    journal.append("[1]\n", 4);
    expect([journal.written, journal.pending]).toEqual([0, true]);
    journal.write();
    expect(journal.pending).toBe(false);
    journal.write();
    expect([journal.written, journal.size]).toEqual([1, HEADER + 4]);
    await journal.close();
  });

  test("a closed journal takes none", async () => {
    const { journal, folder, put } = open();
    put([1]);
    await Promise.all([journal.close(), journal.close()]);
    expect(journal.reserve(1)).toBe(false);
    expect(() => journal.append("[2]\n", 4)).toThrow("the journal is closed");
    journal.write();
    expect(await journal.snapshot(() => null)).toBe(false);
    expect(journal.snapshotDue).toBe(false);
    expect([journal.written, journal.synced, journal.pending]).toEqual([1, 1, false]);
    expect(journal.counters).toEqual({ batches: 1, syncs: 1, snapshots: 0, bytes: HEADER + 4 });
    expect((await load(folder)).records).toEqual([[1]]);
  });

  test("are taken until the last moment of closing", async () => {
    const { journal, folder, put } = open();
    put([1]);
    const closing = journal.close();
    expect(journal.reserve(4)).toBe(false);
    journal.append("[2]\n", 4);
    await closing;
    expect((await load(folder)).records).toEqual([[1], [2]]);
  });
});

describe("at the boundary of the disk", () => {
  test("a batch is written, then synced, then told of; the next ones gather meanwhile", async () => {
    const calls: string[] = [];
    const held: (() => void)[] = [];
    const disk = watched({
      before: ({ name, file, args }) => {
        const isZeros = name === "writeSync" && (args[1] as Buffer)[0] === 0;
        if (file === "journal.1" && !isZeros && name !== "openSync") calls.push(name);
      },
      hold: (_, go) => held.push(go),
    });
    const { journal, syncs, put } = open(undefined, { disk });
    put([1]);
    expect(calls).toEqual(["writeSync", "fdatasync"]);
    put([2]);
    put([3]);
    expect(calls.slice(2)).toEqual(["writeSync", "writeSync"]);
    await until(() => held.length === 1);
    await turn();
    expect([journal.written, journal.synced, syncs, held.length]).toEqual([3, 0, [], 1]);

    held.shift()?.();
    await until(() => syncs.length === 1);
    expect([journal.synced, syncs]).toEqual([1, [1]]);
    expect(calls.slice(4)).toEqual(["fdatasync"]);
    await until(() => held.length === 1);
    held.shift()?.();
    await until(() => syncs.length === 2);
    expect([journal.synced, syncs]).toEqual([3, [1, 3]]);
    expect(calls.slice(5)).toEqual([]);
    expect([journal.written, journal.counters.syncs]).toEqual([3, 2]);
    await journal.close();
  });

  test("closing waits for the last sync", async () => {
    const held: (() => void)[] = [];
    const disk = watched({ hold: (_, go) => held.push(go) });
    const { journal, put } = open(undefined, { disk });
    put([1]);
    put([2]);
    let closed = false;
    const closing = journal.close().then(() => {
      closed = true;
    });
    for (const synced of [0, 1]) {
      await until(() => held.length === 1);
      await turn();
      expect([journal.synced, closed]).toEqual([synced, false]);
      held.shift()?.();
    }
    await closing;
    expect(journal.synced).toBe(2);
  });

  test("writes that take less than they were given go on where they stopped", async () => {
    const disk = watched({
      before: ({ args, name }) => {
        if (name === "writeSync" || name === "write") args[3] = Math.ceil((args[3] as number) / 2);
      },
    });
    const { journal, folder, put } = open(undefined, { disk });
    put(["a".repeat(1000)], ["b"]);
    const slices = [lineOf(["c".repeat(1000)])];
    expect(await journal.snapshot(() => slices.shift() ?? null)).toBe(true);
    put(["d"]);
    await journal.close();
    expect((await load(folder)).records).toEqual([["c".repeat(1000)], ["d"]]);
  });

  test("a disk that takes nothing and gives no reason is not asked for ever", async () => {
    let taking = true;
    const disk = watched({
      before: ({ args, name }) => {
        if (!taking && name.startsWith("write")) args[3] = 0;
      },
    });
    const { journal, notes, put } = open(undefined, { disk });
    put([1]);
    taking = false;
    expect(await journal.snapshot(() => null)).toBe(false);
    expect(notes[0]).toEndWith(": nothing was written");
    expect(put(["x".repeat(MiB)])).toBe(false);
    expect(journal.trouble).toBe("cannot write: nothing was written");
    await journal.close();
  });

  test("a record that no room was made for may go beyond it", async () => {
    const { journal, folder, put } = open();
    put([1]);
    const long = ["x".repeat(3 * MiB)];
    journal.append(lineOf(long), lineOf(long).length);
    journal.write();
    put([2]);
    await journal.close();
    expect((await load(folder)).records).toEqual([[1], long, [2]]);
  });

  test("room is made in zeros before a record is accepted, and closing gives back what was not used", async () => {
    const { journal, folder, put } = open();
    expect(sizeOf(folder, "journal.1")).toBe(0);
    expect(journal.reserve(4)).toBe(true);
    const content = fs.readFileSync(join(folder, "journal.1"));
    expect([content.length, content.some((byte) => byte !== 0)]).toEqual([MiB, false]);
    expect(journal.reserve(MiB - HEADER - 4)).toBe(true);
    expect(sizeOf(folder, "journal.1")).toBe(MiB);
    expect(journal.reserve(1)).toBe(true);
    expect(sizeOf(folder, "journal.1")).toBe(2 * MiB);
    journal.write();
    put([1]);
    expect(sizeOf(folder, "journal.1")).toBe(2 * MiB);
    await journal.close();
    expect(sizeOf(folder, "journal.1")).toBe(HEADER + 4);
  });
});

describe("the lock", () => {
  test("a folder is one journal's alone until that is closed", async () => {
    const first = open();
    expect(() => open(first.folder)).toThrow(
      new StartError(`cannot use ${first.folder}: another process has it`),
    );
    await first.journal.close();
    await open(first.folder).journal.close();
  });

  test("a killed process leaves none, and loses nothing that it said was on disk", async () => {
    const folder = newFolder();
    const script = join(import.meta.dir, "fixtures/journal-storm.ts");
    for (let life = 0; life < 3; life++) {
      const child = Bun.spawn([process.execPath, script, folder], { stdout: "pipe" });
      let said = "";
      for await (const bytes of child.stdout) {
        if (said === "") {
          expect(() => open(folder)).toThrow("another process has it");
        }
        said += Buffer.from(bytes).toString();
        if (said.length > 200) child.kill("SIGKILL");
      }
      await child.exited;
      const known = Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1));
      expect(known).toBeGreaterThan(10);
      const { records } = await load(folder);
      const own = records.slice(records.findLastIndex(([, , n]) => n === 1));
      expect(own.length).toBeGreaterThanOrEqual(known);
      expect(own).toEqual(own.map((_, at) => ["set", "key", at + 1]));
    }
  }, 20_000);

  test("a folder that cannot be had is one line", () => {
    const file = join(folderOf({ file: "" }), "file");
    expect(() => open(file)).toThrow(new StartError(`cannot write ${file}: its folder is a file`));
    const under = join(file, "deeper");
    expect(() => open(under)).toThrow(
      new StartError(`cannot write ${under}: part of the path is not a folder`),
    );
    const folder = folderOf({});
    fs.mkdirSync(join(folder, "journal.1"));
    expect(() => open(folder)).toThrow(new StartError(`cannot load ${folder}: it is a folder`));
  });

  test("folders above are made, and synced where they are new", async () => {
    const parent = newFolder();
    const synced: string[] = [];
    const disk = watched({
      before: ({ name, file }) => {
        if (name === "fsyncSync") synced.push(file);
      },
    });
    const { journal } = open(join(parent, "a", "b"), { disk });
    await journal.close();
    expect(synced).toEqual([
      "a",
      parent.slice(root.length + 1),
      root.split("/").at(-1),
      "b",
    ] as string[]);
  });
});

describe("what a crash left", () => {
  const whole = [batchOf([1], [2]), batchOf(["three"])];
  const last = batchOf(["a", "é"], ["b"]);
  const before = Buffer.concat(whole);

  test.each([
    ["", 0],
    ["with the zeros behind it", 3000],
  ])("a batch torn at any of its bytes is cut off %s", async (_, zeros) => {
    for (let kept = 0; kept < last.length; kept++) {
      const torn = last.subarray(0, kept);
      const folder = folderOf({
        "journal.1": Buffer.concat([before, torn, Buffer.alloc(zeros)]),
      });
      const { journal, records, notes, put } = open(folder);
      expect(records).toEqual([[1], [2], ["three"]]);
      const path = join(folder, "journal.1");
      expect(notes).toEqual(
        kept === 0
          ? []
          : [`${path}: the last ${kept + zeros} bytes are not a whole batch and were cut off`],
      );
      expect(sizeOf(folder, "journal.1")).toBe(before.length);
      put([4]);
      await journal.close();
      expect(await load(folder)).toEqual({ records: [[1], [2], ["three"], [4]], notes: [] });
      expect(filesIn(folder)).toEqual(["journal.1"]);
    }
  });

  test("a whole last batch stays", async () => {
    const folder = folderOf({ "journal.1": Buffer.concat([before, last]) });
    expect((await load(folder)).records).toHaveLength(5);
  });

  test("a batch with any bit of it changed does not count", async () => {
    for (let at = 0; at < last.length; at++) {
      const changed = Buffer.from(last);
      changed[at] = (changed[at] as number) ^ 1;
      const folder = folderOf({ "journal.1": Buffer.concat([before, changed]) });
      const { records, notes } = await load(folder);
      expect(records).toHaveLength(3);
      expect(notes).toHaveLength(1);
    }
  });

  test.each([1, 4 * MiB - before.length, 4 * MiB, 9 * MiB + 1])(
    "%d zeros at the end are room that was not used: nothing is said",
    async (zeros) => {
      const folder = folderOf({ "journal.1": Buffer.concat([before, Buffer.alloc(zeros)]) });
      expect(await load(folder)).toEqual({ records: [[1], [2], ["three"]], notes: [] });
      expect(sizeOf(folder, "journal.1")).toBe(before.length);
    },
  );

  test.each([
    ["one byte after many zeros", Buffer.concat([Buffer.alloc(9 * MiB), Buffer.from("x")])],
    ["text", Buffer.from("nonsense\n")],
    ["a batch of nothing", Buffer.from("00000000 00000000\n")],
    ["a length beyond the end", Buffer.from("ffffffff 00000000\n[1]\n")],
    ["a length beyond the end by one", Buffer.from(batchOf([1]).toString().slice(0, -1))],
  ])("garbage at the end is cut off: %s", async (_, garbage) => {
    const folder = folderOf({ "journal.1": Buffer.concat([before, garbage]) });
    const { records, notes } = await load(folder);
    expect(records).toEqual([[1], [2], ["three"]]);
    expect(notes).toEqual([
      `${join(folder, "journal.1")}: the last ${garbage.length} bytes are not a whole batch and were cut off`,
    ]);
    expect(fs.readFileSync(join(folder, "journal.1"))).toEqual(before);
  });

  test("what was cut off does not come back behind later batches", async () => {
    // Of two batches that were not synced a power cut may keep the second alone.
    const gap = Buffer.alloc(batchOf([4]).length);
    const folder = folderOf({ "journal.1": Buffer.concat([before, gap, last]) });
    const calls: string[] = [];
    const disk = watched({
      before: ({ name, file }) => {
        if (file === "journal.1") calls.push(name);
      },
    });
    const { journal, notes, put } = open(folder, { disk });
    expect(calls.slice(-4)).toEqual(["ftruncateSync", "fdatasyncSync", "closeSync", "openSync"]);
    expect(notes).toHaveLength(1);
    put([4]);
    await journal.close();
    expect((await load(folder)).records).toEqual([[1], [2], ["three"], [4]]);
  });

  test("damage before whole batches is kept aside and told of", async () => {
    const damaged = Buffer.concat([...whole, last, batchOf([5])]);
    damaged[before.length + 5] = 120;
    const folder = folderOf({ "journal.1": damaged });
    const path = join(folder, "journal.1");
    const { journal, records, notes, put } = open(folder);
    expect(records).toEqual([[1], [2], ["three"]]);
    expect(notes).toEqual([
      `${path}: the last ${damaged.length - before.length} bytes are not a whole batch and were cut off, though there are whole ones among them; the file as it was is in ${path}.damaged`,
    ]);
    expect(fs.readFileSync(`${path}.damaged`)).toEqual(damaged);
    put(["next"]);
    await journal.close();
    const again = await load(folder);
    expect(again).toEqual({ records: [[1], [2], ["three"], ["next"]], notes: [] });
    expect(filesIn(folder)).toEqual(["journal.1", "journal.1.damaged"]);
  });

  test("damage that cannot be kept aside stays where it is", async () => {
    const damaged = Buffer.concat([...whole, Buffer.from("x"), last]);
    const folder = folderOf({ "journal.1": damaged });
    const path = join(folder, "journal.1");
    const disk = watched({
      before: ({ name }) => {
        if (name === "copyFileSync") throw systemError("ENOSPC", "no space left on device");
      },
    });
    const { journal, records, notes, put } = open(folder, { disk });
    expect(records).toEqual([[1], [2], ["three"]]);
    expect(notes).toEqual([
      `${path} is damaged ${damaged.length - before.length} bytes before its end; it could not be copied to ${path}.damaged: no space left on device`,
    ]);
    put(["next"]);
    await journal.close();
    expect(fs.readFileSync(path)).toEqual(damaged);
    const other = open(folderOf({ "journal.1": damaged }), { disk });
    other.put(["next"]);
    expect(await other.journal.snapshot(() => null)).toBe(true);
    expect(filesIn(other.folder)).toEqual(["journal.3", "snapshot"]);
    await other.journal.close();
    const again = await load(folder);
    expect(again.records).toEqual([[1], [2], ["three"], ["next"]]);
    expect(fs.readFileSync(`${path}.damaged`)).toEqual(damaged);
  });

  test("whole batches are found wherever they stand behind the damage", async () => {
    const edge = [-19, -18, -17, -16, -15, -1, 0, 1].map((by) => 4 * MiB + by);
    for (const distance of [2, ...edge, 9 * MiB]) {
      const damaged = Buffer.concat([Buffer.alloc(distance, "f"), last]);
      const folder = folderOf({ "journal.1": damaged });
      const { records, notes } = await load(folder);
      expect([records, notes[0]]).toEqual([
        [],
        expect.stringContaining("the file as it was is in"),
      ]);
      fs.rmSync(folder, { recursive: true });
    }
  });

  test("journals without a batch, and without a file between them, are fine", async () => {
    const folder = folderOf({
      "journal.2": "",
      "journal.4": batchOf([4]),
      "journal.10": batchOf([10]),
    });
    const { journal, records, notes, put } = open(folder);
    put([11]);
    await journal.close();
    expect([records, notes]).toEqual([[[4], [10]], []]);
    expect(filesIn(folder)).toEqual(["journal.10", "journal.2", "journal.4"]);
    expect((await load(folder)).records).toEqual([[4], [10], [11]]);
  });

  test("a journal that is torn does not keep the next one from being loaded", async () => {
    const folder = folderOf({
      "journal.1": Buffer.concat([before, last.subarray(0, 30)]),
      "journal.2": last,
    });
    const { records, notes } = await load(folder);
    expect(records).toEqual([[1], [2], ["three"], ["a", "é"], ["b"]]);
    expect(notes).toHaveLength(1);
  });

  test("an unfinished snapshot and journals that a snapshot stands for are removed", async () => {
    const folder = folderOf({
      "snapshot.tmp": batchOf(["snapshot", 3], ["unfinished"]),
      snapshot: Buffer.concat([
        batchOf(["snapshot", 2], ["snapshot", 7]),
        batchOf(["snapshot", 9]),
      ]),
      "journal.1": batchOf(["old"]),
      "journal.2": batchOf([2]),
      "journal.02": "not ours",
    });
    const { records, notes } = await load(folder);
    expect(records).toEqual([["snapshot", 7], ["snapshot", 9], [2]]);
    expect(notes).toEqual([]);
    expect(filesIn(folder)).toEqual(["journal.02", "journal.2", "snapshot"]);
  });

  test("a snapshot without its journal goes on in that", async () => {
    const folder = folderOf({ snapshot: batchOf(["snapshot", 7], [1]) });
    const { journal, records, put } = open(folder);
    put([2]);
    await journal.close();
    expect([records, filesIn(folder)]).toEqual([[[1]], ["journal.7", "snapshot"]]);
    expect((await load(folder)).records).toEqual([[1], [2]]);
  });

  const parts = [batchOf(["snapshot", 2], [0]), batchOf([1]), batchOf([2]), batchOf([3])];
  test.each([
    [0, [[1], [2], [3], [4]]],
    [1, [[0], [2], [3], [4]]],
    [3, [[0], [1], [2], [4]]],
  ])("a snapshot that is damaged in batch %d gives back the others", async (at, expected) => {
    for (const byte of [3, 12, 20]) {
      const damaged = parts.map((part) => Buffer.from(part));
      (damaged[at] as Buffer)[byte] = 0;
      const snapshot = Buffer.concat(damaged);
      const folder = folderOf({ snapshot, "journal.2": batchOf([4]) });
      for (let opening = 0; opening < 2; opening++) {
        const { records, notes } = await load(folder);
        expect(records).toEqual(expected);
        const path = join(folder, "snapshot");
        expect(notes).toEqual([
          `${path} is damaged: ${parts[at]?.length} bytes are lost; the file as it was is in ${path}.damaged`,
        ]);
        expect(fs.readFileSync(`${path}.damaged`)).toEqual(snapshot);
      }
    }
  });

  test("a snapshot with zeros at its end is damaged too", async () => {
    const folder = folderOf({ snapshot: Buffer.concat([...parts, Buffer.alloc(5)]) });
    const { records, notes } = await load(folder);
    expect(records).toEqual([[0], [1], [2], [3]]);
    expect(notes[0]).toContain("is damaged: 5 bytes are lost");
  });
});

/** Keys and values as a store would keep them, with a history that tells every state from every other. */
class Keys {
  readonly now = new Map<string, number>();
  readonly #history: [string, number | null][] = [];

  get steps(): number {
    return this.#history.length;
  }

  /** The record of the next step, which is done with `took`. */
  next(key: string, remove = false): [string, number | null] {
    return [key, remove ? null : this.steps + 1];
  }

  took([key, value]: [string, number | null]): void {
    this.#history.push([key, value]);
    if (value === null) this.now.delete(key);
    else this.now.set(key, value);
  }

  /** What the records load to, as text. */
  static of(records: unknown[][]): string {
    const map = new Map<unknown, unknown>();
    for (const [key, value] of records) {
      if (value === null) map.delete(key);
      else map.set(key, value);
    }
    return JSON.stringify([...map].sort());
  }

  at(step: number): string {
    return Keys.of(this.#history.slice(0, step));
  }

  /** Slices of one key each, of the keys that there are now with the values that they have then. */
  slices(between: () => void = () => {}): () => string | null {
    const keys = [...this.now.keys()];
    return () => {
      between();
      const key = keys.shift();
      if (key === undefined) return null;
      const value = this.now.get(key);
      return value === undefined ? "" : lineOf([key, value]);
    };
  }
}

describe("a snapshot", () => {
  test("stands for the journals before it", async () => {
    const { journal, folder, put } = open();
    const keys = new Keys();
    for (let n = 0; n < 100; n++) {
      const step = keys.next(`k${n % 7}`);
      put(step);
      keys.took(step);
    }
    expect(journal.size).toBe(journal.counters.bytes);
    expect(await journal.snapshot(keys.slices())).toBe(true);
    expect(filesIn(folder)).toEqual(["journal.2", "snapshot"]);
    expect([journal.size, journal.synced, journal.counters.snapshots]).toEqual([0, 100, 1]);
    const content = fs.readFileSync(join(folder, "snapshot"), "utf8");
    expect(content).toStartWith(`${batchOf(["snapshot", 2])}${batchOf(["k0", 99])}`);
    put(["after", 1]);
    expect(journal.size).toBe(batchOf(["after", 1]).length);
    await journal.close();
    const again = open(folder);
    expect(again.journal.size).toBe(journal.size);
    await again.journal.close();
    expect(again.records).toEqual([...keys.now, ["after", 1]]);
  });

  test("of nothing is one too", async () => {
    const { journal, folder, put } = open();
    put(["gone", 1]);
    expect(await journal.snapshot(() => null)).toBe(true);
    await journal.close();
    expect(await load(folder)).toEqual({ records: [], notes: [] });
  });

  test("has one slice in memory at a time, and records go on meanwhile", async () => {
    const held: (() => void)[] = [];
    const disk = watched({
      hold: ({ name }, go) => (name === "write" ? held.push(go) : go()),
    });
    const { journal, folder, put } = open(undefined, { disk });
    put(["a", 1]);
    let slices = 0;
    const done = journal.snapshot(() => {
      put(["during", ++slices]);
      return slices <= 5 ? lineOf(["slice", slices]) : null;
    });
    expect(await journal.snapshot(() => null)).toBe(false);
    expect(journal.snapshotDue).toBe(false);
    // The first write is that of the header.
    for (let write = 0; write <= 5; write++) {
      await until(() => held.length > 0);
      await turn();
      expect([slices, held.length]).toEqual([write, 1]);
      put(["between", write]);
      held.shift()?.();
    }
    expect(await done).toBe(true);
    await journal.close();
    const { records } = await load(folder);
    expect(records).toEqual([
      ...[1, 2, 3, 4, 5].map((n) => ["slice", n]),
      ...[0, 1, 2, 3, 4, 5].flatMap((n) => [
        ["between", n],
        ["during", n + 1],
      ]),
    ]);
  });

  test("is due from a size on, or from the size of the last one", async () => {
    const one = batchOf([1]).length;
    const { journal, put } = open(undefined, { snapshotBytes: 3 * one });
    const puts = (count: number) => {
      for (let n = 0; n < count; n++) put([1]);
      return journal.snapshotDue;
    };
    expect([puts(2), puts(1)]).toEqual([false, true]);
    const header = batchOf(["snapshot", 2]).length;
    let slices = 0;
    // As long as ten batches: the header and a slice that fills up the rest.
    const filled = `["${"x".repeat(10 * one - header - HEADER - 5)}"]\n`;
    expect(await journal.snapshot(() => (slices++ === 0 ? filled : null))).toBe(true);
    expect(puts(9)).toBe(false);
    await journal.close();
    const again = open(journal.folder, { snapshotBytes: 3 * one });
    expect(again.journal.snapshotDue).toBe(false);
    again.put([1]);
    expect(again.journal.snapshotDue).toBe(true);
    expect(await again.journal.snapshot(() => null)).toBe(true);
    expect(again.journal.snapshotDue).toBe(false);
    await again.journal.close();
  });

  test("closing abandons one", async () => {
    for (const at of [0, 1, 2]) {
      const { journal, folder, put } = open();
      put(["a", 1]);
      let slices = 0;
      let closing: Promise<void> | null = null;
      const taken = journal.snapshot(() => {
        put(["b", slices]);
        if (slices === at) closing = journal.close();
        slices++;
        return lineOf(["slice"]);
      });
      expect(await taken).toBe(false);
      await closing;
      expect(slices).toBe(at + 1);
      expect(filesIn(folder)).toEqual(["journal.1", "journal.2"]);
      expect(sizeOf(folder, "journal.1")).toBe(batchOf(["a", 1]).length);
      const again = open(folder);
      expect(again.records).toEqual([
        ["a", 1],
        ...Array.from({ length: at + 1 }, (_, n) => ["b", n]),
      ]);
      expect(await again.journal.snapshot(() => null)).toBe(true);
      expect(filesIn(folder)).toEqual(["journal.3", "snapshot"]);
      await again.journal.close();
    }
  });

  test("closing abandons one that is about to be put in its place", async () => {
    const held: (() => void)[] = [];
    const disk = watched({
      hold: ({ name, file }, go) =>
        name === "fdatasync" && file === "snapshot.tmp" ? held.push(go) : go(),
    });
    const { journal, folder, put } = open(undefined, { disk });
    put(["a", 1]);
    const taken = journal.snapshot(() => null);
    await until(() => held.length > 0);
    const closing = journal.close();
    held[0]?.();
    expect(await taken).toBe(false);
    await closing;
    expect(filesIn(folder)).toEqual(["journal.1", "journal.2"]);
  });

  test.each([false, true])(
    "does not leave a journal with a sync under way, closing meanwhile: %j",
    async (closes) => {
      const held: (() => void)[] = [];
      const calls: string[] = [];
      const disk = watched({
        before: ({ name, file }) => {
          if (file === "journal.1" && /sync|close/.test(name)) calls.push(name);
        },
        after: ({ name }) => {
          if (name === "fsync") calls.push("folder is ready");
        },
        hold: ({ name, file }, go) =>
          name === "fdatasync" && file === "journal.1" ? held.push(go) : go(),
      });
      const { journal, folder, put } = open(undefined, { disk });
      put(["a", 1]);
      const taken = journal.snapshot(() => null);
      await until(() => calls.includes("folder is ready") && held.length > 0);
      for (let n = 0; n < 20; n++) await turn();
      put(["b", 2]);
      expect(calls).toEqual(["fdatasync", "folder is ready"]);
      const closing = closes ? journal.close() : null;
      held.shift()?.();
      if (closes) {
        await until(() => held.length > 0);
        held.shift()?.();
      }
      expect(await taken).toBe(!closes);
      await closing;
      expect(journal.synced).toBe(2);
      expect(calls.slice(2, 4)).toEqual([closes ? "fdatasync" : "fdatasyncSync", "closeSync"]);
      await journal.close();
      expect((await load(folder)).records).toEqual(
        closes
          ? [
              ["a", 1],
              ["b", 2],
            ]
          : [],
      );
    },
  );

  test("has every step on disk before the next, and begins with what waits to be written", async () => {
    const calls: string[] = [];
    const disk = watched({
      before: ({ name, file, args }) => {
        if (name === "openSync" || name === "closeSync") return;
        const what = name === "writeSync" && (args[1] as Buffer)[0] === 0 ? "zeros" : name;
        calls.push(`${what} ${file}`);
      },
    });
    const { journal, folder, put, idle } = open(join(newFolder(), "f"), { disk });
    put(["a", 1]);
    await idle();
    expect(await journal.snapshot(() => null)).toBe(true);
    put(["b", 2]);
    await idle();
    journal.append(lineOf(["c", 3]), 8);
    calls.length = 0;
    expect(await journal.snapshot(() => null)).toBe(true);
    expect(calls).toEqual([
      "zeros journal.3",
      "fdatasync journal.3",
      "fsync f",
      "writeSync journal.2",
      "ftruncateSync journal.2",
      "fdatasyncSync journal.2",
      "write snapshot.tmp",
      "fdatasync snapshot.tmp",
      "renameSync snapshot.tmp",
      "fsync f",
      "unlink journal.2",
    ]);
    expect([journal.written, journal.synced]).toEqual([3, 3]);
    await journal.close();
    expect((await load(folder)).records).toEqual([]);
  });

  test("closing abandons one that has not begun to write", async () => {
    const { journal, folder, put } = open();
    put(["a", 1]);
    const taken = journal.snapshot(() => lineOf(["slice"]));
    await journal.close();
    expect([await taken, filesIn(folder)]).toEqual([false, ["journal.1"]]);
    expect((await load(folder)).records).toEqual([["a", 1]]);
  });

  test("a bug in what makes the slices is not taken for a failing disk", async () => {
    const { journal, folder, notes, put } = open();
    put(["a", 1]);
    const bug = new TypeError("a bug");
    const taken = journal.snapshot(() => {
      throw bug;
    });
    expect(taken).rejects.toBe(bug);
    await taken.catch(() => {});
    expect(notes).toEqual([]);
    expect(filesIn(folder)).toEqual(["journal.1", "journal.2"]);
    await journal.close();
    expect((await load(folder)).records).toEqual([["a", 1]]);
  });

  test.each([
    ["making the next journal", "openSync", "journal.2"],
    ["its room", "writeSync", "journal.2"],
    ["its sync", "fdatasync", "journal.2"],
    ["making the file", "openSync", "snapshot.tmp"],
    ["writing", "write", "snapshot.tmp"],
    ["its sync", "fdatasync", "snapshot.tmp"],
    ["putting it in its place", "renameSync", "snapshot.tmp"],
    ["the sync of the folder", "fsync", "snapshots"],
  ] as const)("that fails in %s costs nothing and is tried again later", async (_, name, file) => {
    let failing = false;
    let calls = 0;
    const disk = watched({
      before: (call) => {
        if (!failing || call.name !== name) return;
        if (call.file.replace(/\d+$/, "2") !== file) return;
        calls++;
        throw systemError("ENOSPC", "no space left on device");
      },
    });
    const folder = join(newFolder(), "snapshots");
    const { journal, clock, notes, troubles, put } = open(folder, { disk, snapshotBytes: 1 });
    put(["a", 1]);
    failing = true;
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(journal.snapshotDue).toBe(true);
      expect(await journal.snapshot(new Keys().slices())).toBe(false);
      clock.advance(9999);
      expect(journal.snapshotDue).toBe(false);
      clock.advance(1);
      expect(calls).toBe(attempt + 1);
    }
    expect(notes).toEqual([`cannot write a snapshot of ${folder}: no space left on device`]);
    expect(filesIn(folder)).not.toContain("snapshot.tmp");
    expect(filesIn(folder)).toContain("journal.1");

    failing = false;
    put(["b", 2]);
    const keys = new Keys();
    keys.took(["a", 1]);
    keys.took(["b", 2]);
    expect(await journal.snapshot(keys.slices())).toBe(true);
    expect(notes.slice(1)).toEqual([`wrote a snapshot of ${folder} again`]);
    expect(troubles).toEqual([]);
    expect(filesIn(folder)).toHaveLength(2);
    expect(await journal.snapshot(keys.slices())).toBe(true);
    expect(notes).toHaveLength(2);

    put(["b", 2]);
    failing = true;
    expect(await journal.snapshot(keys.slices())).toBe(false);
    expect(notes.slice(2)).toEqual(notes.slice(0, 1));
    failing = false;
    await journal.close();
    expect(Keys.of((await load(folder)).records)).toBe(Keys.of([...keys.now]));
  });

  test("a crash or a power cut at any moment leaves what was there then", async () => {
    const folder = newFolder();
    const keys = new Keys();
    const durable = new Durable(folder);
    const moments: { call: string; done: number; synced: number }[] = [];
    const copies = newFolder();
    let journal: Journal | null = null;
    const look = ({ name, file }: Call, when: string): void => {
      if (journal === null) return;
      const at = moments.length;
      moments.push({ call: `${when} ${name} ${file}`, done: keys.steps, synced: journal.synced });
      fs.cpSync(folder, join(copies, `${at}-crash`), { recursive: true });
      durable.copyTo(join(copies, `${at}-cut`));
    };
    const disk: Disk = watched({
      before: (call) => {
        durable.before(call);
        look(call, "before");
      },
      after: (call) => {
        durable.after(call);
        look(call, "after");
      },
    });
    const opened = open(folder, { disk });
    journal = opened.journal;
    const step = (key: string, remove = false) => {
      const record = keys.next(key, remove);
      expect(opened.put(record)).toBe(true);
      keys.took(record);
    };
    for (let round = 0; round < 2; round++) {
      for (const key of ["a", "b", "c", "d"]) step(key);
      step("b", true);
      await opened.idle();
      let between = 0;
      const taken = journal.snapshot(
        keys.slices(() => {
          between++;
          step(`new${between}`);
          step("a");
          step("c", between % 2 === 0);
        }),
      );
      step("d");
      expect([await taken, opened.notes]).toEqual([true, []]);
      step("last");
      await opened.idle();
    }
    await journal.close();
    journal = null;

    expect(moments.length).toBeGreaterThan(150);
    for (const [at, { call, done, synced }] of moments.entries()) {
      const crash = await load(join(copies, `${at}-crash`));
      // The batch of the step that was under way may be there already.
      const states = [keys.at(done), keys.at(done + 1)];
      expect([call, states.includes(Keys.of(crash.records))]).toEqual([call, true]);
      const cut = Keys.of((await load(join(copies, `${at}-cut`))).records);
      let found = synced;
      while (found <= done && keys.at(found) !== cut) found++;
      expect([call, found <= done]).toEqual([call, true]);
    }
    fs.rmSync(copies, { recursive: true });
    expect(Keys.of((await load(folder)).records)).toBe(keys.at(keys.steps));
  }, 60_000);
});

/** A disk on which no file can grow beyond so many bytes. */
function bounded(bound: { bytes: number }): Disk {
  return watched({
    before: ({ name, args }) => {
      if (name !== "writeSync") return;
      const [length, position] = args.slice(3) as [number, number];
      if (position >= bound.bytes) throw systemError("ENOSPC", "no space left on device");
      args[3] = Math.min(length, bound.bytes - position);
    },
  });
}

/** A record whose line is so many bytes long. */
const sized = (bytes: number): unknown[] => ["x".repeat(bytes - 5)];

describe("a disk that is full", () => {
  const reason = "cannot write: no space left on device";

  test("is used to its last byte, and not one beyond", async () => {
    for (const [last, accepted] of [
      [4982, true],
      [4983, false],
    ] as const) {
      const { journal, folder, troubles } = open(undefined, { disk: bounded({ bytes: 10_000 }) });
      expect(journal.reserve(5000)).toBe(true);
      journal.append(lineOf(sized(5000)), 5000);
      expect(journal.reserve(last)).toBe(accepted);
      if (accepted) journal.append(lineOf(sized(last)), last);
      journal.write();
      expect(journal.trouble).toBe(accepted ? null : reason);
      expect(troubles).toEqual(
        accepted
          ? []
          : [`cannot write ${folder}/journal.1: no space left on device; writes are refused`],
      );
      await journal.close();
      expect((await load(folder)).records).toEqual([5000, ...(accepted ? [last] : [])].map(sized));
    }
  });

  test("counts what was reserved, what was appended without, and forgets both with the write", async () => {
    const { journal, folder } = open(undefined, { disk: bounded({ bytes: 1000 }) });
    const room = 1000 - HEADER;
    journal.append(lineOf(sized(400)), 400);
    expect(journal.reserve(300)).toBe(true);
    expect(journal.reserve(room - 700)).toBe(true);
    journal.write();
    expect(journal.reserve(room - 400 - HEADER)).toBe(true);
    journal.write();
    expect(journal.reserve(room - 400 - HEADER)).toBe(true);
    expect(journal.reserve(1)).toBe(false);
    await journal.close();
    expect((await load(folder)).records).toEqual([sized(400)]);

    const other = open(undefined, { disk: bounded({ bytes: 1000 }) });
    other.journal.append(lineOf(sized(400)), 400);
    expect(other.journal.reserve(room - 400)).toBe(true);
    expect(other.journal.reserve(1)).toBe(false);
    await other.journal.close();
  });

  test("is tried again by the clock, and has to have room for a while", async () => {
    const bound = { bytes: 100 };
    const { journal, clock, folder, troubles, put } = open(undefined, { disk: bounded(bound) });
    expect(put(sized(50))).toBe(true);
    expect(put(sized(50))).toBe(false);
    expect(sizeOf(folder, "journal.1")).toBe(100);
    bound.bytes = 50 + HEADER + MiB - 1;
    expect(put([1])).toBe(false);
    clock.advance(10_000);
    expect([put([1]), journal.trouble, troubles.length]).toEqual([false, reason, 1]);
    expect(sizeOf(folder, "journal.1")).toBe(100);
    bound.bytes++;
    clock.advance(249);
    expect(journal.trouble).toBe(reason);
    clock.advance(1);
    expect([journal.trouble, troubles.slice(1)]).toEqual([
      null,
      [`writing ${folder}/journal.1 again`],
    ]);
    expect(put([1])).toBe(true);
    expect(clock.jobs.size).toBe(0);

    bound.bytes = 0;
    expect(put(sized(MiB))).toBe(false);
    expect([troubles.length, clock.jobs.size]).toEqual([3, 1]);
    await journal.close();
    expect([troubles.length, clock.jobs.size]).toEqual([3, 0]);
    expect((await load(folder)).records).toEqual([sized(50), [1]]);
  });

  test("refuses a record that is too long for it, and not the others", async () => {
    const { journal, folder, put } = open(undefined, { disk: bounded({ bytes: 2 * MiB }) });
    put([1]);
    expect(put(sized(3 * MiB))).toBe(false);
    expect(journal.trouble).toBeNull();
    const { size } = fs.statSync(join(folder, "journal.1"));
    for (let n = 0; n < 5; n++) expect(put(sized(3 * MiB))).toBe(false);
    expect(sizeOf(folder, "journal.1")).toBe(size);
    expect(put([2])).toBe(true);
    await journal.close();
    expect((await load(folder)).records).toEqual([[1], [2]]);
  });

  test.skipIf(!hasSmallDisk)(
    "loses nothing that was accepted, and works again when it has room",
    async () => {
      const folder = join(small, "store");
      const ballast = join(small, "ballast");
      fs.writeFileSync(ballast, Buffer.alloc(2 * MiB));
      const { journal, clock, troubles, put, idle } = open(folder);
      let accepted = 0;
      const record = () => [accepted, "x".repeat(accepted % 500)];
      while (put(record())) accepted++;
      expect([journal.trouble, troubles.length]).toEqual([reason, 1]);
      const { bavail, bsize } = fs.statfsSync(small);
      expect(bavail * bsize).toBeLessThanOrEqual(4096);
      expect(accepted).toBeGreaterThan(5000);
      await idle();
      const copy = newFolder();
      fs.cpSync(folder, copy, { recursive: true });
      const expected = Array.from({ length: accepted }, (_, n) => [n, "x".repeat(n % 500)]);
      expect(await load(copy)).toEqual({ records: expected, notes: [] });

      // No snapshot can be made of it either.
      expect(await journal.snapshot(() => lineOf(["slice"]))).toBe(false);
      clock.advance(250);
      expect([put([]), troubles.length]).toEqual([false, 1]);
      fs.unlinkSync(ballast);
      expect(put([])).toBe(false);
      clock.advance(250);
      expect([journal.trouble, troubles.length]).toEqual([null, 2]);
      expect(put(["after"])).toBe(true);
      await journal.close();
      expect(await load(folder)).toEqual({ records: [...expected, ["after"]], notes: [] });

      // A snapshot that the disk has no room for is removed, and one that fits makes room.
      const again = open(folder);
      const slice = lineOf(sized(64_000));
      expect(await again.journal.snapshot(() => slice)).toBe(false);
      expect(again.notes).toEqual([
        `cannot write a snapshot of ${folder}: no space left on device`,
      ]);
      expect(filesIn(folder)).toEqual(["journal.1", "journal.2"]);
      let slices = 0;
      expect(await again.journal.snapshot(() => (slices++ === 0 ? slice : null))).toBe(true);
      expect(filesIn(folder)).toEqual(["journal.2", "snapshot"]);
      await again.journal.close();
      expect(await load(folder)).toEqual({ records: [sized(64_000)], notes: [] });
    },
  );
});

describe("a disk that fails", () => {
  /** A disk on which one kind of call to some file fails while `failing` holds. */
  function failing(name: keyof Disk, file: RegExp, which: (call: Call) => boolean = () => true) {
    const state = { failing: false, calls: [] as string[] };
    const disk = watched({
      before: (call) => {
        if (call.name !== name || !file.test(call.file) || !which(call)) return;
        state.calls.push(call.file);
        if (state.failing) throw systemError("EIO", "input/output error");
      },
    });
    return { state, disk };
  }

  test("in a write keeps the batch and what comes after it, until it works", async () => {
    const isZeros = ({ args }: Call) => (args[1] as Buffer)[0] === 0;
    const { state, disk } = failing("writeSync", /journal/, (call) => !isZeros(call));
    const { journal, clock, folder, troubles, put, idle } = open(undefined, { disk });
    put([1]);
    expect(journal.reserve(8)).toBe(true);
    journal.append("[2]\n", 4);
    state.failing = true;
    journal.write();
    expect([journal.written, journal.trouble]).toEqual([1, "cannot write: input/output error"]);
    expect(put([0])).toBe(false);
    journal.append("[3]\n", 4);
    journal.write();
    clock.advance(1000);
    expect([journal.written, journal.size]).toEqual([1, HEADER + 4]);
    state.failing = false;
    journal.write();
    expect(journal.written).toBe(1);
    clock.advance(250);
    expect([journal.written, journal.trouble]).toEqual([2, null]);
    expect(troubles).toEqual([
      `cannot write ${folder}/journal.1: input/output error; writes are refused`,
      `writing ${folder}/journal.1 again`,
    ]);
    put([4]);
    await idle();
    await journal.close();
    expect(await load(folder)).toEqual({ records: [[1], [2], [3], [4]], notes: [] });
  });

  test("in the middle of a write leaves nothing of it behind", async () => {
    const bound = { bytes: Infinity };
    const { journal, folder, notes, put } = open(undefined, { disk: bounded(bound) });
    put([1]);
    bound.bytes = 30;
    journal.append(lineOf(sized(2 * MiB)), 2 * MiB);
    journal.write();
    expect(journal.trouble).toBe("cannot write: no space left on device");
    await journal.close();
    expect(notes).toEqual([`closed ${folder} with ${2 * MiB} bytes unwritten`]);
    expect(await load(folder)).toEqual({ records: [[1]], notes: [] });
  });

  test("in a write is asked once more when the journal closes", async () => {
    const { state, disk } = failing("writeSync", /journal/);
    const { journal, folder, notes, put } = open(undefined, { disk });
    put([1]);
    state.failing = true;
    journal.append("[2]\n", 4);
    journal.write();
    state.failing = false;
    await journal.close();
    expect([journal.synced, notes]).toEqual([2, []]);
    expect((await load(folder)).records).toEqual([[1], [2]]);
  });

  test("in a write puts a snapshot off, which may hold what was not written, and the batch goes into the next journal", async () => {
    const { state, disk } = failing("writeSync", /journal\.1/);
    const { journal, clock, folder, put } = open(undefined, { disk });
    put([1]);
    state.failing = true;
    journal.append("[2]\n", 4);
    journal.write();
    expect(await journal.snapshot(new Keys().slices())).toBe(false);
    expect(journal.written).toBe(1);
    clock.advance(250);
    expect([journal.written, journal.trouble]).toEqual([2, null]);
    await journal.close();
    expect((await load(folder)).records).toEqual([[1], [2]]);
  });

  test("in a sync is not asked again: a snapshot has to stand for what was written", async () => {
    const { state, disk } = failing("fdatasync", /journal\.1/);
    const { journal, clock, folder, troubles, syncs, put, idle } = open(undefined, { disk });
    put(["a", 1]);
    await idle();
    state.failing = true;
    put(["b", 2]);
    await until(() => journal.trouble !== null);
    expect([journal.synced, journal.needsSnapshot, journal.snapshotDue]).toEqual([1, true, true]);
    expect(journal.trouble).toBe("cannot sync: input/output error");
    expect(put(["c", 3])).toBe(false);

    state.failing = false;
    journal.append(lineOf(["d", 4]), 8);
    journal.write();
    clock.advance(1000);
    await turn();
    expect([journal.written, journal.synced, state.calls.length]).toEqual([3, 1, 2]);
    const slices = [lineOf(["snap", 1]), lineOf(["snap", 2])];
    const done = journal.snapshot(() => {
      journal.append(lineOf(["e", slices.length]), 8);
      journal.write();
      expect([journal.synced, journal.trouble === null]).toEqual([1, false]);
      return slices.shift() ?? null;
    });
    expect(await done).toBe(true);
    expect(journal.synced).toBeGreaterThanOrEqual(3);
    expect([journal.needsSnapshot, journal.trouble, journal.snapshotDue]).toEqual([
      false,
      null,
      false,
    ]);
    expect(troubles).toEqual([
      `cannot sync ${folder}/journal.1: input/output error; writes are refused`,
      `writing ${folder}/journal.2 again`,
    ]);
    await idle();
    expect(syncs.slice(-2)).toEqual([3, 6]);
    expect(put(["f", 5])).toBe(true);
    await journal.close();
    expect([state.calls.length, filesIn(folder)]).toEqual([2, ["journal.2", "snapshot"]]);
    expect((await load(folder)).records).toEqual([
      ["snap", 1],
      ["snap", 2],
      ["e", 2],
      ["e", 1],
      ["e", 0],
      ["f", 5],
    ]);
  });

  test("in the sync before a snapshot matters no more once that is written", async () => {
    const { state, disk } = failing("fdatasyncSync", /journal\.1/);
    const { journal, troubles, put } = open(undefined, { disk });
    put(["a", 1]);
    const before = journal.synced;
    state.failing = true;
    const done = journal.snapshot(() => {
      expect(journal.synced).toBeLessThanOrEqual(1);
      expect([journal.needsSnapshot, journal.reserve(1)]).toEqual([true, false]);
      return null;
    });
    expect([await done, before, journal.synced]).toEqual([true, 0, 1]);
    expect([journal.needsSnapshot, troubles.length, journal.reserve(1)]).toEqual([false, 2, true]);
    await journal.close();
  });

  test("in a sync while a snapshot is made needs another one", async () => {
    const { state, disk } = failing("fdatasync", /journal\.2/);
    const { journal, put } = open(undefined, { disk });
    put(["a", 1]);
    let slices = 0;
    const done = journal.snapshot(() => {
      if (slices++ > 0) return journal.needsSnapshot ? null : lineOf(["slice"]);
      state.failing = true;
      put(["b", 2]);
      return lineOf(["slice"]);
    });
    expect(await done).toBe(false);
    expect([journal.needsSnapshot, journal.snapshotDue, journal.synced]).toEqual([true, true, 1]);
    expect(await journal.snapshot(() => null)).toBe(true);
    expect([journal.needsSnapshot, journal.trouble, journal.synced]).toEqual([false, null, 2]);
    await journal.close();
  });

  test("in a sync when the journal closes says so, and closes", async () => {
    const { state, disk } = failing("fdatasync", /journal/);
    const { journal, clock, folder, troubles, put } = open(undefined, { disk });
    state.failing = true;
    put(["a", 1]);
    await journal.close();
    expect([journal.synced, troubles.length, clock.jobs.size]).toEqual([0, 1, 0]);
    expect((await load(folder)).records).toEqual([["a", 1]]);
  });
});
