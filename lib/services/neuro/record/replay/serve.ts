import { placeOf } from "../../../../config/place.ts";
import type { Config } from "../../../../config/table.ts";
import type { Clock } from "../../../../host/clock.ts";
import { FileShares } from "../../../../host/files/file-shares.ts";
import type { Log } from "../../../../host/log.ts";
import type { Recorded } from "../read.ts";
import { ReplayDoor } from "./door.ts";
import { Player, type PlayOptions, type Played } from "./player.ts";

/** A server that plays one record to one game. */
export interface Replay {
  /** Where the game connects. */
  readonly url: string;
  /** Resolves when it is here. */
  readonly here: Promise<void>;
  /** Resolves when the replay is over; null when it ended before there was a game. */
  readonly played: Promise<Played | null>;
  /** Ends the replay where it is. */
  interrupt(): void;
  /** Ends connections and listens no more. */
  stop(): Promise<void>;
}

/** How long the connection may take to end. */
const DRAIN_MS = 1000;

/** @throws StartError when it cannot listen */
export function serveReplay(
  recorded: Recorded,
  config: Config,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  options: Omit<PlayOptions, "clock" | "send">,
): Replay {
  const files = new FileShares([{ name: "neuro", maxClients: 0, isMain: true }]);
  let lastId = 0;
  const host = { clock, log, files, nextId: () => ++lastId };
  const here = Promise.withResolvers<void>();
  const played = Promise.withResolvers<Played | null>();
  let player: Player | null = null;
  const door = new ReplayDoor(placeOf(config, "neuro"), config.neuro.max_message_bytes, host, {
    here(send) {
      player = new Player(recorded, { ...options, clock, send });
      here.resolve();
      played.resolve(player.played);
    },
    received: (text) => player?.received(text),
    left: () => player?.left(),
  });
  return {
    url: door.url,
    here: here.promise,
    played: played.promise,
    interrupt() {
      if (player === null) played.resolve(null);
      else player.left();
    },
    stop: () => door.close(DRAIN_MS),
  };
}
