import { afterEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { systemClock } from "../lib/host/clock.ts";
import { FileWalk, linesIn, sequenceOf } from "../lib/services/collector/file/read/reading.ts";
import { verify } from "../lib/services/collector/verify.ts";
import { collecting, frame, hello, messageOf, record } from "./collector-suite.ts";
import { boot, until } from "./kit.ts";
import { mounted, remount, unmount } from "./small-disk.ts";

const probe = join(fs.mkdtempSync(join(tmpdir(), "collector-probe-")), "disk");
const canMount = mounted(probe, "size=64k");
if (canMount) unmount(probe);
else console.log("full disk: SKIPPED, mounting a tmpfs is not permitted here");

const disks: string[] = [];
afterEach(() => {
  for (const disk of disks.splice(0)) {
    unmount(disk);
    fs.rmSync(dirname(disk), { recursive: true });
  }
});

/** A disk of its own. */
function diskOf(size: string): string {
  const folder = join(fs.mkdtempSync(join(tmpdir(), "collector-disk-")), "disk");
  mounted(folder, `size=${size}`);
  disks.push(folder);
  return folder;
}

/** Fills a disk to its last byte. @returns what empties it again */
function fill(folder: string): () => void {
  const ballast = join(folder, "ballast");
  const fd = fs.openSync(ballast, "a");
  try {
    for (;;) fs.writeSync(fd, Buffer.alloc(4096));
  } catch {
    fs.closeSync(fd);
  }
  return () => fs.unlinkSync(ballast);
}

async function numbersIn(path: string): Promise<number[]> {
  const numbers: number[] = [];
  const walk = new FileWalk(path);
  for (let file = walk.next(); file !== null; file = walk.next()) {
    for await (const { bytes } of linesIn(file)) numbers.push(sequenceOf(bytes) ?? -1);
  }
  return numbers;
}

const asking = (clientId = "") => frame(hello({ acks: true, clientId }));

describe.skipIf(!canMount)("a disk of 20 MB", () => {
  test("takes 200,000 of 200,000 records, in order and none twice, once it is enlarged", async () => {
    const COUNT = 200_000;
    const disk = diskOf("20m");
    const path = join(disk, "_main.log");
    // It is full in the middle of a batch or at a rotation, as it comes.
    const own = { path, max_file_bytes: 3_000_000, backup_count: 100, durability: "batch" };
    const server = await collecting(own, { clock: systemClock });
    const senders = [server.sender(), server.sender(), server.sender(), server.sender()];
    for (const [at, sender] of senders.entries()) {
      sender.send(asking(`client ${at}`));
      for (let n = 0; n < COUNT / 4; n += 1000) {
        sender.send(...[...Array(1000).keys()].map((k) => record({ message: `${at} ${n + k}` })));
      }
    }
    await until(() => server.stats()["blocked"] === 1);
    expect(server.running().health()).toEqual({
      ok: false,
      reason: "nothing is written: cannot write: no space left on device",
    });
    const before = fs.readdirSync(disk).length;
    expect(before).toBeGreaterThan(5);
    remount(disk, "size=60m");
    await until(() => senders.every(({ acknowledged }) => acknowledged.at(-1) === COUNT / 4));
    expect(server.running().health().ok).toBe(true);
    await server.drain();
    expect(await numbersIn(path)).toEqual([...Array(COUNT).keys()]);
    const next = [0, 0, 0, 0];
    const walk = new FileWalk(path);
    for (let file = walk.next(); file !== null; file = walk.next()) {
      for await (const { bytes } of linesIn(file)) {
        const [at, n] = messageOf(bytes.toString()).split(" ").map(Number) as [number, number];
        if (next[at] !== n) throw new Error(`client ${at}: ${n} stands where ${next[at]} belongs`);
        next[at]++;
      }
    }
  }, 240_000);
});

describe.skipIf(!canMount)("a start on a full disk", () => {
  test("gives up what is left of a torn line, takes records, and writes them when there is room", async () => {
    const disk = diskOf("200k");
    const path = join(disk, "_main.log");
    const first = await collecting({ path });
    const sender = first.sender();
    sender.send(asking("one"), record({ message: "a" }), record({ message: "b" }));
    await until(() => sender.acknowledged.at(-1) === 2);
    await first.drain();
    fs.appendFileSync(path, `2 ${"torn".repeat(1500)}`);
    fs.appendFileSync(`${path}.marks`, "R 2 1 ");
    const empty = fill(disk);
    const server = await collecting({ path, max_retries: 0 });
    expect(server.printed()).toContain(
      "bytes of a line that was cut short are gone, for want of room",
    );
    const again = server.sender();
    const long = "x".repeat(10_000);
    // The torn line has left a page; its rest is for the marks, so only more than that is too much.
    const hi = frame(hello({ acks: true, clientId: "one", firstSeq: 1n }));
    again.send(hi, record({ message: "b" }), ...Array<Buffer>(3).fill(record({ message: long })));
    await until(() => server.stats()["blocked"] === 1);
    empty();
    await until(() => {
      server.clock.advance(2000);
      return again.acknowledged.at(-1) === 4;
    });
    await server.drain();
    expect(await numbersIn(path)).toEqual([0, 1, 2, 3, 4]);
    expect(server.stats()["again"]).toBe(1);
  });
});

describe.skipIf(!canMount)("a disk that turns read-only", () => {
  test("has records wait, and written when it no longer is; a start on it is refused", async () => {
    const disk = diskOf("1m");
    const path = join(disk, "_main.log");
    const server = await collecting({ path, max_retries: 0 });
    const sender = server.sender();
    sender.send(asking(), record({ message: "a" }));
    await until(() => sender.acknowledged.at(-1) === 1);
    // An open file keeps a disk writable: as after an error, it is the kernel that turns it.
    const turned = remount(disk, "ro");
    if (turned) {
      sender.send(record({ message: "b" }));
      await until(() => server.stats()["blocked"] === 1);
      remount(disk, "rw");
      await until(() => {
        server.clock.advance(2000);
        return sender.acknowledged.at(-1) === 2;
      });
    }
    await server.drain();
    expect(await numbersIn(path)).toEqual(turned ? [0, 1] : [0]);
    expect(remount(disk, "ro")).toBe(true);
    await expect(collecting({ path })).rejects.toThrow(
      `cannot write ${path}: read-only file system`,
    );
    remount(disk, "rw");
  });
});

test("a folder that vanishes takes with it what was in it, and nothing that is acknowledged later", async () => {
  const server = await collecting({ path: join(fs.mkdtempSync(join(tmpdir(), "c-")), "x/a.log") });
  const folder = dirname(server.path);
  const sender = server.sender();
  sender.send(asking());
  let sent = 0;
  const send = () => sender.send(record({ message: `${sent++}` }));
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 100; n++) send();
    await until(() => sender.acknowledged.at(-1) === sent);
    const kept = sent;
    // These come in the moment of the removal.
    for (let n = 0; n < 100; n++) send();
    fs.rmSync(folder, { recursive: true });
    await until(() => {
      server.clock.advance(1000);
      return sender.acknowledged.at(-1) === sent;
    });
    expect(await numbersIn(server.path)).toEqual(
      [...Array(sent - kept).keys()].map((n) => kept + n),
    );
  }
  await server.drain();
});

test("two servers cannot have one file, and the second one says why", async () => {
  const server = await collecting();
  const { path } = server;
  const refused = `cannot use ${path}: another process has it`;
  await expect(collecting({ path })).rejects.toThrow(refused);
  // Somebody who tidies up may take the file of the lock away, or the folder with all that is in it.
  fs.unlinkSync(`${path}.lock`);
  await expect(collecting({ path })).rejects.toThrow(refused);
  fs.renameSync(server.folder, `${server.folder}-old`);
  await expect(collecting({ path })).rejects.toThrow(refused);
  await server.drain();
  const next = await collecting({ path });
  await next.drain();
  expect(await verify(path, { key: "", chained: false })).toMatchObject({ faultCount: 0 });
});

test("a file that cannot be opened is refused at the start, with the reason", async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), "collector-"));
  const path = join(folder, "a folder");
  fs.mkdirSync(path);
  await expect(boot("collector", { collector: { path } })).rejects.toThrow("a folder");
});
