import { isIP } from "node:net";
import type { ClientRow } from "../../services/web/told/connz.ts";
import type { Remote } from "../client/remote.ts";
import { clipped, itemsWithin, STYLED, UNSTYLED, wrapped } from "./cells.ts";
import { keyOf } from "./columns.ts";
import { Feed } from "./feed.ts";
import { pageOf, silenceText } from "./page.ts";
import { KEYS, keysIn, LinePrompt, type Prompt, Question } from "./prompts.ts";
import { View } from "./view.ts";

const HINTS = [
  { text: "? keys", worth: 5 },
  { text: "/ filter", worth: 3 },
  { text: "k kick", worth: 2 },
  { text: "q quarantine", worth: 1 },
  { text: "x quit", worth: 4 },
];
/** Most lines of a question. */
const ASKED_LINES = 6;
const LENGTHS = [
  ["1", 300, "5 minutes"],
  ["2", 3600, "1 hour"],
  ["3", 86_400, "1 day"],
] as const;

/** The terminal while `top` runs. */
export class Screen {
  readonly #remote: Remote;
  readonly #feed: Feed;
  readonly #view = new View();
  readonly #ended = Promise.withResolvers<void>();
  readonly #styles = process.env["NO_COLOR"] ? UNSTYLED : STYLED;
  #prompt: Prompt | null = null;
  #isHelping = false;
  /** What came of the last action; shown until the next key. */
  #outcome: string | null = null;
  #room = 1;

