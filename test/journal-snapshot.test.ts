import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import type { Disk } from "../lib/host/disk.ts";
import { Journal } from "../lib/services/store/journal/journal.ts";
import { type Call, Durable, systemError, watched } from "./fixtures/journal-disk.ts";
import { turn, until } from "./kit.ts";
import {
  Chain,
  filesIn,
  HEADER,
  journalHead,
  Keys,
  lineOf,
  load,
  newFolder,
  open,
  sizeOf,
  snapshotOf,
} from "./journal-suite.ts";

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
    expect(filesIn(folder)).toEqual(["journal-2", "snapshot-2"]);
    expect([journal.size, journal.synced, journal.counters.snapshots]).toEqual([0, 100, 1]);
    const content = fs.readFileSync(join(folder, "snapshot-2"), "utf8");
    const [, , , id, , number, crc] = (content.split("\n")[0] as string).split(" ");
    expect(parseInt(number as string, 16)).toBe(100);
    const after = new Chain(100, parseInt(crc as string, 16));
    const whole = snapshotOf(
      2,
      after,
      [...keys.now].map((one) => [one]),
      id,
    );
    expect(content).toBe(whole.toString());
    put(["after", 1]);
    expect(journal.size).toBe(HEADER + lineOf(["after", 1]).length);
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
    let slices = 0;
    const disk = watched({
      hold: ({ name, file }, go) =>
        name === "write" && file === "snapshot.tmp" && slices <= 5 ? held.push(go) : go(),
    });
    const { journal, folder, put } = open(undefined, { disk });
    put(["a", 1]);
    const done = journal.snapshot(() => {
      put(["during", ++slices]);
      return slices <= 5 ? lineOf(["slice", slices]) : null;
    });
    expect(await journal.snapshot(() => null)).toBe(false);
    expect(journal.snapshotDue).toBe(false);
    // The first write is that of the first line.
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
    const one = HEADER + 4;
    const { journal, put } = open(undefined, { snapshotBytes: 3 * one });
    const puts = (count: number) => {
      for (let n = 0; n < count; n++) put([1]);
      return journal.snapshotDue;
    };
    expect([puts(2), puts(1)]).toEqual([false, true]);
    const frame = snapshotOf(2, new Chain(), []).length;
    let slices = 0;
    // As long as ten batches: its first and its last line, and a slice that fills up the rest.
    const filled = `["${"x".repeat(10 * one - frame - HEADER - 5)}"]\n`;
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
      expect(filesIn(folder)).toEqual(["journal-1", "journal-2"]);
      expect(sizeOf(folder, "journal-1")).toBe(journalHead(1).length + HEADER + 8);
      const again = open(folder);
      expect(again.records).toEqual([
        ["a", 1],
        ...Array.from({ length: at + 1 }, (_, n) => ["b", n]),
      ]);
      expect(await again.journal.snapshot(() => null)).toBe(true);
      expect(filesIn(folder)).toEqual(["journal-3", "snapshot-3"]);
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
    expect(filesIn(folder)).toEqual(["journal-1", "journal-2"]);
  });

  test.each([false, true])(
    "does not leave a journal with a sync under way, closing meanwhile: %j",
    async (closes) => {
      const held: (() => void)[] = [];
      const calls: string[] = [];
      let folders = 0;
      const disk = watched({
        before: ({ name, file }) => {
          if (file === "journal-1" && /sync|close/.test(name)) calls.push(name);
        },
        after: ({ name }) => {
          // Once for the journal, and once for the manifest that names it.
          if (name === "fsync" && ++folders === 2) calls.push("folder is ready");
        },
        hold: ({ name, file }, go) =>
          name === "fdatasync" && file === "journal-1" ? held.push(go) : go(),
      });
      const { journal, folder, put } = open(undefined, { disk });
      calls.length = 0;
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
      "writeSync journal-3",
      "zeros journal-3",
      "fdatasync journal-3",
      "fsync f",
      "write manifest.tmp",
      "fdatasync manifest.tmp",
      "renameSync manifest.tmp",
      "fsync f",
      "writeSync journal-2",
      "ftruncateSync journal-2",
      "fdatasyncSync journal-2",
      "write snapshot.tmp",
      "write snapshot.tmp",
      "fdatasync snapshot.tmp",
      "renameSync snapshot.tmp",
      "fsync f",
      "write manifest.tmp",
      "fdatasync manifest.tmp",
      "renameSync manifest.tmp",
      "fsync f",
      "unlink journal-2",
      "unlink snapshot-2",
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
    expect([await taken, filesIn(folder)]).toEqual([false, ["journal-1"]]);
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
    expect(filesIn(folder)).toEqual(["journal-1", "journal-2"]);
    await journal.close();
    expect((await load(folder)).records).toEqual([["a", 1]]);
  });

  test.each([
    ["making the next journal", "openSync", "journal-2"],
    ["its room", "writeSync", "journal-2"],
    ["its sync", "fdatasync", "journal-2"],
    ["making the file", "openSync", "snapshot.tmp"],
    ["writing", "write", "snapshot.tmp"],
    ["its sync", "fdatasync", "snapshot.tmp"],
    ["putting it in its place", "renameSync", "snapshot.tmp"],
    ["writing the manifest", "write", "manifest.tmp"],
    ["its sync", "fdatasync", "manifest.tmp"],
    ["putting that in its place", "renameSync", "manifest.tmp"],
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
    expect(filesIn(folder)).toContain("journal-1");

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
  });
});
