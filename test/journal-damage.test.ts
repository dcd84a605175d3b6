import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { StartError } from "../lib/host/errors.ts";
import { NewerError } from "../lib/services/store/journal/format.ts";
import { DamageError } from "../lib/services/store/journal/read/damage.ts";
import { systemError, watched } from "./fixtures/journal-disk.ts";
import { until } from "./kit.ts";
import {
  Chain,
  filesIn,
  folderOf,
  headOf,
  hex,
  ID,
  journalHead,
  lineOf,
  load,
  manifestOf,
  markOf,
  newFolder,
  oldBatch,
  open,
  root,
  snapshotOf,
} from "./journal-suite.ts";

afterAll(() => fs.rmSync(root, { recursive: true, force: true }), 60_000);

/** The content of all files, by their paths. */
function contents(folder: string): Record<string, string> {
  const names = fs.readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    names
      .filter((entry) => entry.isFile() && entry.name !== "lock")
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
      .map((path) => [path.slice(folder.length + 1), fs.readFileSync(path, "latin1")]),
  );
}

function copyOf(folder: string): string {
  const copy = newFolder();
  fs.cpSync(folder, copy, { recursive: true });
  return copy;
}

/** The message of what opening a folder throws; "" when it opens. */
async function refusal(folder: string): Promise<string> {
  try {
    await open(folder).journal.close();
    return "";
  } catch (error) {
    expect(error).toBeInstanceOf(DamageError);
    return (error as Error).message;
  }
}

/** Changes to a file. */
const edit = (name: string, change: (bytes: Buffer) => Buffer) => (folder: string) =>
  fs.writeFileSync(join(folder, name), change(fs.readFileSync(join(folder, name))));
const flip = (name: string, at: number) =>
  edit(name, (bytes) => {
    const place = at < 0 ? bytes.length + at : at;
    bytes[place] = (bytes[place] as number) ^ 1;
    return bytes;
  });
const cut = (name: string, length: number) => edit(name, (bytes) => bytes.subarray(0, length));

/** A folder after a stop: a snapshot, and two journals behind it, with four batches each. */
async function stopped(): Promise<{ folder: string; earlier: string; records: unknown[][] }> {
  const first = open();
  first.put(["old", 1], ["old", 2]);
  first.put(["old", 3]);
  const slices = [[["s", 1]], [["s", 2]], [["s", 3]]].map((records) =>
    records.map(lineOf).join(""),
  );
  expect(await first.journal.snapshot(() => slices.shift() ?? null)).toBe(true);
  for (const n of [1, 2, 3, 4]) {
    first.put(["a", n]);
    await first.idle();
  }
  const earlier = copyOf(first.folder);
  // Closing abandons this snapshot, and leaves two journals.
  let closing: Promise<void> | null = null;
  const taken = first.journal.snapshot(() => {
    for (const n of [1, 2, 3, 4]) first.put(["b", n]);
    closing = first.journal.close();
    return null;
  });
  expect(await taken).toBe(false);
  await closing;
  expect(filesIn(first.folder)).toEqual(["journal-2", "journal-3", "snapshot-2"]);
  const { records } = await load(copyOf(first.folder));
  expect(records).toEqual(
    ["s", "a", "b"].flatMap((name) =>
      (name === "s" ? [1, 2, 3] : [1, 2, 3, 4]).map((n) => [name, n]),
    ),
  );
  return { folder: first.folder, earlier, records };
}

