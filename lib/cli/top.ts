import { systemClock } from "../host/clock.ts";
import { messageOf, StartError } from "../host/errors.ts";
import type { ClientRow } from "../services/web/connz.ts";
import { type Command, SOURCES } from "./command.ts";
import { Remote } from "./remote.ts";
import { events } from "./top/events.ts";
import {
  type Hello,
  helloShape,
  type Sample,
  type Stats,
  type Tick,
  tickShape,
} from "./top/told.ts";
import { count } from "../host/count.ts";
import { bytes, duration, measured, rough } from "./words.ts";

interface Column {
  readonly sort: keyof ClientRow;
  readonly head: string;
  readonly width: number;
  /** True if it is flush left. */
  readonly left?: boolean;
  show(row: ClientRow): string;
}

const COLUMNS: readonly Column[] = [
  { sort: "service", head: "SERVICE", width: 9, left: true, show: (row) => row.service },
  { sort: "id", head: "ID", width: 8, show: (row) => String(row.id) },
  { sort: "address", head: "ADDRESS", width: 21, left: true, show: (row) => row.address },
  { sort: "state", head: "STATE", width: 9, left: true, show: (row) => row.state },
  { sort: "age_seconds", head: "AGE", width: 12, show: (row) => duration(row.age_seconds) },
  { sort: "messages_in", head: "MESSAGES", width: 9, show: (row) => rough(row.messages_in) },
  {
    sort: "messages_per_second",
    head: "MSGS/S",
    width: 8,
    show: (row) => rough(row.messages_per_second),
  },
  { sort: "refused", head: "REFUSED", width: 8, show: (row) => rough(row.refused) },
  {
    sort: "refused_per_second",
    head: "REFUSED/S",
    width: 10,
    show: (row) => rough(row.refused_per_second),
  },
  { sort: "outbox_bytes", head: "WAITING", width: 9, show: (row) => bytes(row.outbox_bytes) },
  { sort: "bytes_in", head: "IN", width: 8, show: (row) => bytes(row.bytes_in) },
  { sort: "bytes_out", head: "OUT", width: 8, show: (row) => bytes(row.bytes_out) },
];

/** The sort and page of clients that a person has chosen. */
interface View {
  sort: number;
  order: "asc" | "desc";
  offset: number;
}

