import { canonical, isObject, type Said } from "./said.ts";

/** Something that a game did not say as it did then. */
export type Difference =
  | { readonly kind: "missing"; readonly before: Said; readonly now: null }
  | { readonly kind: "extra"; readonly before: null; readonly now: Said }
  | { readonly kind: "changed" | "moved"; readonly before: Said; readonly now: Said };

/** A message with the text that it is compared by. */
interface Compared {
  readonly said: Said;
  readonly text: string;
}

/** Cells of the table by which two lanes are aligned; of longer ones, messages are compared one by one. */
const MOST_CELLS = 4_000_000;

/**
 * What differs between what a game said then and now, in the order of time.
 * Messages of one game and lane are compared in their order; nothing else
 * counts, not the time either.
 */
export function differencesOf(
  before: readonly Said[],
  now: readonly Said[],
): readonly Difference[] {
  const lanes = new Map<string, { before: Compared[]; now: Compared[] }>();
  const sort = (all: readonly Said[], side: "before" | "now") => {
    for (const said of all) {
      const key = JSON.stringify([said.game, said.lane]);
      const lane = lanes.get(key) ?? { before: [], now: [] };
      lanes.set(key, lane);
      lane[side].push({ said, text: canonical(said.document) });
    }
  };
  sort(before, "before");
  sort(now, "now");
  const found = [...lanes.values()].flatMap((lane) => ofLane(lane.before, lane.now));
  return found.toSorted((a, b) => timeOf(a) - timeOf(b));
}

function timeOf({ before, now }: Difference): number {
  return (before ?? (now as Said)).ms;
}

function ofLane(before: readonly Compared[], now: readonly Compared[]): Difference[] {
  const differences: Difference[] = [];
  const gone: Compared[] = [];
  const come: Compared[] = [];
  for (const gap of gaps(before, now)) {
    const pairs = Math.min(gap.before.length, gap.now.length);
    const isPair = (at: number) =>
      at < pairs && gap.before[at]?.said.command === gap.now[at]?.said.command;
    gap.before.forEach((one, at) => {
      const other = gap.now[at];
      if (!isPair(at) || other === undefined) gone.push(one);
      else differences.push({ kind: "changed", before: one.said, now: other.said });
    });
    gap.now.forEach((one, at) => {
      if (!isPair(at)) come.push(one);
    });
  }
  const alike = Map.groupBy(come, ({ text }) => text);
  for (const one of gone) {
    const other = alike.get(one.text)?.shift();
    if (other) differences.push({ kind: "moved", before: one.said, now: other.said });
    else differences.push({ kind: "missing", before: one.said, now: null });
  }
  for (const { said } of [...alike.values()].flat()) {
    differences.push({ kind: "extra", before: null, now: said });
  }
  return differences;
}

/** What stands between the messages that two lanes have in common. */
interface Gap {
  readonly before: readonly Compared[];
  readonly now: readonly Compared[];
}

function gaps(before: readonly Compared[], now: readonly Compared[]): readonly Gap[] {
  let start = 0;
  while (start < Math.min(before.length, now.length) && before[start]?.text === now[start]?.text) {
    start++;
  }
  let end = 0;
  const most = Math.min(before.length, now.length) - start;
  while (end < most && before.at(-1 - end)?.text === now.at(-1 - end)?.text) end++;
  const rest = {
    before: before.slice(start, before.length - end),
    now: now.slice(start, now.length - end),
  };
  if (rest.before.length * rest.now.length > MOST_CELLS) return oneByOne(rest);
  return aligned(rest);
}

function oneByOne({ before, now }: Gap): readonly Gap[] {
  const length = Math.max(before.length, now.length);
  return Array.from({ length }, (_, at) => ({
    before: before.slice(at, at + 1),
    now: now.slice(at, at + 1),
  })).filter((gap) => gap.before[0]?.text !== gap.now[0]?.text);
}

/** By their longest common subsequence. */
function aligned({ before, now }: Gap): readonly Gap[] {
  const width = now.length + 1;
  /** The most that the rests from each pair of places have in common. */
  const common = new Uint32Array((before.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] as number;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const isSame = before[i]?.text === now[j]?.text;
      common[i * width + j] = isSame ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const found: { before: Compared[]; now: Compared[] }[] = [{ before: [], now: [] }];
  let [i, j] = [0, 0];
  while (i < before.length || j < now.length) {
    const gap = found.at(-1) as { before: Compared[]; now: Compared[] };
    if (i < before.length && j < now.length && before[i]?.text === now[j]?.text) {
      found.push({ before: [], now: [] });
      i++;
      j++;
    } else if (j >= now.length || (i < before.length && at(i + 1, j) >= at(i, j + 1))) {
      gap.before.push(before[i++] as Compared);
    } else gap.now.push(now[j++] as Compared);
  }
  return found;
}

/** A place at which two documents differ. */
export interface Place {
  /** As `data.actions[0].name`; "" for all of it. */
  readonly path: string;
  /** undefined where there is nothing. */
  readonly before: unknown;
  readonly now: unknown;
}

/** The places at which two documents differ, `most` at most. */
export function placesOf(before: unknown, now: unknown, most: number, path = ""): readonly Place[] {
  if (canonical(before) === canonical(now)) return [];
  const keys = keysOf(before, now);
  if (keys === null) return [{ path, before, now }];
  const found: Place[] = [];
  for (const key of keys) {
    const step = typeof key === "number" ? `[${key}]` : path === "" ? key : `.${key}`;
    const [a, b] = [before, now].map((one) => (one as Record<string | number, unknown>)[key]);
    found.push(...placesOf(a, b, most - found.length, path + step));
    if (found.length >= most) break;
  }
  // Lists that are compared as sets may differ in their order alone, somewhere below.
  return found.length > 0 ? found : [{ path, before, now }];
}

function keysOf(before: unknown, now: unknown): readonly (string | number)[] | null {
  if (Array.isArray(before) && Array.isArray(now)) {
    return Array.from({ length: Math.max(before.length, now.length) }, (_, at) => at);
  }
  if (!isObject(before) || !isObject(now)) return null;
  return [...new Set([...Object.keys(before), ...Object.keys(now)])];
}