describe("damage", () => {
  const rename = (from: string, to: string) => (folder: string) =>
    fs.renameSync(join(folder, from), join(folder, to));
  const remove = (name: string) => (folder: string) => fs.unlinkSync(join(folder, name));
  const swap = (one: string, other: string) => (folder: string) => {
    fs.renameSync(join(folder, one), join(folder, "x"));
    fs.renameSync(join(folder, other), join(folder, one));
    fs.renameSync(join(folder, "x"), join(folder, other));
  };
  const zeros = (name: string, from: number, length: number) =>
    edit(name, (bytes) => bytes.fill(0, from, from + length));
  const b = (from: number, to = 4) =>
    Array.from({ length: to - from + 1 }, (_, n) => ["b", n + from]);
  const a = (from: number, to = 4) =>
    Array.from({ length: to - from + 1 }, (_, n) => ["a", n + from]);
  const s = [1, 2, 3].map((n) => ["s", n]);
  const head = journalHead(1).length;
  const one = 51 + lineOf(["a", 1]).length;
  const all = [...s, ...a(1), ...b(1)];

  /** What is done to the folder, what the refusal says, and what is whole. */
  const cases: [string, (folder: string) => unknown, string, unknown[][]][] = [
    [
      "a byte changed in the first batch of a journal",
      flip("journal-2", head + 55),
      `journal-2 is damaged from byte ${head} to ${head + one}: batch 3`,
      [...s, ...a(2), ...b(1)],
    ],
    [
      "a byte changed in the last batch of an older journal",
      flip("journal-2", -2),
      "journal-2 is damaged from byte",
      [...s, ...a(1, 3), ...b(1)],
    ],
    [
      "a byte changed in the last batch of all",
      flip("journal-3", -2),
      "journal-3 is damaged from byte",
      [...s, ...a(1), ...b(1, 3)],
    ],
    [
      "a byte changed in the first line of a journal",
      flip("journal-2", 3),
      "journal-2 has a damaged first line",
      all,
    ],
    [
      "an older journal cut between two batches",
      cut("journal-2", head + 2 * one),
      "journal-3 has a gap at byte 57: batches 5 to 6",
      [...s, ...a(1, 2), ...b(1)],
    ],
    [
      "the last journal cut between two batches",
      cut("journal-3", head + 2 * one),
      "journal-3 ends too early: batches 9 to 10 were on disk",
      [...s, ...a(1), ...b(1, 2)],
    ],
    [
      "the last journal cut in a batch",
      cut("journal-3", head + 2 * one + 30),
      "journal-3 is damaged from byte",
      [...s, ...a(1), ...b(1, 2)],
    ],
    ["an empty journal", cut("journal-3", 0), "journal-3 is empty", [...s, ...a(1)]],
    [
      "an empty journal, with its first line",
      cut("journal-3", head),
      "journal-3 ends too early: batches 7 to 10",
      [...s, ...a(1)],
    ],
    ["a journal that is gone", remove("journal-2"), "journal-2 is missing", [...s, ...b(1)]],
    ["the last journal gone", remove("journal-3"), "journal-3 is missing", [...s, ...a(1)]],
    [
      "a journal renamed to come later",
      rename("journal-2", "journal-7"),
      "journal-7 is newer than what manifest names",
      [...s, ...b(1)],
    ],
    [
      "a journal renamed to come earlier",
      rename("journal-2", "journal-1"),
      "journal-2 is missing",
      [...s, ...b(1)],
    ],
    [
      "two journals that have changed names",
      swap("journal-2", "journal-3"),
      "journal-2 is another journal",
      s,
    ],
    [
      "zeros in the middle",
      zeros("journal-2", head + one, one),
      `journal-2 is damaged from byte ${head + one} to ${head + 2 * one}: batch 4`,
      [...s, ...a(1, 1), ...a(3), ...b(1)],
    ],
    [
      "zeros over all batches of an older journal",
      zeros("journal-2", head, 4 * one),
      "journal-3 has a gap",
      [...s, ...b(1)],
    ],
    [
      "zeros over the end",
      zeros("journal-3", head + 2 * one, 2 * one),
      "journal-3 ends too early",
      [...s, ...a(1), ...b(1, 2)],
    ],
    [
      "bytes behind the last batch of an older journal",
      edit("journal-2", (bytes) => Buffer.concat([bytes, Buffer.from("x")])),
      "journal-2 is damaged from byte",
      all,
    ],
    [
      "a batch that is there twice",
      edit("journal-2", (bytes) => Buffer.concat([bytes, bytes.subarray(head + 3 * one)])),
      "journal-2 holds batch 6 at byte",
      all,
    ],
    [
      "a byte changed in the snapshot",
      flip("snapshot-2", 180),
      "snapshot-2 is damaged from byte",
      [s[0], s[2], ...a(1), ...b(1)] as unknown[][],
    ],
    [
      "a byte changed in its first line",
      flip("snapshot-2", 10),
      "snapshot-2 has a damaged first line",
      all,
    ],
    [
      "a byte changed in its last line",
      flip("snapshot-2", -10),
      "snapshot-2 is damaged or cut",
      all,
    ],
    [
      "a snapshot without its last line",
      edit("snapshot-2", (bytes) => bytes.subarray(0, bytes.lastIndexOf("end "))),
      "snapshot-2 is damaged or cut",
      all,
    ],
    [
      "a snapshot cut in a batch",
      edit("snapshot-2", (bytes) => bytes.subarray(0, bytes.lastIndexOf("end ") - 5)),
      "snapshot-2 is damaged or cut",
      [...s.slice(0, 2), ...a(1), ...b(1)],
    ],
    ["an empty snapshot", cut("snapshot-2", 0), "snapshot-2 is empty", [...a(1), ...b(1)]],
    ["a snapshot that is gone", remove("snapshot-2"), "snapshot-2 is missing", [...a(1), ...b(1)]],
    [
      "a snapshot renamed",
      rename("snapshot-2", "snapshot-9"),
      "snapshot-9 is newer than what manifest names",
      s,
    ],
    [
      "a snapshot with more behind its end",
      edit("snapshot-2", (bytes) => Buffer.concat([bytes, Buffer.from("x")])),
      "snapshot-2 goes on behind its end",
      all,
    ],
    [
      "zeros in the snapshot",
      zeros("snapshot-2", 100, 100),
      "snapshot-2",
      [s[2], ...a(1), ...b(1)] as unknown[][],
    ],
    ["a byte changed in the manifest", flip("manifest", 70), "manifest is damaged", all],
    ["a cut manifest", cut("manifest", 80), "manifest is damaged", all],
    ["an empty manifest", cut("manifest", 0), "manifest is damaged", all],
    ["a manifest that is gone", remove("manifest"), "manifest is missing", all],
    [
      "a manifest of another folder",
      edit("manifest", () => Buffer.from(manifestOf({ snapshot: 2, journals: [2, 3], mark: 1 }))),
      "is another",
      s.slice(0, 3),
    ],
    [
      "a manifest from before",
      edit("manifest", (bytes) => {
        const id = bytes.toString("latin1").split(" ")[3] as string;
        return Buffer.from(manifestOf({ snapshot: null, journals: [1], mark: 1 }, id));
      }),
      "is newer than what manifest names",
      all,
    ],
    [
      "everything gone but the mark",
      (folder) =>
        ["manifest", "snapshot-2", "journal-2", "journal-3"].map((name) => remove(name)(folder)),
      "manifest is missing",
      [],
    ],
    ["a mark that is gone", remove("mark-1"), "mark-1 is missing", all],
    ["an empty mark", cut("mark-1", 0), "mark-1 is damaged", all],
    [
      "a mark of another folder",
      edit("mark-1", () => markOf(10, 1)),
      "mark-1 is damaged, or of another folder",
      all,
    ],
  ];

  test.each(cases)(
    "%s stops the start and changes nothing; what is whole can be gone on with",
    async (_, change, said, whole) => {
      const { folder } = await stopped();
      change(folder);
      const before = contents(folder);
      const message = await refusal(folder);
      expect(message).toContain(`${folder}/`);
      expect(message).toContain(said);
      expect(message).toContain(`${folder} is damaged, and nothing was changed; `);
      expect(contents(folder)).toEqual(before);

      const { journal, notes, records, put } = open(folder, { damage: "salvage" });
      if (said !== "is another") expect(records).toEqual(whole);
      expect(notes.join("\n")).toContain(said);
      const told = journal.salvaged?.damages.join("\n") as string;
      expect([told.includes(said), journal.salvaged?.at]).toEqual([
        true,
        "2026-01-02T03:04:05.678Z",
      ]);
      put(["next"]);
      await journal.close();
      const after = contents(folder);
      for (const [name, content] of Object.entries(before)) {
        expect([name, after[`damaged-1/${name}`] === content]).toEqual([name, true]);
      }
      const again = open(folder);
      expect(again.records).toEqual([...records, ["next"]]);
      expect([again.notes, again.journal.salvaged?.damages.length]).toEqual([
        [],
        journal.salvaged?.damages.length as number,
      ]);
      again.journal.acknowledge();
      expect(again.journal.salvaged).toBeNull();
      await again.journal.close();
      const last = open(folder);
      expect([last.journal.salvaged, last.records.length]).toEqual([null, records.length + 1]);
      await last.journal.close();
    },
  );

  test("of any byte, in the snapshot, a journal or the manifest, stops the start; so does any cut", async () => {
    const { folder } = await stopped();
    for (const name of ["snapshot-2", "journal-2", "journal-3", "manifest"]) {
      const path = join(folder, name);
      const whole = fs.readFileSync(path);
      for (let at = 0; at < whole.length; at++) {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] as number) ^ 4;
        fs.writeFileSync(path, changed);
        expect([name, at, (await refusal(folder)) !== ""]).toEqual([name, at, true]);
        fs.writeFileSync(path, whole.subarray(0, at));
        expect([name, at, (await refusal(folder)) !== ""]).toEqual([name, at, true]);
      }
      fs.writeFileSync(path, whole);
    }
    expect(await refusal(folder)).toBe("");
  });

  test("an older copy of a journal, of the last one or of another, stops the start", async () => {
    const { folder, earlier, records } = await stopped();
    // A running server went on after the copy was made.
    const { journal, put, idle } = open(folder);
    put(["c", 1]);
    await idle();
    journal.note();
    const running = copyOf(folder);
    put(["c", 2]);
    await idle();
    journal.note();
    // As after a kill: nothing was closed.
    const killed = copyOf(folder);
    await journal.close();
    fs.copyFileSync(join(running, "journal-3"), join(killed, "journal-3"));
    expect(await refusal(killed)).toContain("journal-3 ends too early: batch 12");
    fs.copyFileSync(join(earlier, "journal-2"), join(folder, "journal-2"));
    expect(await refusal(folder)).toBe("");
    const { records: found } = await load(folder);
    expect(found).toEqual([...records, ["c", 1], ["c", 2]]);
  });

  test("a snapshot or a journal of another folder stops the start", async () => {
    const [one, other] = [await stopped(), await stopped()];
    for (const name of ["snapshot-2", "journal-2", "journal-3"]) {
      const folder = copyOf(one.folder);
      fs.copyFileSync(join(other.folder, name), join(folder, name));
      expect(await refusal(folder)).toContain(`${name} is another `);
    }
  });

  test("a folder of the format before beside one of this format stops the start", async () => {
    const { folder } = await stopped();
    fs.writeFileSync(join(folder, "journal.1"), oldBatch(["older"]));
    expect(await refusal(folder)).toContain("journal.1 was written by an older version");
  });

  test("is kept in a folder of its own each time, and none is written over", async () => {
    const { folder } = await stopped();
    for (const n of [1, 2, 3]) {
      flip(filesIn(folder).find((name) => name.startsWith("snapshot")) as string, 200)(folder);
      const { journal } = open(folder, { damage: "salvage" });
      expect(journal.salvaged?.damages).toHaveLength(n);
      await journal.close();
      expect(fs.readdirSync(folder).filter((name) => name.startsWith("damaged"))).toHaveLength(n);
    }
  });

  test("a crash at any moment of a salvage leaves the damaged files, or the new ones and them", async () => {
    const { folder, records } = await stopped();
    flip("journal-2", 120)(folder);
    const before = contents(folder);
    const expected = records.filter(([name, n]) => name !== "a" || n !== 2);
    const crashes = await crashesOf(folder, { damage: "salvage" });
    expect(crashes.length).toBeGreaterThan(15);
    for (const copy of crashes) {
      const again = open(copy, { damage: "salvage" });
      expect(again.records).toEqual(expected);
      expect(again.journal.salvaged).not.toBeNull();
      await again.journal.close();
      const kept = Object.values(contents(copy));
      for (const [name, content] of Object.entries(before)) {
        if (!name.startsWith("mark")) expect([name, kept.includes(content)]).toEqual([name, true]);
      }
    }
  });
});

