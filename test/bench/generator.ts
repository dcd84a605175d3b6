import { join } from "node:path";
import { stop, track } from "./processes.ts";
import type { WireName } from "./wire.ts";

/** The connections of a generator process. */
export interface Setup {
  wire: WireName;
  /** The ports of the server or servers: listeners are dealt out to them. */
  ports: readonly number[];
  /** True if listeners are ready only when a first message has come to all of them. */
  gathers: boolean;
  /** True if the servers know nothing of each other: each gets a connection that publishes. */
  apart: boolean;
  listeners: number;
  /** True if one more connection, which only publishes, is opened after them. */
  publisher: boolean;
  /** Size of every published text in ASCII bytes, 20 or more. */
  payloadBytes: number;
  /** True if texts are typed JSON envelopes, which the relay has to escape. */
  json: boolean;
}

/** One measured stretch of traffic. */
export type Load =
  /** The publisher sends as fast as the server takes it. */
  | { kind: "pipelined"; seconds: number }
  /** The publisher sends at a steady rate; latencies are sampled. */
  | { kind: "paced"; perSecond: number; seconds: number }
  /** One message in flight; the next goes out when every listener has the last. */
  | { kind: "closed"; seconds: number }
  /**
   * As `closed`, but only a few listeners are waited for; the others read once in
   * `every` messages, so that the generator leaves the processor to the server.
   */
  | { kind: "seldom"; seconds: number; every: number }
  /** Every listener publishes once, and again when all have everything. */
  | { kind: "everybody"; seconds: number }
  /** One message to every listener, to see that all are still there. */
  | { kind: "once" }
  /** Connections come and go beside listeners that are served at a steady rate. */
  | { kind: "churn"; connections: number; concurrency: number };

export interface Outcome {
  deliveries: number;
  bytes: number;
  seconds: number;
  /** Microseconds from publishing to receiving, of `paced` only. */
  latencies: number[];
}

export type Order = { setup: Setup } | { load: Load };
export type Answer = { ready: true } | { outcome: Outcome } | { error: string };

/**
 * A process of its own that connects to a server and makes traffic, so that its
 * CPU time is not the server's and its pauses are not this program's.
 */
export class Generator {
  private waiting: ((answer: Answer) => void) | null = null;
  private readonly process: Bun.Subprocess;

  constructor() {
    this.process = track(
      Bun.spawn({
        cmd: [process.execPath, join(import.meta.dir, "generator-process.ts")],
        stdin: "ignore",
        stdout: "inherit",
        stderr: "inherit",
        ipc: (answer) => this.waiting?.(answer as Answer),
        serialization: "json",
      }),
    );
    void this.process.exited.then(() => this.waiting?.({ error: "the generator process ended" }));
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Connects everybody; rejects when the server does not greet them all. */
  async setup(setup: Setup): Promise<void> {
    await this.ask({ setup });
  }

  /** Runs one load to its end; rejects when a byte is missing or too many. */
  async run(load: Load): Promise<Outcome> {
    const answer = await this.ask({ load });
    if (!("outcome" in answer)) throw new Error("the generator gave no outcome");
    return answer.outcome;
  }

  stop(): Promise<void> {
    return stop(this.process);
  }

  private async ask(order: Order): Promise<Answer> {
    const answer = await new Promise<Answer>((resolve) => {
      this.waiting = resolve;
      this.process.send(order);
    });
    this.waiting = null;
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  }
}
