import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { RotatingFile, type RotatingFileOptions } from "../lib/host/rotate.ts";
import { mounted, unmount } from "./small-disk.ts";

const folder = fs.mkdtempSync(join(tmpdir(), "rotate-"));
const small = join(folder, "small-disk");
let made = 0;

/** A disk of 64 KiB, which a test can fill. */
const hasSmallDisk = mounted(small, "size=64k");
if (!hasSmallDisk) console.log("full disk: SKIPPED, mounting a tmpfs is not permitted here");

afterAll(() => {
  if (hasSmallDisk) unmount(small);
  fs.rmSync(folder, { recursive: true });
});

function open(
  options: Partial<RotatingFileOptions> = {},
  path = join(folder, String(made++), "x.log"),
) {
  const clock = new HandClock();
  const troubles: string[] = [];
  const file = new RotatingFile(path, {
    maxFileSize: 1_000_000,
    backupCount: 3,
    clock,
    onTrouble: (message) => troubles.push(message),
    ...options,
  });
  return { file, path, clock, troubles };
}

const read = (path: string): string => fs.readFileSync(path, "utf8");

/** Everything kept, oldest first, and the size of each file. */
function readAll(path: string): { text: string; sizes: number[] } {
  const paths = [path];
  while (fs.existsSync(`${path}.${paths.length}`)) paths.unshift(`${path}.${paths.length}`);
  return {
    text: paths.map(read).join(""),
    sizes: paths.map((one) => fs.statSync(one).size),
  };
}

/** Lines `from` to `to - 1`, of different lengths, some not in ASCII. */
function numbered(from: number, to: number): string {
  let text = "";
  for (let n = from; n < to; n++) text += `${n} ${"é".repeat(n % 3)}${"x".repeat(n % 41)}\n`;
  return text;
}

test("rotation under load loses, doubles and tears no line", async () => {
  const { file, path, troubles } = open({
    maxFileSize: 50_000,
    backupCount: 1000,
  });
  const total = 200_000;
  for (let n = 0; n < total;) {
    const burst = 1 + (n % 4999);
    for (let end = Math.min(total, n + burst); n < end; n++) file.write(numbered(n, n + 1));
    if (n % 2 === 0) await file.flush();
    else void file.flush();
  }
  await file.close();
  const { text, sizes } = readAll(path);
  expect(text === numbered(0, total)).toBe(true);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(50_000);
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(50_000 - 60);
  expect(file.counters).toEqual({
    bytes: Buffer.byteLength(text),
    linesLost: 0,
    rotations: sizes.length - 1,
  });
  expect(troubles).toEqual([]);
});

describe("the bound on the size", () => {
  test("a line that just fits stays, the next byte rotates", async () => {
    const { file, path } = open({ maxFileSize: 20 });
    file.write("123456789\n");
    file.write("123456789\n");
    await file.flush();
    expect(readAll(path).sizes).toEqual([20]);
    file.write("\n");
    await file.close();
    expect(readAll(path)).toEqual({
      text: "123456789\n123456789\n\n",
      sizes: [20, 1],
    });
  });

  test("a batch is cut at the last newline that fits", async () => {
    const { file, path } = open({ maxFileSize: 19 });
    file.write("123456789\n123456789\n123456789\n");
    await file.close();
    expect(readAll(path).sizes).toEqual([10, 10, 10]);
  });

  test("a line longer than a file gets one of its own", async () => {
    const { file, path } = open({ maxFileSize: 5 });
    file.write("a\nlonger than five\nb\n");
    await file.close();
    expect(readAll(path)).toEqual({
      text: "a\nlonger than five\nb\n",
      sizes: [2, 17, 2],
    });
  });

  test("what a file held before counts", async () => {
    const { file, path } = open({ maxFileSize: 10 });
    file.write("12345\n");
    await file.close();
    const again = open({ maxFileSize: 10 }, path);
    again.file.write("1234\n");
    await again.file.close();
    expect(readAll(path).sizes).toEqual([6, 5]);
  });

  test("a new limit holds from the next line on", async () => {
    const { file, path } = open();
    file.write("one\n");
    await file.flush();
    file.setRotation({ maxFileSize: 4, backupCount: 3 });
    file.write("two\n");
    await file.close();
    expect(readAll(path).sizes).toEqual([4, 4]);
  });
});

test.each([
  [0, ["5\n"]],
  [1, ["4\n", "5\n"]],
  [3, ["2\n", "3\n", "4\n", "5\n"]],
])("backup count %d keeps %j", async (backupCount, kept) => {
  const { file, path } = open({ maxFileSize: 2, backupCount });
  for (const line of ["1\n", "2\n", "3\n", "4\n", "5\n"]) file.write(line);
  await file.close();
  expect(readAll(path)).toEqual({
    text: kept.join(""),
    sizes: kept.map(() => 2),
  });
  expect(file.counters).toEqual({ bytes: 10, linesLost: 0, rotations: 4 });
});

