import { afterAll, describe, expect, test } from "bun:test";
import * as grpc from "@grpc/grpc-js";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bytesField, varintField } from "../lib/services/collector/doors/proto/fields.ts";
import { collecting, frame, hello, messageOf, record, Sender } from "./collector-suite.ts";
import { turn, until } from "./kit.ts";
import { mounted, unmount } from "./small-disk.ts";

const program = join(import.meta.dir, "..", "index.ts");
const small = join(mkdtempSync(join(tmpdir(), "collector-stop-")), "small-disk");
const hasSmallDisk = mounted(small, "size=64k");
if (!hasSmallDisk) console.log("full disk: SKIPPED, mounting a tmpfs is not permitted here");
afterAll(() => {
  if (hasSmallDisk) unmount(small);
  rmSync(dirname(small), { recursive: true });
});

const records = (count: number) =>
  [...Array(count).keys()].map((n) => record({ message: `m${n}` }));

describe("a stop", () => {
  test("acknowledges the last records once they are on disk, and then closes", async () => {
    for (const durability of ["always", "batch", "none"]) {
      const server = await collecting({ durability });
      const [asking, silent] = [server.sender(), server.sender()];
      asking.send(frame(hello({ acks: true })), ...records(5));
      silent.send(...records(5));
      await until(() => asking.acknowledged.at(-1) === 5);
      asking.send(...records(3000));
      const drained = server.drain();
      await until(() => asking.isClosed && silent.isClosed);
      expect(await drained).toEqual([]);
      const kept = server.lines().length - 5;
      // All that had come by then; the rest is for the client to send again.
      expect(asking.acknowledged.at(-1)).toBe(kept);
    }
  });

  test.skipIf(!hasSmallDisk)(
    "acknowledges what a disk takes at last, by TCP and gRPC",
    async () => {
      const path = join(small, "late.log");
      const server = await collecting({ path, max_retries: 0, grpc_port: 0 });
      const [, { port }] = server.running().addresses as unknown as [object, { port: number }];
      const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
      const asItIs = (bytes: Buffer) => bytes;
      const method = "/summoner.logs.v1.LogCollector/LogStream";
      const stream = client.makeBidiStreamRequest(method, asItIs, asItIs);
      const acks: Buffer[] = [];
      const ended: grpc.StatusObject[] = [];
      stream.on("data", (ack: Buffer) => acks.push(ack));
      stream.on("status", (status: grpc.StatusObject) => ended.push(status));
      stream.on("error", () => {});
      const sender = server.sender();
      sender.send(frame(hello({ acks: true })), record({ message: "m0" }));
      stream.write(bytesField(9, "m0"));
      await until(() => acks.length === 1 && sender.acknowledged.at(-1) === 1);
      const ballast = join(small, "ballast");
      expect(() => writeFileSync(ballast, Buffer.alloc(65_536))).toThrow();
      const long = "x".repeat(1000);
      for (let n = 1; n < 20; n++) {
        stream.write(bytesField(9, long));
        sender.send(record({ message: long }));
      }
      await until(() => server.stats()["records"] === 40 && server.stats()["blocked"] === 1);
      const drained = server.drain(5000);
      // Everything that had come has been served when the clients are closed, or wait for the disk.
      for (let n = 0; n < 100; n++) await turn();
      expect([ended.length, sender.isClosed]).toEqual([0, false]);
      rmSync(ballast);
      server.clock.advance(2000);
      await until(() => ended.length > 0 && sender.isClosed);
      expect(await drained).toEqual([]);
      expect(ended[0]?.code).toBe(grpc.status.UNAVAILABLE);
      expect([acks.at(-1), sender.acknowledged.at(-1)]).toEqual([varintField(1, 20), 20]);
      expect(server.lines(path)).toHaveLength(40);
      client.close();
      rmSync(path);
    },
  );

  test.skipIf(!hasSmallDisk)(
    "while the disk is full takes five seconds, and its exit tells how many records were not written",
    async () => {
      const path = join(small, "_main.log");
      const settings = ["grpc_port=0", `path=${path}`, "max_retries=0", "durability=always"];
      const sets = settings.flatMap((one) => ["--set", `collector.${one}`]);
      const child = Bun.spawn(
        [process.execPath, program, "collector", "--port", "0", "--tcp_only", ...sets],
        { stdin: "ignore", stdout: "pipe", stderr: "pipe", cwd: dirname(small) },
      );
      let said = "";
      const heard = async (from: ReadableStream<Uint8Array>) => {
        for await (const bytes of from) said += new TextDecoder().decode(bytes);
      };
      const all = Promise.all([heard(child.stdout), heard(child.stderr)]);
      await until(() => said.includes("components started"));
      const port = Number(/listening on 127.0.0.1:(\d+)/.exec(said)?.[1]);
      const sender = new Sender(port);
      sender.send(frame(hello({ acks: true })), ...records(3));
      await until(() => sender.acknowledged.at(-1) === 3);
      expect(() => writeFileSync(join(small, "ballast"), Buffer.alloc(65_536))).toThrow();
      // A page has room for some more of them.
      const long = record({ message: "x".repeat(1000) });
      sender.send(...Array<Buffer>(20).fill(long));
      await until(() => said.includes("no space left on device; entries wait"));
      child.kill("SIGTERM");
      await all;
      expect(await child.exited).toBe(1);
      const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
      const lost = 23 - lines.length;
      expect(lost).toBeGreaterThan(0);
      expect(said).toContain(
        `collector: ${lost} records not written: cannot write: no space left on device`,
      );
      expect(lines.map((line) => parseInt(line))).toEqual([...lines.keys()]);
      expect(lines.slice(3).every((line) => messageOf(line).length === 1000)).toBe(true);
    },
  );
});

test("a reload, as after SIGHUP, begins a new file at once where the old one was moved", async () => {
  const server = await collecting();
  const sender = server.sender();
  sender.send(record({ message: "before" }));
  await server.wrote(1);
  renameSync(server.path, `${server.path}.moved`);
  expect(server.reload({ collector: { path: server.path, durability: "always" } })).toEqual([]);
  await until(() => existsSync(server.path));
  sender.send(record({ message: "after" }));
  const [line] = await server.wrote(1);
  expect(line?.startsWith("1 ")).toBe(true);
  await server.drain();
});
