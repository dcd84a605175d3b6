import type { CatchUp } from "../client.ts";
import type { ChangeLog } from "../keys/change-log.ts";
import { compare, rankOf } from "../keys/tree/ordered.ts";
import { covers, type Path, type Pattern, SEPARATOR, SYSTEM } from "../keys/path.ts";
import type { VisibleKeys } from "../keys/visible-keys.ts";
import { goneEvent, liveEvent, lostEvent, setEvent } from "./events.ts";

/** Most names or changes that one slice looks at: about a millisecond's work. */
const LOOKED = 1000;
/** Characters of lines after which a slice ends. */
const SLICE = 64 * 1024;

/** Sends the values that keys have, in the order of the keys, a slice at a time. */
export class StateWalk implements CatchUp {
  readonly #keys: VisibleKeys;
  readonly #log: ChangeLog;
  readonly #pattern: Pattern;
  /** The last key that was looked at, below the pattern's path; null before the first. */
  #after: string | null = null;
  done = false;

  constructor(keys: VisibleKeys, log: ChangeLog, pattern: Pattern) {
    this.#keys = keys;
    this.#log = log;
    this.#pattern = pattern;
  }

  slice(): string[] {
    const { path, below } = this.#pattern;
    const lines = below ? this.#page(path) : this.#line(path);
    if (!below) this.done = true;
    if (this.done)
      lines.push(liveEvent(this.#pattern, isSystem(this.#pattern) ? null : this.#log.seq));
    return lines;
  }

  #page(path: Path): string[] {
    const page = this.#keys.scan(path, "", { after: this.#after, limit: LOOKED });
    const lines: string[] = [];
    let length = 0;
    for (const name of page.names) {
      for (const line of this.#line([...path, ...name.split(SEPARATOR)])) {
        lines.push(line);
        length += line.length;
      }
      this.#after = name;
      if (length >= SLICE) return lines;
    }
    this.#after = page.cursor;
    this.done = page.cursor === null;
    return lines;
  }

  /** True if what becomes of a key now must be told: its value has been sent, or was not there when it was its turn. */
  hasPassed(path: Path): boolean {
    if (this.done) return true;
    if (this.#after === null) return false;
    const at = [...this.#pattern.path, ...this.#after.split(SEPARATOR)];
    for (const [index, part] of path.entries()) {
      const reached = at[index];
      // A key comes before those below it.
      if (reached === undefined) return false;
      if (reached === part) continue;
      return compare(part, rankOf(part), reached, rankOf(reached)) < 0;
    }
    return true;
  }

  #line(path: Path): string[] {
    const found = this.#keys.get(path);
    return found === null ? [] : [setEvent("state", path, found.text, found.version, null)];
  }
}

/** A line of a change that was missed; `isLost` for one that tells how many are lost, up to that number. */
export interface Missed {
  readonly line: string;
  readonly seq: number;
  readonly isLost: boolean;
}

/** Sends the changes after one from the log, a slice at a time. */
export class Replay implements CatchUp {
  readonly #log: ChangeLog;
  readonly #pattern: Pattern;
  /** The number of the last change that was looked at. */
  #seq: number;
  done = false;

  constructor(log: ChangeLog, pattern: Pattern, since: number) {
    this.#log = log;
    this.#pattern = pattern;
    this.#seq = since;
  }

  slice(): string[] {
    const lines = this.changes().map(({ line }) => line);
    if (this.done) lines.push(liveEvent(this.#pattern, this.#seq));
    return lines;
  }

  /** The same without the end. */
  changes(): Missed[] {
    const log = this.#log;
    const missed: Missed[] = [];
    const lost = log.first - 1 - this.#seq;
    if (lost > 0) {
      // The client takes what it is sent more slowly than keys change.
      this.#seq += lost;
      missed.push({ line: lostEvent(this.#pattern, lost), seq: this.#seq, isLost: true });
    }
    let length = 0;
    for (let looked = 0; this.#seq < log.seq && looked < LOOKED && length < SLICE; looked++) {
      const record = log.at(++this.#seq);
      length += record.length;
      const line = eventOf(record, this.#seq, this.#pattern);
      if (line !== null) missed.push({ line, seq: this.#seq, isLost: false });
    }
    this.done = this.#seq === log.seq;
    return missed;
  }

  /** False until it is done: all changes up to then are in the log. */
  hasPassed(): boolean {
    return this.done;
  }
}

/** The event of a recorded change, or null where the pattern does not cover it. */
function eventOf(record: string, seq: number, pattern: Pattern): string | null {
  const [kind, key, version, , value] = JSON.parse(record);
  const path = (key as string).split(SEPARATOR);
  const tree = kind === "deltree";
  if (!covers(pattern, path, tree)) return null;
  if (kind === "set") return setEvent("set", path, JSON.stringify(value), version, seq);
  return goneEvent(tree ? "del" : kind, path, tree, seq);
}

/** True for a pattern of the server's own keys alone, whose changes nobody keeps. */
export function isSystem({ path }: Pattern): boolean {
  return path[0] === SYSTEM;
}
