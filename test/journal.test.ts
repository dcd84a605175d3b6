import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { StartError } from "../lib/host/errors.ts";
import { systemError, watched } from "./fixtures/journal-disk.ts";
import { turn, until } from "./kit.ts";
import {
  batch,
  batchOf,
  filesIn,
  folderOf,
  HEADER,
  lineOf,
  load,
  MiB,
  newFolder,
  open,
  root,
  sizeOf,
} from "./journal-suite.ts";

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
    // Older bytes in the buffer end just at the record's end.
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

  test("holds though somebody removes its file, or moves the folder and makes another one", async () => {
    const { folder, journal } = open();
    const refused = `cannot use ${folder}: another process has it`;
    fs.unlinkSync(join(folder, "lock"));
    expect(() => open(folder)).toThrow(refused);
    fs.renameSync(folder, `${folder}-old`);
    expect(() => open(folder)).toThrow(refused);
    // By another way to the same folder.
    fs.symlinkSync(folder, `${folder}-link`);
    expect(() => open(`${folder}-link`)).toThrow("another process has it");
    await journal.close();
    await open(folder).journal.close();
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
  });

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
