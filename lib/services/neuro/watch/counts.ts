import { largest } from "../../../host/service/largest.ts";
import type { Table } from "../../../host/service.ts";
import { type Distribution, Histogram } from "../../../host/stats.ts";
import type { Playing } from "../brains/brain.ts";
import { GAMES } from "./declared.ts";
import { isFault, type Severity } from "../diagnostics.ts";
import type { SessionEvent } from "../session/events.ts";
import type { Force } from "../session/force.ts";

/** So many latencies are kept. */
const KEPT = 20;
/** Seconds. */
const BOUNDS = [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60];

/** The events of all games, in numbers. */
export class Counts {
  messages = 0;
  readonly #numbers = {
    forces: 0,
    actions_sent: 0,
    retries: 0,
    forces_succeeded: 0,
    forces_failed: 0,
    forces_timed_out: 0,
    forces_replaced: 0,
    forces_cancelled: 0,
    faults: 0,
  };
  /** From a force to its action; seconds. */
  readonly latencies = new Histogram(BOUNDS);
  readonly distributions: readonly Distribution[] = [
    {
      name: "force",
      unit: "seconds",
      about: "Time from a force to its action.",
      label: null,
      histograms: new Map([["", this.latencies]]),
    },
  ];
  /** The newest of them, the newest last; milliseconds. */
  readonly #newest: number[] = [];

  happened(event: SessionEvent): void {
    if (event.kind === "action") this.#numbers.actions_sent++;
    if (event.kind === "force") this.#moved(event.force);
    if (event.kind === "diagnostic" && isFault(event.diagnostic)) this.#numbers.faults++;
  }

  #moved(force: Force): void {
    const { state, steps } = force;
    const before = steps.at(-2)?.state;
    if (state === "queued") this.#numbers.forces++;
    else if (state === "choosing") this.#numbers.retries += before === "sent" ? 1 : 0;
    else if (state === "sent") this.#chosen(force);
    else this.#numbers[`forces_${state}`]++;
  }

  #chosen({ steps, retries }: Force): void {
    const [first] = steps;
    const last = steps.at(-1);
    if (first === undefined || last === undefined || retries > 0) return;
    const ms = last.at - first.at;
    this.latencies.add(ms / 1000);
    this.#newest.push(ms);
    if (this.#newest.length > KEPT) this.#newest.shift();
  }

  /** The numbers of `DECLARED` but for those of clients. */
  stats(games: Iterable<Playing>, { error, warning, info }: Readonly<Record<Severity, number>>) {
    const sorted = this.#newest.toSorted((a, b) => a - b);
    const slow = sorted[Math.max(0, sorted.length - 2)] ?? 0;
    const now = { games: 0, actions: 0, unanswered: 0, choosing: 0 };
    for (const { actionNames, pending, force } of games) {
      now.games++;
      now.actions += actionNames.length;
      now.unanswered += pending.length;
      if (force !== null && force.state !== "sent") now.choosing++;
    }
    return {
      ...this.#numbers,
      ...now,
      messages_in: this.messages,
      choice_ms: Math.round(slow * 10) / 10,
      diagnostics_error: error,
      diagnostics_warning: warning,
      diagnostics_info: info,
    };
  }
}

/** The games with the most actions. */
export function tableOf(games: Iterable<Playing>): Table {
  const sized = [...games].map(({ name, actionNames, forces }) => ({
    name: () => name,
    values: [actionNames.length, forces],
  }));
  return { ...GAMES, ...largest(sized) };
}
