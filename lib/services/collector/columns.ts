import { ATTRIBUTES, type Entry, Text, type TextName, TEXTS } from "./entry.ts";
import { ALL, EscapedText, WIDEST } from "./escape.ts";
import { LastView } from "./last-view.ts";
import { LEVELS, levelText } from "./levels.ts";

/** The widths of the columns, in characters. */
export interface Widths {
  readonly timestamp: number;
  readonly hostname: number;
  readonly logger: number;
  readonly level: number;
  readonly filename: number;
  readonly function: number;
  readonly line: number;
}

/** Turns entries into lines of the file. */
export interface LineForm {
  /** Bytes that a line of this entry can have at most. */
  most(entry: Entry): number;
  /** Writes a line with its newline. @returns the first index after it */
  write(entry: Entry, sequence: number, out: Buffer, at: number): number;
}

const SPACE = 0x20;
const SPACES = 0x20202020;
const NEWLINE = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;
/** Characters of the largest sequence number, 2^53 - 1. */
const SEQUENCE = 16;

/** Writes numbers of which each is one more than the one before, mostly: then one digit changes, mostly. */
class Counter {
  #digits = Buffer.from("0");
  #number = 0;

  /** @returns the first index after the number */
  write(number: number, out: Buffer, at: number): number {
    if (number !== this.#number) {
      if (number !== this.#number + 1 || !this.#increased())
        this.#digits = Buffer.from(`${number}`);
      this.#number = number;
    }
    const digits = this.#digits;
    for (let k = 0; k < digits.length; k++) out[at + k] = digits[k] as number;
    return at + digits.length;
  }

  /** @returns false when it takes one more digit */
  #increased(): boolean {
    const digits = this.#digits;
    for (let at = digits.length - 1; at >= 0; at--) {
      if (digits[at] !== NINE) {
        digits[at] = (digits[at] as number) + 1;
        return true;
      }
      digits[at] = ZERO;
    }
    return false;
  }
}

/** The texts that `extra_fields` adds, with the words that they stand behind. */
const EXTRA: readonly (readonly [word: string, place: number])[] = [
  ["mod=", Text.module],
  [" path=", Text.pathName],
  [" pid=", Text.processId],
  [" pname=", Text.processName],
  [" tid=", Text.threadId],
  [" tname=", Text.threadName],
  [" svc=", Text.serviceName],
  [" stack=", Text.stackTrace],
];

/**
 * Lines of columns: `<sequence> <timestamp> <hostname> <logger> <level>
 * <filename> <function> <line> <message>`, each filled up with spaces to its
 * width. A longer text is cut, but never the timestamp and the message.
 */
export class Columns implements LineForm {
  readonly #widths: Widths;
  readonly #extra: boolean;
  readonly #levels: readonly Buffer[];
  readonly #text = new EscapedText();
  readonly #out = new LastView();
  readonly #counter = new Counter();

  constructor(widths: Widths, extraFields: boolean) {
    this.#widths = widths;
    this.#extra = extraFields;
    this.#levels = LEVELS.map((name) => this.#level(name));
  }

  most(entry: Entry): number {
    const { timestamp, hostname, logger, level, filename, function: name, line } = this.#widths;
    const columns = timestamp + hostname + logger + level + filename + name + line;
    // Beyond its texts a line has its fill, a space a column, and the words of the extra texts.
    return SEQUENCE + columns * WIDEST + entry.size * WIDEST + 100;
  }

