import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { SPARE } from "../lib/services/store/journal/appender.ts";
import { StartError } from "../lib/host/errors.ts";
import { watched } from "./fixtures/journal-disk.ts";
import { turn, until } from "./kit.ts";
import {
  Chain,
  filesIn,
  folderOf,
  headOf,
  HEADER,
  hex,
  journalOf,
  lineOf,
  load,
  manifestOf,
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
    const id = fs.readFileSync(join(folder, "manifest"), "latin1").split(" ")[3] as string;
    put(["set", "é", 1], ["del", "b"]);
    await until(() => journal.synced === 1);
    put([null]);
    await journal.close();
    expect(fs.readdirSync(folder).sort()).toEqual(["journal-1", "lock", "manifest", "mark-1"]);
    const chain = new Chain();
    const batches = [chain.batch(["set", "é", 1], ["del", "b"]), chain.batch([null])];
    const head = Buffer.from(headOf("journal", 2, id, hex(1, 14)));
    expect(fs.readFileSync(join(folder, "journal-1"))).toEqual(Buffer.concat([head, ...batches]));
    expect(batches[0]?.toString()).toStartWith("0000001b 00000000000001 00000000 00000000 ");
    expect(fs.readFileSync(join(folder, "manifest"), "utf8")).toBe(
      manifestOf({ snapshot: null, journals: [1], mark: 1 }, id),
    );
    const mark = fs.readFileSync(join(folder, "mark-1"));
    const { number, crc } = chain;
    expect([
      mark.length,
      mark.toString("latin1").includes(headOf("mark", 2, id, hex(number, 14), hex(crc))),
    ]).toEqual([4096 + headOf("mark", 2, id, hex(0, 14), hex(0)).length, true]);
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
    "that this version cannot read, in a whole batch, are of a newer one: %j",
    async (text) => {
      const chain = new Chain();
      const folder = journalOf(Buffer.concat([chain.batch([0]), chain.text(text)]), chain);
      for (const damage of ["refuse", "salvage"] as const) {
        expect(() => open(folder, { damage })).toThrow(
          /^journal-1: batch 2 cannot be read by this version \(.*\): a newer version wrote it; nothing was changed$/,
        );
      }
      expect(filesIn(folder)).toEqual(["journal-1"]);
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
        if (file === "journal-1" && !isZeros && name !== "openSync") calls.push(name);
      },
      hold: (_, go) => held.push(go),
    });
    const { journal, syncs, put } = open(undefined, { disk });
    calls.length = 0;
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
    const start = sizeOf(folder, "journal-1");
    expect(journal.reserve(4)).toBe(true);
    const content = fs.readFileSync(join(folder, "journal-1")).subarray(start);
    expect([content.length, content.some((byte) => byte !== 0)]).toEqual([MiB, false]);
    expect(journal.reserve(MiB - HEADER - 4 - SPARE)).toBe(true);
    expect(sizeOf(folder, "journal-1")).toBe(start + MiB);
    expect(journal.reserve(1)).toBe(true);
    expect(sizeOf(folder, "journal-1")).toBe(start + 2 * MiB);
    journal.write();
    put([1]);
    expect(sizeOf(folder, "journal-1")).toBe(start + 2 * MiB);
    await journal.close();
    expect(sizeOf(folder, "journal-1")).toBe(start + HEADER + 4);
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

  test("a folder that cannot be had is told", () => {
    const file = join(folderOf({ file: "" }), "file");
    expect(() => open(file)).toThrow(new StartError(`cannot write ${file}: its folder is a file`));
    const under = join(file, "deeper");
    expect(() => open(under)).toThrow(
      new StartError(`cannot write ${under}: part of the path is not a folder`),
    );
    const folder = folderOf({});
    fs.mkdirSync(join(folder, "journal-1"));
    expect(() => open(folder)).toThrow(`${join(folder, "journal-1")} is a folder\n`);
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
      // The folder of the files: once for them, and once for the manifest that names them.
      "b",
      "b",
    ] as string[]);
  });
});
