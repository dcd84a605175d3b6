import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import type { Disk } from "../lib/host/disk.ts";
import type { LineForm } from "../lib/services/collector/columns.ts";
import { Entry, Text } from "../lib/services/collector/entry.ts";
import { lastLine } from "../lib/services/collector/file/read/last-line.ts";
import type { WriterOptions, WriterSettings } from "../lib/services/collector/file/options.ts";
import { LogWriter } from "../lib/services/collector/file/writer.ts";
import { systemError, watched } from "./fixtures/journal-disk.ts";
import { turn, until } from "./kit.ts";
import { mounted, unmount } from "./small-disk.ts";

const small = join(fs.mkdtempSync(join(tmpdir(), "collector-disk-")), "small-disk");
const hasSmallDisk = mounted(small, "size=1m");
if (!hasSmallDisk) console.log("full disk: SKIPPED, mounting a tmpfs is not permitted here");
afterAll(() => {
  if (hasSmallDisk) unmount(small);
  fs.rmSync(dirname(small), { recursive: true });
});

/** `<sequence> <message>`, so that sizes are easy to count. */
const SHORT: LineForm = {
  most: (entry) => entry.size + 20,
  write(entry, sequence, out, at) {
    return at + out.write(`${sequence} ${entry.text(Text.message)}\n`, at);
  },
};

const SETTINGS: WriterSettings = {
  batchSize: 100,
  mostEntries: 1024,
  mostBytes: 2 ** 20,
  retries: 3,
  retryDelayMs: 100,
  maxFileBytes: 2 ** 20,
  backups: 3,
};

/** A writer in a folder of its own, and all that it has told. */
function writing(
  own: Partial<WriterSettings> = {},
  options: Partial<WriterOptions> & { folder?: string } = {},
) {
  const folder = options.folder ?? fs.mkdtempSync(join(tmpdir(), "collector-writer-"));
  const path = join(folder, "_main.log");
  const clock = new HandClock();
  const told: string[] = [];
  const settings = { ...SETTINGS, ...own };
  const writer = new LogWriter(path, lastLine(options.disk ?? fs, path).next, {
    disk: fs,
    clock,
    form: SHORT,
    durability: "always",
    settings: () => settings,
    tell: (message, level) => told.push(`${level} ${message}`),
    ...options,
  });
  const entry = new Entry();
  const put = (message = "x"): number => {
    const bytes = Buffer.from(message);
    entry.begin(bytes);
    entry.set(Text.message, 0, bytes.length);
    return writer.take(entry);
  };
  return {
    writer,
    clock,
    folder,
    path,
    told,
    settings,
    put,
    kept: () => until(() => writer.kept === writer.next),
    /** The numbers of all lines, the oldest file first. */
    numbers: () => numbersIn(path),
  };
}

function read(path: string): string {
  return fs.existsSync(path) ? fs.readFileSync(path, "utf8") : "";
}

/** The texts of the files, the oldest first. */
function textsOf(path: string): string[] {
  const texts = [read(path)];
  for (let age = 0; fs.existsSync(`${path}.${age}`); age++) texts.unshift(read(`${path}.${age}`));
  return texts;
}

function numbersIn(path: string): number[] {
  const text = textsOf(path).join("");
  expect(text === "" || text.endsWith("\n")).toBe(true);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => Number(line.split(" ")[0]));
}

const upTo = (count: number): number[] => [...Array(count).keys()];

/** A disk whose files hold so many bytes in all; what is over is refused. */
function roomFor(room: { bytes: number }): Disk {
  return watched({
    before: ({ name, args }) => {
      if (name !== "writeSync") return;
      const length = args[3] as number;
      if (room.bytes === 0) throw systemError("ENOSPC", "no space left on device");
      args[3] = Math.min(length, room.bytes);
      room.bytes -= args[3] as number;
    },
  });
}