describe("opening", () => {
  test("a line that a crash tore stays alone", async () => {
    const { file, path } = open();
    file.write("whole\n");
    await file.close();
    fs.appendFileSync(path, "to");
    const again = open({}, path);
    again.file.write("next\n");
    await again.file.close();
    expect(read(path)).toBe("whole\nto\nnext\n");
  });

  test("a whole last line gets no empty line after it", async () => {
    const { file, path } = open();
    file.write("one\n");
    await file.close();
    const again = open({}, path);
    again.file.write("two\n");
    await again.file.close();
    expect(read(path)).toBe("one\ntwo\n");
  });

  test("a place that cannot be written is one clear line", () => {
    fs.writeFileSync(join(folder, "file"), "");
    const under = join(folder, "file", "x.log");
    expect(() => open({}, under)).toThrow(`cannot write ${under}: its folder is a file`);
    fs.mkdirSync(join(folder, "taken.log"));
    const taken = join(folder, "taken.log");
    expect(() => open({}, taken)).toThrow(`cannot write ${taken}: it is a folder`);
  });

  test.skipIf(process.getuid?.() === 0 || process.platform === "win32")(
    "a folder without permission",
    () => {
      fs.mkdirSync(join(folder, "locked"), { mode: 0o500 });
      const path = join(folder, "locked", "x.log");
      expect(() => open({}, path)).toThrow(`cannot write ${path}: permission denied`);
    },
  );
});

describe.skipIf(!hasSmallDisk)("a full disk", () => {
  const ballast = join(small, "ballast");
  const fill = () => fs.writeFileSync(ballast, Buffer.alloc(40 * 1024));
  const lines = numbered(0, 3000);

  test("keeps the lines, says so once, and goes on in order", async () => {
    fill();
    const { file, path, clock, troubles } = open(
      { backupCount: 1000, maxFileSize: 10_000 },
      join(small, "a.log"),
    );
    for (let n = 0; n < 1000; n++) file.write(numbered(n, n + 1));
    await file.flush();
    expect(file.failing).toBe("no space left on device");
    expect(lines.startsWith(readAll(path).text)).toBe(true);
    clock.advance(1000);
    await file.flush();
    expect(troubles).toEqual([
      `cannot write ${path}: no space left on device; lines wait in memory`,
    ]);

    fs.unlinkSync(ballast);
    clock.advance(999);
    await file.flush();
    expect(file.failing).toBe("no space left on device");
    clock.advance(1);
    await file.flush();
    expect(file.failing).toBeNull();
    expect(troubles.slice(1)).toEqual([`writing ${path} again; 0 lines were lost`]);
    await file.close();
    const { text, sizes } = readAll(path);
    expect(text).toBe(numbered(0, 1000));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(10_000);
    for (let n = sizes.length - 1; n >= 0; n--) fs.unlinkSync(n === 0 ? path : `${path}.${n}`);
  });

  test("drops the newest lines beyond the bound and counts them", async () => {
    fill();
    const { file, path, clock, troubles } = open({ maxWaiting: 10_000 }, join(small, "b.log"));
    file.write("x".repeat(9000) + "\n");
    for (let n = 0; n < 5 && file.failing === null; n++) {
      await file.flush();
      file.write("x".repeat(9000) + "\n");
    }
    expect(file.failing).toBe("no space left on device");
    const before = file.counters.linesLost;
    file.write("fits\n");
    file.write("y".repeat(2000) + "\n" + "z\n");
    expect(file.counters.linesLost - before).toBe(2);
    fs.unlinkSync(ballast);
    clock.advance(1000);
    await file.flush();
    expect(troubles.at(-1)).toBe(
      `writing ${path} again; ${file.counters.linesLost} lines were lost`,
    );
    file.write("after\n");
    await file.close();
    expect(read(path)).toMatch(/^(x{9000}\n)+fits\nafter\n$/);
    fs.unlinkSync(path);
  });

  test("that is made room on by removing the log goes on with the line that was begun", async () => {
    fill();
    const { file, path, clock } = open({}, join(small, "d.log"));
    file.write(lines);
    await file.flush();
    const written = file.counters.bytes;
    expect(lines[written - 1]).not.toBe("\n");
    fs.unlinkSync(path);
    clock.advance(1000);
    await file.flush();
    const whole = Buffer.from(lines).lastIndexOf("\n", written - 1) + 1;
    expect(Buffer.from(lines).subarray(whole).toString().startsWith(read(path))).toBe(true);
    expect(read(path).length).toBeGreaterThan(1000);
    expect(file.counters.bytes).toBe(whole + fs.statSync(path).size);
    fs.unlinkSync(ballast);
    file.reopen();
    await file.close();
    expect(read(path)).toBe(Buffer.from(lines).subarray(whole).toString());
    fs.unlinkSync(path);
  });

  test.each(["close", "closeSync"] as const)(
    "%s gives up, counts, and leaves no torn line",
    async (close) => {
      fill();
      const { file, path, troubles } = open({}, join(small, "c.log"));
      file.write(lines);
      await file[close]();
      const kept = read(path);
      expect(kept.length).toBeGreaterThan(10_000);
      expect(kept.endsWith("\n")).toBe(true);
      expect(lines.startsWith(kept)).toBe(true);
      const lost = 3000 - (kept.split("\n").length - 1);
      expect(file.counters.linesLost).toBe(lost);
      expect(troubles.at(-1)).toBe(
        `closed ${path} with ${lost} lines unwritten: no space left on device`,
      );
      fs.unlinkSync(path);
      fs.unlinkSync(ballast);
    },
  );
});

