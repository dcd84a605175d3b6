import { expect, test } from "bun:test";
import {
  existsSync,
  renameSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import * as fs from "node:fs";
import { join } from "node:path";
import { HandClock } from "../lib/host/clock.ts";
import { OldFiles } from "../lib/services/collector/file/old-files.ts";
import { verify } from "../lib/services/collector/verify.ts";
import { collecting, frame, hello, messageOf, record } from "./collector-suite.ts";
import { until } from "./kit.ts";

const numbered = (first: number, count: number) =>
  [...Array(count).keys()].map((n) => record({ message: `m${first + n}` }));

/** The head of the chain as `/varz` shows it: `NUMBER:HASH`. */
function headOf(server: Awaited<ReturnType<typeof collecting>>): string | undefined {
  const chain = server
    .running()
    .tables?.()
    .find(({ name }) => name === "chain");
  const [hash, number] = chain?.rows[0] ?? [];
  return hash === undefined ? undefined : `${number}:${hash}`;
}

test("numbers and hashes go on after a restart, though somebody has taken the file away", async () => {
  const own = { hash_chain: true };
  const first = await collecting(own);
  const { path } = first;
  const sender = first.sender();
  sender.send(frame(hello({ acks: true, clientId: "a" })), ...numbered(0, 5));
  await until(() => sender.acknowledged.at(-1) === 5);
  // As logrotate does, with names that only it knows; then nothing comes before the stop.
  renameSync(path, join(first.folder, "yesterday.log"));
  first.clock.advance(1000);
  await until(() => existsSync(path));
  await first.drain();
  expect(fs.statSync(path).size).toBe(0);
  const second = await collecting({ ...own, path });
  const again = second.sender();
  again.send(frame(hello({ acks: true, clientId: "a", firstSeq: 3n })), ...numbered(3, 4));
  await until(() => again.acknowledged.at(-1) === 4);
  expect(second.lines().map((line) => parseInt(line))).toEqual([5, 6]);
  expect(second.stats()["again"]).toBe(2);
  await second.drain();
  // All of it, in one piece, is one chain.
  renameSync(join(first.folder, "yesterday.log"), `${path}.0`);
  const found = await verify(path, { key: "", chained: true });
  expect([found.lines, found.first, found.last, found.faultCount]).toEqual([7, 0, 6, 0]);
});

test("numbers go on after a restart, though no rotated file is kept, or the file was emptied", async () => {
  const first = await collecting({ backup_count: 0, max_file_bytes: 1024 });
  const { path } = first;
  const sender = first.sender();
  sender.send(frame(hello({ acks: true })), ...numbered(0, 20));
  await until(() => sender.acknowledged.at(-1) === 20);
  await first.drain();
  unlinkSync(path);
  const second = await collecting({ path });
  second.sender().send(...numbered(20, 2));
  await second.wrote(2);
  expect(second.lines().map((line) => parseInt(line))).toEqual([20, 21]);
  truncateSync(path);
  second.clock.advance(1000);
  await second.drain();
  const third = await collecting({ path });
  third.sender().send(...numbered(22, 1));
  const [line] = await third.wrote(1);
  expect(parseInt(line as string)).toBe(22);
  await third.drain();
});

test("the head of the chain that is shown is that of the last line on disk, in whichever file it is", async () => {
  const server = await collecting({ hash_chain: true, max_file_bytes: 1024, backup_count: 50 });
  expect(headOf(server)).toBeUndefined();
  const sender = server.sender();
  sender.send(frame(hello({ acks: true })));
  for (let n = 1; n <= 20; n++) {
    sender.send(...numbered(n - 1, 1));
    await until(() => sender.acknowledged.at(-1) === n);
    const { last, head } = await verify(server.path, { key: "", chained: true });
    expect(headOf(server)).toBe(`${last}:${head}`);
  }
  await server.drain();
});

test("a connection's records keep their order, however little may wait and however it ends", async () => {
  for (const ends of [true, false]) {
    const server = await collecting({ buffer_size: 3, durability: "none" });
    const sender = server.sender();
    const COUNT = 20_000;
    for (let n = 0; n < COUNT; n += 100) sender.send(...numbered(n, 100));
    if (ends) {
      await until(() => (server.stats()["records"] as number) > 0);
      sender.socket.end();
      await until(() => server.stats()["records"] === COUNT);
    }
    // What has come is served in spite of all holds.
    await until(() => sender.socket.bytesWritten > 0);
    await server.stop();
    const messages = server.lines().map(messageOf);
    expect(messages).toEqual([...messages.keys()].map((n) => `m${n}`));
    if (ends) expect(messages).toHaveLength(COUNT);
  }
});

test("a clock that goes back removes nothing, and one that comes forward again what is old", async () => {
  const { folder, drain } = await collecting();
  await drain();
  const path = join(folder, "old.log");
  const clock = new HandClock();
  let wall = Date.UTC(2026, 5, 1);
  for (const age of [0, 1, 2]) {
    writeFileSync(`${path}.${age}`, `${2 - age} x\n`);
    const seconds = wall / 1000 - age * 86_400;
    utimesSync(`${path}.${age}`, seconds, seconds);
  }
  const files = new OldFiles(path, {
    disk: fs,
    clock: { every: (ms, job) => clock.every(ms, job), wall: () => wall },
    settings: () => ({ compresses: false, days: 3, mostBytes: 0 }),
    tell() {},
  });
  wall = Date.UTC(1970, 0, 1);
  clock.advance(5000);
  const there = () => [0, 1, 2].filter((age) => existsSync(`${path}.${age}`));
  expect(there()).toEqual([0, 1, 2]);
  wall = Date.UTC(2026, 5, 3);
  clock.advance(5000);
  expect(there()).toEqual([0, 1]);
  await files.close();
});
