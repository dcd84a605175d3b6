import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Marks, MOST_CLIENTS } from "../lib/services/collector/file/marks.ts";
import { systemError, watched } from "./fixtures/journal-disk.ts";
import { Random } from "./random.ts";

function marks(): Marks {
  return new Marks(fs, join(fs.mkdtempSync(join(tmpdir(), "marks-")), "log.marks"), 0);
}

test("names that were only said push no client out", () => {
  const all = marks();
  all.took("a", all.of("a", 0), 0, 0);
  for (let n = 0; n < 2 * MOST_CLIENTS; n++) all.of(`other ${n}`, 5);
  expect(all.size).toBe(1);
  expect(all.of("a", 0)).toEqual({ next: 1, entry: 1 });
});

test("of the clients that have sent something those are kept that were heard last", () => {
  const all = marks();
  for (let n = 0; n < MOST_CLIENTS; n++) all.took(`c${n}`, all.of(`c${n}`, 0), 0, n);
  expect(all.size).toBe(MOST_CLIENTS);
  // The first one is heard of again, so the second is the one to go.
  all.of("c0", 0);
  all.took("new", all.of("new", 0), 0, MOST_CLIENTS);
  expect(all.size).toBe(MOST_CLIENTS);
  expect(all.of("c0", 0).next).toBe(1);
  expect(all.of("c1", 0).next).toBe(0);
});

test("a file that somebody has removed is written anew", () => {
  const path = join(fs.mkdtempSync(join(tmpdir(), "marks-")), "log.marks");
  const all = new Marks(fs, path, 0);
  all.took("a", all.of("a", 0), 0, 0);
  all.write();
  fs.unlinkSync(path);
  all.shorten();
  all.close();
  expect(new Marks(fs, path, 1).of("a", 0).next).toBe(1);
});

/** In memory where that is known to be, since real disks take their time for each sync. */
const PLACE = fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Lets three clients write, with crashes, full disks and failed syncs; after each start every client's mark must be how far the log has come. */
async function storm(seed: number): Promise<void> {
  const random = new Random(seed);
  const path = join(fs.mkdtempSync(join(PLACE, "marks-")), "log.marks");
  let room = Infinity;
  let syncsFail = false;
  const synced = new Map<number, number>();
  const disk = watched({
    before: ({ name, args }) => {
      if (name === "writeSync") {
        if (room === 0) throw systemError("ENOSPC", "no space left on device");
        args[3] = Math.min(args[3] as number, room);
        room -= args[3] as number;
      }
      if (name !== "fdatasync" && name !== "fsyncSync") return;
      const fd = args[0] as number;
      const { ino, size } = fs.fstatSync(fd);
      if (fs.fstatSync(fd).isDirectory()) return;
      if (!syncsFail) return void synced.set(ino, size);
      // The kernel may drop what it could not write.
      fs.ftruncateSync(fd, Math.min(size, synced.get(ino) ?? 0));
      throw systemError("EIO", "i/o error");
    },
  });
  /** Whose the entries of the log are, in order; of these so many are written, and so many on disk. */
  const owners: string[] = [];
  let [written, durable] = [0, 0];
  let marks = new Marks(disk, path, 0, 200);
  const clients = ["a", "b\n", "ü"];
  const countOf = (client: string) => owners.filter((owner) => owner === client).length;
  const take = () => {
    const client = clients[random.whole(0, 2)] as string;
    marks.took(client, marks.of(client, 0), countOf(client), owners.length);
    owners.push(client);
  };
  const write = () => {
    try {
      marks.write();
    } catch {
      return;
    }
    // The disk may take only some of the lines.
    written = random.whole(written, owners.length);
  };
  const sync = async () => {
    const before = written;
    try {
      await marks.sync();
    } catch {
      return;
    }
    durable = before;
    marks.keptUpTo(durable);
  };
  /** After a kill what was written is there; a power cut is no part of this. */
  const crash = () => {
    marks.close();
    owners.length = written;
    marks = new Marks(disk, path, written, 200);
    for (const client of clients) {
      expect([seed, client, marks.of(client, 0).next]).toEqual([seed, client, countOf(client)]);
    }
  };
  const steps: (() => unknown)[] = [
    take,
    take,
    take,
    write,
    write,
    sync,
    () => (room = random.whole(0, 100)),
    () => (room = Infinity),
    () => (syncsFail = !syncsFail),
    () => {
      if (room === Infinity && !syncsFail) marks.shorten();
    },
    () => {
      // A sync that has failed is made good before anything else happens to the log.
      if (!syncsFail && durable === written) crash();
    },
  ];
  for (let step = 0; step < 150; step++) await steps[random.whole(0, steps.length - 1)]?.();
  room = Infinity;
  syncsFail = false;
  write();
  await sync();
  crash();
}

test("after a crash the marks are as far as the log is, whatever the disk refuses", async () => {
  for (let seed = 1; seed <= 200; seed++) await storm(seed);
});

test("what a crash has left of the only line is no line, and the next one is", () => {
  const path = join(fs.mkdtempSync(join(tmpdir(), "marks-")), "log.marks");
  fs.writeFileSync(path, "R 0 1 0 ");
  const first = new Marks(fs, path, 0);
  first.took("a", first.of("a", 0), 0, 0);
  first.write();
  first.close();
  expect(new Marks(fs, path, 1).of("a", 0).next).toBe(1);
});

test("the number that a file began with is known, though there is no line in it", () => {
  const path = join(fs.mkdtempSync(join(tmpdir(), "marks-")), "log.marks");
  const first = new Marks(fs, path, 7);
  first.begun(7, "0123456789abcdef");
  first.close();
  const second = new Marks(fs, path, 0);
  expect([second.next, second.hash]).toEqual([7, "0123456789abcdef"]);
  second.close();
  // A line that is there tells more.
  const third = new Marks(fs, path, 9);
  expect([third.next, third.hash]).toEqual([9, ""]);
});