describe("rotation", () => {
  test("comes before the line that would pass the limit, and keeps so many files", async () => {
    // Nine lines of 10 bytes fit into 90, and not into 89.
    for (const [limit, fits] of [
      [90, 9],
      [89, 8],
    ] as const) {
      const { put, kept, path, writer } = writing({ maxFileBytes: limit, backups: 2 });
      for (let n = 0; n < 10; n++) put("1234567");
      await kept();
      await until(() => fs.existsSync(`${path}.0`));
      expect(read(`${path}.0`).split("\n").length - 1).toBe(fits);
      expect(await writer.close(0)).toBe(0);
    }
    const { put, kept, path, writer } = writing({ maxFileBytes: 50, backups: 2 });
    for (let n = 0; n < 40; n++) {
      put("1234567");
      await kept();
    }
    await writer.close(0);
    expect(fs.readdirSync(dirname(path)).sort()).toEqual([
      "_main.log",
      "_main.log.0",
      "_main.log.1",
    ]);
    const numbers = numbersIn(path);
    expect(numbers).toEqual(upTo(40).slice(40 - numbers.length));
  });

  test("gives a line that is longer than the limit a file of its own", async () => {
    const { put, kept, path, writer } = writing({ maxFileBytes: 50, backups: 9 });
    put("a");
    put("b".repeat(100));
    put("c");
    await kept();
    await writer.close(0);
    expect(textsOf(path)).toEqual(["0 a\n", `1 ${"b".repeat(100)}\n`, "2 c\n"]);
  });

  test("that fails leaves the file to grow, says so once, and is tried again", async () => {
    const state = { fails: true };
    const disk = watched({
      before: ({ name }) => {
        if (name === "renameSync" && state.fails) throw systemError("EACCES", "permission denied");
      },
    });
    const { put, kept, path, writer, told, clock } = writing({ maxFileBytes: 20 }, { disk });
    for (let n = 0; n < 20; n++) put("123456");
    await kept();
    expect(textsOf(path)).toHaveLength(1);
    expect(told).toEqual([
      `ERROR cannot rotate ${path}: permission denied; it grows past its limit`,
    ]);
    state.fails = false;
    clock.advance(2000);
    put("123456");
    await kept();
    expect(textsOf(path)).toHaveLength(2);
    await writer.close(0);
    expect(numbersIn(path)).toEqual(upTo(21));
  });
});

describe("somebody else", () => {
  for (const [what, act] of [
    ["moves the file", (path: string) => fs.renameSync(path, `${path}.moved`)],
    ["deletes the file", (path: string) => fs.unlinkSync(path)],
    ["deletes the folder", (path: string) => fs.rmSync(dirname(path), { recursive: true })],
  ] as const) {
    test(`${what}, and a new one is begun within a second`, async () => {
      const { put, kept, path, writer, clock } = writing();
      put("before");
      await kept();
      act(path);
      clock.advance(1000);
      await until(() => fs.existsSync(path));
      put("after");
      await kept();
      expect(read(path)).toBe("1 after\n");
      await writer.close(0);
    });
  }

  test("deletes the file where nothing is synced, and what is written after that goes to a new one at once", async () => {
    const { put, path, writer, told } = writing({}, { durability: "none" });
    put("before");
    await until(() => writer.durable === 1);
    fs.unlinkSync(path);
    for (let n = 0; n < 300; n++) put("after");
    // Neither the clock that looks at the path nor one that tries again has moved.
    await until(() => writer.durable === 301);
    expect(numbersIn(path)).toEqual([...Array(300).keys()].map((n) => n + 1));
    expect(told).toEqual([`INFO ${path} was moved or removed: a new file is begun`]);
    await writer.close(0);
  });

  test("empties the file in place, and it has room again", async () => {
    const { put, kept, path, writer, clock } = writing({ maxFileBytes: 30 });
    put("12345678901234567");
    await kept();
    fs.truncateSync(path);
    clock.advance(1000);
    put("12345678901234567");
    await kept();
    await writer.close(0);
    expect(textsOf(path)).toEqual(["1 12345678901234567\n"]);
  });
});

