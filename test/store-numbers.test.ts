import { expect, test } from "bun:test";
import { alteredNumbers, doubt, mayHoldLong } from "../lib/services/store/commands/numbers.ts";
import { Requests } from "../lib/services/store/commands/requests.ts";
import { Random } from "./random.ts";

const PIECES = [
  "0",
  "-0",
  "0.0",
  "1",
  "-7",
  "15",
  "0.5",
  "1e5",
  "12E-3",
  "1e99",
  "1e100",
  "1e-100",
];
PIECES.push("1e400", "1e-400", "-1e-400", "123456789012345", "1234567890123456", "0.1234567890123");
PIECES.push("9007199254740993", "9007199254740992", "9007199254740993.0", "0.10000000000000001");
PIECES.push(
  "1.23456e-320",
  "1e-320",
  "5.000000000000000000001",
  '"text"',
  '"e"',
  '"1e400"',
  "true",
);
PIECES.push('"-0"', '"12345678901234567890"', '"\\"1"', '"\\\\"', "[]", "{}", "null", '"漢é0"');

/** A value of some of the pieces, in any order and depth. */
function valueOf(random: Random, depth = 0): string {
  const dice = random.whole(0, 9);
  if (dice < 6 || depth > 3) return PIECES[random.whole(0, PIECES.length - 1)] as string;
  const inner = Array.from({ length: random.whole(0, 4) }, () => valueOf(random, depth + 1));
  if (dice < 8) return `[${inner.join(random.whole(0, 1) === 0 ? "," : " , ")}]`;
  return `{${inner.map((value, i) => `"${"k".repeat(i + 1)}":${value}`).join(",")}}`;
}

test("numbers that were altered are found where there is a doubt about them, as by looking at each", () => {
  const random = new Random(11);
  let altered = 0;
  let unseen = 0;
  for (let step = 0; step < 200; step++) {
    const lines = Array.from({ length: 50 }, () => valueOf(random));
    const requests = new Requests(Buffer.from(`${lines.join("\n")}\n`), 0, false);
    expect(requests.count).toBe(50);
    for (const [index, line] of lines.entries()) {
      const found = alteredNumbers(Buffer.from(line), 0);
      const doubted = doubt(JSON.parse(line));
      if (found !== null) altered++;
      if (doubted === "number") unseen++;
      expect([line, requests.altered(index, doubted)]).toEqual([line, found]);
    }
  }
  expect(altered).toBeGreaterThan(1000);
  expect(unseen).toBeGreaterThan(1000);
});

test("a number of 16 bytes is met wherever it stands, and none of 15 is taken for one", () => {
  for (const around of ["", " ", "e", "1", "-"]) {
    for (let before = 0; before < 70; before++) {
      for (const length of [1, 14, 15, 16, 17, 40]) {
        for (const after of [0, 1, 40]) {
          const token = "1".repeat(length);
          const fill = around === "" ? "x" : `x${around}x`;
          const line = `${fill.repeat(before).slice(0, before)}x${token}${"x".repeat(after)}\n`;
          const block = Buffer.from(`1234567890123456\n${line}1234567890123456\n`);
          expect([line, mayHoldLong(block, 17, 17 + line.length - 1)]).toEqual([line, length > 15]);
        }
      }
    }
  }
});

test("a line of the largest size is gone through once", () => {
  // Runs that are short, as many as there can be, and one byte of a number every so often.
  for (const piece of ["123456789012345,", "1,", `${"x".repeat(15)}1`]) {
    const block = Buffer.from(`${piece.repeat(2 ** 20 / piece.length)}\n`);
    let reads = 0;
    const counted = new Proxy(block, {
      get: (target, name) => {
        if (typeof name === "string" && /^\d+$/.test(name)) reads++;
        const found = Reflect.get(target, name, target);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
    expect(mayHoldLong(counted, 0, block.length)).toBe(false);
    expect(reads).toBeLessThan(2.5 * block.length);
  }
});
