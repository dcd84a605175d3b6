import { printable } from "../content.ts";
import type { Table } from "../service.ts";

/** Most rows of a table. */
const ROWS = 20;
/** Most items looked at to find the largest; bounds the work. */
const LOOKED_AT = 1000;
/** Characters of a name that are shown. */
const NAME_LENGTH = 256;

/** An item and the numbers it is compared by. Its name is made only if it is shown. */
export interface Sized {
  readonly name: () => string;
  readonly values: readonly number[];
}

/** The largest items: by the first number, among equals by the next. Equal items keep their order. */
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
  if (name.length <= NAME_LENGTH) return printable(name);
  return `${printable(name.slice(0, NAME_LENGTH)).toWellFormed()}…`;
}
