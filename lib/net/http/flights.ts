import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import { Bugs } from "../../host/bugs.ts";
import { Seldom } from "../../host/seldom.ts";
import { type BodyFault, type HttpBody, isOfAbort } from "./body.ts";
import { plain } from "./plain.ts";

/** The answer to a request; undefined if its connection has become a WebSocket. */
export type Answered = Response | undefined;

/** A request and its body, which is null if it has none. */
export interface Asked {
  readonly request: Request;
  readonly body: HttpBody | null;
}

/** A request whose answer is awaited. */
interface Flight extends Asked {
  /** The time at which it is given up; clock milliseconds. */
  readonly by: number;
  readonly settle: (response: Answered) => void;
}

/** The counts of requests that failed, took too long, or lost their client. */
interface Counts {
  failures: number;
  timeouts: number;
  aborted: number;
}

/** The answers for faults of the body; 499 is only seen in the access log. */
const SPOILT: Readonly<Record<BodyFault, { status: number; why: string }>> = {
  broken: { status: 499, why: "Its client has gone." },
  "too long": { status: 413, why: "The body of this request is too long." },
  malformed: { status: 400, why: "The body of this request is not of the form it should have." },
};
/** Characters of a URL that the log shows. */
const SHOWN = 200;

/** The requests whose answers are awaited, each until its deadline, and the answers to those that fail. */
export class HttpFlights {
  readonly #name: string;
  readonly #timeoutMs: number;
  readonly #counts: Counts;
  readonly #clock: Clock;
  readonly #log: Pick<Log, "warning" | "error" | "bug">;
  readonly #flights = new Set<Flight>();
  readonly #bugs: Bugs;
  readonly #givenUp: Seldom;

  /**
   * @param name of the service
   * @param timeoutMs from a request's head to its answer
   */
  constructor(
    name: string,
    timeoutMs: number,
    counts: Counts,
    { clock, log }: { readonly clock: Clock; readonly log: Pick<Log, "warning" | "error" | "bug"> },
  ) {
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.#counts = counts;
    this.#clock = clock;
    this.#log = log;
    this.#bugs = new Bugs({ clock, log }, "requests", name);
    this.#givenUp = new Seldom(clock, (_, more) =>
      log.warning(`${name}: ${more} more requests were given up after ${timeoutMs} ms`),
    );
  }

  /** Waits for the answer to a request until its deadline; calls `leave` once it is settled. */
  await(asked: Asked, answer: Promise<Answered>, leave: () => void): Promise<Answered> {
    return new Promise((resolve) => {
      const flight: Flight = {
        ...asked,
        by: this.#clock.now() + this.#timeoutMs,
        settle: (response) => {
          if (!this.#flights.delete(flight)) return;
          leave();
          resolve(response);
        },
      };
      this.#flights.add(flight);
      answer.then(
        // Bun has answered a body that is too long by itself, whatever the handler says.
        (found) => flight.settle(asked.body?.fault === "too long" ? spoilt("too long") : found),
        (error) => flight.settle(this.failed(error, asked)),
      );
    });
  }

  /** The answer when answering failed: the client's fault if there is one; else 500 without detail, and the error is logged. */
  failed(error: unknown, asked: Asked): Response {
    const { request, body } = asked;
    const fault = isOfAbort(error, request) ? "broken" : (body?.behind(error) ?? null);
    if (fault === "broken") this.#counts.aborted++;
    if (fault !== null) return spoilt(fault);
    return this.bug(error, shown(request));
  }

  /** Logs an error, of which there may be many, and answers 500. */
  bug(error: unknown, what = this.#name): Response {
    this.#counts.failures++;
    this.#bugs.add(error, what);
    return plain(500, "The server failed to answer this request.");
  }

  /** Gives up the requests whose deadline has passed; called several times a second. */
  sweep(now: number): void {
    for (const { by, request, body, settle } of this.#flights) {
      if (by > now) continue;
      this.#counts.timeouts++;
      const isStalled = body?.isAwaited === true;
      // A client can stall its body at will, so that is not logged.
      if (!isStalled && this.#givenUp.isFirst("")) {
        this.#log.warning(`${shown(request)} was given up after ${this.#timeoutMs} ms`);
      }
      settle(isStalled ? stalled() : late());
    }
  }

  /** Forgets all requests: their connections are cut. */
  close(): void {
    this.#flights.clear();
    this.#bugs.close();
    this.#givenUp.close();
  }
}

function spoilt(fault: BodyFault): Response {
  const { status, why } = SPOILT[fault];
  return plain(status, why);
}

function stalled(): Response {
  const headers = { connection: "close" };
  return plain(408, "The body of this request did not come in time.", headers);
}

function late(): Response {
  const headers = { connection: "close" };
  return plain(503, "The request took too long.", headers);
}

/** A request as the log shows it. */
function shown({ method, url }: Request): string {
  return `${method} ${url.length > SHOWN ? `${url.slice(0, SHOWN)}...` : url}`;
}