test("more lines than the disk takes are dropped, counted and told of", async () => {
  const { file, path, troubles } = open({ maxWaiting: 8 });
  file.write("1234567\n");
  file.write("\n");
  file.write("\n");
  expect(file.counters.linesLost).toBe(2);
  // The disk is not to blame.
  expect(file.failing).toBeNull();
  await file.flush();
  expect(troubles).toEqual([
    `${path}: lines come faster than the disk takes them; the newest are dropped`,
    `writing ${path} again; 2 lines were lost`,
  ]);
  await file.close();
  expect(read(path)).toBe("1234567\n");
});

test("a disk that is stuck is to blame for the lines that find no room", async () => {
  const { file, clock, path, troubles } = open({ maxWaiting: 8 });
  file.write("1234567\n");
  const written = file.flush();
  file.write("7654321\n");
  clock.advance(4999);
  file.write("\n");
  expect(file.failing).toBeNull();
  clock.advance(1);
  file.write("\n");
  expect(file.failing).toBe("the disk takes nothing");
  await written;
  expect(file.failing).toBeNull();
  expect(troubles).toEqual([
    `${path}: lines come faster than the disk takes them; the newest are dropped`,
    `cannot write ${path}: the disk takes nothing; lines wait in memory`,
    `writing ${path} again; 2 lines were lost`,
  ]);
  await file.close();
});

test("a refused rotation goes on in the current file and costs no older one", async () => {
  const { file, path, clock, troubles } = open({
    maxFileSize: 4,
    backupCount: 2,
  });
  file.write("one\n");
  await file.flush();
  // A folder that holds something cannot be replaced by a file.
  fs.mkdirSync(join(`${path}.1`, "in the way"), { recursive: true });
  fs.mkdirSync(join(`${path}.2`, "in the way"), { recursive: true });
  for (const line of ["two\n", "six\n"]) {
    file.write(line);
    await file.flush();
    clock.advance(1000);
  }
  expect(troubles).toHaveLength(1);
  expect(troubles[0]).toStartWith(`cannot rotate ${path}: `);
  expect(read(path)).toBe("one\ntwo\nsix\n");
  expect(fs.readdirSync(`${path}.2`)).toEqual(["in the way"]);

  fs.rmSync(`${path}.1`, { recursive: true });
  fs.rmSync(`${path}.2`, { recursive: true });
  file.write("ten\n");
  await file.close();
  expect(readAll(path)).toEqual({
    text: "one\ntwo\nsix\nten\n",
    sizes: [12, 4],
  });
});

