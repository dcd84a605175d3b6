import { hashedLine } from "./chain.ts";
import type { Widths } from "./columns.ts";
import type { TextName } from "./entry.ts";
import { levelOf, LEVELS } from "./levels.ts";

const SPACE = 0x20;
const BRACE = 0x7b;
/** Characters that a timestamp is longer than its column at most, for its line to be taken apart. */
const MOST_SHIFT = 64;
/** The columns in front of the message. */
const ORDER = [
  "timestamp",
  "hostname",
  "logger",
  "level",
  "filename",
  "function",
  "line",
] as const satisfies readonly (keyof Widths)[];
const JSON_LEVEL = /^\{"sequence":\d+,"level":"([A-Z0-9]+)"/;

/** An entry as its line says it. */
export interface Written extends Partial<Record<TextName, string>> {
  /** The name of the level; "" where the line tells none. */
  readonly level: string;
  readonly attributes?: unknown;
}

/** True for a line that is an object of JSON. */
export function isJson(line: Buffer): boolean {
  return line[0] === BRACE;
}

/** Reads lines of the log, of columns of these widths or of JSON. */
export class LineReading {
  readonly #widths: Widths;
  /** Characters before the level, behind the number and its space. */
  readonly #before: number;
  /** The spaces between the columns, counted from the timestamp. */
  readonly #spaces: readonly number[];
  /** The levels by their names, as far as the column has room for them. */
  readonly #levels: ReadonlyMap<string, number>;

  constructor(widths: Widths) {
    this.#widths = widths;
    this.#before = widths.timestamp + widths.hostname + widths.logger + 3;
    let end = -1;
    this.#spaces = ORDER.map((name) => (end += widths[name] + 1));
    this.#levels = new Map(LEVELS.map((name, level) => [name.slice(0, widths.level), level]));
  }

  /** The level of a line; that of an unknown name is the least. */
  level(line: Buffer): number {
    if (isJson(line))
      return levelOf(JSON_LEVEL.exec(line.toString("latin1", 0, 64))?.[1] ?? "") ?? 0;
    const start = line.indexOf(SPACE) + 1;
    const usual = this.#usualLevel(line, start);
    if (usual !== null) return usual;
    const most = start + 4 * ((this.#spaces.at(-1) as number) + 1 + MOST_SHIFT);
    const characters = [...line.toString("utf8", start, most)];
    return this.#levelAt(characters, this.#shift(characters) ?? 0) ?? 0;
  }

  /** Takes a line apart; of one that is none of ours all is the message. @param line without its newline */
  read(line: Buffer): Written {
    if (isJson(line)) {
      const object = parsed(line);
      if (object !== null) return object;
    }
    const content = hashedLine(line)?.content ?? line;
    const start = content.indexOf(SPACE) + 1;
    const text = content.toString("utf8", start);
    const characters = firstCharacters(text, (this.#spaces.at(-1) as number) + 1 + MOST_SHIFT);
    const shift = isJson(line) ? null : this.#shift(characters);
    if (shift === null) return { level: "", message: text };
    const {
      timestamp,
      hostname,
      logger,
      level,
      filename,
      function: name,
      line: number,
    } = this.#widths;
    let at = 0;
    const next = (width: number) => {
      const text = characters
        .slice(at, at + width)
        .join("")
        .trimEnd();
      at += width + 1;
      return text;
    };
    return {
      timestamp: next(timestamp + shift),
      hostname: next(hostname),
      loggerName: next(logger),
      level: next(level),
      filename: next(filename),
      functionName: next(name),
      lineNumber: next(number),
      message: text.slice(characters.slice(0, at).join("").length),
    };
  }

  /** The level where nothing before it is wider than its column, or not of one byte a character; else null. */
  #usualLevel(line: Buffer, start: number): number | null {
    const from = start + this.#before;
    const to = from + this.#widths.level;
    if (line[from - 1] !== SPACE || line[to] !== SPACE) return null;
    for (let at = start; at < from; at++) if ((line[at] as number) > 0x7f) return null;
    return this.#levelOf(line.toString("latin1", from, to));
  }

  /** Characters that the timestamp is longer than its column; null when no level is found. */
  #shift(characters: readonly string[]): number | null {
    for (let shift = 0; shift <= MOST_SHIFT; shift++) {
      if (!this.#spaces.every((at) => characters[at + shift] === " ")) continue;
      if (this.#levelAt(characters, shift) !== null) return shift;
    }
    return null;
  }

  #levelAt(characters: readonly string[], shift: number): number | null {
    const from = this.#before + shift;
    return this.#levelOf(characters.slice(from, from + this.#widths.level).join(""));
  }

  #levelOf(column: string): number | null {
    const name = column.trimEnd();
    return this.#levels.get(name) ?? (name.startsWith("LEVEL") ? levelOf(name) : null);
  }
}

/** The first characters of a text, which may be far longer. */
function firstCharacters(text: string, most: number): string[] {
  const characters: string[] = [];
  for (const character of text) {
    if (characters.length === most) break;
    characters.push(character);
  }
  return characters;
}

function parsed(line: Buffer): Written | null {
  try {
    const { sequence: _, hash: __, ...written } = JSON.parse(line.toString());
    return { ...written, level: String(written.level) };
  } catch {
    return null;
  }
}
