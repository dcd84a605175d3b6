import type { Clock } from "../../host/clock.ts";
import { counter, type Declared, Histogram, labelled } from "../../host/stats.ts";
import type { Answered } from "./flights.ts";

const CLASSES = ["2xx", "3xx", "4xx", "5xx"] as const;

/** The numbers of an HTTP server's `answers.stats()`. */
export const ANSWER_STATS: Declared = Object.fromEntries(
  CLASSES.map((name) => [
    `answers_${name}`,
    labelled(counter("answers", `Answers with a status of ${name}.`), "answers", "class", name),
  ]),
);

/** The bounds of the histogram, in seconds: from an answer at once to the longest that a request may take. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Takes a line of the access log. */
export type TakeLine = (line: string) => void;

/** The last step of every answer: sets its date, counts it, and writes its line of the access log. */
export class HttpAnswers {
  /** Null for no access log. */
  log: TakeLine | null;
  /** The seconds that answers took, by route. */
  readonly times = new Map<string, Histogram>();
  readonly #counts = [0, 0, 0, 0, 0, 0];
  readonly #routeOf: ((path: string) => string) | null;
  readonly #clock: Clock;

  /** @param routeOf gives a path one of few names, by which times are kept; null keeps none */
  constructor(log: TakeLine | null, routeOf: ((path: string) => string) | null, clock: Clock) {
    this.log = log;
    this.#routeOf = routeOf;
    this.#clock = clock;
  }

  stats(): Record<string, number> {
    return Object.fromEntries(
      CLASSES.map((name) => [`answers_${name}`, this.#counts[Number(name[0])] as number]),
    );
  }

  /**
   * Passes an answer on.
   * @param since the time at which its request came; clock milliseconds
   * @param from the client, for the log
   */
  pass(
    request: Request,
    target: string,
    answer: Answered | Promise<Answered>,
    since: number,
    from: string,
  ): Answered | Promise<Answered> {
    if (!(answer instanceof Promise)) return this.#passed(request, target, answer, since, from);
    return answer.then((found) => this.#passed(request, target, found, since, from));
  }

  #passed(
    { method }: Request,
    target: string,
    answer: Answered,
    since: number,
    from: string,
  ): Answered {
    // Bun gives a date to every answer except those to HEAD.
    if (method === "HEAD" && answer) this.#date(answer.headers);
    const status = answer?.status ?? 101;
    const ms = this.#clock.now() - since;
    this.#count(status, target, ms);
    this.log?.(`${from} ${method} ${target} ${status} ${Math.round(ms * 10) / 10} ms`);
    return answer;
  }

  #count(status: number, target: string, ms: number): void {
    const first = Math.floor(status / 100);
    this.#counts[first] = (this.#counts[first] ?? 0) + 1;
    if (this.#routeOf === null) return;
    const route = this.#routeOf(pathOf(target));
    let times = this.times.get(route);
    if (times === undefined) {
      times = new Histogram(BOUNDS);
      this.times.set(route, times);
    }
    times.add(ms / 1000);
  }

  #date(headers: Headers): void {
    if (headers.has("date")) return;
    headers.set("date", new Date(this.#clock.wall()).toUTCString());
  }
}

/** A target without its query. */
export function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}
