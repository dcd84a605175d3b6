import { expect, test } from "bun:test";
import { Columns, type LineForm } from "../lib/services/collector/columns.ts";
import { Entry, Text } from "../lib/services/collector/entry.ts";
import { Lines } from "../lib/services/collector/file/lines.ts";

/** Lines that need four times the room that they take in the end, as those with escapes might. */
const FORM: LineForm = {
  most: (entry) => entry.size * 4 + 20,
  write: (entry, sequence, out, at) =>
    at + out.write(`${sequence} ${entry.text(Text.message)}\n`, at),
};

function adding(lines: Lines) {
  const entry = new Entry();
  return (length: number): void => {
    const bytes = Buffer.alloc(length, "x");
    entry.begin(bytes);
    entry.set(Text.message, 0, length);
    lines.add(entry, FORM);
  };
}

/** Writes what waits to a text, at most `most` bytes. */
function write(lines: Lines, most = Infinity): string {
  let text = "";
  while (lines.waiting > 0 && text.length < most) {
    lines.give(lines.fitting(Infinity), (bytes, start, end) => {
      const to = Math.min(end, start + most - text.length);
      text += bytes.toString("latin1", start, to);
      return to - start;
    });
  }
  return text;
}

const MB = 2 ** 20;

test("a line that was begun is whole after lines came that need more room", () => {
  const lines = new Lines(0);
  const add = adding(lines);
  add(60_000);
  const first = write(lines, 50_000);
  expect([lines.begun, lines.first, lines.count]).toEqual([50_000, 0, 1]);
  add(100_000);
  add(3);
  const all = first + write(lines);
  expect(all).toBe(`0 ${"x".repeat(60_000)}\n1 ${"x".repeat(100_000)}\n2 xxx\n`);
  expect([lines.begun, lines.first, lines.waiting]).toEqual([0, 3, 0]);
});

test("what is not known to be on disk is written again from there, in blocks and over them", () => {
  const lines = new Lines(0);
  const add = adding(lines);
  for (let n = 0; n < 10; n++) add(40_000);
  write(lines, 90_000);
  expect(lines.first).toBe(2);
  const { mark } = lines;
  write(lines);
  lines.keep(mark);
  lines.rewind(2);
  const rest = write(lines);
  expect(rest.split("\n").map((line) => parseInt(line))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, NaN]);
  expect(lines.bytes).toBe(rest.length);
  lines.keep(lines.mark);
  expect([lines.bytes, lines.room <= MB]).toEqual([0, true]);
});

test("the memory is that of the lines, however few come together and however long they might have become", () => {
  const short = new Lines(0);
  const addShort = adding(short);
  for (let n = 0; n < 20_000; n++) {
    addShort(10);
    write(short);
  }
  expect(short.bytes).toBeGreaterThan(20_000 * 10);
  expect(short.room).toBeLessThan(short.bytes + MB);
  const long = new Lines(0);
  const addLong = adding(long);
  for (let n = 0; n < 20; n++) {
    addLong(MB);
    write(long);
  }
  expect(long.room).toBeLessThan(20 * MB + 6 * MB);
  long.keep(long.mark);
  addLong(1);
  expect(long.room).toBeLessThan(MB);
});

test("the number of a line is right, whichever came before it", () => {
  const form = new Columns(
    { timestamp: 1, hostname: 1, logger: 1, level: 1, filename: 1, function: 1, line: 1 },
    false,
  );
  const entry = new Entry();
  const out = Buffer.alloc(200);
  const numbers = [0, 1, 8, 9, 10, 11, 98, 99, 100, 7, 999, 1000, 2 ** 53 - 2, 2 ** 53 - 1, 0, 1];
  for (const number of numbers) {
    const text = out.toString("latin1", 0, form.write(entry, number, out, 0));
    expect(text).toBe(`${number} ${" ".repeat(6)}N ${" ".repeat(6)}\n`);
  }
});
