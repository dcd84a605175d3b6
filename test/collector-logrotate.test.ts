import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FileWalk, linesIn } from "../lib/services/collector/file/read/reading.ts";
import { collecting, frame, hello, messageOf, record } from "./collector-suite.ts";
import { until } from "./kit.ts";

const LOGROTATE = Bun.which("logrotate", { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` });
if (LOGROTATE === null) console.log("logrotate: SKIPPED, it is not installed here");
const ROUNDS = 8;

/** Rotates a log as Debian does once a day, while a client goes on sending. @returns the messages of all files, and the number of records that were acknowledged */
async function rotated(
  how: "create" | "copytruncate",
): Promise<{ readonly lines: string[]; readonly sent: number }> {
  const server = await collecting();
  const config = join(server.folder, "logrotate.conf");
  const state = join(server.folder, "state");
  writeFileSync(config, `${server.path} {\n  rotate 1000\n  ${how}\n}\n`, { mode: 0o644 });
  const sender = server.sender();
  sender.send(frame(hello({ acks: true })));
  let sent = 0;
  const send = () => sender.send(record({ message: `m${sent++}` }));
  for (let round = 0; round < ROUNDS; round++) {
    for (let n = 0; n < 100; n++) send();
    await until(() => sender.acknowledged.at(-1) === sent);
    const child = Bun.spawn([LOGROTATE as string, "-f", "-s", state, config], {
      stderr: "inherit",
    });
    let hasEnded = false;
    void child.exited.then(() => {
      hasEnded = true;
    });
    await until(() => {
      send();
      return hasEnded;
    });
    expect(child.exitCode).toBe(0);
    // The next look finds what has become of the file.
    server.clock.advance(1000);
  }
  send();
  await until(() => sender.acknowledged.at(-1) === sent);
  await server.drain();
  const lines: string[] = [];
  let files = 0;
  const walk = new FileWalk(server.path);
  for (let file = walk.next(); file !== null; file = walk.next()) {
    files++;
    for await (const { bytes, isWhole } of linesIn(file)) if (isWhole) lines.push(bytes.toString());
  }
  expect(files).toBe(ROUNDS + 1);
  return { lines, sent };
}

test.skipIf(LOGROTATE === null)(
  "a log that logrotate moves, under load, has every record once, in order",
  async () => {
    const { lines, sent } = await rotated("create");
    const wanted = [...Array(sent).keys()];
    expect(lines.map((line) => parseInt(line))).toEqual(wanted);
    expect(lines.map(messageOf)).toEqual(wanted.map((n) => `m${n}`));
  },
);

test.skipIf(LOGROTATE === null)(
  "a log that logrotate copies and empties has no record twice or out of order; what came while it copied is the only thing missing",
  async () => {
    const { lines, sent } = await rotated("copytruncate");
    const numbers = lines.map((line) => parseInt(line));
    expect(lines.map(messageOf)).toEqual(numbers.map((n) => `m${n}`));
    expect(numbers[0]).toBe(0);
    expect(numbers.at(-1)).toBe(sent - 1);
    let gaps = 0;
    numbers.forEach((number, at) => {
      const before = numbers[at - 1] ?? -1;
      expect(number).toBeGreaterThan(before);
      if (number > before + 1) gaps++;
    });
    // logrotate(8): "some logging data might be lost", between its copy and its truncation.
    expect(gaps).toBeLessThanOrEqual(ROUNDS);
  },
);
