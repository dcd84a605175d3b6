import type { Clock } from "../../../host/clock.ts";
import type { Log } from "../../../host/log.ts";
import { Seldom } from "../../../host/seldom.ts";
import { type Diagnostic, type Severity, shown } from "../diagnostics.ts";

/** Something that the developer of a game is told, with how often it happened. */
export interface Report {
  /** As it was last. */
  readonly diagnostic: Diagnostic;
  readonly times: number;
  /** Milliseconds since 1970. */
  readonly firstAt: number;
  readonly lastAt: number;
}

/** One kind of which more may come within a second. */
interface Unsaid {
  /** Where it was logged, and the others are told. */
  readonly log: Pick<Log, "info" | "warning">;
  /** The text that was logged, and that of the newest. */
  first: string;
  last: string;
}

/** Kinds of which that is known: more than are counted apart. */
const MOST_UNSAID = 100;
/** Games of which reports are kept; the one that was silent longest is forgotten first. */
const MOST_GAMES = 1000;
/** Different ones of one game. */
const MOST_REPORTS = 100;

/** What the developers of games are told: kept by game, and logged, each kind once a second at most. */
export class Reports {
  readonly counts: Record<Severity, number> = { error: 0, warning: 0, info: 0 };
  readonly #clock: Clock;
  readonly #log: Pick<Log, "info" | "warning">;
  readonly #seldom: Seldom;
  /** What was logged of a kind, and what of it was not, until that is told. */
  readonly #unsaid = new Map<string, Unsaid>();
  readonly #games = new Map<string, Map<string, Report>>();

  constructor(clock: Clock, log: Pick<Log, "info" | "warning">) {
    this.#clock = clock;
    this.#log = log;
    this.#seldom = new Seldom(clock, (kind, more) => this.#tellMore(kind, more));
  }

  /** What a game was told, the last first. */
  of(game: string): readonly Report[] {
    return [...(this.#games.get(game)?.values() ?? [])].toReversed();
  }

  /** @param game its name; null for a connection that has not named one */
  add(game: string | null, diagnostic: Diagnostic, log = this.#log): void {
    this.counts[diagnostic.severity]++;
    const name = game ?? "";
    const reports = this.#games.get(name) ?? new Map<string, Report>();
    this.#games.delete(name);
    this.#games.set(name, reports);
    this.#trim(this.#games, MOST_GAMES);
    const { code, severity, text, cure } = diagnostic;
    const before = reports.get(text);
    const at = this.#clock.wall();
    reports.delete(text);
    const times = (before?.times ?? 0) + 1;
    reports.set(text, { diagnostic, times, firstAt: before?.firstAt ?? at, lastAt: at });
    this.#trim(reports, MOST_REPORTS);
    const who = game === null ? "a connection" : shown(game) || "a game without a name";
    const kind = `${code} of ${who}`;
    if (!this.#seldom.isFirst(kind)) {
      const unsaid = this.#unsaid.get(kind);
      if (unsaid !== undefined) unsaid.last = text;
      return;
    }
    this.#unsaid.set(kind, { log, first: text, last: text });
    this.#trim(this.#unsaid, MOST_UNSAID);
    const line = `neuro: ${who}: ${code} ${text} ${cure}`;
    if (severity === "info") log.info(line);
    else log.warning(line);
  }

  close(): void {
    this.#seldom.close();
  }

  /** Whoever reads the log has to see why something ended, though others of its kind came just before. */
  #tellMore(kind: string | null, more: number): void {
    const unsaid = kind === null ? undefined : this.#unsaid.get(kind);
    const { log, first, last } = unsaid ?? { log: this.#log, first: "", last: "" };
    const what = last === first ? "" : `, the last: ${last}`;
    log.info(`neuro: ${more} more of ${kind ?? "other diagnostics"}${what}`);
    if (unsaid !== undefined) unsaid.first = last;
  }

  #trim(map: Map<string, unknown>, most: number): void {
    if (map.size <= most) return;
    const [oldest] = map.keys();
    map.delete(oldest as string);
  }
}
