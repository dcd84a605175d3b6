import type { RelayClient } from "../client.ts";

/** A quarantine that holds in the whole room. */
export interface RoomBar {
  /** `10.0.0.7` for a whole address, `10.0.0.7:4000` for a port of it. */
  readonly key: string;
  /** Milliseconds until it ends. */
  readonly ms: number;
  readonly why: string;
  /** True if the clients of the address are closed, wherever they are. */
  readonly closes: boolean;
}

/** An engine as its order sees it: the members of the room that one relay serves. */
export interface Engine {
  /**
   * Sends envelopes to all members but their sender.
   * @param sender null if another engine has it @param lines the number of envelopes
   */
  deliver(sender: RelayClient | null, envelopes: string, lines: number): void;
  /** Another engine has barred an address or a port of it. */
  barred(bar: RoomBar): void;
  /** Another engine has ended a quarantine. */
  lifted(key: string): void;
  /** Lines of other engines can never be delivered here: tells the members. */
  lost(lines: number): void;
  /** True while members have to catch up: nothing should be delivered before `Order.rested`. */
  readonly resting: boolean;
  /** Reads no member until `release`: the order takes no more lines for now. */
  hold(): void;
  release(): void;
}

/**
 * The order of a room: what engines append is delivered to all of them, the
 * appending one included, in one sequence. So all clients of the room see the
 * same order of lines, whichever engine they are connected to.
 */
export interface Order {
  /** True if there are other engines, so that lines count even where nobody else is a member. */
  readonly shared: boolean;
  /** Clients of the room on other engines, as far as known. */
  readonly elsewhere: number;
  /** Joins the room: from now on its lines are delivered to this engine. */
  open(engine: Engine): void;
  /** Takes whole envelopes of one sender. They come back by `Engine.deliver`. */
  append(sender: RelayClient, envelopes: string, lines: number): void;
  /** Tells the other engines whom this one has barred. */
  bar(bar: RoomBar): void;
  lift(key: string): void;
  /** The members have caught up. */
  rested(): void;
  /** True while it takes no lines. */
  readonly holding: boolean;
  /** The engine stops: what its members have sent already is taken, up to the bound, even while nothing can be sent on. */
  drains(): void;
  /** Sends what it has gathered; resolves when all of that has been delivered. Null when nothing is on its way. */
  settled(): Promise<void> | null;
}
