import { TEXTS } from "../lib/services/collector/entry.ts";
import { hello, loggerMsg, packed } from "./collector-suite.ts";
import type { Random } from "./random.ts";

const WORD = 8;

/** Makes frames that are nearly messages: good ones with a few changes, before they are packed or after. */
export class Mutants {
  readonly #random: Random;
  readonly #good: readonly Buffer[];

  constructor(random: Random) {
    this.#random = random;
    const all = Object.fromEntries(TEXTS.map((name, at) => [name, "x".repeat(at * 3)]));
    this.#good = [
      loggerMsg({}),
      loggerMsg({ message: "hello" }),
      loggerMsg(all),
      loggerMsg({ ...all, message: "\u0000\u2028ü".repeat(100), level: 65_535 }),
      inTwoSegments(loggerMsg({ message: "far away" })),
      hello({ acks: true, clientId: "a client", firstSeq: 7n }),
    ];
  }

  /** The bytes of a frame, without its length. */
  next(): Buffer {
    const random = this.#random;
    const words = Buffer.from(this.#good[random.whole(0, this.#good.length - 1)] as Buffer);
    const when = random.whole(0, 9);
    // Now and then a good one, a hello that is not packed, and bytes of no kind at all.
    if (when === 0) return packed(words);
    if (when === 1) return this.#changed(words);
    if (when === 2) return random.bytes(random.whole(0, 64));
    if (when < 7) return packed(whole(this.#changed(words)));
    return this.#changed(packed(words));
  }

  #changed(bytes: Buffer): Buffer {
    let changed = bytes;
    for (let changes = this.#random.whole(1, 4); changes > 0; changes--) {
      changed = this.#change(changed);
    }
    return changed;
  }

  #change(bytes: Buffer): Buffer {
    const random = this.#random;
    const at = random.whole(0, Math.max(0, bytes.length - 1));
    switch (random.whole(0, 6)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.whole(0, 7));
        return bytes;
      case 1:
        bytes[at] = random.whole(0, 255);
        return bytes;
      case 2:
        return bytes.subarray(0, at);
      case 3:
        return Buffer.concat([
          bytes.subarray(0, at),
          random.bytes(random.whole(1, 9)),
          bytes.subarray(at),
        ]);
      case 4: {
        const end = random.whole(at, bytes.length);
        return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
      }
      case 5: {
        // A pointer that may lead anywhere: to a struct, a list, another segment or itself.
        const word = at - (at % WORD);
        if (word + WORD > bytes.length) return bytes;
        bytes.writeUInt32LE(random.whole(0, 40) * 4 + random.whole(0, 3), word);
        bytes.writeUInt32LE(random.whole(0, 40) * 8 + random.whole(0, 7), word + 4);
        return bytes;
      }
      default: {
        const from = random.whole(0, Math.floor(bytes.length / WORD)) * WORD;
        bytes.copy(bytes, at - (at % WORD), from, from + WORD);
        return bytes;
      }
    }
  }
}

/** Words alone can be packed. */
function whole(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((WORD - (bytes.length % WORD)) % WORD)]);
}

/** The same message with its root in another segment, which a far pointer leads to. */
function inTwoSegments(message: Buffer): Buffer {
  const content = message.subarray(WORD);
  const table = Buffer.alloc(2 * WORD);
  table.writeUInt32LE(1, 0);
  table.writeUInt32LE(1, 4);
  table.writeUInt32LE(content.length / WORD, 8);
  const far = Buffer.alloc(WORD);
  far.writeUInt32LE(2, 0);
  far.writeUInt32LE(1, 4);
  return Buffer.concat([table, far, content]);
}
