import { describe, expect, test } from "bun:test";
import { LineSplitter } from "../lib/net/lines.ts";
import { Random } from "./random.ts";

/**
 * Feeds a text in chunks of the given sizes; what comes out, an oversize line as null.
 * @param most lines that are taken of those that come together; the rest is fed again
 */
function split(
  stream: Buffer,
  sizes: () => number,
  maxBytes: number,
  most: () => number = () => Infinity,
) {
  const found: (string | null)[] = [];
  const splitter = new LineSplitter();
  const sink = {
    lines(_from: void, block: Buffer) {
      expect(block.at(-1)).toBe(10);
      const lines = block.toString("latin1").slice(0, -1).split("\n");
      const some = lines.slice(0, most());
      found.push(...some);
      return some.join("\n").length + 1;
    },
    oversize: () => void found.push(null),
  };
  let held = 0;
  for (let at = 0; at < stream.length;) {
    const size = sizes();
    // A copy that is wiped afterwards: nothing may be kept by reference.
    const chunk = Buffer.from(stream.subarray(at, at + size));
    for (let fed = 0; fed < chunk.length;) {
      fed += splitter.feed(undefined, chunk.subarray(fed), maxBytes, sink);
    }
    chunk.fill(0);
    held = Math.max(held, splitter.heldBytes);
    at += size;
  }
  splitter.end(undefined, sink);
  return { found, held };
}

describe("the line splitter", () => {
  test("finds the same lines however a stream is chunked", () => {
    const random = new Random(1);
    for (let round = 0; round < 300; round++) {
      const lines = Array.from({ length: random.whole(0, 12) }, () =>
        random.bytes(random.whole(0, 40), 65, 90).toString("latin1"),
      );
      const tail = random.whole(0, 1) === 1 ? "tail" : "";
      const stream = Buffer.from([...lines, tail].join("\n"), "latin1");
      const expected = tail === "" ? lines : [...lines, tail];
      const { found } = split(stream, () => random.whole(1, 30), 40);
      expect(found).toEqual(expected);
    }
  });

  test("finds them once each, however few of them are taken at a time", () => {
    const random = new Random(4);
    for (let round = 0; round < 300; round++) {
      const lines = Array.from({ length: random.whole(1, 30) }, () =>
        random.bytes(random.whole(0, 5), 65, 90).toString("latin1"),
      );
      const stream = Buffer.from(`${lines.join("\n")}\ntail`, "latin1");
      const sizes = () => random.whole(1, 60);
      const { found } = split(stream, sizes, 40, () => random.whole(1, 3));
      expect(found).toEqual([...lines, "tail"]);
    }
  });

  test("says once that an unterminated line is too long, however it is chunked, and finds the next", () => {
    const random = new Random(2);
    for (let round = 0; round < 100; round++) {
      const stream = Buffer.from(`before\n${"x".repeat(500)}\nafter\n`);
      // Chunks no larger than the bound: a line that ends in its own chunk is the service's to measure.
      const { found, held } = split(stream, () => random.whole(1, 50), 64);
      expect(found).toEqual(["before", null, "after"]);
      expect(held).toBeLessThanOrEqual(64);
    }
  });

  test.each([1, 7, 64, 1000])(
    "keeps a line at the bound and refuses one past it, in chunks of %d",
    (size) => {
      expect(split(Buffer.from(`${"x".repeat(64)}\n`), () => size, 64).found).toEqual([
        "x".repeat(64),
      ]);
      if (size <= 64) {
        expect(split(Buffer.from(`${"x".repeat(65)}\n`), () => size, 64).found).toEqual([null]);
      }
    },
  );

  test("holds nothing of a line that is being discarded", () => {
    const splitter = new LineSplitter();
    let oversize = 0;
    const sink = {
      lines: (_from: void, block: Buffer) => block.length,
      oversize: () => void oversize++,
    };
    for (let i = 0; i < 1000; i++)
      splitter.feed(undefined, Buffer.alloc(65_536, 120), 65_536, sink);
    expect(splitter.heldBytes).toBe(0);
    expect(oversize).toBe(1);
  });

  test("holds nothing between lines", () => {
    const splitter = new LineSplitter();
    const sink = { lines: (_from: void, block: Buffer) => block.length, oversize: () => {} };
    splitter.feed(undefined, Buffer.from("a"), 100, sink);
    expect(splitter.heldBytes).toBeGreaterThan(0);
    splitter.feed(undefined, Buffer.from("b\n"), 100, sink);
    expect(splitter.heldBytes).toBe(0);
  });
});
