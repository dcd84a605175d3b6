import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import type { LineForm } from "../lib/services/collector/columns.ts";
import { Entry, Text } from "../lib/services/collector/entry.ts";
import type { Durability } from "../lib/services/collector/file/options.ts";
import { LogWriter } from "../lib/services/collector/file/writer.ts";
import { systemError, watched } from "./fixtures/journal-disk.ts";
import { turn } from "./kit.ts";
import { Random } from "./random.ts";

const SHORT: LineForm = {
  most: (entry) => entry.size + 20,
  write: (entry, sequence, out, at) =>
    at + out.write(`${sequence} ${entry.text(Text.message)}\n`, at),
};

/** In memory where that is known to be, since real disks take their time for each sync. */
const PLACE = fs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** A disk that does what a test wants, with all that becomes of its files. */
class Weather {
  /** Bytes that it still takes. */
  room = Infinity;
  syncsFail = false;
  renamesFail = false;
  opensFail = false;
  holds = false;
  readonly held: (() => void)[] = [];
  readonly #random: Random;
  /** By file: bytes that a sync has covered; the kernel may drop what is behind them when one fails. */
  readonly #synced = new Map<number, number>();
  readonly #underWay = new Map<number, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  readonly disk = watched({
    before: ({ name, args }) => {
      if (name === "writeSync") this.#beforeWrite(args);
      else if (name === "fdatasync") this.#beforeSync(args[0] as number);
      else if (name === "renameSync" && this.renamesFail) throw systemError("EACCES", "denied");
      else if (name === "openSync" && this.opensFail) throw systemError("EMFILE", "too many files");
    },
    after: ({ name, args }) => {
      if (name !== "fdatasync") return;
      const { ino } = fs.fstatSync(args[0] as number);
      this.#synced.set(ino, this.#underWay.get(ino) as number);
    },
    hold: (_call, go) => {
      if (this.holds) this.held.push(go);
      else go();
    },
  });

  clear(): void {
    this.room = Infinity;
    this.syncsFail = this.renamesFail = this.opensFail = this.holds = false;
    while (this.held.length > 0) this.release();
  }

  /** Lets a call that is held end, as the system does: between two turns. */
  release(): void {
    const go = this.held.shift();
    if (go !== undefined) setImmediate(go);
  }

  #beforeWrite(args: unknown[]): void {
    if (this.room === 0) throw systemError("ENOSPC", "no space left on device");
    args[3] = Math.min(args[3] as number, this.room);
    this.room -= args[3] as number;
  }

  #beforeSync(fd: number): void {
    const { ino, size } = fs.fstatSync(fd);
    this.#underWay.set(ino, size);
    if (!this.syncsFail) return;
    const safe = this.#synced.get(ino) ?? 0;
    if (this.#random.whole(0, 1) === 0) fs.ftruncateSync(fd, this.#random.whole(safe, size));
    throw systemError("EIO", "i/o error");
  }
}

/** The numbers of a file's lines; their lengths tell that they are whole. */
function numbersOf(text: string): number[] {
  const lines = text.split("\n");
  const torn = lines.filter((line, at) =>
    at === lines.length - 1 ? line !== "" : line !== lineOf(parseInt(line)),
  );
  expect(torn).toEqual([]);
  return lines.slice(0, -1).map((line) => parseInt(line));
}

function lineOf(number: number): string {
  return `${number} ${messageOf(number)}`;
}

function messageOf(number: number): string {
  return "x".repeat(1 + ((number * 7) % 60));
}

/** Drives a writer through `steps` accidents, then clears up and reads all that it has written. */
async function storm(seed: number, steps: number, durability: Durability): Promise<void> {
  const random = new Random(seed);
  const weather = new Weather(random);
  const folder = fs.mkdtempSync(join(PLACE, "collector-storm-"));
  const log = join(folder, "log");
  const path = join(log, "_main.log");
  const clock = new HandClock();
  const settings = {
    batchSize: 10,
    mostEntries: 200,
    mostBytes: 20_000,
    retries: random.whole(0, 3),
    retryDelayMs: 100,
    maxFileBytes: random.whole(60, 600),
    backups: 10_000,
  };
  const { disk } = weather;
  const options = { disk, clock, form: SHORT, durability, settings: () => settings, tell() {} };
  const writer = new LogWriter(path, 0, options);
  const entry = new Entry();
  const put = () => {
    const bytes = Buffer.from(messageOf(writer.next));
    entry.begin(bytes);
    entry.set(Text.message, 0, bytes.length);
    writer.take(entry);
  };
  /** What was on disk in files that were removed: gone, and not by us. */
  const gone = new Set<number>();
  let moved = 0;
  const accidents: (() => unknown)[] = [
    () => {
      for (let n = random.whole(1, 40); n > 0 && !writer.isFull; n--) put();
    },
    turn,
    () => clock.advance(random.whole(1, 3000)),
    () => (weather.room = random.whole(0, 300)),
    () => (weather.room = Infinity),
    () => (weather.syncsFail = !weather.syncsFail),
    () => (weather.renamesFail = !weather.renamesFail),
    () => (weather.opensFail = !weather.opensFail),
    () => (weather.holds = !weather.holds),
    () => weather.release(),
    () => fs.existsSync(path) && fs.renameSync(path, join(folder, `moved-${moved++}`)),
    () => writer.reopen(),
    () => weather.clear(),
  ];
  const removals: (() => unknown)[] = [
    () => {
      if (!fs.existsSync(path)) return;
      for (const line of fs.readFileSync(path, "utf8").split("\n").slice(0, -1)) {
        if (parseInt(line) < writer.durable) gone.add(parseInt(line));
      }
      fs.unlinkSync(path);
    },
    () => {
      const files = fs.existsSync(log) ? fs.readdirSync(log) : [];
      for (const file of files) {
        for (const line of fs.readFileSync(join(log, file), "utf8").split("\n").slice(0, -1)) {
          if (parseInt(line) < writer.durable) gone.add(parseInt(line));
        }
      }
      fs.rmSync(log, { recursive: true, force: true });
    },
  ];
  const all = durability === "none" ? accidents : [...accidents, ...removals];
  for (let step = 0; step < steps; step++) {
    await all[random.whole(0, all.length - 1)]?.();
    // What happens most: lines come, and time goes by.
    await accidents[random.whole(0, 2)]?.();
  }
  weather.clear();
  while (writer.durable < writer.next || writer.blocked !== null) {
    clock.advance(2000);
    await turn();
  }
  expect(await writer.close(0)).toBe(0);
  const files = [
    ...fs.readdirSync(log).map((name) => join(log, name)),
    ...[...Array(moved).keys()].map((n) => join(folder, `moved-${n}`)),
  ];
  const parts = files.map((file) => numbersOf(fs.readFileSync(file, "utf8")));
  const inOrder = parts.filter(({ length }) => length > 0).sort(([a = 0], [b = 0]) => a - b);
  const found = inOrder.flat();
  const wanted = [...Array(writer.next).keys()].filter((n) => !gone.has(n));
  expect(found.filter((n) => !gone.has(n))).toEqual(wanted);
  fs.rmSync(folder, { recursive: true });
}

for (const durability of ["always", "batch", "none"] as const) {
  test(`nothing is lost, doubled, torn or out of order in 150 storms: ${durability}`, async () => {
    for (let seed = 1; seed <= 150; seed++) {
      try {
        await storm(seed, 60, durability);
      } catch (error) {
        console.log(`${durability}: seed ${seed}`);
        throw error;
      }
    }
  });
}
