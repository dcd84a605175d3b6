import { join } from "node:path";
import { track } from "./processes.ts";
import type { Keys, StoreWireName } from "./store-wire.ts";

/** The server that a job goes to. */
interface Place {
  wire: StoreWireName;
  port: number;
  /** The server's process, whose CPU time is read. */
  pid: number;
}

/** The work of every connection for as long as it lasts. */
export interface Traffic {
  connections: number;
  /** Requests that leave together; the next ones follow when all are answered. */
  pipeline: number;
  /** Share of GETs from 0 to 1; the others are SETs. */
  gets: number;
  warmUpSeconds: number;
  seconds: number;
}

/** One piece of work of a generator process. */
export type Job = Place & { keys: Keys } & (
    | ({ kind: "traffic" } & Traffic)
    /** Sets every key once. */
    | { kind: "fill" }
  );

/** The outcome of a job. */
export interface Outcome {
  requests: number;
  seconds: number;
  /** CPU seconds of the server; null where the system does not tell. */
  serverCpu: number | null;
  /** CPU seconds of the generator. */
  generatorCpu: number;
  /** Microseconds from a batch's departure to its last reply, of a few connections. */
  latencies: { p50: number; p99: number };
}

/** The output of a generator process. */
export type Answer = { outcome: Outcome } | { error: string };

/**
 * Runs a job in a process of its own, which ends with it. Rejects when a reply
 * is wrong, missing or too many.
 */
export async function runJob(job: Job): Promise<Outcome> {
  const child = track(
    Bun.spawn({
      cmd: [process.execPath, join(import.meta.dir, "store-process.ts"), JSON.stringify(job)],
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    }),
  );
  const said = await new Response(child.stdout).text();
  if (said === "") {
    await child.exited;
    const how = child.signalCode ?? `code ${child.exitCode}`;
    throw new Error(`the generator process ended without an answer (${how})`);
  }
  const answer = JSON.parse(said) as Answer;
  if ("error" in answer) throw new Error(answer.error);
  return answer.outcome;
}