/** Copies of a folder as a killed process would leave it, before every change that opening it makes. */
async function crashesOf(folder: string, options: Parameters<typeof open>[1]): Promise<string[]> {
  const crashes: string[] = [];
  let active = true;
  const disk = watched({
    before: ({ name, args }) => {
      const changes =
        /^(write|rename|unlink|ftruncate|copy|mkdir)/.test(name) ||
        (name === "openSync" && args[1] !== "r");
      if (active && changes) crashes.push(copyOf(folder));
    },
  });
  const { journal } = open(folder, { ...options, disk });
  active = false;
  await journal.close();
  return crashes;
}

describe("what a crash left", () => {
  /** Two batches that were on disk, and what came after them and was not. */
  function torn(tail: (chain: Chain) => Uint8Array[], more: Record<string, Uint8Array> = {}) {
    const chain = new Chain();
    const before = [chain.batch([1], [2]), chain.batch(["three"])];
    const marked = markOf(chain.number, chain.crc);
    const folder = folderOf({
      manifest: manifestOf({ snapshot: null, journals: [1], mark: 1 }),
      "mark-1": marked,
      "journal-1": Buffer.concat([journalHead(1), ...before, ...tail(chain)]),
      ...more,
    });
    return { folder, chain, end: journalHead(1).length + Buffer.concat(before).length };
  }
  const found = [[1], [2], ["three"]];

  test.each([
    ["", 0],
    ["with the zeros behind it", 3000],
  ])("a batch torn at any of its bytes is cut off %s", async (_, zeros) => {
    const length = new Chain(2).batch(["a", "é"], ["b"]).length;
    for (let kept = 0; kept < length; kept++) {
      const { folder, end } = torn((chain) => [
        chain.batch(["a", "é"], ["b"]).subarray(0, kept),
        Buffer.alloc(zeros),
      ]);
      const { journal, records, notes, put } = open(folder);
      expect(records).toEqual(found);
      const path = join(folder, "journal-1");
      expect(notes).toEqual(
        kept === 0
          ? []
          : [`${path}: the last ${kept + zeros} bytes are not a whole batch and were cut off`],
      );
      if (kept > 0) expect(fs.statSync(path).size).toBe(end);
      put([4]);
      await journal.close();
      expect(await load(folder)).toEqual({ records: [...found, [4]], notes: [] });
      expect(filesIn(folder)).toEqual(["journal-1"]);
    }
  });

  test("a last batch with any bit of it changed does not count, and one that is known to have been on disk is missed", async () => {
    const length = new Chain(2).batch(["a"]).length;
    for (let at = 0; at < length; at++) {
      const { folder, chain } = torn((chain) => {
        const last = chain.batch(["a"]);
        last[at] = (last[at] as number) ^ 1;
        return [last];
      });
      const known = copyOf(folder);
      fs.writeFileSync(join(known, "mark-1"), markOf(3, chain.crc));
      const { records, notes } = await load(folder);
      expect([records, notes.length]).toEqual([found, 1]);
      expect(await refusal(known)).toContain("journal-1 ");
    }
  });

  test("of batches that were not known to be on disk a power cut may keep the later ones: all are cut, and kept aside", async () => {
    const lost = new Chain(2).batch(["lost"]).length;
    const { folder, end } = torn((chain) => {
      const gap = Buffer.alloc(chain.unsynced(["lost"]).length);
      return [gap, chain.text(lineOf(["later"]), 1), chain.text(lineOf(["last"]), 2)];
    });
    const before = fs.readFileSync(join(folder, "journal-1"));
    const calls: string[] = [];
    const disk = watched({
      before: ({ name, file }) => {
        if (file.startsWith("journal-1") && !/read|fstat/.test(name)) calls.push(`${name} ${file}`);
      },
    });
    fs.writeFileSync(join(folder, "journal-1.damaged-1"), "another one");
    const { journal, records, notes, put } = open(folder, { disk });
    const path = join(folder, "journal-1");
    expect(records).toEqual(found);
    expect(notes).toEqual([
      `${path}: the last ${before.length - end} bytes are not a whole batch and were cut off, though there are whole ones among them; the file as it was is in ${path}.damaged-2`,
    ]);
    expect(lost).toBeGreaterThan(0);
    expect(fs.readFileSync(`${path}.damaged-2`)).toEqual(before);
    expect(fs.readFileSync(`${path}.damaged-1`, "utf8")).toBe("another one");
    const order = [
      "copyFileSync journal-1",
      "fdatasyncSync journal-1.damaged-2",
      "ftruncateSync journal-1",
      "fdatasyncSync journal-1",
    ];
    expect(calls.filter((call) => order.includes(call)).slice(0, 4)).toEqual(order);
    put([4]);
    await journal.close();
    expect(await load(folder)).toEqual({ records: [...found, [4]], notes: [] });
  });

  test("a gap is damage where a later batch tells that it had been on disk", async () => {
    const { folder, end } = torn((chain) => {
      const gap = Buffer.alloc(chain.batch(["lost"]).length);
      return [gap, chain.text(lineOf(["later"]), 1), chain.text(lineOf(["last"]), 1)];
    });
    expect(await refusal(folder)).toContain(`journal-1 is damaged from byte ${end} to`);
  });

  test("a copy that cannot be made stops the start, and nothing is cut", async () => {
    const { folder } = torn((chain) => [Buffer.from("x"), chain.unsynced([3])]);
    const before = contents(folder);
    const disk = watched({
      before: ({ name }) => {
        if (name === "copyFileSync") throw systemError("ENOSPC", "no space left on device");
      },
    });
    expect(() => open(folder, { disk })).toThrow(
      new StartError(
        `cannot copy ${folder}/journal-1 to ${folder}/journal-1.damaged-1 before it is cut: no space left on device`,
      ),
    );
    expect(contents(folder)).toEqual(before);
  });

  test("a torn end before another journal takes what follows with it", async () => {
    const chain = new Chain();
    const first = chain.batch([1]);
    chain.unsynced(["lost"]);
    const files = {
      manifest: manifestOf({ snapshot: null, journals: [1, 2], mark: 1 }),
      "mark-1": markOf(0, 0),
      "journal-1": Buffer.concat([journalHead(1), first]),
      "journal-2": Buffer.concat([journalHead(2), chain.unsynced([3])]),
    };
    const folder = folderOf(files);
    const { journal, records, notes, put } = open(folder);
    expect([records, notes.length]).toEqual([[[1]], 1]);
    expect(fs.readFileSync(join(folder, "journal-2.damaged-1"))).toEqual(files["journal-2"]);
    put([2]);
    await journal.close();
    expect(await load(folder)).toEqual({ records: [[1], [2]], notes: [] });
  });

  test.each([
    ["one byte after many zeros", Buffer.concat([Buffer.alloc(9 * 2 ** 20), Buffer.from("x")])],
    ["text", Buffer.from("nonsense\n")],
    ["a batch of nothing", new Chain(2).text("")],
  ])("garbage at the end is cut off: %s", async (_, garbage) => {
    const { folder, end } = torn(() => [garbage]);
    const { records, notes } = await load(folder);
    expect(records).toEqual(found);
    expect(notes).toEqual([
      `${join(folder, "journal-1")}: the last ${garbage.length} bytes are not a whole batch and were cut off`,
    ]);
    expect(fs.statSync(join(folder, "journal-1")).size).toBe(end);
  });

  test.each([1, 4 * 2 ** 20 - 18, 9 * 2 ** 20 + 1])(
    "%d zeros at the end are room that was not used: nothing is said",
    async (zeros) => {
      const { folder, end } = torn(() => [Buffer.alloc(zeros)]);
      expect(await load(folder)).toEqual({ records: found, notes: [] });
      expect(fs.statSync(join(folder, "journal-1")).size).toBe(end);
    },
  );

  test("whole batches are found wherever they stand behind the damage", async () => {
    const edges = [-52, -51, -50, -1, 0, 1].map((by) => 4 * 2 ** 20 + by);
    for (const distance of [2, ...edges, 9 * 2 ** 20]) {
      const { folder } = torn((chain) => {
        const gap = Buffer.alloc(distance, "f");
        chain.batch(["lost"]);
        return [gap, chain.batch(["found"])];
      });
      expect(await refusal(folder)).toContain("batch 3");
      const { records } = open(folder, { damage: "salvage" });
      expect(records).toEqual([...found, ["found"]]);
      fs.rmSync(folder, { recursive: true });
    }
  });

  test("what belongs to no manifest and holds nothing is removed", async () => {
    const { folder } = torn(() => [], {
      "manifest.tmp": Buffer.from("x"),
      "snapshot.tmp": Buffer.from("x"),
      "snapshot-1": snapshotOf(1, new Chain(), []),
      "journal-2": Buffer.concat([journalHead(2), Buffer.alloc(1000)]),
      "mark-7": markOf(9, 9),
      "journal-02": Buffer.from("not ours"),
    });
    expect(await load(folder)).toEqual({ records: found, notes: [] });
    expect(fs.readdirSync(folder).sort()).toEqual([
      "journal-02",
      "journal-1",
      "lock",
      "manifest",
      "mark-1",
    ]);
  });
});

