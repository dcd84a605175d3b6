import { describe, expect, test } from "bun:test";
import { noFront, Outbox, Pinned, Room, SharedBytes } from "../lib/net/outbox.ts";
import { Random } from "./random.ts";

/** A socket that takes an exact number of bytes at each write, which a real one cannot be made to do. */
class ScriptedSink {
  readonly taken: Buffer[] = [];
  bytes = 0;
  writes = 0;

  constructor(readonly accept: (length: number) => number) {}

  write(bytes: Uint8Array, offset: number, length: number): number {
    this.writes++;
    const took = Math.min(length, this.accept(length));
    if (took > 0) {
      this.taken.push(Buffer.from(bytes.subarray(offset, offset + took)));
      this.bytes += took;
    }
    return took;
  }

  text(): string {
    return Buffer.concat(this.taken).toString("latin1");
  }
}

function sharedOf(text: string, pinned: Pinned): SharedBytes {
  const bytes = Buffer.from(text, "latin1");
  const shared = new SharedBytes(bytes, bytes.length, pinned);
  shared.pin();
  return shared;
}

describe("the outbox", () => {
  test("sends every byte once and in order, whatever the socket takes", () => {
    const random = new Random(3);
    const letters = random.bytes(80_000, 97, 122).toString("latin1");
    for (let round = 0; round < 300; round++) {
      const pinned = new Pinned();
      const outbox = new Outbox();
      let expected = "";
      const sink = new ScriptedSink(
        (length) => [length, 0, -1, random.whole(0, length), 1][random.whole(0, 4)] as number,
      );
      for (let step = 0; step < 40; step++) {
        const size = [10, 300, 5000, 40_000][random.whole(0, 3)] as number;
        const from = random.whole(0, 40_000);
        const text = `${letters.slice(from, from + random.whole(1, size))}\n`;
        const shared = sharedOf(text, pinned);
        const start = random.whole(0, text.length - 1);
        outbox.push(shared, start, text.length);
        expected += text.slice(start);
        if (random.whole(0, 2) === 0) outbox.unpin();
        if (random.whole(0, 1) === 0) outbox.flush(sink);
        expect(outbox.bytes).toBe(expected.length - sink.bytes);
      }
      while (!outbox.flush(sink));
      expect(sink.text()).toBe(expected);
      expect(outbox.bytes).toBe(0);
      expect(pinned.bytes).toBe(0);
    }
  });

  test("finds what leaves next in a few ranges, in order, whatever is taken of them and held back", () => {
    const random = new Random(7);
    const letters = random.bytes(80_000, 97, 122).toString("latin1");
    for (let round = 0; round < 200; round++) {
      const outbox = new Outbox();
      const fronts = Array.from({ length: random.whole(1, 8) }, noFront);
      let expected = "";
      for (let i = random.whole(1, 30); i > 0; i--) {
        const from = random.whole(0, 40_000);
        const length = random.whole(1, [10, 300, 16_400, 40_000][random.whole(0, 3)] as number);
        outbox.push(sharedOf(letters, new Pinned()), from, from + length);
        expected += letters.slice(from, from + length);
      }
      while (expected !== "") {
        outbox.held = random.whole(0, Math.max(0, expected.length - 1));
        const room = new Room(20_000 + random.whole(0, 60_000));
        room.used = random.whole(0, room.bytes.length - 16 * 1024);
        const count = outbox.fronts(fronts, room);
        const ranges = fronts.slice(0, count).map(({ bytes, start, length }) => {
          expect(length).toBeGreaterThan(0);
          expect(start + length).toBeLessThanOrEqual(bytes.length);
          return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString("latin1");
        });
        const found = ranges.join("");
        expect(found.length).toBeLessThanOrEqual(expected.length - outbox.held);
        expect(expected.startsWith(found)).toBe(true);
        expect(room.used).toBeLessThanOrEqual(room.bytes.length);
        const taken = random.whole(0, 3) === 0 ? random.whole(1, found.length) : found.length;
        outbox.took(taken);
        expected = expected.slice(taken);
        expect(outbox.bytes).toBe(expected.length);
      }
    }
  });

  test("leaves long pieces where they are and gathers the short ones between them, as many ranges as fit", () => {
    const outbox = new Outbox();
    const fronts = Array.from({ length: 4 }, noFront);
    const room = new Room(64 * 1024);
    for (const size of [16_384, 10, 16_383, 20_000, 30_000, 5]) {
      outbox.push(sharedOf("x".repeat(size), new Pinned()), 0, size);
    }
    const lengths = (count: number) => fronts.slice(0, count).map(({ length }) => length);
    const gathered = (count: number) =>
      fronts.slice(0, count).map(({ bytes }) => bytes === room.bytes);
    let count = outbox.fronts(fronts, room);
    expect(lengths(count)).toEqual([16_384, 16_393, 20_000, 30_000]);
    expect(gathered(count)).toEqual([false, true, false, false]);
    outbox.held = 20_000;
    count = outbox.fronts(fronts, new Room(64 * 1024));
    expect(lengths(count)).toEqual([16_384, 16_393, 20_000, 10_005]);
    outbox.held = 0;
    outbox.took(16_384 + 16_393 + 20_000);
    room.used = room.bytes.length;
    count = outbox.fronts(fronts, room);
    expect(lengths(count)).toEqual([30_000, 5]);
    expect(gathered(count)).toEqual([false, false]);
  });

  test("is blocked by a short write and not by a full one", () => {
    const outbox = new Outbox();
    const pinned = new Pinned();
    outbox.push(sharedOf("abcdef\n", pinned), 0, 7);
    expect(outbox.flush(new ScriptedSink(() => 6))).toBe(false);
    expect(outbox.blocked).toBe(true);
    expect(outbox.flush(new ScriptedSink((length) => length))).toBe(true);
    expect(outbox.blocked).toBe(false);
  });

  test("gathers small pieces into one write", () => {
    const outbox = new Outbox();
    const pinned = new Pinned();
    for (let i = 0; i < 100; i++) outbox.push(sharedOf("0123456789\n", pinned), 0, 11);
    const sink = new ScriptedSink((length) => length);
    outbox.flush(sink);
    expect(sink.writes).toBe(1);
    expect(sink.text()).toBe("0123456789\n".repeat(100));
  });

  test("counts a buffer that several outboxes share once, until the last one has sent it", () => {
    const pinned = new Pinned();
    const shared = sharedOf(`${"x".repeat(9_999)}\n`, pinned);
    const [first, second] = [new Outbox(), new Outbox()];
    first.push(shared, 0, 10_000);
    second.push(shared, 0, 10_000);
    expect(pinned.bytes).toBe(10_000);
    first.flush(new ScriptedSink((length) => length));
    expect(pinned.bytes).toBe(10_000);
    second.clear();
    expect(pinned.bytes).toBe(0);
  });

  test("a small piece does not pin a large buffer", () => {
    const pinned = new Pinned();
    const outbox = new Outbox();
    outbox.push(sharedOf(`${"x".repeat(99_999)}\n`, pinned), 0, 100_000);
    outbox.flush(new ScriptedSink(() => 98_000));
    expect(outbox.bytes).toBe(2000);
    expect(pinned.bytes).toBe(2000);
  });

  test("keeps just the rest of a line that was sent in part", () => {
    const pinned = new Pinned();
    const outbox = new Outbox();
    outbox.push(sharedOf("first line\nsecond\n", pinned), 0, 18);
    outbox.push(sharedOf("third\n", pinned), 0, 6);
    outbox.flush(new ScriptedSink(() => 5));
    outbox.keepLine();
    const rest = new ScriptedSink((length) => length);
    outbox.flush(rest);
    expect(rest.text()).toBe(" line\n");
    expect(pinned.bytes).toBe(0);
  });

  test("keeps nothing when the last thing sent was a whole line", () => {
    const pinned = new Pinned();
    const outbox = new Outbox();
    outbox.push(sharedOf("first line\nsecond\n", pinned), 0, 18);
    outbox.flush(new ScriptedSink(() => 11));
    outbox.keepLine();
    expect(outbox.bytes).toBe(0);
    expect(pinned.bytes).toBe(0);
  });

  test("keeps just the rest of a piece that was sent in part", () => {
    const pinned = new Pinned();
    const outbox = new Outbox();
    for (const text of ["a\nb\nc", "d\ne", "f"])
      outbox.push(sharedOf(text, pinned), 0, text.length);
    outbox.flush(new ScriptedSink(() => 6));
    outbox.keepPiece();
    const rest = new ScriptedSink((length) => length);
    outbox.flush(rest);
    expect(rest.text()).toBe("\ne");
    outbox.push(sharedOf("g", pinned), 0, 1);
    outbox.keepPiece();
    expect(outbox.bytes).toBe(0);
    expect(pinned.bytes).toBe(0);
  });
});