describe("a file that somebody", () => {
  /** One with a line in it. */
  async function begun(options: Partial<RotatingFileOptions> = {}) {
    let reopened = 0;
    const opened = open({ onReopened: () => reopened++, ...options });
    opened.file.write("one\n");
    await opened.file.flush();
    return { ...opened, reopened: () => reopened };
  }

  test("moved is begun anew within a second", async () => {
    const { file, path, clock, troubles, reopened } = await begun();
    fs.renameSync(path, `${path}.moved`);
    file.write("two\n");
    await file.flush();
    clock.advance(1000);
    await file.flush();
    file.write("three\n");
    await file.close();
    expect([read(`${path}.moved`), read(path)]).toEqual(["one\ntwo\n", "three\n"]);
    expect([troubles, reopened()]).toEqual([[], 1]);
  });

  test("moved and made again, as logrotate does, is taken", async () => {
    const { file, path, clock } = await begun();
    fs.renameSync(path, `${path}.1`);
    fs.writeFileSync(path, "");
    clock.advance(1000);
    file.write("two\n");
    await file.close();
    expect([read(`${path}.1`), read(path)]).toEqual(["one\n", "two\n"]);
  });

  test("removed with its folder is made again, with the folder", async () => {
    const { file, path, clock } = await begun();
    fs.rmSync(dirname(path), { recursive: true });
    clock.advance(1000);
    await file.flush();
    expect(read(path)).toBe("");
    file.write("two\n");
    await file.close();
    expect(read(path)).toBe("two\n");
  });

  test("emptied in place has all its room again", async () => {
    const { file, path, clock } = await begun({ maxFileSize: 12 });
    file.write("two\n");
    await file.flush();
    fs.copyFileSync(path, `${path}.copy`);
    fs.truncateSync(path);
    clock.advance(1000);
    file.write("three\nfour\n");
    await file.close();
    expect([read(`${path}.copy`), read(path)]).toEqual(["one\ntwo\n", "three\nfour\n"]);
    expect(file.counters.rotations).toBe(0);
  });

  test("moved is looked at once a second, or when it is asked", async () => {
    const { file, path, clock } = await begun();
    fs.renameSync(path, `${path}.moved`);
    clock.advance(999);
    await file.flush();
    expect(fs.existsSync(path)).toBe(false);
    file.reopen();
    await file.flush();
    expect(read(path)).toBe("");
    await file.close();
  });

  test("took away just before a rotation is not mixed up with another", async () => {
    const { file, path, troubles } = await begun({ maxFileSize: 4 });
    fs.renameSync(path, `${path}.taken`);
    fs.writeFileSync(path, "new\n");
    file.write("two\n");
    await file.close();
    expect(["taken", "1"].map((end) => read(`${path}.${end}`))).toEqual(["one\n", "new\n"]);
    expect([read(path), troubles]).toEqual(["two\n", []]);
  });

  test("replaced by what cannot be written costs no line, and is told once", async () => {
    const { file, path, clock, troubles } = await begun();
    const folder = dirname(path);
    fs.rmSync(folder, { recursive: true });
    fs.writeFileSync(folder, "in the way");
    clock.advance(1000);
    file.write("two\n");
    await file.flush();
    clock.advance(1000);
    await file.flush();
    expect(troubles).toHaveLength(1);
    expect(troubles[0]).toStartWith(`cannot write ${path}: `);
    fs.rmSync(folder);
    clock.advance(1000);
    await file.flush();
    expect(read(path)).toBe("two\n");
    expect(troubles[1]).toBe(`writing ${path} again; 0 lines were lost`);
    await file.close();
  });
});

describe("closing", () => {
  test("at once, with a write under way, neither loses nor doubles a line", async () => {
    const { file, path } = open({ maxFileSize: 2 ** 30 });
    const lines = numbered(0, 100_000);
    file.write(lines);
    const underWay = file.flush();
    file.write("last\n");
    file.closeSync();
    expect(read(path) === `${lines}last\n`).toBe(true);
    await underWay;
    expect(read(path).length).toBe(lines.length + 5);
    expect(file.counters.bytes).toBe(fs.statSync(path).size);
  });

  test("at once, amid a rotation, keeps every line", async () => {
    const { file, path } = open({ maxFileSize: 4, backupCount: 9 });
    file.write("one\n");
    await file.flush();
    file.write("two\n");
    const underWay = file.flush();
    file.closeSync();
    await underWay;
    const kept = [`${path}.1`, path].filter((one) => fs.existsSync(one));
    expect(kept.map(read).join("")).toBe("one\ntwo\n");
  });

  test("lines that come too late are counted", async () => {
    const { file, path } = open();
    file.write("one\n");
    await Promise.all([file.close(), file.close()]);
    file.write("two\n");
    file.closeSync();
    await file.flush();
    expect(read(path)).toBe("one\n");
    expect(file.counters.linesLost).toBe(1);
  });
});

test("a file of its own is new, private, and written on where it was moved to", async () => {
  const { file, path, clock, troubles } = open({ isOwn: true });
  expect(() => open({ isOwn: true }, path)).toThrow(`cannot write ${path}`);
  const link = join(folder, String(made++));
  fs.symlinkSync(join(folder, "elsewhere"), link);
  expect(() => open({ isOwn: true }, link)).toThrow(`cannot write ${link}`);
  file.write("one\n");
  await file.flush();
  expect([fs.statSync(path).mode & 0o777, fs.statSync(dirname(path)).mode & 0o777]).toEqual([
    0o600, 0o700,
  ]);
  fs.renameSync(path, `${path}.kept`);
  clock.advance(10_000);
  file.write("two\n");
  await file.close();
  expect(read(`${path}.kept`)).toBe("one\ntwo\n");
  expect([fs.existsSync(path), troubles]).toEqual([false, []]);
});
