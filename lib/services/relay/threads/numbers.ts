import type { FileShares } from "../../../host/files/file-shares.ts";
import type { Problem, Table } from "../../../host/service.ts";
import { counts, inThreads } from "../../../net/sends/way.ts";
import { mergedTroubles } from "../../../net/clients/troubles.ts";
import { DECLARED } from "../declared.ts";
import { relayProblems } from "../problems.ts";
import { sum } from "./merged.ts";
import type { Told } from "./messages.ts";
import type { Thread } from "./thread.ts";

/** The numbers of all threads together, as they have last told them. */
export class Numbers {
  readonly #threads: readonly Thread[];
  readonly #files: Pick<FileShares, "connections">;
  /** The sums over the lives that have ended. */
  readonly #past: Record<string, number> = {};

  /** @param files gets the connections of the threads */
  constructor(threads: readonly Thread[], files: Pick<FileShares, "connections">) {
    this.#threads = threads;
    this.#files = files;
  }

  stats(): Record<string, number> {
    const all = this.#told();
    const stats: Record<string, number> = {};
    for (const name of Object.keys(DECLARED)) {
      stats[name] = (this.#past[name] ?? 0) + sum(all, (told) => told.stats[name] ?? 0);
    }
    return stats;
  }

  problems(quarantined: number): readonly Problem[] {
    const all = this.#told().map(({ troubles }) => troubles);
    return relayProblems({
      paused: all.some(({ paused }) => paused),
      pinnedBytes: sum(all, ({ pinnedBytes }) => pinnedBytes),
      clients: mergedTroubles(all.map(({ clients }) => clients)),
      quarantined,
    });
  }

  tables(): readonly Table[] {
    return [
      {
        name: "threads",
        about: "The threads that serve the clients.",
        columns: [
          { name: "clients", unit: "clients" },
          { name: "lines", unit: "lines/s" },
          { name: "busy", unit: "%" },
          { name: "waiting", unit: "bytes" },
          { name: "restarts", unit: "restarts" },
        ],
        rows: this.#threads.map(({ name, told, pace, restarts }) => [
          name,
          told?.stats["clients"] ?? 0,
          pace.linesPerSecond,
          pace.busyPercent,
          told?.stats["pinned_bytes"] ?? 0,
          restarts,
        ]),
        more: 0,
        partial: false,
      },
    ];
  }

  /** Grows with what a person must hear of sooner than by a look once a second. */
  changes(): number {
    const {
      throttles = 0,
      flow_controls = 0,
      pressure_disconnects = 0,
      backlog_pauses = 0,
    } = this.stats();
    const paused = this.#told().filter(({ troubles }) => troubles.paused).length;
    return throttles + flow_controls + pressure_disconnects + 2 * backlog_pauses - paused;
  }

  /** A thread tells how it fares, or is gone. */
  note(told: Told | null, before: Told | null): void {
    this.#files.connections += (told?.connections ?? 0) - (before?.connections ?? 0);
    if (told === null) {
      if (before !== null) this.#keep(before);
      return;
    }
    inThreads.way = told.way;
    counts.sends += told.sends - (before?.sends ?? 0);
    counts.calls += told.calls - (before?.calls ?? 0);
  }

  /** A thread is gone: its counts stay, and its clients are closed. */
  #keep(told: Told): void {
    for (const [name, { kind }] of Object.entries(DECLARED)) {
      if (kind !== "counter") continue;
      this.#past[name] = (this.#past[name] ?? 0) + (told.stats[name] ?? 0);
    }
    const clients = told.stats["clients"] ?? 0;
    this.#past["closed_bug"] = (this.#past["closed_bug"] ?? 0) + clients;
  }

  #told(): readonly Told[] {
    return this.#threads.flatMap(({ told }) => told ?? []);
  }
}