  write(entry: Entry, sequence: number, out: Buffer, at: number): number {
    const widths = this.#widths;
    let to = this.#counter.write(sequence, out, at);
    out[to++] = SPACE;
    to = this.#column(entry, Text.timestamp, widths.timestamp, ALL, out, to);
    to = this.#column(entry, Text.hostname, widths.hostname, widths.hostname, out, to);
    to = this.#column(entry, Text.loggerName, widths.logger, widths.logger, out, to);
    const level = this.#levels[entry.level] ?? this.#level(levelText(entry.level));
    for (let k = 0; k < level.length; k++) out[to++] = level[k] as number;
    to = this.#column(entry, Text.filename, widths.filename, widths.filename, out, to);
    to = this.#column(entry, Text.functionName, widths.function, widths.function, out, to);
    to = this.#column(entry, Text.lineNumber, widths.line, widths.line, out, to);
    to = this.#whole(entry, Text.message, out, to);
    if (this.#extra) to = this.#extras(entry, out, to);
    out[to++] = NEWLINE;
    return to;
  }

  #level(text: string): Buffer {
    const { level } = this.#widths;
    return Buffer.from(`${text.slice(0, level).padEnd(level)} `);
  }

  #column(
    entry: Entry,
    place: number,
    width: number,
    most: number,
    out: Buffer,
    at: number,
  ): number {
    const { bytes, starts, ends } = entry;
    const start = starts[place] as number;
    const end = ends[place] as number;
    let to = start === end ? at : this.#text.write(bytes, start, end, out, at, most);
    const filled = start === end ? 0 : this.#text.characters;
    const after = to + Math.max(0, width - filled) + 1;
    const line = this.#out.of(out);
    // Up to three too many: what comes behind them takes their place.
    for (; to < after; to += 4) line.setInt32(to, SPACES, true);
    return after;
  }

  #whole({ bytes, starts, ends }: Entry, place: number, out: Buffer, at: number): number {
    return this.#text.write(bytes, starts[place] as number, ends[place] as number, out, at, ALL);
  }

  #extras(entry: Entry, out: Buffer, at: number): number {
    let to = at + out.write(" [", at);
    for (const [word, place] of EXTRA) {
      to += out.write(word, to);
      to = this.#whole(entry, place, out, to);
    }
    if (entry.length(ATTRIBUTES) > 0) {
      to += out.write(" attr=", to);
      to = this.#whole(entry, ATTRIBUTES, out, to);
    }
    return to + out.write("]", to);
  }
}

/** Lines of JSON, one object each, with every text that is not empty. */
export class JsonLines implements LineForm {
  most(entry: Entry): number {
    // A byte becomes six at most: \u001b.
    return SEQUENCE + entry.size * 6 + 400;
  }

  write(entry: Entry, sequence: number, out: Buffer, at: number): number {
    const record: Partial<Record<"sequence" | "level" | TextName, string | number>> = {
      sequence,
      level: levelText(entry.level),
    };
    for (let place = 0; place < TEXTS.length; place++) {
      if (entry.length(place) > 0) record[TEXTS[place] as TextName] = entry.text(place);
    }
    let text = JSON.stringify(record);
    if (entry.length(ATTRIBUTES) > 0)
      text = `${text.slice(0, -1)},"attributes":${entry.text(ATTRIBUTES)}}`;
    return at + out.write(`${escapeJson(text)}\n`, at);
  }
}

/** The characters that JSON allows as they are, and a line does not, from one to another. */
const UNSAFE_RANGES = [
  [0x7f, 0x9f],
  [0x61c, 0x61c],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2066, 0x2069],
] as const;
/** Each of them, with its escape. */
const ESCAPES = UNSAFE_RANGES.flatMap(([first, last]) =>
  Array.from({ length: last - first + 1 }, (_, i) => {
    const code = first + i;
    return [String.fromCharCode(code), `\\u${code.toString(16).padStart(4, "0")}`] as const;
  }),
);
const UNSAFE = new RegExp(`[${ESCAPES.map(([, escape]) => escape).join("")}]`);

function escapeJson(text: string): string {
  if (!UNSAFE.test(text)) return text;
  // Faster by far than a function that is called for each of them: a text may hold nothing else.
  return ESCAPES.reduce(
    (escaped, [character, escape]) => escaped.replaceAll(character, escape),
    text,
  );
}
