import type { Table } from "./service.ts";

/** Rows of a table. */
const ROWS = 20;
/** How many are looked at to find them: so much work at most, however many there are. */
const LOOKED_AT = 1000;
/** Characters that are told of a name. */
const NAME_LENGTH = 256;

/** One of many, with the numbers by which it is large; its name is made only when it is told of. */
export interface Sized {
  readonly name: () => string;
  readonly values: readonly number[];
}

/** The largest, by their first numbers and among equals by the next; in the order given where all are equal. */
export function largest(all: Iterable<Sized>): Pick<Table, "rows" | "more" | "partial"> {
  const seen: Sized[] = [];
  let partial = false;
  for (const one of all) {
    partial = seen.length === LOOKED_AT;
    if (partial) break;
    seen.push(one);
  }
  const rows = seen.sort(bySize).slice(0, ROWS);
  return {
    rows: rows.map(({ name, values }) => [clipped(name()), ...values]),
    more: seen.length - rows.length,
    partial,
  };
}

function bySize(a: Sized, b: Sized): number {
  for (const [at, value] of a.values.entries()) {
    const difference = (b.values[at] as number) - value;
    if (difference !== 0) return difference;
  }
  return 0;
}

function clipped(name: string): string {
  if (name.length <= NAME_LENGTH) return name;
  return `${name.slice(0, NAME_LENGTH).toWellFormed()}…`;
}