describe("an outbox of whole messages", () => {
  /** Takes so many messages, then none. */
  function sinkOf(room: number) {
    const messages: string[] = [];
    return {
      messages,
      write(bytes: Uint8Array, offset: number, length: number) {
        if (messages.length === room) return -1;
        messages.push(Buffer.from(bytes.subarray(offset, offset + length)).toString());
        return length;
      },
    };
  }

  test("joins none to another, and counts and sends empty ones", () => {
    const pinned = new Pinned();
    const outbox = new Outbox(true);
    for (const text of ["one", "", "two", ""]) outbox.push(sharedOf(text, pinned), 0, text.length);
    const sink = sinkOf(1);
    expect(outbox.flush(sink)).toBe(false);
    expect(outbox.blocked).toBe(true);
    expect(outbox.bytes).toBeGreaterThan(3);
    const rest = sinkOf(Infinity);
    expect(outbox.flush(rest)).toBe(true);
    expect([...sink.messages, ...rest.messages]).toEqual(["one", "", "two", ""]);
    expect(outbox.bytes).toBe(0);
    outbox.push(sharedOf("", pinned), 0, 0);
    expect(outbox.bytes).toBeGreaterThan(0);
    expect(outbox.flush(sinkOf(0))).toBe(false);
    expect(outbox.flush(rest)).toBe(true);
    expect(rest.messages.length).toBe(4);
    expect(pinned.bytes).toBe(0);
  });

  test("none is ever sent in part: nothing is kept for a last word to follow", () => {
    const outbox = new Outbox(true);
    for (const text of ["one", "two"]) outbox.push(sharedOf(text, new Pinned()), 0, 3);
    outbox.flush(sinkOf(1));
    outbox.keepLine();
    expect(outbox.bytes).toBe(0);
  });
});