  constructor(remote: Remote) {
    this.#remote = remote;
    this.#feed = new Feed(remote, {
      query: () => this.#view.query(process.stdout.rows),
      changed: () => this.#changed(),
      askToken: (why) => this.#askToken(why),
      ended: () => this.#ended.resolve(),
    });
  }

  async run(): Promise<number> {
    const { stdin, stdout } = process;
    const end = () => this.#ended.resolve();
    const press = (bytes: Buffer) => {
      for (const key of keysIn(bytes)) {
        this.#press(key);
        // What is pasted by mistake must not answer a question that it has opened itself.
        if (this.#prompt instanceof Question) break;
      }
      this.#draw();
    };
    const draw = () => this.#draw();
    stdout.write("\x1b[?1049h\x1b[?25l");
    stdin.setRawMode(true);
    stdin.on("data", press);
    stdout.on("resize", draw);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
    void this.#feed.follow();
    this.#draw();
    await this.#ended.promise;
    this.#feed.stop();
    stdin.off("data", press);
    stdin.setRawMode(false);
    stdin.pause();
    stdout.off("resize", draw);
    stdout.write("\x1b[?25h\x1b[?1049l");
    return 0;
  }

  #changed(): void {
    const { told, own } = this.#feed;
    if (told !== null && this.#feed.lost === null) this.#ask(this.#view.take(told.tick, own));
    this.#draw();
  }

  #press(key: string): void {
    if (key === "\x03") return this.#ended.resolve();
    const prompt = this.#prompt;
    if (prompt !== null) {
      // What is asked next may come from the answer.
      if (!prompt.press(key) && this.#prompt === prompt) this.#prompt = null;
      return;
    }
    if (this.#isHelping || this.#outcome !== null) {
      const isClosed = key === "\x1b" || this.#isHelping;
      this.#isHelping = false;
      this.#outcome = null;
      if (isClosed) return;
    }
    this.#act(key);
  }

  #act(key: string): void {
    const view = this.#view;
    switch (key) {
      case "x":
        return this.#ended.resolve();
      case "?":
        this.#isHelping = true;
        return;
      case "\x1b[A":
        return this.#ask(view.move(-1));
      case "\x1b[B":
        return this.#ask(view.move(1));
      case "\x1b[H":
        return this.#ask(view.move(-Infinity));
      case "\x1b[F":
        return this.#ask(view.move(Infinity));
      case "]":
      case " ":
      case "\x1b[6~":
        return this.#ask(view.turn(1));
      case "[":
      case "\x1b[5~":
        return this.#ask(view.turn(-1));
      case "s":
      case "\x1b[C":
        view.sortBy(1);
        return this.#ask(true);
      case "S":
      case "\x1b[D":
        view.sortBy(-1);
        return this.#ask(true);
      case "r":
        view.reverse();
        return this.#ask(true);
      case "/":
        this.#prompt = new LinePrompt("Filter", (text) => this.#filter(text), {
          typed: view.filter,
        });
        return;
      case "\x1b":
        return this.#filter("");
      case "k":
        return this.#askToKick();
      case "K":
        return this.#askToKickAt();
      case "q":
        return this.#askToBar();
    }
  }

  #ask(isNeeded: boolean): void {
    if (isNeeded) this.#feed.ask();
  }

  #filter(text: string | null): void {
    if (text === null || text === this.#view.filter) return;
    this.#view.filter = text;
    this.#view.top();
    this.#feed.ask();
  }

  #askToKick(): void {
    const row = this.#view.chosen;
    if (row === null) return;
    const { service, id, address } = row;
    this.#prompt = new Question(
      `Kick ${address}? It gets a notice, its connection closes, and it may come back at once. y: kick, any other key: no`,
      { y: () => void this.#do("kick", { service, id }, `kick ${address}`) },
    );
  }

  /** Asks for a client of another node: it is not among those that this server tells. */
  #askToKickAt(): void {
    const services = Object.entries(this.#feed.told?.tick.services ?? {});
    const [service] = services.find(([, { room }]) => room !== undefined) ?? [];
    if (service === undefined) {
      this.#outcome = "This server shares no room with others.";
      return;
    }
    this.#prompt = new LinePrompt("Kick a client of a node, NODE/NUMBER", (text) => {
      if (text === null || text === "") return;
      const [, node, id] = /^(.+)\/(\d{1,15})$/.exec(text) ?? [];
      if (node === undefined) {
        this.#outcome = "Not done: it takes the node and the client's number, as NODE/7.";
        return;
      }
      void this.#do("kick", { service, node, id: Number(id) }, `kick ${text}`);
    });
  }

  #askToBar(): void {
    const row = this.#view.chosen;
    if (row === null) return;
    const { service } = row;
    const host = hostOf(row);
    if (host === null || !this.#feed.told?.tick.services[service]?.quarantine) {
      this.#outcome = `The ${service} has no quarantine.`;
      return;
    }
    const bar = (seconds: number) => {
      void this.#do("quarantine", { service, address: host, seconds }, `quarantine ${host}`);
    };
    const choices = LENGTHS.map(([key, , length]) => `${key}: ${length}`).join(", ");
    this.#prompt = new Question(
      `Quarantine ${host}? All its connections close, and it is turned away until the time is over. ${choices}, any other key: no`,
      Object.fromEntries(LENGTHS.map(([key, seconds]) => [key, () => bar(seconds)])),
    );
  }

  /** Has an action done, and shows what came of it. */
  async #do(name: string, fields: object, next: string): Promise<void> {
    this.#outcome = `${name}: asking the server`;
    this.#outcome = await this.#outcomeOf(name, fields, next);
    this.#draw();
  }

  async #outcomeOf(name: string, fields: object, next: string): Promise<string | null> {
    try {
      await this.#remote.confirm();
      for (;;) {
        const { done, said, wantsToken } = await this.#remote.act(name, fields);
        if (done) return `${said.charAt(0).toUpperCase()}${said.slice(1)}.`;
        if (!wantsToken) return `Not done: ${said}`;
        const token = await this.#askToken(`${said} Next: ${next}.`);
        if (token === null) return null;
        this.#remote.useToken(token);
      }
    } catch (error) {
      return `Not done: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #askToken(why: string): Promise<string | null> {
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.#outcome = null;
    this.#prompt = new LinePrompt(`${why} Token`, (text) => resolve(text || null), {
      isSecret: true,
    });
    this.#draw();
    return promise;
  }

  /** The lines at the bottom. */
  #foot(columns: number, rows: number): string[] {
    const most = Math.max(1, Math.min(ASKED_LINES, rows - 2));
    if (this.#prompt !== null) return endOf(wrapped(this.#prompt.text, columns, 20), most);
    if (this.#outcome !== null) return wrapped(this.#outcome, columns, most);
    return [this.#isHelping ? "any key closes" : itemsWithin(HINTS, columns, "  ")];
  }

  #draw(): void {
    const { columns, rows } = process.stdout;
    const foot = this.#foot(columns, rows);
    const lines = this.#isHelping ? helpLines() : this.#pageLines(columns, rows - foot.length);
    const shown = lines.slice(0, Math.max(0, rows - foot.length));
    while (shown.length < rows - foot.length) shown.push("");
    // A line is cleared before it is written: after its last column a terminal would clear that too.
    const text = [...shown, ...foot].map((line) => `\x1b[K${clipped(line, columns)}`).join("\r\n");
    process.stdout.write(`\x1b[?2026h\x1b[H${text}\x1b[?2026l`);
  }

  #pageLines(columns: number, rows: number): string[] {
    const { told, lost } = this.#feed;
    const styles = this.#styles;
    if (told === null) {
      const lines = [`Connecting to ${this.#remote.address}`];
      if (lost === null) return lines;
      return [...lines, silenceText(lost, null), ...wrapped(lost.why, columns, 4)];
    }
    const view = this.#view;
    const paper = { columns, rows, styles };
    const draw = () => {
      const { sort, order, filter, total, first, rows: all, chosen } = view;
      const shown = { sort, order, filter, total, first, rows: all };
      return pageOf(told, { ...shown, chosen: chosen && keyOf(chosen) }, lost, paper);
    };
    let page = draw();
    if (page.room !== this.#room) {
      this.#room = page.room;
      this.#ask(view.fit(page.room));
      page = draw();
    }
    return page.lines;
  }
}

/** The lines at the end: of a long question, that is where it is answered. */
function endOf(lines: readonly string[], most: number): string[] {
  return lines.slice(Math.max(0, lines.length - most));
}

function helpLines(): string[] {
  return KEYS.map(([keys, does]) => `${keys.padEnd(14)}${does}`);
}

/** The address of a client without its port; null for one that has none. */
function hostOf({ address }: ClientRow): string | null {
  const host = address.slice(0, address.lastIndexOf(":")).replace(/^\[|\]$/g, "");
  return isIP(host) === 0 ? null : host;
}
