import { describe, expect, test } from "bun:test";
import { framed, FrameSplitter } from "../lib/net/frames.ts";
import { Random } from "./random.ts";

/**
 * Feeds a stream in chunks of the given sizes; what comes out, the length of
 * an oversize frame as a number.
 * @param most frames that are taken at a time; the rest is fed again
 */
function split(
  stream: Buffer,
  sizes: () => number,
  maxBytes: number,
  most: () => number = () => Infinity,
) {
  const found: (string | number)[] = [];
  const splitter = new FrameSplitter();
  let left = 0;
  const from = {
    get reading() {
      return left > 0;
    },
  };
  const sink = {
    frame(_from: unknown, bytes: Buffer, start: number, end: number) {
      left--;
      found.push(bytes.toString("latin1", start, end));
    },
    oversize: (_from: unknown, length: number) => void found.push(length),
  };
  for (let at = 0; at < stream.length;) {
    const size = sizes();
    // A copy that is wiped afterwards: nothing may be kept by reference.
    const chunk = Buffer.from(stream.subarray(at, at + size));
    for (let fed = 0; fed < chunk.length;) {
      left = most();
      fed += splitter.feed(from, chunk.subarray(fed), maxBytes, sink);
    }
    chunk.fill(0);
    at += size;
  }
  return { found, held: splitter.heldBytes };
}

/** Frames of random bytes, the empty one among them. */
function frames(random: Random, most: number, longest: number): Buffer[] {
  const count = random.whole(0, most);
  return Array.from({ length: count }, () => random.bytes(random.whole(0, longest), 0, 255));
}

/** The prefix of a frame of this length in bytes. */
function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

const texts = (all: readonly Buffer[]) => all.map((bytes) => bytes.toString("latin1"));
const stream = (all: readonly Buffer[]) => Buffer.concat(all.map((bytes) => framed(bytes)));

describe("the frame splitter", () => {
  test("finds the same frames however a stream is chunked", () => {
    const random = new Random(1);
    for (let round = 0; round < 500; round++) {
      const all = frames(random, 12, 40);
      const longest = random.whole(1, 60);
      const { found, held } = split(stream(all), () => random.whole(1, longest), 40);
      expect(found).toEqual(texts(all));
      expect(held).toBe(0);
    }
  });

  test("finds them once each, however few of them are taken at a time", () => {
    const random = new Random(2);
    for (let round = 0; round < 500; round++) {
      const all = frames(random, 30, 5);
      const sizes = () => random.whole(1, 60);
      const { found } = split(stream(all), sizes, 40, () => random.whole(1, 3));
      expect(found).toEqual(texts(all));
    }
  });

  test("takes all of a chunk but the frames after the last that was taken", () => {
    const splitter = new FrameSplitter();
    const from = { reading: true };
    const sink = { frame: () => void (from.reading = false), oversize: () => {} };
    const chunk = stream([Buffer.from("one"), Buffer.from(""), Buffer.from("three")]);
    expect(splitter.feed(from, chunk, 10, sink)).toBe(7);
    expect(splitter.feed(from, chunk.subarray(7), 10, sink)).toBe(0);
    from.reading = true;
    expect(splitter.feed(from, chunk.subarray(7), 10, sink)).toBe(4);
  });

  test.each([1, 3, 7, 64, 1000])(
    "takes a frame at the bound and refuses one past it, in chunks of %d",
    (size) => {
      const [fits, over] = [Buffer.alloc(64, "x"), Buffer.alloc(65, "x")];
      expect(split(stream([fits]), () => size, 64).found).toEqual(texts([fits]));
      expect(split(stream([fits, over, fits]), () => size, 64).found).toEqual([
        ...texts([fits]),
        65,
      ]);
    },
  );

  test("an oversize frame is told of at its length, once, and nothing after it is a frame", () => {
    for (const length of [65, 2 ** 31, 2 ** 32 - 1]) {
      const { found, held } = split(lengthOf(length), () => 1, 64);
      expect(found).toEqual([length]);
      expect(held).toBe(0);
      const after = Buffer.concat([lengthOf(length), stream([Buffer.from("in")])]);
      expect(split(after, () => 5, 64).found).toEqual([length]);
    }
  });

  test("holds what came of a frame and not what was announced", () => {
    const splitter = new FrameSplitter();
    const sink = { frame() {}, oversize() {} };
    const from = { reading: true };
    splitter.feed(from, lengthOf(2 ** 30), 2 ** 30, sink);
    expect(splitter.heldBytes).toBe(0);
    let came = 0;
    for (const length of [1, 10, 100, 1000, 65_536, 1, 65_536]) {
      splitter.feed(from, Buffer.alloc(length), 2 ** 30, sink);
      came += length;
      expect(splitter.heldBytes).toBeLessThanOrEqual(Math.max(64, 2 * came));
    }
  });

  test("a frame that comes byte by byte is copied a few times, not once a byte", () => {
    const splitter = new FrameSplitter();
    let sizes = 0;
    let before = 0;
    const one = Buffer.from("x");
    const sink = { frame() {}, oversize() {} };
    splitter.feed({ reading: true }, lengthOf(100_000), 100_000, sink);
    for (let i = 0; i < 99_999; i++) {
      splitter.feed({ reading: true }, one, 100_000, sink);
      if (splitter.heldBytes !== before) sizes++;
      before = splitter.heldBytes;
    }
    expect(sizes).toBeLessThan(20);
    splitter.feed({ reading: true }, one, 100_000, sink);
    expect(splitter.heldBytes).toBe(0);
  });
});
