import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { HandClock } from "../lib/host/clock.ts";
import { moveAside } from "../lib/services/collector/file/names.ts";
import { lastLine } from "../lib/services/collector/file/read/last-line.ts";
import { OldFiles, type OldFileOptions } from "../lib/services/collector/file/old-files.ts";
import { FileWalk, linesIn } from "../lib/services/collector/file/read/reading.ts";
import { verify } from "../lib/services/collector/verify.ts";
import { systemError, watched } from "./fixtures/journal-disk.ts";
import { turn, until } from "./kit.ts";

const CHILD = new URL("fixtures/old-files-child.ts", import.meta.url).pathname;
const LINES = 200;
const DAY_MS = 86_400_000;

/** A log of so many rotated files, the oldest with the first numbers, and the file itself. */
function logOf(rotated: number): string {
  const path = join(fs.mkdtempSync(join(tmpdir(), "collector-old-")), "_main.log");
  for (let age = rotated; age >= 0; age--) {
    const first = (rotated - age) * LINES;
    const lines = [...Array(LINES).keys()].map((n) => `${first + n} ${"x".repeat(n)}\n`);
    fs.writeFileSync(age === 0 ? path : `${path}.${age - 1}`, lines.join(""));
  }
  return path;
}

/** What tidies a log, with its settings and all that it has told. */
function tidying(path: string, own: Partial<OldFileOptions> = {}) {
  const clock = new HandClock();
  const settings = { compresses: true, days: 0, mostBytes: 0 };
  const told: string[] = [];
  const files = new OldFiles(path, {
    disk: fs,
    clock,
    settings: () => settings,
    tell: (message) => told.push(message),
    ...own,
  });
  return { clock, settings, told, files };
}

const namesOf = (path: string) => fs.readdirSync(dirname(path)).sort();

/** All numbers of a log in the order in which its files are read; every line must be whole. */
async function numbersIn(path: string): Promise<number[]> {
  const numbers: number[] = [];
  const walk = new FileWalk(path);
  for (let file = walk.next(); file !== null; file = walk.next()) {
    for await (const { bytes } of linesIn(file)) {
      const [number, text] = bytes.toString().split(" ") as [string, string];
      expect(text.length).toBe(Number(number) % LINES);
      numbers.push(Number(number));
    }
  }
  return numbers;
}

const upTo = (count: number): number[] => [...Array(count).keys()];

/** Moves the clock until all rotated files but the newest are compressed. */
async function compressed(path: string, clock: HandClock): Promise<void> {
  await until(() => {
    clock.advance(5000);
    return namesOf(path).every((name) => !/\.[1-9]$|compressing/.test(name));
  });
}

