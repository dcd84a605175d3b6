import type { ClientColumns } from "../../../host/service/client-page.ts";
import type { EventStream } from "../../../host/service/http-part.ts";
import { isSystem, type Replay } from "../channels/catch-up.ts";
import type { Follower } from "../channels/watch.ts";
import type { Path, Pattern } from "../keys/path.ts";

/** A watch that is asked for over HTTP. */
export interface Asked {
  readonly pattern: Pattern;
  readonly address: string;
  /** Digest of the token that was shown, in hex; null where there are no tokens. */
  readonly token: string | null;
  /** The id of the last event that the client has had; null for a new one. */
  readonly last: string | null;
  /** The line of the value that the key has now; "" where it has none, and for a pattern. */
  readonly value: () => string;
}

/** Who watches keys over HTTP. */
export class Watcher implements Follower {
  readonly id: number;
  readonly asked: Asked;
  readonly stream: EventStream;
  /** Clock milliseconds. */
  readonly openedAt: number;
  /** True if what happens to these keys is kept, so that its client can come back. */
  readonly isNumbered: boolean;
  /** What it has missed, until it has had all of it. */
  replay: Replay | null = null;
  /** The number of the last change whose place it was told. */
  seq = -1;
  /** Characters that wait for the disk. */
  waiting = 0;
  /** Characters sent. */
  sent = 0;

  constructor(id: number, asked: Asked, stream: EventStream, openedAt: number) {
    this.id = id;
    this.asked = asked;
    this.stream = stream;
    this.openedAt = openedAt;
    this.isNumbered = !isSystem(asked.pattern);
  }

  get pattern(): Pattern {
    return this.asked.pattern;
  }

  /** Bytes that wait for it. */
  get owed(): number {
    return this.waiting + this.stream.waiting;
  }

  isBehind(_path: Path, _tree: boolean): boolean {
    return this.replay !== null;
  }
}

/** The columns of a watcher that an operator sees. */
export const WATCHER_COLUMNS: ClientColumns<Watcher> = {
  id: ({ id }) => id,
  address: ({ asked }) => asked.address,
  state: () => "watching",
  ageSeconds: ({ openedAt }, now) => Math.floor((now - openedAt) / 1000),
  messagesIn: () => 0,
  messagesPerSecond: () => 0,
  refused: () => 0,
  refusedPerSecond: () => 0,
  bytesIn: () => 0,
  bytesOut: ({ sent }) => sent,
  outboxBytes: ({ owed }) => owed,
};
