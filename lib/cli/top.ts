import { systemClock } from "../host/clock.ts";
import { messageOf, StartError } from "../host/errors.ts";
import { type Command, SOURCES } from "./command.ts";
import { Remote } from "./remote.ts";
import { type Column, COLUMNS } from "./top/columns.ts";
import { events } from "./top/events.ts";
import { clipped, overhead, page, type View } from "./top/page.ts";
import {
  type Hello,
  helloShape,
  type Sample,
  type Stats,
  type Tick,
  tickShape,
} from "./top/told.ts";

/** The rows of clients without a terminal. */
const SNAPSHOT_ROWS = 100;
const RETRY_MS = 1000;
const PLAIN = { styled: false, columns: Infinity, trouble: null };
// oxlint-disable-next-line no-control-regex -- keys other than letters come as such sequences.
const KEY = /\x1b\[[\d;]*[A-Za-z~]|[^]/g;
/** The fewest milliseconds between two ticks that make a rate; after a change of the view they come closer together. */
const RATE_MS = 500;

export const top: Command = {
  name: "top",
  about: "Watch the server of this configuration: its numbers and its clients, once a second.",
  more: [
    "What is wrong comes first, the worst before the others, as on the page.",
    "Keys: s and S, or left and right, sort by another column; r reverses; up and down page; / filters by address; q quits. Without a terminal, or with --once, it prints what it sees once, as plain text.",
  ],
  flags: [
    ...SOURCES,
    { name: "once", about: "Print what is there once, even on a terminal." },
    { name: "json", about: "Print it once, as JSON: the event of the server." },
  ],
  examples: [
    ["top", "Watches the server that ./summoner.toml describes."],
    ["top | head -5", "Prints its numbers once."],
  ],
  run(args) {
    const remote = Remote.of(args);
    if (remote === null) return 2;
    const waiting = COLUMNS.findIndex(({ sort }) => sort === "outbox_bytes");
    const view: View = { sort: waiting, order: "desc", offset: 0, address: "" };
    const { stdin, stdout } = process;
    const [once, json] = ["once", "json"].map((name) => args.flags.has(name));
    if (once || json || !stdin.isTTY || !stdout.isTTY) return snapshot(remote, view, json === true);
    return new Screen(remote, view).run();
  },
};

async function snapshot(remote: Remote, view: View, json: boolean): Promise<number> {
  await remote.confirm();
  let hello: Hello | null = null;
  for await (const { event, data } of events(remote, queryOf(view, SNAPSHOT_ROWS))) {
    if (event === "hello") hello = remote.parsed(data, helloShape);
    if (event !== "tick" || !hello) continue;
    const tick = remote.parsed(data, tickShape);
    if (json) {
      process.stdout.write(`${JSON.stringify(tick)}\n`);
      return 0;
    }
    const before = hello.history.findLast(({ at }) => tick.at - at >= RATE_MS) ?? null;
    process.stdout.write(`${page(hello, tick, before, view, PLAIN).join("\n")}\n`);
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
  /** The rows that the server was asked for last. */
  #asked = 0;
  /** What is typed after `/`; null while nothing is. */
  #typed: string | null = null;

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
    const draw = () => {
      this.#draw();
      this.#askAgain();
    };
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
        this.#asked = this.#rows;
        const query = queryOf(this.#view, this.#asked);
        for await (const { event, data } of events(this.#remote, query, signal)) {
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
          this.#askAgain();
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
    const others = this.#tick ? overhead(this.#tick) : 8;
    return Math.max(1, Math.min(1000, process.stdout.rows - others));
  }

  /** Asks for as many rows as there is room for now, if that is another number. */
  #askAgain(): void {
    if (this.#trouble === null && this.#rows !== this.#asked) this.#stream.abort();
  }

  /** A key while a filter is typed. */
  #type(key: string): void {
    const typed = this.#typed ?? "";
    if (key === "\x1b" || key === "\x03") this.#typed = null;
    else if (key === "\r" || key === "\n") {
      this.#typed = null;
      Object.assign(this.#view, { address: typed, offset: 0 });
      this.#stream.abort();
    } else if (key === "\x7f" || key === "\b") this.#typed = typed.slice(0, -1);
    else if (/^[\x20-\x7e]$/.test(key) && typed.length < 64) this.#typed = typed + key;
    this.#draw();
  }

  #press(key: string): void {
    if (this.#typed !== null) return this.#type(key);
    const view = this.#view;
    const page = this.#rows;
    switch (key) {
      case "/":
        this.#typed = "";
        return this.#draw();
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
    const how = { styled: !process.env["NO_COLOR"], columns, trouble: this.#trouble };
    const lines =
      this.#hello && this.#tick
        ? page(this.#hello, this.#tick, this.#before, this.#view, how)
        : [`summoner on ${this.#remote.address}`, `! ${this.#trouble}`];
    const shown = lines.slice(0, rows - 1);
    while (shown.length < rows - 1) shown.push("");
    shown.push(
      this.#typed === null
        ? "q quit   / filter   s S sort by another column   r reverse   up down page"
        : `address contains: ${this.#typed}_`,
    );
    const text = shown.map((line) => `${clipped(line, columns)}\x1b[K`).join("\r\n");
    process.stdout.write(`\x1b[H${text}\x1b[J`);
  }
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

/** The query for the clients of a view. */
function queryOf({ sort, order, offset, address }: View, limit: number): URLSearchParams {
  return new URLSearchParams({
    sort: (COLUMNS[sort] as Column).sort,
    order,
    offset: String(offset),
    limit: String(limit),
    ...(address === "" ? {} : { address }),
  });
}