describe("compressing", () => {
  test("leaves the newest rotated file, every line, and the time of each file", async () => {
    const path = logOf(4);
    const { clock, files } = tidying(path);
    fs.utimesSync(`${path}.2`, 1_700_000_000, 1_700_000_000);
    await compressed(path, clock);
    expect(namesOf(path)).toEqual([
      "_main.log",
      "_main.log.0",
      "_main.log.1.zst",
      "_main.log.2.zst",
      "_main.log.3.zst",
    ]);
    expect(fs.statSync(`${path}.2.zst`).mtimeMs).toBe(1_700_000_000_000);
    expect(await numbersIn(path)).toEqual(upTo(5 * LINES));
    expect(await verify(path, { key: "", chained: false })).toMatchObject({
      files: 5,
      lines: 5 * LINES,
      faultCount: 0,
    });
    await files.close();
  });

  test("is begun anew after a kill before any call to the disk, and no line is lost or there twice", async () => {
    let kills = 0;
    for (let call = 0; ; call++) {
      const path = logOf(2);
      const child = Bun.spawn([process.execPath, CHILD, path, `${call}`], { stdout: "inherit" });
      await child.exited;
      expect(child.signalCode).toBe("SIGKILL");
      const before = namesOf(path);
      const { files, clock } = tidying(path);
      expect(await numbersIn(path)).toEqual(upTo(3 * LINES));
      await compressed(path, clock);
      expect(await numbersIn(path)).toEqual(upTo(3 * LINES));
      await files.close();
      kills++;
      // In the end it had done all that there was to do.
      if (before.includes("_main.log.1.zst") && !before.includes("_main.log.1")) break;
    }
    expect(kills).toBeGreaterThan(10);
  }, 120_000);

  test("goes on with a file that is rotated meanwhile", async () => {
    const path = logOf(3);
    const held: (() => void)[] = [];
    const disk = watched({
      hold: ({ name }, go) => {
        if (name === "write") held.push(go);
        else go();
      },
    });
    const { files } = tidying(path, { disk });
    files.look();
    await until(() => held.length > 0);
    moveAside(fs, path, 10);
    fs.writeFileSync(path, "");
    await until(() => {
      for (const go of held.splice(0)) go();
      return fs.existsSync(`${path}.3.zst`);
    });
    expect(namesOf(path)).toEqual([
      "_main.log",
      "_main.log.0",
      "_main.log.1",
      "_main.log.2",
      "_main.log.3.zst",
    ]);
    expect(await numbersIn(path)).toEqual(upTo(4 * LINES));
    await files.close();
  });

  test("of a file that is removed meanwhile, or grows, leaves nothing behind", async () => {
    for (const [act, rest] of [
      [(file: string) => fs.unlinkSync(file), ["_main.log", "_main.log.0"]],
      [
        (file: string) => fs.appendFileSync(file, "more\n"),
        ["_main.log", "_main.log.0", "_main.log.1"],
      ],
    ] as const) {
      const path = logOf(2);
      const held: (() => void)[] = [];
      const disk = watched({
        hold: ({ name }, go) => {
          if (name === "fdatasync") held.push(go);
          else go();
        },
      });
      const { files } = tidying(path, { disk });
      files.look();
      await until(() => held.length > 0);
      act(`${path}.1`);
      held[0]?.();
      await until(() => !fs.existsSync(`${path}.compressing`));
      expect(namesOf(path)).toEqual([...rest]);
      await files.close();
    }
  });

  test("that the disk refuses is told once, and tried again", async () => {
    const path = logOf(2);
    let fails = true;
    let tries = 0;
    const disk = watched({
      before: ({ name }) => {
        if (name !== "write" || !fails) return;
        tries++;
        throw systemError("ENOSPC", "no space left on device");
      },
    });
    const { files, clock, told } = tidying(path, { disk });
    await until(() => {
      clock.advance(5000);
      return tries > 5;
    });
    expect(told).toEqual([`cannot tidy the rotated files of ${path}: no space left on device`]);
    fails = false;
    await compressed(path, clock);
    expect(await numbersIn(path)).toEqual(upTo(3 * LINES));
    await files.close();
  });

  test("is given up at the stop", async () => {
    const path = logOf(2);
    const { files } = tidying(path);
    files.look();
    await files.close();
    expect(namesOf(path)).toEqual(["_main.log", "_main.log.0", "_main.log.1"]);
  });
});

