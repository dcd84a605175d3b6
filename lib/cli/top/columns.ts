import type { ClientRow } from "../../services/web/connz.ts";
import { bytes, duration, rough } from "../words.ts";

/** A column of the clients. */
export interface Column {
  readonly sort: keyof ClientRow;
  readonly head: string;
  readonly width: number;
  /** True if it is flush left. */
  readonly left?: boolean;
  /** Columns with a higher rank go first where there is no room for all. */
  readonly rank: number;
  show(row: ClientRow): string;
}

export const COLUMNS: readonly Column[] = [
  { sort: "service", rank: 4, head: "SERVICE", width: 9, left: true, show: (row) => row.service },
  { sort: "id", rank: 11, head: "ID", width: 8, show: (row) => String(row.id) },
  { sort: "address", rank: 0, head: "ADDRESS", width: 21, left: true, show: (row) => row.address },
  { sort: "state", rank: 5, head: "STATE", width: 9, left: true, show: (row) => row.state },
  {
    sort: "age_seconds",
    rank: 10,
    head: "AGE",
    width: 12,
    show: (row) => duration(row.age_seconds),
  },
  {
    sort: "messages_in",
    rank: 7,
    head: "MESSAGES",
    width: 9,
    show: (row) => rough(row.messages_in),
  },
  {
    sort: "messages_per_second",
    rank: 2,
    head: "MSGS/S",
    width: 8,
    show: (row) => rough(row.messages_per_second),
  },
  { sort: "refused", rank: 8, head: "REFUSED", width: 8, show: (row) => rough(row.refused) },
  {
    sort: "refused_per_second",
    rank: 3,
    head: "REFUSED/S",
    width: 10,
    show: (row) => rough(row.refused_per_second),
  },
  {
    sort: "outbox_bytes",
    rank: 1,
    head: "WAITING",
    width: 9,
    show: (row) => bytes(row.outbox_bytes),
  },
  { sort: "bytes_in", rank: 9, head: "IN", width: 8, show: (row) => bytes(row.bytes_in) },
  { sort: "bytes_out", rank: 6, head: "OUT", width: 8, show: (row) => bytes(row.bytes_out) },
];

/** The columns that have room in a line, whole; the address and the one that is sorted by are always among them. */
export function fitting(width: number, sort: number): readonly Column[] {
  const sorted = COLUMNS[sort];
  const must = (column: Column) => column.rank === 0 || column === sorted;
  const inOrder = COLUMNS.toSorted((a, b) => Number(must(b)) - Number(must(a)) || a.rank - b.rank);
  const kept = new Set<Column>();
  let used = -1;
  for (const column of inOrder) {
    if (!must(column) && used + 1 + column.width > width) continue;
    kept.add(column);
    used += 1 + column.width;
  }
  return COLUMNS.filter((column) => kept.has(column));
}