describe("a newer version's folder is refused, also with salvage,", () => {
  const chain = new Chain();
  const batches = chain.batch([1]);
  const files = {
    manifest: manifestOf({ snapshot: null, journals: [1], mark: 1 }),
    "mark-1": markOf(0, 0),
    "journal-1": Buffer.concat([journalHead(1), batches]),
  };
  test.each([
    ["by its manifest", { ...files, manifest: manifestOf({ anything: 1 }, ID, 3) }],
    ["by a journal", { ...files, "journal-1": headOf("journal", 3, "whatever") }],
    ["by a mark", { ...files, "mark-1": headOf("mark", 99, ID) }],
  ])("%s", async (_, given) => {
    const folder = folderOf(given);
    const before = contents(folder);
    for (const damage of ["refuse", "salvage"] as const) {
      expect(() => open(folder, { damage })).toThrow(NewerError);
    }
    expect(contents(folder)).toEqual(before);
  });
});

describe("a folder of the format before", () => {
  const files = {
    snapshot: Buffer.concat([oldBatch(["snapshot", 2], ["s", 1]), oldBatch(["s", 2])]),
    "journal.1": oldBatch(["covered"]),
    "journal.2": oldBatch(["a", 1]),
    "journal.3": Buffer.concat([oldBatch(["b", 1]), oldBatch(["b", 2]), Buffer.alloc(5000)]),
  };
  const records = [
    ["s", 1],
    ["s", 2],
    ["a", 1],
    ["b", 1],
    ["b", 2],
  ];

  test("is read, and written anew in this one", async () => {
    const folder = folderOf(files);
    const { journal, records: found, notes, put } = open(folder);
    expect(found).toEqual(records);
    expect(notes).toEqual([
      `${folder} was brought to a new format, which older versions of the program do not read`,
    ]);
    put(["c", 1]);
    await journal.close();
    expect(filesIn(folder)).toEqual(["journal-4", "snapshot-4"]);
    expect(await load(folder)).toEqual({ records: [...records, ["c", 1]], notes: [] });
  });

  test("of a journal alone, without a batch too", async () => {
    for (const [content, expected] of [
      ["", []],
      [oldBatch([1]), [[1]]],
    ] as [string | Uint8Array, unknown[][]][]) {
      const folder = folderOf({ "journal.1": content });
      expect((await load(folder)).records).toEqual(expected);
      expect((await load(folder)).records).toEqual(expected);
    }
  });

  test("with a torn end is read without it, and that is told", async () => {
    for (const tail of [oldBatch(["torn"]).subarray(0, -1), Buffer.from("x")]) {
      const folder = folderOf({ ...files, "journal.3": Buffer.concat([oldBatch(["b", 1]), tail]) });
      const { records: found, notes } = await load(folder);
      expect([found, notes.length]).toEqual([records.slice(0, -1), 2]);
      expect(notes[0]).toBe(
        `${folder}/journal.3: the last ${tail.length} bytes are not a whole batch and were left out`,
      );
    }
  });

  test("a crash at any moment of its upgrade costs nothing", async () => {
    const crashes = await crashesOf(folderOf(files), {});
    expect(crashes.length).toBeGreaterThan(15);
    for (const copy of crashes) {
      expect((await load(copy)).records).toEqual(records);
      expect(filesIn(copy).filter((name) => name.includes("."))).toEqual([]);
      expect(await load(copy)).toEqual({ records, notes: [] });
    }
  });

  test.each([
    [
      "a changed byte in its snapshot",
      { ...files, snapshot: Buffer.concat([files.snapshot.subarray(0, -2), Buffer.from("9\n")]) },
      "snapshot is damaged",
      [0, 2, 3, 4],
    ],
    [
      "no snapshot",
      { "journal.2": files["journal.2"], "journal.3": files["journal.3"] },
      "journal.1 is missing",
      [2, 3, 4],
    ],
    [
      "an empty snapshot",
      { ...files, snapshot: "" },
      "snapshot does not begin as a snapshot",
      null,
    ],
    [
      "a missing journal",
      { snapshot: files.snapshot, "journal.3": files["journal.3"] },
      "journal.2 is missing",
      [0, 1, 3, 4],
    ],
    ["no journal", { snapshot: files.snapshot }, "journal.2 is missing", [0, 1]],
    [
      "whole batches behind a damaged one",
      { ...files, "journal.3": Buffer.concat([Buffer.from("x"), files["journal.3"]]) },
      "journal.3 is damaged from byte 0 to 1",
      [0, 1, 2, 3, 4],
    ],
    [
      "a torn journal before the last",
      { ...files, "journal.2": Buffer.concat([files["journal.2"], Buffer.from("x")]) },
      "journal.2 is damaged",
      [0, 1, 2, 3, 4],
    ],
  ] as const)("with %s is refused, and can be salvaged", async (_, given, said, whole) => {
    const folder = folderOf(given as Record<string, Uint8Array>);
    const before = contents(folder);
    expect(await refusal(folder)).toContain(said);
    expect(contents(folder)).toEqual(before);
    const { journal, records: found } = open(folder, { damage: "salvage" });
    if (whole !== null) expect(found).toEqual(whole.map((at) => records[at] as unknown[]));
    await journal.close();
    const after = contents(join(folder, "damaged-1"));
    expect(after).toEqual(before);
  });
});

test("a killed process that had not synced and is started again takes nothing for damage after a power cut", async () => {
  const { folder, journal, put } = open();
  for (let n = 0; n < 5; n++) put([n]);
  const killed = copyOf(folder);
  await until(() => journal.synced === 5);
  await journal.close();
  const synced: string[] = [];
  const disk = watched({
    after: ({ name, file }) => {
      if (name === "fdatasyncSync" && file === "journal-1") synced.push(name);
    },
  });
  const again = open(killed, { disk });
  // What was read is on disk before a batch tells that it is.
  expect([again.records.length, synced.length]).toEqual([5, 1]);
  await again.journal.close();
  expect(hex(5)).toBe("00000005");
});
