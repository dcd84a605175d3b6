import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Disk } from "../lib/host/disk.ts";
import { SPARE } from "../lib/services/store/journal/appender.ts";
import { type Call, systemError, watched } from "./fixtures/journal-disk.ts";
import { turn, until } from "./kit.ts";
import {
  filesIn,
  HEADER,
  journalHead,
  Keys,
  lineOf,
  load,
  MiB,
  newFolder,
  open,
  sizeOf,
} from "./journal-suite.ts";
import { mounted, unmount } from "./small-disk.ts";

/** A disk of 4 MiB, which a test can fill. */
const small = join(fs.mkdtempSync(join(tmpdir(), "journal-disk-")), "small-disk");
const hasSmallDisk = mounted(small, "size=4m");
if (!hasSmallDisk) console.log("full disk: SKIPPED, mounting a tmpfs is not permitted here");
afterAll(() => {
  if (hasSmallDisk) unmount(small);
  fs.rmSync(dirname(small), { recursive: true });
});

/** Bytes of a journal's first line. */
const HEAD = journalHead(1).length;

/** A disk on which no journal can grow beyond so many bytes. */
function bounded(bound: { bytes: number }): Disk {
  return watched({
    before: ({ name, file, args }) => {
      if (name !== "writeSync" || !file.startsWith("journal")) return;
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
      [4949 - HEAD, true],
      [4950 - HEAD, false],
    ] as const) {
      const { journal, folder, troubles } = open(undefined, {
        disk: bounded({ bytes: 10_000 + SPARE }),
      });
      expect(journal.reserve(5000)).toBe(true);
      journal.append(lineOf(sized(5000)), 5000);
      expect(journal.reserve(last)).toBe(accepted);
      if (accepted) journal.append(lineOf(sized(last)), last);
      journal.write();
      expect([journal.trouble, journal.failing]).toEqual([accepted ? null : reason, false]);
      expect(troubles).toEqual(
        accepted
          ? []
          : [`cannot write ${folder}/journal-1: no space left on device; writes are refused`],
      );
      await journal.close();
      expect((await load(folder)).records).toEqual([5000, ...(accepted ? [last] : [])].map(sized));
    }
  });

  test("counts what was reserved, what was appended without, and forgets both with the write", async () => {
    const { journal, folder } = open(undefined, { disk: bounded({ bytes: 1000 + SPARE }) });
    const room = 1000 - HEAD - HEADER;
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

    const other = open(undefined, { disk: bounded({ bytes: 1000 + SPARE }) });
    other.journal.append(lineOf(sized(400)), 400);
    expect(other.journal.reserve(room - 400)).toBe(true);
    expect(other.journal.reserve(1)).toBe(false);
    await other.journal.close();
  });

  test("is tried again by the clock, and has to have room for a while", async () => {
    const bound = { bytes: HEAD + 150 + SPARE };
    const { journal, clock, folder, troubles, put } = open(undefined, { disk: bounded(bound) });
    expect(put(sized(50))).toBe(true);
    expect(put(sized(50))).toBe(false);
    expect(sizeOf(folder, "journal-1")).toBe(HEAD + 150 + SPARE);
    bound.bytes = HEAD + 50 + HEADER + MiB - 1;
    expect(put([1])).toBe(false);
    clock.advance(10_000);
    expect([put([1]), journal.trouble, troubles.length]).toEqual([false, reason, 1]);
    expect(sizeOf(folder, "journal-1")).toBe(HEAD + 150 + SPARE);
    bound.bytes++;
    clock.advance(249);
    expect(journal.trouble).toBe(reason);
    clock.advance(1);
    expect([journal.trouble, troubles.slice(1)]).toEqual([
      null,
      [`writing ${folder}/journal-1 again`],
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

  test("takes what makes room, until what is spared for that is used up to its last byte", async () => {
    const { journal, folder, put } = open(undefined, {
      disk: bounded({ bytes: HEAD + 150 + SPARE }),
    });
    expect([put(sized(50)), put(sized(50)), journal.trouble]).toEqual([true, false, reason]);
    const left = SPARE + 150 - 50 - HEADER;
    let used = 0;
    const free = (bytes: number): boolean => {
      if (!journal.reserve(bytes, true)) return false;
      journal.append(lineOf(sized(bytes)), bytes);
      journal.write();
      used += HEADER + bytes;
      return true;
    };
    expect([free(20_000), free(100_000), journal.reserve(1)]).toEqual([true, true, false]);
    expect([free(left - used - HEADER + 1), free(left - used - HEADER)]).toEqual([false, true]);
    expect([free(1), journal.trouble]).toEqual([false, reason]);
    await journal.close();
    expect((await load(folder)).records.map((one) => lineOf(one).length)).toEqual([
      50,
      20_000,
      100_000,
      left - 120_000 - 3 * HEADER,
    ]);
  });

  test("refuses a record that is too long for it, and not the others", async () => {
    const { journal, folder, put } = open(undefined, { disk: bounded({ bytes: 2 * MiB }) });
    put([1]);
    expect(put(sized(3 * MiB))).toBe(false);
    expect(journal.trouble).toBeNull();
    const { size } = fs.statSync(join(folder, "journal-1"));
    for (let n = 0; n < 5; n++) expect(put(sized(3 * MiB))).toBe(false);
    expect(sizeOf(folder, "journal-1")).toBe(size);
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
      expect(filesIn(folder)).toEqual(["journal-1", "journal-2"]);
      let slices = 0;
      expect(await again.journal.snapshot(() => (slices++ === 0 ? slice : null))).toBe(true);
      expect(filesIn(folder)).toEqual(["journal-2", "snapshot-2"]);
      await again.journal.close();
      expect(await load(folder)).toEqual({ records: [sized(64_000)], notes: [] });
      fs.rmSync(folder, { recursive: true });
    },
  );
});

describe.skipIf(!hasSmallDisk)("a rewrite on a full disk", () => {
  /** A journal of many records on a disk that is full of them. */
  async function full(name: string) {
    const folder = join(small, name);
    const opened = open(folder);
    let accepted = 0;
    while (opened.put([accepted, "x".repeat(500)])) accepted++;
    await opened.idle();
    const records = Array.from({ length: accepted }, (_, n) => [n, "x".repeat(500)]);
    return { ...opened, folder, records };
  }

  test("is due when half of it or more has no worth any more, and there is room", async () => {
    const { journal, folder } = await full("due");
    const { size } = fs.statSync(join(folder, "journal-1"));
    // Nothing but what is spared is left of the disk.
    const most = SPARE - 32 * 1024;
    expect([journal.rewriteDue(most + 8192), journal.rewriteDue(most - 8192)]).toEqual([
      false,
      true,
    ]);
    expect(journal.rewriteDue(size)).toBe(false);
    expect([size / 2 - SPARE, size / 2 + SPARE].map((live) => journal.advice(live))).toEqual([
      expect.stringMatching(
        / would be written anew and \d+ bytes freed, if its disk had \d+ bytes /,
      ),
      `make room on the disk of ${folder}, or remove keys: DEL is taken`,
    ]);
    await journal.close();
    fs.rmSync(folder, { recursive: true });
  });

  test("lends it what is spared, and that is there again when it fails", async () => {
    const { journal, folder, records, notes, clock, put } = await full("lent");
    expect([put([0]), journal.rewriteDue(1000)]).toEqual([false, true]);
    const slice = lineOf(sized(64_000));
    expect(await journal.snapshot(() => slice)).toBe(false);
    expect(notes).toEqual([`cannot write a snapshot of ${folder}: no space left on device`]);
    expect(journal.rewriteDue(1000)).toBe(false);
    const free = (line: string, bytes: number) => {
      if (!journal.reserve(bytes, true)) return false;
      journal.append(line, bytes);
      journal.write();
      return true;
    };
    for (let n = 0; n < 5; n++) expect(free(lineOf(sized(20_000)), 20_000)).toBe(true);
    // At the next attempt it fits.
    clock.advance(10_000);
    expect(journal.rewriteDue(1000)).toBe(true);
    let slices = 0;
    expect(await journal.snapshot(() => (slices++ === 0 ? slice : null))).toBe(true);
    clock.advance(250);
    expect([journal.trouble, put(["after"])]).toEqual([null, true]);
    expect(filesIn(folder).filter((name) => name.startsWith("journal"))).toHaveLength(1);
    await journal.close();
    expect(records.length).toBeGreaterThan(5000);
    const loaded = await load(folder);
    expect(loaded.records).toEqual([sized(64_000), ["after"]]);
    fs.rmSync(folder, { recursive: true });
  });

  test("that fails has lost nothing", async () => {
    const { journal, folder, records } = await full("kept");
    expect(journal.rewriteDue(1000)).toBe(true);
    expect(await journal.snapshot(() => lineOf(sized(64_000)))).toBe(false);
    await journal.close();
    expect(await load(folder)).toEqual({ records, notes: [] });
    fs.rmSync(folder, { recursive: true });
  });
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
      `cannot write ${folder}/journal-1: input/output error; writes are refused`,
      `writing ${folder}/journal-1 again`,
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
    bound.bytes = HEAD + 60;
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
    const { state, disk } = failing("writeSync", /journal-1/);
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
    const { state, disk } = failing("fdatasync", /journal-1/);
    const { journal, clock, folder, troubles, syncs, put, idle } = open(undefined, { disk });
    put(["a", 1]);
    await idle();
    state.failing = true;
    put(["b", 2]);
    await until(() => journal.trouble !== null);
    expect([journal.synced, journal.needsSnapshot, journal.snapshotDue]).toEqual([1, true, true]);
    expect([journal.trouble, journal.failing]).toEqual(["cannot sync: input/output error", true]);
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
      `cannot sync ${folder}/journal-1: input/output error; writes are refused`,
      `writing ${folder}/journal-2 again`,
    ]);
    await idle();
    expect(syncs.slice(-2)).toEqual([3, 6]);
    expect(put(["f", 5])).toBe(true);
    await journal.close();
    expect([state.calls.length, filesIn(folder)]).toEqual([2, ["journal-2", "snapshot-2"]]);
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
    const { state, disk } = failing("fdatasyncSync", /journal-1/);
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
    const { state, disk } = failing("fdatasync", /journal-2/);
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
