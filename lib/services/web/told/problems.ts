import { printable } from "../../../host/content.ts";
import type { Health, Host, Problem } from "../../../host/service.ts";
import { messageOf } from "../../../host/errors.ts";

/** A problem as it is told: of which part, and since when. */
export interface ProblemTold extends Problem {
  /** The service, `process` or `log`. */
  readonly part: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

const WORST_FIRST = ["failing", "warning", "note"];
/** Problems of one service that are told. */
const MOST = 20;

/** Seconds of delay of the event loop above which everybody has had to wait. */
const STALL_SECONDS = 0.5;
/** The share of the files that may be open above which few are left. */
const FILES_SHARE = 0.9;

type ProblemsHost = Pick<Host<never>, "clock" | "log" | "services">;

/** What is wrong with the whole program now, and since when each has been so. */
export class Problems {
  readonly #host: ProblemsHost;
  readonly #healths: () => ReadonlyMap<string, Health>;
  /** Since when, by part and key, of those that are there now. */
  #since = new Map<string, number>();
  #now: readonly ProblemTold[] = [];

  constructor(host: ProblemsHost, healths: () => ReadonlyMap<string, Health>) {
    this.#host = host;
    this.#healths = healths;
  }

  /** The problems at the last look, the worst first. */
  get now(): readonly ProblemTold[] {
    return this.#now;
  }

  /** Looks at everything; called once a second. `process` has the numbers of the program. */
  look(process: Readonly<Record<string, number>>): void {
    const at = this.#host.clock.wall();
    const before = this.#since;
    this.#since = new Map();
    const told = [...this.#all(process)].map(([part, problem]) => {
      const key = `${part}/${problem.key}`;
      const since = Math.min(before.get(key) ?? at, at);
      this.#since.set(key, since);
      return { part, since, ...problem };
    });
    const rank = ({ severity }: Problem) => WORST_FIRST.indexOf(severity);
    this.#now = told.toSorted((a, b) => rank(a) - rank(b) || a.since - b.since);
  }

  *#all(process: Readonly<Record<string, number>>): Iterable<[part: string, Problem]> {
    for (const [part, { ok, reason }] of this.#healths()) {
      if (ok) continue;
      yield [part, { key: "health", severity: "failing", text: sentence(reason) }];
    }
    for (const [part, service] of this.#host.services) {
      for (const problem of this.#of(part, service.problems?.bind(service))) yield [part, problem];
    }
    yield* processTroubles(process).map((one): [string, Problem] => ["process", one]);
  }

  /** A service that cannot tell what is wrong is a problem itself. */
  #of(part: string, ask: (() => readonly Problem[]) | undefined): readonly Problem[] {
    try {
      return ask?.().slice(0, MOST) ?? [];
    } catch (error) {
      const text = `What is wrong cannot be told: ${printable(messageOf(error))}.`;
      this.#host.log.bug(error, `asking ${part} for its problems`);
      return [{ key: "problems", severity: "warning", text }];
    }
  }
}

function sentence(reason: string): string {
  const text = printable(reason);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}

function processTroubles(stats: Readonly<Record<string, number>>): readonly Problem[] {
  const problems: Problem[] = [];
  const { event_loop_delay_seconds: delay = 0, open_files: open = 0, max_files: most = 0 } = stats;
  if (delay > STALL_SECONDS) {
    const text = `Everything stood still for ${delay.toFixed(1)} s in the last second.`;
    problems.push({ key: "stall", severity: "warning", text });
  }
  if (most > 0 && open > most * FILES_SHARE) {
    const text = `${open} of ${most} files that may be open are open: new connections may be turned away.`;
    problems.push({ key: "files", severity: "warning", text });
  }
  return problems;
}
