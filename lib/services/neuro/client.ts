import type { Accepted } from "../../net/client.ts";
import type { Pinned } from "../../net/outbox.ts";
import { WebSocketClient } from "../../net/websocket.ts";
import type { Game } from "./game.ts";
import type { ActionRoom } from "./session/registry.ts";

/** The reason for which a game is not read: too much waits for it. */
export const FULL = 2;

/** A connection, which may carry several games. */
export class NeuroClient extends WebSocketClient {
  /** Its games by name. */
  readonly games = new Map<string, Game>();
  /** The room that the actions of all of them take. */
  readonly room: ActionRoom = { characters: 0 };
  /** It asked for the voice side channel. */
  readonly isVoice: boolean;
  /** Messages of the wrong kind that its games have been told of. */
  binaryTold = 0;

  constructor(accepted: Accepted, pinned: Pinned) {
    super(accepted, pinned);
    this.isVoice = /\/game\/[^/]+\/voice\/?$/.test(accepted.wire.path ?? "");
  }

  /** Bytes that wait for it. */
  get waiting(): number {
    return this.outbox.bytes + (this.wire.waiting ?? 0);
  }

  /** A game is sent what the protocol has, and nothing else: why it is closed stands in the close frame. */
  override tell(): void {}
}
