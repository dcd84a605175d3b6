import type { Config } from "../../../config/table.ts";
import type { Address, Health } from "../../../host/service.ts";
import type { Client } from "../../../net/client.ts";
import type { Clients } from "../../../net/clients.ts";

/** The counts of a door. */
export interface DoorCounts {
  records: number;
  /** Records that had been taken before, over another connection. */
  again: number;
  /** Bytes of the messages that held them. */
  bytes: number;
  /** Messages that were refused, by reason. */
  readonly refused: Map<string, number>;
}

/** A way in for entries: it turns what clients send into entries, and hands them to the intake. */
export interface Door {
  /** `tcp`, `grpc`, `http`, `syslog`, `lines`. */
  readonly name: string;
  readonly address: Address;
  readonly counts: DoorCounts;
  /** Its clients; null for one that knows none. */
  readonly clients: Clients<Client> | null;
  health(): Health;
  /** Takes other certificates, access lists and limits. @throws Error when TLS does not work; everything stays as it was */
  configure(next: Config): void;
  /** Takes what has come, refuses new clients and tells clients how far the file has come until the deadline. */
  drain(deadlineMs: number): Promise<void>;
}

export function noCounts(): DoorCounts {
  return { records: 0, again: 0, bytes: 0, refused: new Map() };
}

/** Counts a message that was refused. */
export function countRefused({ refused }: DoorCounts, reason: string): void {
  refused.set(reason, (refused.get(reason) ?? 0) + 1);
}