describe("a disk that refuses", () => {
  test("is tried quickly, then every two seconds; nothing is lost, doubled or torn", async () => {
    const room = { bytes: 1000 };
    const { put, kept, writer, told, clock, path, numbers } = writing({}, { disk: roomFor(room) });
    for (let n = 0; n < 300; n++) put("1234567");
    await turn();
    expect([writer.blocked, told]).toEqual([null, []]);
    clock.advance(100 + 200 + 400);
    expect(writer.blocked).toBe("cannot write: no space left on device");
    expect(told).toHaveLength(1);
    room.bytes = 55;
    clock.advance(2000);
    expect(room.bytes).toBe(0);
    room.bytes = 1e6;
    clock.advance(2000);
    await kept();
    expect([writer.blocked, told]).toEqual([
      null,
      [
        `ERROR cannot write ${path}: no space left on device; entries wait`,
        `INFO writing ${path} again`,
      ],
    ]);
    expect(writer.blocking.ms).toBeGreaterThan(0);
    await writer.close(0);
    expect(numbers()).toEqual(upTo(300));
  });

  test("for a moment only is told to nobody", async () => {
    const room = { bytes: 25 };
    const { put, kept, writer, told, clock, numbers } = writing({}, { disk: roomFor(room) });
    for (let n = 0; n < 10; n++) put("1234567");
    await turn();
    room.bytes = 1e6;
    clock.advance(100);
    await kept();
    await writer.close(0);
    expect([told, numbers()]).toEqual([[], upTo(10)]);
  });

  test("fills the buffer to its bound, and no further entry is asked for", async () => {
    const { put, writer } = writing({ mostEntries: 20 }, { disk: roomFor({ bytes: 0 }) });
    for (let n = 0; n < 19; n++) put();
    await turn();
    expect(writer.isFull).toBe(false);
    put();
    expect(writer.isFull).toBe(true);
    expect(await writer.close(0)).toBe(20);
  });

  test("at the stop tells how many entries were not written, and leaves no torn line", async () => {
    const { put, kept, writer, numbers } = writing({}, { disk: roomFor({ bytes: 55 }) });
    for (let n = 0; n < 5; n++) put("1234567");
    await kept();
    for (let n = 0; n < 5; n++) put("1234567");
    await turn();
    expect(await writer.close(0)).toBe(5);
    expect(numbers()).toEqual(upTo(5));
  });

  test("to sync what it took has it written once more, behind what is on disk", async () => {
    const state = { fails: false };
    const disk = watched({
      before: ({ name }) => {
        if (name === "fdatasync" && state.fails) throw systemError("EIO", "i/o error");
      },
    });
    const { put, kept, writer, clock, path, numbers } = writing({}, { disk });
    put("kept");
    await kept();
    state.fails = true;
    put("unsure");
    put("unsure");
    await until(() => read(path) !== "0 kept\n");
    expect(writer.kept).toBe(1);
    put("waits");
    await turn();
    // The kernel has dropped what it could not write.
    fs.truncateSync(path, 10);
    state.fails = false;
    clock.advance(100);
    await kept();
    await writer.close(0);
    expect(numbers()).toEqual(upTo(4));
  });

  test.skipIf(!hasSmallDisk)("as a real one does when it is full, and again has room", async () => {
    const ballast = join(small, "ballast");
    fs.writeFileSync(ballast, Buffer.alloc(900_000));
    const { put, kept, writer, clock, numbers } = writing({ mostEntries: 1e6 }, { folder: small });
    for (let n = 0; n < 2000; n++) put("x".repeat(100));
    await turn();
    clock.advance(2000);
    expect(writer.blocked).not.toBeNull();
    fs.unlinkSync(ballast);
    clock.advance(2000);
    await kept();
    await writer.close(0);
    expect(numbers()).toEqual(upTo(2000));
  });
});

describe("a start", () => {
  test("goes on with the number after the last line, and moves a torn one aside", async () => {
    const { put, kept, writer, folder, path } = writing();
    put();
    put();
    await kept();
    await writer.close(0);
    fs.appendFileSync(path, "2 to");
    expect(lastLine(fs, path)).toEqual({
      next: 2,
      torn: 4,
      isTornKept: true,
      ending: Buffer.from("1 x"),
    });
    expect(read(path)).toBe("0 x\n1 x\n");
    expect(read(`${path}.torn`)).toBe("2 to\n");
    const again = writing({}, { folder });
    again.put();
    await again.kept();
    await again.writer.close(0);
    expect(again.numbers()).toEqual([0, 1, 2]);
  });

  test("takes the number from the newest rotated file when the file is empty or gone", async () => {
    const { folder, path } = writing();
    for (const empty of [true, false]) {
      fs.writeFileSync(`${path}.0`, "7 a\n8 b\n");
      if (empty) fs.writeFileSync(path, "");
      else fs.rmSync(path);
      expect(lastLine(fs, join(folder, "_main.log")).next).toBe(9);
    }
  });

  test("refuses a file that is something else", () => {
    const { path } = writing();
    fs.writeFileSync(path, "dear diary\n");
    expect(() => lastLine(fs, path)).toThrow("is no log of the collector");
  });
});
