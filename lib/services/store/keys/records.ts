import type { Clock } from "../../../host/clock.ts";
import type { KeySpace } from "./key-space.ts";
import { type KeyNode, NONE } from "./tree/key-tree.ts";
import { type Path, SEPARATOR, textOf } from "./path.ts";
import { scanBelow } from "./tree/scan.ts";

/**
 * The form of recorded changes of keys: each record is a line of JSON. Times in
 * it are milliseconds since 1970, which are valid after a restart too; 0 is
 * never.
 *
 *     ["set",KEY,VERSION,EXPIRES,VALUE]   ["expire",KEY,EXPIRES]
 *     ["del",KEY]   ["deltree",KEY]       ["floor",VERSION]
 */

export type Time = Pick<Clock, "now" | "wall">;

/** Characters after which a slice of a snapshot ends. */
const SLICE = 64 * 1024;

/** @param wall the time at which it expires, by `wallOf` */
export function setRecord(path: Path, version: number, wall: number, text: string): string {
  return recordOf(textOf(path), version, wall, text);
}

function recordOf(name: string, version: number, wall: number, text: string): string {
  return `["set",${JSON.stringify(name)},${version},${wall},${text}]\n`;
}

export function delRecord(path: Path, tree: boolean): string {
  return `${JSON.stringify([tree ? "deltree" : "del", textOf(path)])}\n`;
}

/** Stands in the log of changes alone: on disk it is a `del`. */
export function expiredRecord(path: Path): string {
  return `${JSON.stringify(["expired", textOf(path)])}\n`;
}

/** @param wall the time at which it expires, by `wallOf` */
export function expireRecord(path: Path, wall: number): string {
  return `${JSON.stringify(["expire", textOf(path), wall])}\n`;
}

/** The time of a record for a time of the clock. */
export function wallOf(clock: Time, expiresAt: number): number {
  if (expiresAt === Infinity) return 0;
  return Math.round(clock.wall() + expiresAt - clock.now());
}

/** The time of the clock for one of a record. */
export function clockOf(clock: Time, wall: number): number {
  return wall === 0 ? Infinity : clock.now() + wall - clock.wall();
}

/** Applies a record that was read back. @throws Error for one that this version does not write, which nothing is changed by */
export function applyRecord(space: KeySpace, clock: Time, record: readonly unknown[]): void {
  const [kind, second, third] = record;
  checkRecord(record);
  if (kind === "floor") {
    space.floor = Math.max(space.floor, second as number);
    space.highest = Math.max(space.highest, space.floor);
    return;
  }
  const path = (second as string).split(SEPARATOR);
  if (kind === "set") {
    const [, , version, wall, value] = record as [string, string, number, number, unknown];
    const id = space.lookup(path);
    space.write(path, id, JSON.stringify(value), version, clockOf(clock, wall));
    return;
  }
  const node = space.tree.find(path);
  if (node === null) return;
  if (kind === "deltree") {
    space.unlink(node);
    // Nobody waits meanwhile, and as long as something is left, all that follow are looked at for it.
    space.freeUnlinked(Infinity);
  } else if (node.value === NONE) return;
  else if (kind === "expire") space.expireAt(node.value, clockOf(clock, third as number));
  else space.clear(node.value);
}

/** @throws Error for a record that this version does not write */
export function checkRecord(record: readonly unknown[]): void {
  const kind = record[0] as string;
  if (Object.hasOwn(FORMS, kind) && FORMS[kind]?.(record)) return;
  throw new Error(`unknown record ${JSON.stringify(record).slice(0, 60)}`);
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** The kinds of records, and whether one has the form of its kind. */
const FORMS: Readonly<Record<string, (record: readonly unknown[]) => boolean>> = {
  set: (record) =>
    record.length === 5 && isText(record[1]) && isWhole(record[2]) && isWhole(record[3]),
  expire: (record) => record.length === 3 && isText(record[1]) && isWhole(record[2]),
  del: (record) => record.length === 2 && isText(record[1]),
  deltree: (record) => record.length === 2 && isText(record[1]),
  floor: (record) => record.length === 2 && isWhole(record[1]),
};

/**
 * Everything as records, a slice with each call, null at the end. Keys may
 * change between two calls: each slice shows its keys at the moment of its call.
 */
export function snapshotOf(space: KeySpace, clock: Time): () => string | null {
  let after: string | null = null;
  let ended = false;
  return () => {
    if (ended) return null;
    // Expired values are included until they are swept: until then the floor does not cover their versions.
    const held: number[] = [];
    const isHeld = ({ value }: KeyNode) => value !== NONE && held.push(value) > 0;
    // The floor stands in each slice, since it may have grown: no version may be used twice.
    let text = `${JSON.stringify(["floor", space.floor])}\n`;
    const page = scanBelow(space.tree, [], "", { after, limit: 500 }, isHeld);
    const { values } = space;
    for (const [at, name] of page.names.entries()) {
      const id = held[at] as number;
      const wall = wallOf(clock, values.expiresAt(id));
      text += recordOf(name, values.version(id), wall, values.text(id));
      after = name;
      if (text.length >= SLICE) return text;
    }
    after = page.cursor;
    ended = after === null;
    return text;
  };
}