describe("old files go", () => {
  test("by their days", async () => {
    const path = logOf(3);
    const { clock, settings, told, files } = tidying(path);
    settings.compresses = false;
    settings.days = 2;
    const age = (name: number, days: number) => {
      const seconds = (clock.wall() - days * DAY_MS) / 1000;
      fs.utimesSync(`${path}.${name}`, seconds, seconds);
    };
    age(0, 0);
    age(1, 1);
    age(2, 2);
    clock.advance(5000);
    // It was two days old when the clock stood still.
    expect(namesOf(path)).toEqual(["_main.log", "_main.log.0", "_main.log.1"]);
    expect(told).toEqual([`${path}.2 is removed: older than 2 days`]);
    clock.advance(DAY_MS);
    expect(namesOf(path)).toEqual(["_main.log", "_main.log.0"]);
    clock.advance(2 * DAY_MS);
    expect(namesOf(path)).toEqual(["_main.log"]);
    await files.close();
  });

  test("by the bytes of all, compressed or not, the oldest first", async () => {
    const path = logOf(3);
    const { clock, settings, told, files } = tidying(path);
    await compressed(path, clock);
    const size = (name: string) => fs.statSync(`${path}${name}`).size;
    settings.mostBytes = size(".0") + size(".1.zst") + size(".2.zst");
    clock.advance(5000);
    expect(namesOf(path)).toHaveLength(4);
    settings.mostBytes--;
    clock.advance(5000);
    expect(namesOf(path)).toEqual(["_main.log", "_main.log.0", "_main.log.1.zst"]);
    const first = `${path}.2.zst is removed: all have more than ${settings.mostBytes} bytes`;
    expect(told).toEqual([first]);
    settings.mostBytes = 1;
    clock.advance(5000);
    expect(namesOf(path)).toEqual(["_main.log"]);
    // However many they are, they are one line.
    const both = `${path}.1.zst to ${path}.0 are removed: all have more than 1 bytes`;
    expect(told).toEqual([first, both]);
    await files.close();
  });

  test("by their number, in a rotation, whatever is missing between them", () => {
    const path = logOf(5);
    fs.renameSync(`${path}.4`, `${path}.7`);
    fs.unlinkSync(`${path}.1`);
    // Up to the gap they move on, and none goes.
    moveAside(fs, path, 9);
    expect(namesOf(path)).toEqual([0, 1, 2, 3, 7].map((age) => `_main.log.${age}`));
    fs.writeFileSync(path, "");
    moveAside(fs, path, 3);
    expect(namesOf(path)).toEqual([0, 1, 2].map((age) => `_main.log.${age}`));
    fs.writeFileSync(path, "");
    moveAside(fs, path, 0);
    expect(namesOf(path)).toEqual([]);
  });
});

describe("a log of which a rotation was killed half way", () => {
  test("is read whole, and keeps every file at the next rotation", async () => {
    const path = logOf(3);
    const disk = watched({
      before: ({ name, args }) => {
        if (name === "renameSync" && args[0] === path) throw systemError("EIO", "killed");
      },
    });
    expect(() => moveAside(disk, path, 10)).toThrow("killed");
    expect(namesOf(path)).toEqual(["_main.log", "_main.log.1", "_main.log.2", "_main.log.3"]);
    expect(await numbersIn(path)).toEqual(upTo(4 * LINES));
    moveAside(fs, path, 10);
    expect(namesOf(path)).toEqual([0, 1, 2, 3].map((age) => `_main.log.${age}`));
    expect(await numbersIn(path)).toEqual(upTo(4 * LINES));
  });
});

describe("a start", () => {
  test("goes on behind the newest line there is, though only compressed files are left", () => {
    const path = logOf(2);
    for (const age of [0, 1]) {
      const packed = zstdCompressSync(fs.readFileSync(`${path}.${age}`));
      fs.writeFileSync(`${path}.${age + 3}.zst`, packed);
      fs.unlinkSync(`${path}.${age}`);
    }
    fs.unlinkSync(path);
    const { next, ending } = lastLine(fs, path);
    expect(next).toBe(2 * LINES);
    expect(ending.toString()).toBe("x".repeat(64));
    // An empty one has no line, and the next older one has.
    fs.writeFileSync(`${path}.0`, "");
    fs.writeFileSync(path, "");
    expect(lastLine(fs, path).next).toBe(2 * LINES);
  });
});

test("what the tests compress is what zstd reads", async () => {
  const path = logOf(2);
  const text = fs.readFileSync(`${path}.1`);
  const { files, clock } = tidying(path);
  await compressed(path, clock);
  expect(zstdDecompressSync(fs.readFileSync(`${path}.1.zst`))).toEqual(text);
  await files.close();
  await turn();
});
