import type { ClientRow } from "../../services/web/told/connz.ts";
import { bytes, duration, measured } from "../terminal/words.ts";
import { cutTo, filled, itemsWithin, type Styles, widthOf, wrapped } from "./cells.ts";
import { belowService } from "./cluster.ts";
import { COLUMNS, type Order, tableOf } from "./columns.ts";
import { age, clockTime, figuresOf, rateOf } from "./numbers.ts";
import type { Declarations, Problem, Sample, Served, Tick } from "./told.ts";

/** The server as it was told last. */
export interface Told {
  readonly name: string;
  readonly version: string;
  readonly declared: Declarations;
  readonly tick: Tick;
  /** Earlier numbers, for rates. */
  readonly before: Sample | null;
}

/** The clients that are shown, and how they were asked for. */
export interface ClientsShown extends Order {
  readonly filter: string;
  /** Clients that match. */
  readonly total: number;
  /** Clients before the first that is shown. */
  readonly first: number;
  /** At least as many as there is room for, where there are so many. */
  readonly rows: readonly ClientRow[];
  /** The key of the client that is chosen. */
  readonly chosen: string | null;
}

/** Where a page is shown. */
export interface Paper {
  readonly columns: number;
  /** Lines that the page may have. */
  readonly rows: number;
  readonly styles: Styles;
}

/** The seconds since the server was heard last, and the reason. */
export interface Lost {
  readonly seconds: number;
  readonly why: string;
}

const SEVERITY = { failing: "Failing", warning: "Warning", note: "Note" } as const;
/** Lines from which on a page has blank ones. */
const ROOMY = 16;

export function wrongOf(problems: readonly Problem[]): readonly Problem[] {
  return problems.filter(({ severity }) => severity !== "note");
}

/** The state of the server in a word, and whether that is bad news. */
export function stateOf({ draining, problems }: Tick): { word: string; isFailing: boolean | null } {
  const [worst] = wrongOf(problems);
  if (draining) return { word: "Draining", isFailing: false };
  if (worst === undefined) return { word: "OK", isFailing: null };
  return { word: SEVERITY[worst.severity], isFailing: worst.severity === "failing" };
}

/** What may be said of a server that does not answer. */
export function silenceText({ seconds }: Lost, shown: Tick | null): string {
  const text = `No data for ${duration(seconds)}, retrying.`;
  return shown === null ? text : `${text} Shown is ${clockTime(shown.at)}.`;
}

function headLine({ name, version, tick, before }: Told, lost: Lost | null, paper: Paper): string {
  const { columns, styles } = paper;
  const { process, problems } = tick;
  const state = stateOf(tick);
  const wrong = wrongOf(problems).length;
  const silent = tick.draining ? "Stopped" : "No data";
  const text = lost ? silent : wrong > 0 ? `${state.word} (${wrong} wrong)` : state.word;
  const isFailing = lost ? true : state.isFailing;
  const who = `${cutTo(name, Math.max(8, Math.floor(Math.min(columns, 240) / 4)))} ${version}`;
  const cpu = rateOf(tick, before, "process", "cpu_seconds");
  const items = [
    { text: who, worth: 5 },
    { text: `up ${duration(process.uptime_seconds)}`, worth: 2 },
    ...(cpu === null ? [] : [{ text: `CPU ${(cpu * 100).toFixed(1)}%`, worth: 4 }]),
    { text: `memory ${bytes(process.memory_bytes)}`, worth: 3 },
    {
      text: `event loop delay ${measured(process.event_loop_delay_seconds, "seconds")}`,
      worth: 1,
    },
  ];
  const rest = itemsWithin(items, columns - widthOf(text) - 2, "  ");
  return `${isFailing === null ? styles.bold(text) : styles.adverse(text, isFailing)}  ${rest}`;
}

/** A problem in a sentence: `Warning  relay, for 3 s: ...`. The time stands before the text, which may be long. */
export function problemLine({ severity, part, text, since }: Problem, at: number): string {
  return `${SEVERITY[severity]}  ${part}, for ${age((at - since) / 1000)}: ${text}`;
}

