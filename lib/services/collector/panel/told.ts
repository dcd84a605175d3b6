/**
 * What the views of the panel answer with, as plain JSON. Each part of it has a
 * bound, whatever a client has sent. The page makes texts safe to show. Times
 * are milliseconds since 1970, durations milliseconds.
 */

/** `state`: all but the entries. */
export interface StateTold {
  /** Milliseconds that only grow, for rates between two answers. */
  readonly at: number;
  readonly path: string;
  readonly durability: string;
  readonly records: number;
  readonly written_bytes: number;
  readonly pending: { readonly entries: number; readonly bytes: number };
  /** How much may wait. */
  readonly room: { readonly entries: number; readonly bytes: number };
  /** Clients are not read: too much waits. */
  readonly is_full: boolean;
  /** Seconds of the slowest of the last syncs but one; null where none has been. */
  readonly slow_sync: number | null;
  /** Why nothing is written; null while all is well. */
  readonly blocked: BlockedTold | null;
  readonly doors: readonly DoorTold[];
  readonly files: FilesTold;
  /** The last entry on disk and its hash; null without a chain, or an entry. */
  readonly chain: { readonly entry: number; readonly hash: string } | null;
}

export interface BlockedTold {
  readonly reason: string;
  readonly ms: number;
  readonly attempts: number;
  /** What to do, in a sentence. */
  readonly cure: string;
  /** The number of the last entry that is written; null when there is none. */
  readonly last: number | null;
}

export interface DoorTold {
  readonly name: string;
  readonly title: string;
  /** Empty for a door that is not open. */
  readonly addresses: readonly string[];
  /** Null where none are counted. */
  readonly clients: number | null;
  readonly records: number;
  readonly bytes: number;
  readonly refused: number;
  /** The messages that were refused, by reason, but for reasons that never were. */
  readonly reasons: readonly {
    readonly name: string;
    readonly why: string;
    readonly count: number;
  }[];
  readonly again: number;
  readonly kept_whole: number;
  /** What is wrong with it, or null. */
  readonly trouble: string | null;
}

export interface FilesTold {
  readonly current_bytes: number;
  readonly most_bytes: number;
  readonly rotated: number;
  readonly rotated_bytes: number;
  /** How many of the rotated ones are compressed. */
  readonly compressed: number;
  readonly most_rotated: number;
  /** There are more rotated files than were looked at. */
  readonly has_more: boolean;
  /** Of the disk that the folder is on; null where the system does not tell. */
  readonly disk: { readonly free_bytes: number; readonly bytes: number } | null;
}

/** `entries`: those that were found, the newest first. */
export interface EntriesTold {
  readonly entries: readonly EntryTold[];
  /** The entries from `back_to` on, before `before`, were looked at. */
  readonly before: number;
  readonly back_to: number;
  /** No older ones are left to be looked at; where one door is asked for, none whose door is known. */
  readonly is_whole: boolean;
  /** The number of the first entry whose door is known. */
  readonly doors_from: number;
  /** The name of a file that is too long to be looked into; its entries begin with `back_to`. */
  readonly left_out: string | null;
}

export interface EntryTold {
  readonly sequence: number;
  /** The name of the door that it came by; "" where it is not known. */
  readonly door: string;
  /** "" where the line tells none. */
  readonly level: string;
  readonly timestamp: string;
  readonly host: string;
  readonly logger: string;
  /** File, function and line in the source, as far as they are known. */
  readonly where: string;
  readonly message: string;
  /** All other fields that the line has. */
  readonly more: readonly (readonly [name: string, value: string])[];
}
