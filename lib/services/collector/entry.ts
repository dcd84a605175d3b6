/** The texts of an entry, in the order of the schema that the TCP door speaks. */
export const TEXTS = [
  "timestamp",
  "hostname",
  "loggerName",
  "module",
  "filename",
  "functionName",
  "lineNumber",
  "message",
  "pathName",
  "processId",
  "processName",
  "threadId",
  "threadName",
  "serviceName",
  "stackTrace",
] as const;

/** The name of a text of an entry. */
export type TextName = (typeof TEXTS)[number];

/** The place of each text in an entry. */
export const Text = Object.fromEntries(TEXTS.map((name, place) => [name, place])) as Readonly<
  Record<TextName, number>
>;

/** The place of what a door knows beyond the texts: a JSON object, as UTF-8; empty when there is none. */
export const ATTRIBUTES = TEXTS.length;

const PLACES = TEXTS.length + 1;

/**
 * One record of a log, as bytes that lie in someone else's buffer. A door has
 * one entry, fills it again for each record and hands it over: the bytes are
 * valid until the call returns. They need not be UTF-8.
 */
export class Entry {
  bytes: Buffer = Buffer.alloc(0);
  /** The first byte of each text, and the first after it. */
  readonly starts = new Int32Array(PLACES);
  readonly ends = new Int32Array(PLACES);
  level = 0;

  /** Forgets everything: all texts are empty, in this buffer. */
  begin(bytes: Buffer): void {
    this.bytes = bytes;
    const { starts, ends } = this;
    // Faster than two calls of `fill`, for so few.
    for (let place = 0; place < PLACES; place++) starts[place] = ends[place] = 0;
    this.level = 0;
  }

  set(place: number, start: number, end: number): void {
    this.starts[place] = start;
    this.ends[place] = end;
  }

  /** Bytes of a text. */
  length(place: number): number {
    return (this.ends[place] as number) - (this.starts[place] as number);
  }

  /** Bytes of all texts. */
  get size(): number {
    let size = 0;
    for (let place = 0; place < PLACES; place++) size += this.length(place);
    return size;
  }

  /** A text as a string; bytes that are not UTF-8 become U+FFFD. */
  text(place: number): string {
    return this.bytes.toString("utf8", this.starts[place], this.ends[place]);
  }
}

/** First size of the buffer of an entry that is written text by text. */
const SMALL = 4096;
/** A buffer that has grown beyond this is released with its entry. */
const LARGE = 2 ** 20;

/** An entry for doors that have strings, or bytes from several places: it has a buffer of its own. */
export class WrittenEntry extends Entry {
  #at = 0;

  constructor() {
    super();
    this.clear();
  }

  /** Forgets everything. */
  clear(): void {
    const kept = this.bytes.length >= SMALL && this.bytes.length <= LARGE;
    this.begin(kept ? this.bytes : Buffer.allocUnsafeSlow(SMALL));
    this.#at = 0;
  }

  /** Writes a text; a second one takes the place of the first. */
  put(place: number, text: string): void {
    // A code unit of UTF-16 is three bytes of UTF-8 at most.
    this.#reserve(text.length * 3);
    const end = this.#at + this.bytes.write(text, this.#at, "utf8");
    this.set(place, this.#at, end);
    this.#at = end;
  }

  /** Copies a text. */
  copy(place: number, from: Uint8Array, start = 0, end = from.length): void {
    this.#reserve(end - start);
    this.bytes.set(from.subarray(start, end), this.#at);
    this.set(place, this.#at, this.#at + end - start);
    this.#at += end - start;
  }

  #reserve(room: number): void {
    if (this.#at + room <= this.bytes.length) return;
    const wider = Buffer.allocUnsafeSlow(Math.max(this.#at + room, this.bytes.length * 2));
    this.bytes.copy(wider, 0, 0, this.#at);
    this.bytes = wider;
  }
}
