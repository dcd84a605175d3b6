/** The room that a service shares with other servers, and its threads, in lines. */

import { count } from "../../host/count.ts";
import { measured, rough } from "../terminal/words.ts";
import { cutInside, cutTo, filled, type Styles, widthOf, wrapped } from "./cells.ts";
import { age } from "./numbers.ts";
import type { Node, Room, Served, TableTold } from "./told.ts";

/** The table of a service that has a row for each of its threads. */
const THREADS = "threads";
/** The widest cell of a text. */
const TEXT_WIDTH = 30;
const INDENT = "  ";

interface Sheet {
  readonly columns: number;
  readonly styles: Styles;
}

/** `3 nodes, 1 left, 1 lost`; with the name of the one that tells it, `this is a, one of 3 nodes, 1 left`. */
function nodesText({ nodes, more }: Room): string {
  const there = nodes.filter(isThere).length + more;
  const own = nodes.find(({ is_self }) => is_self);
  const lost = nodes.filter(({ is_lost }) => is_lost).length;
  const gone = nodes.length + more - there - lost;
  const left = (gone === 0 ? "" : `, ${gone} left`) + (lost === 0 ? "" : `, ${lost} lost`);
  if (own === undefined) return count(there, "node") + left;
  const among = there === 1 ? "the only node" : `one of ${there} nodes`;
  return `this is ${cutTo(own.name, TEXT_WIDTH)}, ${among}${left}`;
}

/** A room in a sentence, as `Room main: this is a, one of 3 nodes, with 40 clients in all, ordered at redis://...`. */
export function roomLine(room: Room, at: number): string {
  const { name, server, clients, trouble, lost_lines: lost } = room;
  const parts = [
    `Room ${cutTo(name, TEXT_WIDTH)}: ${nodesText(room)}, with ${count(clients, "client")} in all, ordered at ${server}`,
    ...(lost > 0 ? [`${count(lost, "line")} of others lost`] : []),
    ...(trouble
      ? [`no lines pass for ${age((at - trouble.since) / 1000)}: ${trouble.reason}`]
      : []),
  ];
  return parts.join("; ");
}

/** A column of a grid; those that are worth least are left out first where there is no room. */
interface Column<T> {
  readonly head: string;
  readonly worth: number;
  /** True for a text, which is flush left. */
  readonly left?: boolean;
  show(row: T): string;
}

const isThere = ({ left_at }: Node) => left_at === null;
const delay = (ms: number | null) => (ms === null ? "–" : measured(ms / 1000, "seconds"));

function nodeColumns(at: number): Column<Node>[] {
  const ago = (then: number) => `${age((at - then) / 1000)} ago`;
  const number = (head: string, worth: number, show: (node: Node) => string): Column<Node> => {
    return { head, worth, show: (node) => (isThere(node) ? show(node) : "") };
  };
  return [
    {
      head: "node",
      worth: 9,
      left: true,
      show: (one) => (one.is_self ? `${one.name} *` : one.name),
    },
    { head: "address", worth: 3, left: true, show: ({ address }) => address },
    { head: "version", worth: 1, left: true, show: ({ version }) => version },
    number("clients", 8, ({ clients }) => rough(clients)),
    number("lines/s", 7, ({ lines_per_second }) => rough(lines_per_second)),
    number("p50", 2, ({ delay_p50_ms }) => delay(delay_p50_ms)),
    number("p99", 5, ({ delay_p99_ms }) => delay(delay_p99_ms)),
    {
      head: "",
      worth: 6,
      show: ({ joined_at, left_at, is_lost }) =>
        left_at === null
          ? `joined ${ago(joined_at)}`
          : `${is_lost ? "lost" : "left"} ${ago(left_at)}`,
    },
  ];
}

/** Rows below their heads, with as many whole columns as fit. */
function grid<T>(all: readonly Column<T>[], rows: readonly T[], columns: number): string[] {
  const most = Math.max(12, Math.min(TEXT_WIDTH, Math.floor(columns / 4)));
  const sized = all.map((column, at) => {
    const cut = at > 0 ? cutInside : cutTo;
    const whole = [column.head, ...rows.map((row) => column.show(row))];
    const cells = column.left === true ? whole.map((cell) => cut(cell, most)) : whole;
    return { column, cells, width: Math.max(...cells.map(widthOf)) };
  });
  const kept = [...sized];
  const width = () => kept.reduce((sum, one) => sum + one.width + 2, 0);
  while (kept.length > 1 && width() > columns) {
    const least = Math.min(...kept.map(({ column }) => column.worth));
    kept.splice(
      kept.findIndex(({ column }) => column.worth === least),
      1,
    );
  }
  return ["", ...rows].map((_, at) => {
    const cells = kept.map(({ column, cells: texts, width: wide }) =>
      filled(texts[at] as string, wide, column.left === true),
    );
    return `${INDENT}${cells.join("  ")}`.trimEnd();
  });
}

/** At most so many lines, the last of which says how many rows there are besides. */
function within(lines: readonly string[], most: number, more: number): string[] {
  if (lines.length + (more > 0 ? 1 : 0) <= most) {
    return more > 0 ? [...lines, `${INDENT}and ${more} more`] : [...lines];
  }
  const kept = Math.max(0, most - 1);
  return [...lines.slice(0, kept), `${INDENT}and ${lines.length - kept + more} more`];
}

/** What stands below the line of a service: its room with the nodes, and its threads. @param most lines at most */
export function belowService(
  { room, tables = [] }: Served,
  at: number,
  { columns, styles }: Sheet,
  most: number,
): string[] {
  const lines: string[] = [];
  const threads = tables.find(({ name }) => name === THREADS);
  const forThreads = threads === undefined ? 0 : Math.min(threads.rows.length + 1, most / 2);
  if (room && most > 0) {
    const told = wrapped(roomLine(room, at), columns - 2, room.trouble && most > 2 ? 2 : 1);
    const shown = told.map((line) => INDENT + line);
    lines.push(...(room.trouble ? shown.map((line) => styles.adverse(line, true)) : shown));
    const left = Math.floor(most - forThreads - lines.length);
    if (room.nodes.length + room.more > 1 && left > 2) {
      lines.push(...within(grid(nodeColumns(at), room.nodes, columns), left, room.more));
    }
  }
  const left = most - lines.length;
  if (threads && threads.rows.length > 0 && left > Math.min(2, threads.rows.length)) {
    lines.push(...within(threadLines(threads, columns), left, threads.more));
  }
  return lines;
}

type Row = TableTold["rows"][number];

function threadLines({ columns: heads, rows }: TableTold, columns: number): string[] {
  const numbers = heads.map(({ name, unit }, at): Column<Row> => {
    const show = (row: Row) => {
      const text = measured((row[at + 1] as number | undefined) ?? 0, unit);
      return unit === "%" ? text + unit : text;
    };
    // `lines` in lines/s are `lines/s`.
    const head = unit === `${name}/s` ? unit : name;
    return { head, worth: heads.length - at, show };
  });
  const name: Column<Row> = { head: THREADS, worth: Infinity, left: true, show: ([own]) => own };
  return grid([name, ...numbers], rows, columns);
}

/** A room and threads as JSON. */
export function belowAsJson({ room, tables = [] }: Served): object {
  const threads = tables.find(({ name }) => name === THREADS);
  const told = threads?.rows.map(([name, ...values]) =>
    Object.fromEntries([
      ["name", name],
      ...threads.columns.map((column, at) => [column.name, values[at]]),
    ]),
  );
  return { ...(room && { room }), ...(told && { threads: told }) };
}
