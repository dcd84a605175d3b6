/**
 * What the views of the panel answer with, as plain JSON. Each part of it has a
 * bound, whatever a client has sent. The page makes texts safe to show.
 * Durations are milliseconds.
 */

/** `state`: how the store fares. */
export interface StateTold {
  /** Milliseconds that only grow, for rates between two answers. */
  readonly at: number;
  readonly requests: number;
  readonly refused: number;
  /** Reads of a key that was there, and of one that was not. */
  readonly hits: number;
  readonly misses: number;
  /** Answers by the code of their error, but for codes that never were. */
  readonly errors: readonly {
    readonly code: string;
    readonly why: string;
    readonly count: number;
  }[];
  readonly memory: { readonly bytes: number; readonly most: number };
  readonly subscriptions: {
    readonly channels: number;
    readonly keys: number;
    readonly kept_bytes: number;
  };
  readonly durability: string;
  /** Null where nothing is kept on disk. */
  readonly journal: JournalTold | null;
  /** Names of keys and channels are for operators: the store wants tokens. */
  readonly is_private: boolean;
}

export interface JournalTold {
  readonly folder: string;
  /** Why changes are refused; null while all is well. */
  readonly trouble: string | null;
  /** Batches written, and those of them that are not known to be on disk. */
  readonly batches: number;
  readonly unsynced: number;
  /** Changes wait that are not even written. */
  readonly is_pending: boolean;
  readonly syncs: number;
  readonly since_sync_ms: number | null;
  /** Bytes since the last snapshot, and those from which the next one is due. */
  readonly bytes: number;
  readonly snapshot_from: number;
  readonly snapshots: number;
  /** The last one since the start. */
  readonly snapshot: {
    readonly since_ms: number;
    readonly ms: number;
    readonly bytes: number;
  } | null;
}

/** `level`: the names right below a path. */
export interface LevelTold {
  readonly path: readonly string[];
  readonly rows: readonly {
    readonly name: string;
    readonly keys: number;
    readonly bytes: number;
    readonly holds: boolean;
    readonly branches: boolean;
  }[];
  readonly total: number;
  readonly start: number;
  /** True where the largest come first; otherwise the order is that of the names. */
  readonly by_size: boolean;
  readonly keys: number;
  readonly bytes: number;
}

/** `key`: a value. */
export interface KeyTold {
  readonly path: readonly string[];
  /** JSON, of which there may be more. */
  readonly text: string;
  readonly bytes: number;
  readonly is_cut: boolean;
  readonly version: number;
  /** Null for ever. */
  readonly ttl_ms: number | null;
}

/** `channels`: channels and patterns. */
export interface ChannelsTold {
  readonly rows: readonly {
    readonly name: string;
    readonly subscribers: number;
    readonly messages: number;
    readonly kept: number;
  }[];
  /** Null where there are too many to be counted. */
  readonly total: number | null;
  readonly by_size: boolean;
  /** `after` of the next page; null when there is none. */
  readonly cursor: string | null;
}

/** `subscribers`: who subscribes to a channel. */
export interface SubscribersTold {
  readonly channel: string;
  readonly total: number;
  readonly clients: readonly { readonly id: number; readonly address: string }[];
}
