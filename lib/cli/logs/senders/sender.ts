import type { Texts } from "../../../services/collector/doors/capnp/write.ts";
import type { Destination } from "../../client/destination.ts";

/** A record that is sent. */
export interface SentRecord {
  readonly level: number;
  readonly texts: Texts;
}

/** The settings of one run. */
export interface SendOptions {
  readonly to: Destination;
  /** The token that the door asks for; "" for none. */
  readonly token: string;
}

/** Sends records by one door. */
export interface RecordSender {
  /** Records that the server has said it keeps; null for a door that says nothing. */
  readonly acknowledged: number | null;
  /** Sends records, as fast as the server takes them. @returns false when the connection has ended @throws StartError when they are refused */
  send(records: readonly SentRecord[]): Promise<boolean>;
  /** Says that no more follow. Resolves when the server has answered all of them, or has read all where it answers nothing; false when it ended before. */
  finish(): Promise<boolean>;
  close(): void;
}
