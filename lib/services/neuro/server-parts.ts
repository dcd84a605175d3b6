import type { Clock } from "../../host/clock.ts";
import type { FileShares } from "../../host/files/file-shares.ts";
import type { Log } from "../../host/log.ts";
import type { HttpServer } from "../../net/http.ts";
import type { Answered } from "../../net/http/flights.ts";
import type { Choice, ForceRequest, Playing } from "./brains/brain.ts";
import type { Brains } from "./brains/brains.ts";

/** The program that the server runs in, as far as it needs it. */
export interface NeuroHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly files: FileShares;
  nextId(): number;
}

/** The parts that the server is made from, besides its place and settings. */
export interface NeuroParts {
  readonly host: NeuroHost;
  readonly maxMessageBytes: number;
  readonly brains: Brains;
  /** Has the brain of a game choose, where something comes between them. */
  readonly choose?: (playing: Playing, force: ForceRequest) => Promise<Choice>;
  /** Answers what is no WebSocket; null when it does not. */
  readonly route?: (
    request: Request,
    path: string,
    http: HttpServer,
  ) => Answered | Promise<Answered> | null;
}
