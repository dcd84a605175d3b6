import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Log } from "../../../host/log.ts";
import { Seldom } from "../../../host/seldom.ts";
import type { Address, Health } from "../../../host/service.ts";
import type { Client } from "../../../net/client.ts";
import type { Clients } from "../../../net/clients.ts";
import type { Intake } from "../intake.ts";

/** The reasons that a door refuses a message for; each completes "Messages refused because ...". */
export const REFUSALS = {
  malformed: "they were not what the door speaks",
  oversized: "they were too long",
  token: "the token was missing or wrong",
  full: "too much waited for the disk",
  denied: "they came from where nobody may write",
} as const;

export type Refusal = keyof typeof REFUSALS;

/** The counts of a door. */
export class DoorCounts {
  records = 0;
  /** Records that had been taken before, over another connection. */
  again = 0;
  /** Records that were not understood, and are kept as they came. */
  keptWhole = 0;
  /** Bytes of the messages that held them. */
  bytes = 0;
  /** Messages that were refused, by reason. */
  readonly refused = Object.fromEntries(
    Object.keys(REFUSALS).map((reason) => [reason, 0]),
  ) as Record<Refusal, number>;

  /** All messages that were refused. */
  get refusedInAll(): number {
    return Object.values(this.refused).reduce((sum, count) => sum + count, 0);
  }
}

/** Counts what a door refuses, and logs it: the first of each reason at once, the number of further ones once a second. */
export class Refused {
  readonly #counts: DoorCounts;
  readonly #log: Pick<Log, "warning">;
  readonly #told: Seldom;

  constructor(
    door: DoorName,
    counts: DoorCounts,
    { clock, log }: { readonly clock: Clock; readonly log: Pick<Log, "warning"> },
  ) {
    this.#counts = counts;
    this.#log = log;
    this.#told = new Seldom(clock, (reason, more) =>
      log.warning(`collector: ${more} more messages by ${door} were refused: ${reason}`),
    );
  }

  /** @param who the address of the client @param why in words of ours */
  note(reason: Refusal, who: string, why: string): void {
    this.#counts.refused[reason]++;
    if (this.#told.isFirst(reason)) this.#log.warning(`collector: ${who}: ${reason}, ${why}`);
  }

  /** Logs what has not been logged yet. */
  end(): void {
    this.#told.close();
  }
}

/** A way in for entries: it turns what clients send into entries, and hands them to the intake. */
export interface Door {
  readonly name: DoorName;
  readonly addresses: readonly Address[];
  readonly counts: DoorCounts;
  /** Its clients; null for one that knows none. */
  readonly clients: Clients<Client> | null;
  health(): Health;
  /** Takes other certificates, access lists, limits and settings of its own. @throws Error when TLS does not work; everything stays as it was */
  configure(next: Config): void;
  /** Takes what has come, refuses new clients and tells clients how far the file has come until the deadline. */
  drain(deadlineMs: number): Promise<void>;
}

/** The doors there are. */
export const DOOR_NAMES = ["tcp", "grpc", "http", "syslog", "lines"] as const;
export type DoorName = (typeof DOOR_NAMES)[number];

/** The number of each door, by which the intake knows what came by it. */
export const DoorNumber = Object.fromEntries(
  DOOR_NAMES.map((name, number) => [name, number]),
) as Readonly<Record<DoorName, number>>;

/** The reason to hold a client while too much waits for the disk. */
const FULL = 2;

/** Records that one client has read in a turn at most; this many bytes count as one more. */
const A_TURN = 1000;
const A_RECORD_BYTES = 256;

/** Divides what a client has sent among turns: records of two bytes are many in one read, and each costs. */
export class Turns<C extends Client> {
  readonly #clients: Clients<C>;
  #client: C | null = null;
  #work = 0;

  constructor(clients: Clients<C>) {
    this.#clients = clients;
  }

  /** A record was taken. Once a client has had its part it rests until the next turn. */
  took(client: C, bytes: number): void {
    if (this.#client !== client) {
      this.#client = client;
      this.#work = 0;
    }
    this.#work += 1 + bytes / A_RECORD_BYTES;
    if (this.#work < A_TURN) return;
    this.#work = 0;
    this.#clients.rest(client);
  }
}

/** The clients of a door that are not read while too much waits for the disk. */
export class Held<C extends Client> {
  readonly #clients: Clients<C>;
  readonly #intake: Intake;
  readonly #resumed: (client: C) => void;
  /** What ends the wait of each. */
  readonly #cancels = new Map<C, () => void>();

  /** @param resumed called when a client has been read again */
  constructor(clients: Clients<C>, intake: Intake, resumed: (client: C) => void = () => {}) {
    this.#clients = clients;
    this.#intake = intake;
    this.#resumed = resumed;
  }

  /** Reads no more from a client if too much waits, until its turn comes. */
  holdIfFull(client: C): void {
    if (!this.#intake.isFull || this.#cancels.has(client)) return;
    client.hold(FULL);
    const roomy = () => {
      this.#cancels.delete(client);
      this.#clients.resume(client, FULL);
      this.#resumed(client);
    };
    this.#cancels.set(client, this.#intake.onRoom(roomy));
  }

  /** A client has gone. */
  forget(client: C): void {
    this.#cancels.get(client)?.();
    this.#cancels.delete(client);
  }
}
