import { expect, test } from "bun:test";
import { Columns } from "../lib/services/collector/columns.ts";
import {
  isHello,
  readHello,
  readLoggerMsg,
} from "../lib/services/collector/doors/capnp/logger-msg.ts";
import { Malformed, Message } from "../lib/services/collector/doors/capnp/message.ts";
import { packedRecord } from "../lib/services/collector/doors/capnp/write.ts";
import { Entry, Text } from "../lib/services/collector/entry.ts";
import { Mutants } from "./capnp-mutants.ts";
import { collecting, frame, loggerMsg, messageOf, packed, record } from "./collector-suite.ts";
import { until } from "./kit.ts";
import { Random } from "./random.ts";

const WIDTHS = {
  timestamp: 33,
  hostname: 12,
  logger: 15,
  level: 8,
  filename: 20,
  function: 25,
  line: 6,
};
const MOST_BYTES = 2 ** 20;

test("50,000 frames that are nearly messages are read or refused, and what is read becomes one line", () => {
  const mutants = new Mutants(new Random(1));
  const message = new Message(MOST_BYTES);
  const entry = new Entry();
  const form = new Columns(WIDTHS, true);
  const utf8 = new TextDecoder("utf-8", { fatal: true });
  let [read, refused] = [0, 0];
  for (let n = 0; n < 50_000; n++) {
    const bytes = mutants.next();
    try {
      if (isHello(bytes, 0, bytes.length)) readHello(message, bytes, 0, bytes.length);
      else {
        readLoggerMsg(message, bytes, 0, bytes.length, entry);
        // What a message says in all is no more than it has, unpacked.
        expect(entry.size).toBeLessThanOrEqual(message.bytes.length);
        const out = Buffer.alloc(form.most(entry));
        const end = form.write(entry, n, out, 0);
        const line = utf8.decode(out.subarray(0, end));
        if (line.indexOf("\n") !== line.length - 1 || line.includes("\u2028")) {
          throw new Error(`no line: ${JSON.stringify(line)}`);
        }
      }
      read++;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      refused++;
    }
  }
  expect(Math.min(read, refused)).toBeGreaterThan(5_000);
  expect(message.bytes.length).toBeLessThanOrEqual(MOST_BYTES);
});

test("a packed record is read wherever it lies, and refused at every length that is too short", () => {
  const message = new Message(MOST_BYTES);
  const entry = new Entry();
  for (const length of [0, 1, 7, 8, 9, 80, 255 * 8, 256 * 8 + 3]) {
    const text = "plain text with an \u00e9 in it ".repeat(100).slice(0, length);
    const bytes = packedRecord(3, { hostname: "here", message: text, stackTrace: "a\u0000b" });
    for (let before = 0; before < 8; before++) {
      const end = before + bytes.length;
      const lies = Buffer.concat([Buffer.alloc(before, 0xff), bytes, Buffer.alloc(before, 0xff)]);
      readLoggerMsg(message, lies, before, end, entry);
      expect(entry.text(Text.hostname)).toBe("here");
      expect(entry.text(Text.message)).toBe(text);
      expect(entry.text(Text.stackTrace)).toBe("a\u0000b");
    }
    for (let end = 0; end < bytes.length; end++) {
      expect(() => readLoggerMsg(message, bytes, 0, end, entry)).toThrow(Malformed);
    }
  }
});

test("a message may be as long as was said when it is unpacked, and no word longer", () => {
  const words = 8192;
  for (const more of [0, 1]) {
    const message = new Message(words * 8);
    // Its table, its root, its data and its pointers are eighteen words; a NUL ends the text.
    const text = "a".repeat((words + more - 18) * 8 - 1);
    const bytes = packedRecord(3, { message: text });
    const entry = new Entry();
    const read = () => readLoggerMsg(message, bytes, 0, bytes.length, entry);
    if (more === 0) {
      read();
      expect(entry.text(Text.message)).toBe(text);
    } else expect(read).toThrow(`it has more than ${words * 8} bytes unpacked`);
  }
});

test("a message has 512 segments at most", () => {
  const [segment, entry] = [loggerMsg({ message: "x" }).subarray(8), new Entry()];
  const read = (segments: number) => {
    const table = Buffer.alloc((4 + 4 * segments + 7) & ~7);
    table.writeUInt32LE(segments - 1, 0);
    table.writeUInt32LE(segment.length / 8, 4);
    const bytes = packed(Buffer.concat([table, segment]));
    readLoggerMsg(new Message(MOST_BYTES), bytes, 0, bytes.length, entry);
  };
  read(512);
  expect(entry.text(Text.message)).toBe("x");
  expect(() => read(513)).toThrow("it has too many segments");
});

test("a server takes 5,000 of them, a connection each that ends at what is no message, and serves a bystander all the while", async () => {
  const server = await collecting({ durability: "none" });
  const mutants = new Mutants(new Random(2));
  const bystander = server.sender();
  let served = 0;
  for (let n = 0; n < 5_000; n += 100) {
    const senders = [...Array(100).keys()].map(() => {
      const sender = server.sender();
      sender.send(frame(mutants.next()));
      sender.socket.end();
      return sender;
    });
    bystander.send(record({ message: `bystander ${served++}` }));
    await until(() => senders.every(({ isClosed }) => isClosed));
  }
  await until(() => server.lines().some((line) => line.includes(`bystander ${served - 1}`)));
  const own = server.lines().filter((line) => messageOf(line).startsWith("bystander "));
  expect(own.map((line) => messageOf(line))).toEqual(
    [...Array(served).keys()].map((n) => `bystander ${n}`),
  );
  expect(server.stats()["refused"]).toBeGreaterThan(1_000);
  expect(server.stats()["closed_bug"]).toBe(0);
  await server.drain();
});
