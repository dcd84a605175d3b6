import { randomBytes } from "node:crypto";
import type { Config } from "../../../config/table.ts";
import type { Sized } from "../../../host/service/largest.ts";
import { partsOf, type Path, type Pattern, textOf } from "../keys/path.ts";
import { type Page, type Paging, scanBelow } from "../keys/tree/scan.ts";
import { memoryOf } from "../keys/tree/memory.ts";
import { type SubscriptionNode, Subscriptions } from "./subscriptions.ts";

/** A message that a channel keeps. */
export interface Kept {
  readonly seq: number;
  /** The event as it is sent, a line. */
  readonly line: string;
}

/** The messages that a subscriber has missed while it was away. */
export interface Missed {
  readonly seq: number;
  readonly replayed: readonly Kept[];
  /** Number of missed messages that are no longer kept; null when that cannot be known. */
  readonly lost: number | null;
}

/** A channel, or a pattern of channels. */
export interface Listed {
  readonly name: string;
  readonly subscribers: number;
  /** Messages since the channel is known, and those that are kept; 0 for a pattern. */
  readonly messages: number;
  readonly kept: number;
}

/** Sends lines to subscribers. */
export interface Deliverer<S> {
  deliver(subscribers: ReadonlySet<S>, line: string): void;
}

/** Bytes of memory that a kept message takes besides its text, and a channel besides its messages. */
const KEPT_BYTES = 64;
const CHANNEL_BYTES = 500;

/** Messages by channel: numbered, sent to the subscribers, and kept for a while. */
export class Channels<S> {
  /** Tells this run of the server from others: in each run the numbers of messages begin again. */
  readonly epoch = randomBytes(6).toString("hex");
  /** Messages published. */
  published = 0;
  /** Memory that kept messages take. */
  keptBytes = 0;
  readonly #subscriptions = new Subscriptions<S>();
  readonly #delivery: Deliverer<S>;
  readonly #settings: Pick<Config, "store">;
  /** Channels that keep messages, the longest silent first. */
  readonly #known = new Set<SubscriptionNode<S>>();
  /** The highest number of a channel that has been forgotten: new channels begin above it, so that no name gets a number twice. */
  #floor = 0;

  constructor(delivery: Deliverer<S>, settings: Pick<Config, "store">) {
    this.#delivery = delivery;
    this.#settings = settings;
  }

  /** Channels that keep messages. */
  get size(): number {
    return this.#known.size;
  }

  get subscriptions(): number {
    return this.#subscriptions.size;
  }

