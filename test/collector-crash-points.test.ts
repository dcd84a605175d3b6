import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import type { Disk } from "../lib/host/disk.ts";
import { Log } from "../lib/host/log.ts";
import { Text, WrittenEntry } from "../lib/services/collector/entry.ts";
import { CollectedLog } from "../lib/services/collector/file/collected-log.ts";
import { Follower } from "../lib/services/collector/file/read/follow.ts";
import { oldFilesOf } from "../lib/services/collector/file/names.ts";
import { newestFrom } from "../lib/services/collector/file/read/newest.ts";
import { Finding } from "../lib/services/collector/find.ts";
import { verify } from "../lib/services/collector/verify.ts";
import { messageOf } from "./collector-suite.ts";
import { systemError, watched } from "./fixtures/journal-disk.ts";
import { configOf, turn, until } from "./kit.ts";
import { Random } from "./random.ts";

/** In memory where that is known to be, since real disks take their time for each sync. */
const PLACE = fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** Entries of a run that is not cut short: enough for some rotations. */
const ENTRIES = 60;

/** Calls that leave the disk as it is: a kill before one is a kill before the next other one. */
const HARMLESS: readonly string[] = [
  "fstatSync",
  "statSync",
  "readSync",
  "readdirSync",
  "closeSync",
];

/** A disk that is gone from its call number `n` on, as for a process that was killed before it. */
class Mortal {
  isGone = false;
  readonly disk: Disk;
  readonly #open = new Set<number>();

  constructor(n: number) {
    let left = n;
    this.disk = watched({
      before: ({ name }) => {
        if (HARMLESS.includes(name)) return;
        this.isGone ||= left-- <= 0;
        if (this.isGone) throw systemError("EIO", "the process is gone");
      },
    });
    const { openSync, closeSync } = this.disk;
    this.disk.openSync = (path, flags) => {
      const fd = openSync(path, flags);
      this.#open.add(fd);
      return fd;
    };
    this.disk.closeSync = (fd) => {
      closeSync(fd);
      this.#open.delete(fd);
    };
  }

  /** Closes what the process had open, as the system does for one that was killed. */
  async bury(log: CollectedLog | null): Promise<void> {
    this.isGone = true;
    await log?.close(0);
    for (const fd of this.#open) fs.closeSync(fd);
  }
}

/** One client's records over all runs. */
interface Story {
  readonly path: string;
  readonly backups: number;
  /** The first record that it was not told is on disk. */
  told: number;
  /** The number of the entry after the last one that is known to be on disk. */
  durable: number;
}

/** Runs a collector's log until it has `count` more records, or is killed before call number `n`. @returns true if it was killed */
async function run(story: Story, count: number, n: number): Promise<boolean> {
  const { path, backups } = story;
  const config = configOf({
    collector: { path, backup_count: backups, max_file_bytes: 1024, hash_chain: true },
  });
  const clock = new HandClock();
  const mortal = new Mortal(n);
  const log = new Log(config.name, config.logger, clock, () => {});
  let collected: CollectedLog | null = null;
  try {
    collected = new CollectedLog(config, { clock, log }, mortal.disk);
    const { writer, marks } = collected;
    const mark = marks.of("a", story.told);
    // What is there already is not written again.
    const entries = new Map<number, number>();
    const entry = new WrittenEntry();
    const last = mark.next + count;
    writer.onProgress = () => {
      marks.keptUpTo(writer.durable);
      if (mortal.isGone) return;
      story.durable = Math.max(story.durable, writer.durable);
      for (const [record, number] of entries) {
        if (number < writer.durable) story.told = Math.max(story.told, record + 1);
      }
    };
    expect(writer.next).toBeGreaterThanOrEqual(story.durable);
    for (let record = mark.next; record < last && !mortal.isGone; record++) {
      entry.clear();
      entry.put(Text.message, `a ${record}`);
      entries.set(record, writer.next);
      marks.took("a", mark, record, writer.next);
      writer.take(entry);
      if (record % 3 === 0) await turn();
    }
    await until(() => mortal.isGone || writer.durable === writer.next);
  } catch (error) {
    if (!mortal.isGone) throw error;
  }
  const isKilled = mortal.isGone;
  await mortal.bury(collected);
  return isKilled;
}

/** All lines, as a tail shows them. */
async function linesOf(path: string): Promise<string[]> {
  const lines: string[] = [];
  const follower = new Follower(path, 0, (line) => void lines.push(line.toString()));
  await follower.look();
  follower.close();
  return lines;
}

/** All lines, as the search of the page finds them. */
async function searched(path: string): Promise<string[]> {
  const lines: string[] = [];
  await new Finding(path, new HandClock(), {
    from: 0,
    before: Number.MAX_SAFE_INTEGER,
    limit: Infinity,
    lines: (block) => {
      const ends = [...block.keys()].filter((at) => block[at] === 10).map((at) => at + 1);
      return ends.flatMap((end, n) => [ends[n - 1] ?? 0, end]);
    },
    wants: () => true,
    take: (line) => lines.push(line.toString().trimEnd()) > 0,
  }).run();
  return lines.reverse();
}

/** Nobody who reads a log loses sight of a file because one before it is missing. */
async function expectReadersAgree(path: string, n: number): Promise<void> {
  const lines = await linesOf(path);
  const numbers = lines.map((line) => parseInt(line));
  const next = numbers.length === 0 ? 0 : (numbers.at(-1) as number) + 1;
  expect({ n, numbers }).toEqual({
    n,
    numbers: [...numbers.keys()].map((i) => next - numbers.length + i),
  });
  expect({ n, lines: await searched(path) }).toEqual({ n, lines });
  expect({ n, next: await newestFrom(path, 0, () => true) }).toEqual({ n, next });
  expect({ n, lines: (await verify(path, { key: "", chained: true })).lines }).toEqual({
    n,
    lines: lines.length,
  });
}

for (const backups of [0, 3, 100]) {
  test(`a kill before any call to the disk loses, doubles and disorders nothing, with ${backups} rotated files`, async () => {
    const random = new Random(backups);
    for (let n = 0; ; n++) {
      const path = join(fs.mkdtempSync(join(PLACE, "crash-points-")), "_main.log");
      const story: Story = { path, backups, told: 0, durable: 0 };
      const isKilled = await run(story, ENTRIES, n);
      await expectReadersAgree(path, n);
      // The next start is killed, too.
      await run(story, ENTRIES, random.whole(0, 15));
      // A start alone puts the row of files in order again.
      await run(story, 0, Infinity);
      const ages = oldFilesOf(fs, path).map(({ age }) => age);
      expect({ n, ages }).toEqual({ n, ages: [...ages.keys()] });
      await run(story, 1, Infinity);
      const found = await verify(path, { key: "", chained: true });
      expect({ n, faults: found.faults }).toEqual({ n, faults: [] });
      expect({ n, next: (found.last as number) + 1 }).toEqual({ n, next: story.durable });
      const lines = (await linesOf(path)).map((line) => messageOf(line).replace(/ #.*/, ""));
      const first = Number(lines[0]?.slice(2));
      expect(lines).toEqual([...lines.keys()].map((line) => `a ${first + line}`));
      if (backups === 100) expect(first).toBe(0);
      expect(first + lines.length).toBe(story.told);
      fs.rmSync(dirname(path), { recursive: true });
      if (!isKilled) break;
      expect(n).toBeLessThan(1000);
    }
  }, 120_000);
}
