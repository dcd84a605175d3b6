/** What to listen to: a channel, or keys; or patterns of them, which end in ^*. */
export interface Wanted {
  readonly channel?: string;
  readonly keys?: string;
  readonly ns?: string;
  /** Begins with what came after this one; of keys with the epoch that it came with. */
  readonly since?: number;
  readonly epoch?: string;
  /** With keys: begins with the values that they have, and again where changes are lost. */
  readonly state?: boolean;
}

/**
 * What the store sends, and besides it `lost`: the number of messages or changes after
 * number `since` that will not come any more, or null where nobody knows. Who asked for
 * `state` then drops all it has: the values come anew.
 */
export type StoreEvent =
  | {
      readonly event: "message";
      readonly channel: string;
      readonly seq: number;
      readonly value: unknown;
    }
  | {
      readonly event: "set";
      readonly key: string;
      readonly version: number;
      readonly seq?: number;
      readonly value: unknown;
    }
  | {
      readonly event: "state";
      readonly key: string;
      readonly version: number;
      readonly value: unknown;
    }
  | {
      readonly event: "del" | "expired";
      readonly key: string;
      readonly seq?: number;
      readonly tree?: true;
    }
  | { readonly event: "live"; readonly keys: string; readonly seq?: number }
  | { readonly event: "lost"; readonly lost: number | null; readonly since?: number };

/** Hears an event, and the line that it came in; null for what no line has told. */
export type Listener = (event: StoreEvent, line: string | null) => unknown;