  /** @returns the number of subscribers it goes to */
  publish(path: Path, value: string): number {
    const node = this.#subscriptions.tree.make(path);
    this.published++;
    node.channel ??= { seq: this.#floor, base: this.#floor, kept: [] };
    const { channel } = node;
    const seq = ++channel.seq;
    const name = JSON.stringify(textOf(path));
    const line = `{"event":"message","channel":${name},"seq":${seq},"value":${value}}\n`;
    channel.kept.push({ seq, line });
    this.keptBytes += memoryOf(line) + KEPT_BYTES;
    if (!this.#known.delete(node)) this.keptBytes += costOf(path);
    this.#known.add(node);
    this.#forget(node);
    const subscribers = this.#subscriptions.of(path);
    const { size } = subscribers;
    if (size > 0) this.#delivery.deliver(subscribers, line);
    return size;
  }

  /** @returns true if it is new */
  subscribe(subscriber: S, pattern: Pattern): boolean {
    return this.#subscriptions.add(subscriber, pattern);
  }

  /** @returns true if there was one */
  unsubscribe(subscriber: S, pattern: Pattern): boolean {
    const removed = this.#subscriptions.remove(subscriber, pattern);
    const node = this.#subscriptions.tree.find(pattern.path);
    if (node?.channel && node.exact === null && !this.#known.has(node)) this.#end(node);
    return removed;
  }

  /** Messages of a channel after number `since` of `epoch`. */
  missed(path: Path, since: number, epoch: string | undefined): Missed {
    const channel = this.#subscriptions.tree.find(path)?.channel;
    const seq = channel?.seq ?? this.#floor;
    const base = channel?.base ?? this.#floor;
    const kept = channel?.kept ?? [];
    // Numbers of another epoch, or of a channel that has been forgotten, cannot be compared with these.
    const known = (epoch === undefined || epoch === this.epoch) && since <= seq && since >= base;
    if (!known) return { seq, replayed: kept, lost: null };
    const replayed = kept.filter((message) => message.seq > since);
    return { seq, replayed, lost: seq - since - replayed.length };
  }

  /** The number of subscribers to just this channel, and the number of its last message. */
  known(path: Path): { subscribers: number; seq: number } {
    const node = this.#subscriptions.tree.find(path);
    return { subscribers: node?.exact?.size ?? 0, seq: node?.channel?.seq ?? this.#floor };
  }

  /** Channels that somebody subscribes to by name, or that keep messages. */
  scan(namespace: Path, prefix: string, paging: Paging): Page {
    return scanBelow(this.#subscriptions.tree, namespace, prefix, paging, isChannel);
  }

  /** True if `scan` finds a channel of just this name. */
  isListed(path: Path): boolean {
    const node = this.#subscriptions.tree.find(path);
    return node !== null && isChannel(node);
  }

  /** A page of channels and patterns, in order of their names. */
  list(
    prefix: string,
    paging: Paging,
  ): { readonly rows: readonly Listed[]; cursor: string | null } {
    const { tree } = this.#subscriptions;
    const { names, cursor } = scanBelow(tree, [], prefix, paging, ({ idle }) => !idle);
    const nodes = names.map((name) => tree.find(partsOf(name))).filter((node) => node !== null);
    const isFirst = paging.after === null && prefix === "";
    return { rows: [...(isFirst ? [tree.root] : []), ...nodes].flatMap(listedOf), cursor };
  }

  /** Who subscribes to just this name or pattern; valid until a subscription begins or ends. */
  subscribersOf({ path, below }: Pattern): ReadonlySet<S> {
    const node = this.#subscriptions.tree.find(path);
    return (below ? node?.patterns : node?.exact) ?? new Set();
  }

  /** Channels and patterns in order, with their numbers of subscribers and of messages since the channel is known; nothing may change meanwhile. */
  counts(): Generator<Sized> {
    return countsFrom(this.#subscriptions.tree.root);
  }

  /** Drops the oldest messages beyond `replay_messages`, and all messages of the longest silent channels beyond `replay_bytes`. */
  #forget({ channel }: SubscriptionNode<S>): void {
    const { replay_messages: messages, replay_bytes: bytes } = this.#settings.store;
    const kept = channel?.kept ?? [];
    if (kept.length > messages) {
      for (const { line } of kept.splice(0, kept.length - messages)) {
        this.keptBytes -= memoryOf(line) + KEPT_BYTES;
      }
    }
    for (const silent of this.#known) {
      if (this.keptBytes <= bytes) return;
      this.#drop(silent);
    }
  }

  #drop(node: SubscriptionNode<S>): void {
    const { kept } = node.channel as NonNullable<typeof node.channel>;
    for (const { line } of kept) this.keptBytes -= memoryOf(line) + KEPT_BYTES;
    kept.length = 0;
    this.keptBytes -= costOf(node.path());
    this.#known.delete(node);
    // While somebody subscribes, the channel stays, so that its numbers go on.
    if (node.exact === null) this.#end(node);
  }

  #end(node: SubscriptionNode<S>): void {
    this.#floor = Math.max(this.#floor, node.channel?.seq ?? 0);
    node.channel = null;
    this.#subscriptions.prune(node);
  }
}

function isChannel<S>({ exact, channel }: SubscriptionNode<S>): boolean {
  return exact !== null || channel !== null;
}

function listedOf<S>(node: SubscriptionNode<S>): Listed[] {
  const { exact, patterns, channel, parent } = node;
  const path = parent === null ? [] : node.path();
  const rows: Listed[] = [];
  if (patterns !== null) {
    rows.push({ name: textOf([...path, "*"]), subscribers: patterns.size, messages: 0, kept: 0 });
  }
  if (exact === null && channel === null) return rows;
  const { seq = 0, base = 0, kept = [] } = channel ?? {};
  const subscribers = exact?.size ?? 0;
  rows.push({ name: textOf(path), subscribers, messages: seq - base, kept: kept.length });
  return rows;
}

function* countsFrom<S>(node: SubscriptionNode<S>): Generator<Sized> {
  const { exact, patterns, channel, parent } = node;
  const path = () => (parent === null ? [] : node.path());
  if (patterns !== null) {
    yield { name: () => textOf([...path(), "*"]), values: [patterns.size, 0] };
  }
  if (exact !== null || channel !== null) {
    const messages = channel === null ? 0 : channel.seq - channel.base;
    yield { name: () => textOf(path()), values: [exact?.size ?? 0, messages] };
  }
  for (const chunk of node.below?.chunks ?? []) {
    for (const one of chunk) yield* countsFrom(one);
  }
}

function costOf(path: Path): number {
  return CHANNEL_BYTES * path.length + memoryOf(textOf(path));
}
