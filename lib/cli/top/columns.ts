import type { ClientRow } from "../../services/web/told/connz.ts";
import { bytes, rough } from "../terminal/words.ts";
import { cutInside, cutTo, filled, type Styles, widthOf } from "./cells.ts";
import { age } from "./numbers.ts";

interface Column {
  readonly sort: keyof ClientRow;
  /** Its name on the page. */
  readonly head: string;
  /** True if it is flush left, and as wide as what is in it. */
  readonly left?: boolean;
  show(row: ClientRow): string;
  /** True if what it shows of this client is bad news. */
  adverse?(row: ClientRow): boolean;
}

export const COLUMNS: readonly Column[] = [
  { sort: "address", head: "Address", left: true, show: (row) => row.address },
  { sort: "service", head: "Service", left: true, show: (row) => row.service },
  { sort: "state", head: "State", left: true, show: (row) => row.state },
  { sort: "age_seconds", head: "Age", show: (row) => age(row.age_seconds) },
  {
    sort: "messages_per_second",
    head: "Messages/s",
    show: (row) => rough(row.messages_per_second),
  },
  { sort: "messages_in", head: "Messages", show: (row) => rough(row.messages_in) },
  {
    sort: "refused_per_second",
    head: "Refused/s",
    show: (row) => rough(row.refused_per_second),
    adverse: (row) => row.refused_per_second > 0,
  },
  { sort: "refused", head: "Refused", show: (row) => rough(row.refused) },
  { sort: "bytes_in", head: "In", show: (row) => bytes(row.bytes_in) },
  { sort: "bytes_out", head: "Out", show: (row) => bytes(row.bytes_out) },
  { sort: "outbox_bytes", head: "Waiting", show: (row) => bytes(row.outbox_bytes) },
  { sort: "id", head: "Number", show: (row) => String(row.id) },
];

/** The columns in the order in which a narrow terminal keeps them, after the address and that of the order. */
const KEPT: readonly (keyof ClientRow)[] = [
  "outbox_bytes",
  "messages_per_second",
  "refused_per_second",
  "service",
  "bytes_in",
  "bytes_out",
  "age_seconds",
  "state",
  "messages_in",
  "refused",
  "id",
];
/** The narrowest column of numbers: `999 kB` fits, so that columns stay where they are. */
const NUMBER_WIDTH = 6;
/** An IPv4 address with its port. */
const ADDRESS_WIDTH = 21;
/** The mark of the chosen client, and a blank. */
const MARK_WIDTH = 2;

/** The order of the clients. */
export interface Order {
  readonly sort: keyof ClientRow;
  readonly order: "asc" | "desc";
}

/** The columns that fit whole, in order, each with its width. */
function columnsWithin(
  rows: readonly ClientRow[],
  { sort, order }: Order,
  columns: number,
): { column: Column; head: string; width: number }[] {
  const sized = COLUMNS.map((column) => {
    const head = column.head + (column.sort !== sort ? "" : order === "asc" ? "↑" : "↓");
    const widest = Math.max(widthOf(head), ...rows.map((row) => widthOf(column.show(row))));
    const width = column.left ? widest : Math.max(NUMBER_WIDTH, widest);
    const most = column.sort === "address" ? Math.max(ADDRESS_WIDTH, columns / 2) : 16;
    return { column, head, width: Math.min(width, Math.floor(most)) };
  });
  const kept = new Set<keyof ClientRow>();
  let left = columns - MARK_WIDTH + 1;
  for (const name of ["address" as const, sort, ...KEPT]) {
    const width = (sized.find(({ column }) => column.sort === name)?.width ?? 0) + 1;
    if (kept.has(name) || (kept.size > 0 && width > left)) continue;
    kept.add(name);
    left -= width;
  }
  return sized.filter(({ column }) => kept.has(column.sort));
}

export const keyOf = ({ service, id }: ClientRow): string => `${service}/${id}`;

/** The table of clients: its head and a line for each. @param chosen the key of a client, to be marked */
export function tableOf(
  rows: readonly ClientRow[],
  order: Order,
  chosen: string | null,
  columns: number,
  styles: Styles,
): string[] {
  const shown = columnsWithin(rows, order, columns);
  const widths = shown.reduce((sum, { width }) => sum + width, 0);
  const gap = widths + MARK_WIDTH + 2 * (shown.length - 1) <= columns ? "  " : " ";
  const head = shown.map(({ column, head, width }) => {
    const cell = filled(head, width, column.left === true);
    return column.sort === order.sort ? styles.bold(cell) : cell;
  });
  const lines = rows.map((row) => {
    const cells = shown.map(({ column, width }) => {
      const cut = column.sort === "address" ? cutInside : cutTo;
      const cell = filled(cut(column.show(row), width), width, column.left === true);
      return column.adverse?.(row) ? styles.adverse(cell, false) : cell;
    });
    const isChosen = keyOf(row) === chosen;
    const line = `${isChosen ? "> " : "  "}${cells.join(gap)}`;
    return isChosen ? styles.bold(line) : line;
  });
  return [`  ${head.join(gap)}`, ...lines];
}