/** The rows of clients without a terminal. */
const SNAPSHOT_ROWS = 100;
const RETRY_MS = 1000;
// oxlint-disable-next-line no-control-regex -- keys other than letters come as such sequences.
const KEY = /\x1b\[[\d;]*[A-Za-z~]|[^]/g;
/** The fewest milliseconds between two ticks that make a rate; after a change of the view they come closer together. */
const RATE_MS = 500;

export const top: Command = {
  name: "top",
  about: "Watch the server of this configuration: its numbers and its clients, once a second.",
  more: [
    "Keys: s and S, or left and right, sort by another column; r reverses; up and down page; q quits. Without a terminal it prints what it sees once, as plain text.",
  ],
  flags: SOURCES,
  examples: [
    ["top", "Watches the server that ./summoner.toml describes."],
    ["top | head -5", "Prints its numbers once."],
  ],
  run(args) {
    const remote = Remote.of(args);
    if (remote === null) return 2;
    const waiting = COLUMNS.findIndex(({ sort }) => sort === "outbox_bytes");
    const view: View = { sort: waiting, order: "desc", offset: 0 };
    const { stdin, stdout } = process;
    if (!stdin.isTTY || !stdout.isTTY) return snapshot(remote, view);
    return new Screen(remote, view).run();
  },
};

async function snapshot(remote: Remote, view: View): Promise<number> {
  await remote.confirm();
  let hello: Hello | null = null;
  for await (const { event, data } of events(remote, queryOf(view, SNAPSHOT_ROWS))) {
    if (event === "hello") hello = remote.parsed(data, helloShape);
    if (event !== "tick" || !hello) continue;
    const tick = remote.parsed(data, tickShape);
    const before = hello.history.findLast(({ at }) => tick.at - at >= RATE_MS) ?? null;
    process.stdout.write(`${page(hello, tick, before, view, false, Infinity).join("\n")}\n`);
    return 0;
  }
  throw new StartError(`${remote.address} ended the stream at once`);
}

/** The terminal while `top` runs. */
class Screen {
  readonly #remote: Remote;
  readonly #view: View;
  readonly #ended = Promise.withResolvers<void>();
  #hello: Hello | null = null;
  #tick: Tick | null = null;
  #before: Sample | null = null;
  /** The reason that no new numbers come, or null. */
  #trouble: string | null = "connecting";
  #stream = new AbortController();
  #done = false;

  constructor(remote: Remote, view: View) {
    this.#remote = remote;
    this.#view = view;
  }

  async run(): Promise<number> {
    const { stdin, stdout } = process;
    const end = () => this.#ended.resolve();
    // Fast typing brings several keys at once.
    const key = (bytes: Buffer) => {
      for (const [one] of bytes.toString("latin1").matchAll(KEY)) this.#press(one);
    };
    const draw = () => this.#draw();
    stdout.write("\x1b[?1049h\x1b[?25l");
    stdin.setRawMode(true);
    stdin.on("data", key);
    stdout.on("resize", draw);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
    void this.#follow();
    this.#draw();
    await this.#ended.promise;
    this.#done = true;
    this.#stream.abort();
    stdin.off("data", key);
    stdin.setRawMode(false);
    stdin.pause();
    stdout.off("resize", draw);
    stdout.write("\x1b[?25h\x1b[?1049l");
    return 0;
  }

  /** Follows the server's events until the end; connects again after a restart of the server or a change of the view. */
  async #follow(): Promise<void> {
    while (!this.#done) {
      this.#stream = new AbortController();
      const { signal } = this.#stream;
      try {
        await this.#remote.confirm();
        for await (const { event, data } of events(
          this.#remote,
          queryOf(this.#view, this.#rows),
          signal,
        )) {
          if (event === "hello") {
            this.#hello = this.#remote.parsed(data, helloShape);
            this.#before ??= this.#hello.history.at(-2) ?? null;
          }
          if (event !== "tick") continue;
          const tick = this.#remote.parsed(data, tickShape);
          if (this.#tick && tick.at - this.#tick.at >= RATE_MS) this.#before = sampleOf(this.#tick);
          this.#tick = tick;
          this.#trouble = null;
          this.#draw();
        }
        this.#trouble = "the server has ended the stream";
      } catch (error) {
        if (signal.aborted) continue;
        this.#trouble = messageOf(error);
      }
      if (signal.aborted) continue;
      this.#draw();
      await new Promise<void>((resolve) => systemClock.after(RETRY_MS, resolve));
    }
  }

  get #rows(): number {
    return Math.max(1, Math.min(1000, process.stdout.rows - 8));
  }

  #press(key: string): void {
    const view = this.#view;
    const page = this.#rows;
    switch (key) {
      case "q":
      case "Q":
      case "\x03":
        return this.#ended.resolve();
      case "\x1b[C":
      case "s":
        view.sort = (view.sort + 1) % COLUMNS.length;
        break;
      case "\x1b[D":
      case "S":
        view.sort = (view.sort + COLUMNS.length - 1) % COLUMNS.length;
        break;
      case "r":
        view.order = view.order === "asc" ? "desc" : "asc";
        break;
      case "\x1b[B":
      case "\x1b[6~":
      case " ":
        if (view.offset + page >= (this.#tick?.clients.total ?? 0)) return;
        view.offset += page;
        break;
      case "\x1b[A":
      case "\x1b[5~":
        view.offset = Math.max(0, view.offset - page);
        break;
      default:
        return;
    }
    this.#stream.abort();
  }

  #draw(): void {
    const { columns, rows } = process.stdout;
    const lines =
      this.#hello && this.#tick
        ? page(this.#hello, this.#tick, this.#before, this.#view, !process.env["NO_COLOR"], columns)
        : [`summoner on ${this.#remote.address}`];
    if (this.#trouble) lines[1] = `! ${this.#trouble}`;
    const shown = lines.slice(0, rows - 1);
    while (shown.length < rows - 1) shown.push("");
    shown.push("q quit   s S sort by another column   r reverse   up down page");
    const text = shown.map((line) => `${clipped(line, columns)}\x1b[K`).join("\r\n");
    process.stdout.write(`\x1b[H${text}\x1b[J`);
  }
}

/** The whole page as lines. The second line is blank, with room for trouble. */
function page(
  hello: Hello,
  tick: Tick,
  before: Sample | null,
  view: View,
  styled: boolean,
  columns: number,
): string[] {
  const bold = (text: string) => (styled ? `\x1b[1m${text}\x1b[0m` : text);
  const seconds = before ? (tick.at - before.at) / 1000 : 0;
  const rate = (now: number, name: string) => {
    const then = before?.values[name];
    return then === undefined || now < then || seconds <= 0 ? null : (now - then) / seconds;
  };
  const { process } = tick;
  const cpu = rate(process.cpu_seconds, "process.cpu_seconds");
  const ill = Object.entries(tick.health).filter(([, { ok }]) => !ok);
  const state = tick.draining
    ? "draining"
    : ill.map(([name, { reason }]) => `${name}: ${reason}`).join("; ") || "ok";
  const head = [
    `${hello.name} ${hello.version}`,
    state,
    `up ${duration(process.uptime_seconds)}`,
    ...(cpu === null ? [] : [`CPU ${(cpu * 100).toFixed(1)}%`]),
    `memory ${bytes(process.memory_bytes)}`,
    `event loop ${measured(process.event_loop_delay_seconds, "seconds")}`,
  ];
  const lines = [bold(head.join("   ")), ""];
  for (const [name, { addresses, stats }] of Object.entries(tick.services)) {
    const numbers = Object.entries(hello.declared[name] ?? {}).filter(([, one]) => one.headline);
    const told = numbers.flatMap(([stat, { kind, unit }]) => {
      const now = stats[stat];
      if (now === undefined) return [];
      const perSecond = kind === "counter" ? rate(now, `${name}.${stat}`) : null;
      const each = perSecond === null ? "" : ` (${measured(perSecond, unit)}/s)`;
      return `${stat} ${measured(now, unit)}${each}`;
    });
    lines.push(...wrapped([`${bold(name)} ${addresses.join(", ")}`, ...told], columns));
  }
  const { clients, total, offset } = tick.clients;
  const range = clients.length === 0 ? "" : `, ${offset + 1} to ${offset + clients.length}`;
  lines.push("", count(total, "client") + range);
  lines.push(
    COLUMNS.map(({ head, width, left }, i) => {
      const mark = i !== view.sort ? "" : view.order === "asc" ? "↑" : "↓";
      const cell = left ? (head + mark).padEnd(width) : (head + mark).padStart(width);
      return i === view.sort ? bold(cell) : cell;
    }).join(" "),
  );
  for (const row of clients) {
    const cells = COLUMNS.map(({ width, left, show }) => {
      const cell = show(row);
      return left ? cell.padEnd(width) : cell.padStart(width);
    });
    lines.push(cells.join(" ").trimEnd());
  }
  return lines;
}

/** Items on as few lines as possible. */
function wrapped(items: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const longer = `${lines.at(-1)}   ${item}`;
    if (lines.length > 0 && Bun.stringWidth(longer) <= columns) lines[lines.length - 1] = longer;
    else lines.push(lines.length > 0 ? `   ${item}` : item);
  }
  return lines;
}

/** The numbers of a tick, for the rates of the next one. */
function sampleOf({ at, process, services }: Tick): Sample {
  const values: Record<string, number> = {};
  const add = (part: string, stats: Stats) => {
    for (const [stat, value] of Object.entries(stats)) values[`${part}.${stat}`] = value;
  };
  add("process", process);
  for (const [name, { stats }] of Object.entries(services)) add(name, stats);
  return { at, values };
}

/** A line cut at a terminal's width; styles take no width, and are kept to be ended. */
function clipped(line: string, columns: number): string {
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

/** The query for the clients of a view. */
function queryOf({ sort, order, offset }: View, limit: number): URLSearchParams {
  return new URLSearchParams({
    sort: (COLUMNS[sort] as Column).sort,
    order,
    offset: String(offset),
    limit: String(limit),
  });
}
