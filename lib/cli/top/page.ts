import { printable } from "../../host/content.ts";
import { count } from "../../host/count.ts";
import { bytes, duration, measured } from "../words.ts";
import { COLUMNS, fitting } from "./columns.ts";
import type { Hello, ProblemTold, Sample, Tick } from "./told.ts";

/** What a person has chosen to see of the clients. */
export interface View {
  sort: number;
  order: "asc" | "desc";
  offset: number;
  /** A text that the addresses contain; "" for all. */
  address: string;
}

/** What the page is made of besides the numbers. */
export interface How {
  readonly styled: boolean;
  readonly columns: number;
  /** The reason that no new numbers come, or null. */
  readonly trouble: string | null;
}

/** Most problems that are shown. */
const MOST_PROBLEMS = 6;

/** The lines of the page that are not clients. */
export function overhead({ problems, services }: Tick): number {
  return 6 + Object.keys(services).length + Math.min(problems.length, MOST_PROBLEMS);
}

/** The whole page as lines. The second line is blank, or has the trouble. */
export function page(
  hello: Hello,
  tick: Tick,
  before: Sample | null,
  view: View,
  { styled, columns, trouble }: How,
): string[] {
  const bold = (text: string) => (styled ? `\x1b[1m${text}\x1b[0m` : text);
  const seconds = before ? (tick.at - before.at) / 1000 : 0;
  const rate = (now: number, name: string) => {
    const then = before?.values[name];
    return then === undefined || now < then || seconds <= 0 ? null : (now - then) / seconds;
  };
  const { process, problems } = tick;
  const cpu = rate(process.cpu_seconds, "process.cpu_seconds");
  const head = [
    `${hello.name} ${hello.version}`,
    trouble === null ? stateOf(tick) : "no data",
    `up ${duration(process.uptime_seconds)}`,
    ...(cpu === null ? [] : [`CPU ${(cpu * 100).toFixed(1)}%`]),
    `memory ${bytes(process.memory_bytes)}`,
    `event loop ${measured(process.event_loop_delay_seconds, "seconds")}`,
  ];
  const lines = [bold(joined(head, columns)), trouble === null ? "" : `! ${trouble}`];
  lines.push(...problems.slice(0, MOST_PROBLEMS).map((one) => problemLine(one, tick.at)));
  for (const [name, { addresses, stats }] of Object.entries(tick.services)) {
    const numbers = Object.entries(hello.declared[name] ?? {}).filter(([, one]) => one.headline);
    const told = numbers.flatMap(([stat, { kind, unit }]) => {
      const now = stats[stat];
      if (now === undefined) return [];
      const perSecond = kind === "counter" ? rate(now, `${name}.${stat}`) : null;
      const each = perSecond === null ? "" : ` (${measured(perSecond, unit)}/s)`;
      return `${stat} ${measured(now, unit)}${each}`;
    });
    lines.push(joined([`${bold(name)} ${addresses.join(", ")}`, ...told], columns));
  }
  const { clients, total, offset } = tick.clients;
  const range = clients.length === 0 ? "" : `, ${offset + 1} to ${offset + clients.length}`;
  const only = view.address === "" ? "" : ` with ${printable(view.address)}`;
  lines.push("", count(total, "client") + only + range);
  const shown = fitting(columns, view.sort);
  const heads = shown.map((column) => {
    const { head: name, width, left } = column;
    const isSorted = column === COLUMNS[view.sort];
    const text = name + (isSorted ? (view.order === "asc" ? "↑" : "↓") : "");
    const cell = left ? text.padEnd(width) : text.padStart(width);
    return isSorted ? bold(cell) : cell;
  });
  lines.push(heads.join(" "));
  for (const row of clients) {
    const cells = shown.map(({ width, left, show }) => {
      const cell = show(row);
      return left ? cell.padEnd(width) : cell.padStart(width);
    });
    lines.push(cells.join(" ").trimEnd());
  }
  return lines;
}

/** The state in a word, with how many things are wrong. */
function stateOf({ draining, problems }: Tick): string {
  if (draining) return "draining";
  const wrong = problems.filter(({ severity }) => severity !== "note");
  if (wrong.length === 0) return "ok";
  return `${wrong[0]?.severity}, ${wrong.length} wrong`;
}

/** A problem in one line: `warning  relay  3 s  ...`. */
export function problemLine({ severity, part, text, since }: ProblemTold, at: number): string {
  const sign = { failing: "■", warning: "▲" }[severity] ?? "•";
  const words = [severity, part, duration(Math.max(0, at - since) / 1000), text].map(printable);
  return `${sign} ${words.join("  ")}`;
}

/** As many items as there is room for, whole; the first one in any case. */
function joined(items: readonly string[], columns: number): string {
  let line = items[0] ?? "";
  for (const item of items.slice(1)) {
    const longer = `${line}   ${item}`;
    if (Bun.stringWidth(longer) > columns) break;
    line = longer;
  }
  return line;
}

/** A line cut at a terminal's width; styles take no width, and are kept to be ended. */
export function clipped(line: string, columns: number): string {
  let width = 0;
  let text = "";
  // oxlint-disable-next-line no-control-regex -- these are the styles that `page` sets.
  for (const part of line.split(/(\x1b\[\d*m)/)) {
    if (part.startsWith("\x1b")) {
      text += part;
      continue;
    }
    const kept = part.slice(0, Math.max(0, columns - width));
    width += kept.length;
    text += kept;
  }
  return text;
}
