import type { Clock } from "../host/clock.ts";
import type { Log } from "../host/log.ts";

/** What a request is answered with; undefined when its connection has become a WebSocket. */
export type Answered = Response | undefined;

/** A request whose answer is awaited. */
interface Flight {
  /** When it is given up; clock milliseconds. */
  readonly by: number;
  readonly request: Request;
  readonly settle: (response: Answered) => void;
}

/** What is counted of requests that were not answered as they should be. */
interface Counts {
  failures: number;
  timeouts: number;
}

/** The requests whose answers are awaited, each until its deadline; and what is answered when one fails. */
export class HttpFlights {
  readonly #name: string;
  readonly #timeoutMs: number;
  readonly #counts: Counts;
  readonly #clock: Clock;
  readonly #log: Pick<Log, "warning" | "bug">;
  readonly #flights = new Set<Flight>();

  /**
   * @param name of the service
   * @param timeoutMs milliseconds from a request's head to its answer
   */
  constructor(
    name: string,
    timeoutMs: number,
    counts: Counts,
    { clock, log }: { readonly clock: Clock; readonly log: Pick<Log, "warning" | "bug"> },
  ) {
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.#counts = counts;
    this.#clock = clock;
    this.#log = log;
  }

  /** Waits for the answer to a request, at most until its deadline; then, or before, calls `leave`. */
  await(request: Request, answer: Promise<Answered>, leave: () => void): Promise<Answered> {
    return new Promise((resolve) => {
      const flight: Flight = {
        by: this.#clock.now() + this.#timeoutMs,
        request,
        settle: (response) => {
          if (!this.#flights.delete(flight)) return;
          leave();
          resolve(response);
        },
      };
      this.#flights.add(flight);
      answer.then(flight.settle, (error) => flight.settle(this.failed(error, request)));
    });
  }

  /** Logs an error and answers 500 without detail. Where the error has a cause, the stack is that of the cause. */
  failed(error: unknown, request?: Request): Response {
    this.#counts.failures++;
    const what = request ? `${request.method} ${request.url}` : this.#name;
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause === undefined) this.#log.bug(error, what);
    else this.#log.bug(cause, `${what}: ${(error as Error).message}`);
    return new Response("The server failed to answer this request.\n", { status: 500 });
  }

  /** Gives up those that are due; called several times a second. */
  sweep(now: number): void {
    for (const { by, request, settle } of this.#flights) {
      if (by > now) continue;
      this.#counts.timeouts++;
      this.#log.warning(
        `${request.method} ${request.url} was given up after ${this.#timeoutMs} ms`,
      );
      const headers = { connection: "close" };
      settle(new Response("The request took too long.\n", { status: 503, headers }));
    }
  }

  /** Forgets them all: their connections are cut. */
  clear(): void {
    this.#flights.clear();
  }
}
