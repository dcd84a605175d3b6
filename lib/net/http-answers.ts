import type { Clock } from "../host/clock.ts";
import type { Answered } from "./http-flights.ts";

/** Sees every answer off: gives it its date and the access log its line. */
export class HttpAnswers {
  /** Takes a line for each request; null for none. */
  log: ((line: string) => void) | null;
  readonly #clock: Clock;

  constructor(log: ((line: string) => void) | null, clock: Clock) {
    this.log = log;
    this.#clock = clock;
  }

  /**
   * Passes an answer on.
   * @param since when its request came; clock milliseconds
   * @param from who asked, for the log
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
    // Bun gives a date to all answers but those to HEAD.
    if (method === "HEAD" && answer) this.#date(answer.headers);
    if (this.log !== null) {
      const ms = Math.round((this.#clock.now() - since) * 10) / 10;
      this.log(`${from} ${method} ${target} ${answer?.status ?? 101} ${ms} ms`);
    }
    return answer;
  }

  #date(headers: Headers): void {
    if (headers.has("date")) return;
    headers.set("date", new Date(this.#clock.wall()).toUTCString());
  }
}