/** What is wrong now, the worst first: a line or two for each, on so many lines at most. */
function nowLines(problems: readonly Problem[], at: number, paper: Paper, most: number): string[] {
  const { columns, styles } = paper;
  const lines: string[] = [];
  for (const [i, problem] of problems.entries()) {
    const { severity } = problem;
    const left = most - lines.length;
    const others = problems.length - i;
    if (left <= 0) break;
    if (left === 1 && others > 1) {
      lines.push(`and ${others} more`);
      break;
    }
    const word = SEVERITY[severity];
    const whole = problemLine(problem, at);
    const [first = "", ...rest] = wrapped(
      whole,
      columns,
      Math.min(2, others > 1 ? left - 1 : left),
    );
    const colour = severity === "note" ? styles.bold : styles.adverse;
    lines.push(colour(word, severity === "failing") + first.slice(word.length), ...rest);
  }
  return lines;
}

/** A service on one line: its headline numbers, those left out first that are zero. */
function serviceLine(name: string, told: Told, indent: number, paper: Paper): string {
  const { columns, styles } = paper;
  const { declared, tick, before } = told;
  const addresses = tick.services[name]?.addresses ?? [];
  const figures = figuresOf(name, declared, tick, before).map(({ text, value, adverse }) => ({
    text,
    adverse,
    worth: adverse ? 3 : value === 0 ? 1 : 2,
  }));
  const items = [...figures, { text: `on ${addresses.join(", ")}`, adverse: false, worth: 0 }];
  const kept = itemsWithin(items, columns - indent - 2, "  ");
  const text = figures
    .filter(({ adverse }) => adverse)
    .reduce((all, figure) => all.replace(figure.text, styles.adverse(figure.text, false)), kept);
  return `${styles.bold(filled(name, indent, true))}  ${text}`;
}

function serviceLines(told: Told, paper: Paper, most: number): string[] {
  const names = Object.keys(told.tick.services);
  const indent = Math.max(0, ...names.map(widthOf));
  const shown = names.length <= most ? names : names.slice(0, Math.max(1, most - 1));
  let below = Math.min(most - shown.length, Math.max(1, Math.floor(paper.rows / 3)));
  const lines = shown.flatMap((name) => {
    const { tick } = told;
    const more = belowService(tick.services[name] as Served, tick.at, paper, below);
    below -= more.length;
    return [serviceLine(name, told, indent, paper), ...more];
  });
  if (shown.length < Math.min(names.length, most)) {
    lines.push(`and ${names.slice(shown.length).join(", ")}`);
  }
  return lines;
}

/** The line above the clients. */
function clientsLine({ total, first, filter, sort }: ClientsShown, shown: number): string {
  const range = shown === 0 ? "" : `  ${first + 1}–${first + shown} of ${total}`;
  const by = COLUMNS.find((column) => column.sort === sort)?.head ?? "";
  const filtered = filter === "" ? "" : `  with ${filter}`;
  return `Clients${range}${filtered}  by ${by}`;
}

/** The page, and how many clients it has room for. */
export function pageOf(
  told: Told,
  clients: ClientsShown,
  lost: Lost | null,
  paper: Paper,
): { lines: string[]; room: number } {
  const { columns, rows, styles } = paper;
  const blank = rows >= ROOMY ? [""] : [];
  const least = Math.max(2, Math.floor(rows / 4));
  const { problems, at } = told.tick;
  const now = lost
    ? [silenceText(lost, told.tick), ...(lost.why === "" ? [] : [lost.why])].flatMap((text) =>
        wrapped(text, columns, 2),
      )
    : nowLines(problems, at, paper, least);
  const lines = [headLine(told, lost, paper), ...now, ...(now.length > 0 ? blank : [])];
  const forServices = rows - lines.length - blank.length - 2 - least;
  lines.push(...serviceLines(told, paper, Math.max(1, forServices)), ...blank);
  const room = Math.max(1, rows - lines.length - 2);
  const shown = clients.rows.slice(0, room);
  const none = clients.filter === "" ? "No client is connected." : "No client matches.";
  const table = tableOf(shown, clients, clients.chosen, columns, styles);
  lines.push(clientsLine(clients, shown.length), ...(shown.length === 0 ? [none] : table));
  return { lines, room };
}
