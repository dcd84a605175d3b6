/**
 * What the commands need of whoever keeps keys and carries messages: this
 * process, or some day a Redis or Valkey server that several processes share.
 */

import type { Path, Pattern } from "../path.ts";
import type { Refusal } from "../refusal.ts";

/** A value with what is known of it. */
export interface Stored {
  /** JSON. */
  readonly text: string;
  /** Counted up by each change; never used twice for one key. */
  readonly version: number;
  /** Clock milliseconds; Infinity for never. */
  readonly expiresAt: number;
}

export interface SetTerms {
  /** Milliseconds until it expires; without, never. */
  readonly ttlMs?: number | undefined;
  /** Only where there is no value. */
  readonly ifAbsent?: boolean | undefined;
  /** Only where the value has this version; 0 is that of an absent one. */
  readonly ifVersion?: number | undefined;
}

/** Names in order, a page of them. */
export interface Page {
  /** Keys relative to the namespace that was asked. */
  readonly names: readonly string[];
  /** Where the next page begins; null when there is none. */
  readonly cursor: string | null;
  /** How many names were looked at. */
  readonly visited: number;
}

export interface Paging {
  /** Where the page before ended. */
  readonly after: string | null;
  readonly limit: number;
}

/** Keeps keys. */
export interface KeyEngine {
  get(path: Path): Stored | null;
  /** @returns the new version, or why not */
  set(path: Path, text: string, terms: SetTerms): number | Refusal;
  /** All or none. */
  setAll(values: readonly (readonly [path: Path, text: string])[]): Refusal | null;
  /** @param tree with everything below @returns how many keys were removed, or why none */
  del(path: Path, tree: boolean, ifVersion: number | undefined): number | Refusal;
  /** @returns the new number, or why not */
  increase(path: Path, by: number): number | Refusal;
  /** @param ttlMs null for never */
  expire(path: Path, ttlMs: number | null): Refusal | null;
  /** Keys with values below a namespace whose text begins with `prefix`. */
  scan(namespace: Path, prefix: string, paging: Paging): Page;
  /** Nodes right below a namespace that have keys below them. */
  namespaces(namespace: Path, paging: Paging): Page;
  /** The name of the sibling after (or with `back` before) one of a name, which need not exist; "" is before the first and after the last. */
  next(namespace: Path, name: string, back: boolean): string | null;
  /** How many names have been looked at, beyond those that were asked for, since this was asked last. */
  spent(): number;
}

/** A message that a channel still has. */
export interface Kept {
  readonly seq: number;
  /** The event as it is sent, a line. */
  readonly line: string;
}

/** What a subscriber that comes back has missed. */
export interface Missed {
  readonly seq: number;
  readonly replayed: readonly Kept[];
  /** Messages that are gone; null when that cannot be known. */
  readonly lost: number | null;
}

/** Carries messages to subscribers of kind `S`. */
export interface ChannelEngine<S> {
  /** @returns how many subscribers it goes to */
  publish(channel: Path, value: string): number;
  /** @returns whether it is new */
  subscribe(subscriber: S, pattern: Pattern): boolean;
  /** @returns whether there was one */
  unsubscribe(subscriber: S, pattern: Pattern): boolean;
  /** What a channel has carried after message `since`, which was of the life `epoch` of the server. */
  missed(channel: Path, since: number, epoch: string | undefined): Missed;
  /** How many subscribe to just this channel, and the number of its last message. */
  known(channel: Path): { readonly subscribers: number; readonly seq: number };
  /** Channels that somebody subscribes to by name, or that keep messages. */
  scan(namespace: Path, prefix: string, paging: Paging): Page;
}
