import type { TLSOptions } from "bun";
import type { Config } from "../../../config/table.ts";
import type { Fault } from "../../../host/errors.ts";
import type {
  Address,
  ClientMore,
  ClientPage,
  ClientQuery,
  Health,
} from "../../../host/service.ts";
import type { DoorMemory } from "../../../net/admission/inside-threads.ts";
import type { Way } from "../../../net/sends/way.ts";
import type { FromRoad, ToRoad } from "../order/threads/messages.ts";
import type { StateTold } from "../panel/told.ts";
import type { Troubles } from "../problems.ts";

/** All that a thread needs to serve its part of the clients. */
export interface ThreadStart {
  readonly kind: "start";
  readonly config: Config;
  /** All threads get the same, whatever happens to the files meanwhile. */
  readonly tls: TLSOptions | undefined;
  /** From 0. */
  readonly thread: number;
  readonly threads: number;
  /** Files that the connections of all threads may take. */
  readonly files: number;
  readonly ids: SharedArrayBuffer;
  readonly door: DoorMemory;
  /** Clients of the room in other programs. */
  readonly elsewhere: SharedArrayBuffer;
  /** The zero of the main thread's clock, by which all tell the time; milliseconds since 1970. */
  readonly zero: number;
}

/** What an operator asks for, by name: what is given, and the answer. */
export interface Questions {
  clients: [given: ClientQuery, answer: ClientPage];
  client: [given: number, answer: ClientMore | null];
  kick: [given: number, answer: string | null];
  state: [given: null, answer: StateTold];
}

export interface Question<K extends keyof Questions = keyof Questions> {
  readonly kind: "question";
  readonly number: number;
  readonly of: K;
  readonly given: Questions[K][0];
}

/** How a thread fares. */
export interface Told {
  readonly stats: Readonly<Record<string, number>>;
  readonly health: Health;
  readonly troubles: Troubles;
  /** Open connections, closed clients that linger included. */
  readonly connections: number;
  readonly way: Way;
  /** Sends that left by io_uring, and the calls for them. */
  readonly sends: number;
  readonly calls: number;
}

/** A message of the main thread. */
export type ToThread =
  | ToRoad
  | ThreadStart
  | Question
  /** Answered by `alive` at once, unless the thread hangs. */
  | { readonly kind: "beat" }
  | ({ readonly kind: "reload" } & Pick<ThreadStart, "config" | "tls" | "files">)
  | { readonly kind: "drain"; readonly deadlineMs: number };

/** A message of a thread. */
export type FromThread =
  | FromRoad
  /** It listens. */
  | { readonly kind: "ready"; readonly address: Address }
  /** It cannot start. */
  | { readonly kind: "failed"; readonly message: string; readonly faults: readonly Fault[] }
  /** @property cpuMs that it has computed for since it began */
  | { readonly kind: "alive"; readonly cpuMs: number }
  | { readonly kind: "told"; readonly told: Told }
  | { readonly kind: "answer"; readonly number: number; readonly answer: unknown }
  | { readonly kind: "log"; readonly level: LogLevel; readonly message: string }
  | { readonly kind: "bug"; readonly stack: string; readonly context: string }
  | {
      readonly kind: "turnedAway";
      /** In the log's words. */
      readonly reason: string;
      readonly clients: number;
      readonly last: string;
    }
  /** It keeps its settings, for this reason. */
  | { readonly kind: "kept"; readonly why: string }
  /** All its clients are closed. */
  | { readonly kind: "drained" };

export type LogLevel = "debug" | "info" | "warning" | "error";
