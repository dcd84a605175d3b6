/** A program that serves a part of a room, as an operator sees it. */
export interface RoomNode {
  /** Unique in its room. */
  readonly name: string;
  /** The address its clients come to, `host:port`. */
  readonly address: string;
  /** The version of the program. */
  readonly version: string;
  readonly clients: number;
  /** Lines that its own clients send. */
  readonly linesPerSecond: number;
  /** Milliseconds from the append of its lines to their delivery, over the last seconds; null while there were none. */
  readonly delayP50Ms: number | null;
  readonly delayP99Ms: number | null;
  /** Milliseconds since it joined. */
  readonly sinceMs: number;
  /** Milliseconds since it left or was last heard of; null while it is there. */
  readonly goneMs: number | null;
  /** True for one that has gone without a good-bye. */
  readonly isLost: boolean;
  /** True for the program that answers. */
  readonly isSelf: boolean;
}

/** A room that several programs share, as one of them sees it. */
export interface Room {
  readonly name: string;
  /** The URL of the server that holds its order, without secrets. */
  readonly server: string;
  /** The reason why no lines pass at present, with the time since which that is so (clock milliseconds); null while they do. */
  readonly trouble: { readonly reason: string; readonly since: number } | null;
  /** Lines of others that never reached this program's clients, since it started. */
  readonly lostLines: number;
  /** The node that lags behind, for which all senders wait; null where none does. */
  readonly lagging: string | null;
  /** Every node, this one first, those that left last. */
  nodes(): readonly RoomNode[];
  /** Closes a client of any node with the reason `kicked`. @returns its address, or null when there is none */
  kick(node: string, id: number): Promise<string | null>;
}
