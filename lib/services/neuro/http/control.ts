import { meansLoopback } from "../../../config/loopback.ts";
import { type Place, placeOf } from "../../../config/place.ts";
import type { Config } from "../../../config/table.ts";
import { messageOf } from "../../../host/errors.ts";
import type { Address, Health } from "../../../host/service.ts";
import { HttpServer } from "../../../net/http.ts";
import { namesLoopback } from "../../../net/http/host.ts";
import { unanswered } from "../../../net/http/methods.ts";
import { plain } from "../../../net/http/plain.ts";
import { ActionRefused, type Playing } from "../brains/brain.ts";
import { shown } from "../diagnostics.ts";
import type { Beside } from "../beside.ts";
import type { NeuroHost } from "../server-parts.ts";
import type { Stage } from "../watch/stage.ts";
import { type Posted, postedIn } from "./posted.ts";

/** The longest body. */
const MOST_BYTES = 2 ** 20;
/** Requests that may be under way at once. */
const MOST_REQUESTS = 16;
const SETTINGS = {
  maxBodyBytes: MOST_BYTES,
  requestTimeoutMs: 10_000,
  accessLog: null,
  trustedProxies: [],
};

/** A game that a message was sent to. */
interface Sent {
  readonly game: string;
  /** The action's. */
  readonly id?: string;
}

/** The place of the control: as that of the games, at an address of its own. */
export function controlPlace(config: Config): Place {
  const { control_host: host, control_port: port } = config.neuro;
  return {
    ...placeOf(config, "neuro"),
    host,
    port,
    hostKey: "neuro.control_host",
    portKey: "neuro.control_port",
    limits: { clients: MOST_REQUESTS, clientsPerAddress: 0 },
  };
}

/** Sends games what is posted to it, as the official test server does. */
export class Control implements Beside {
  readonly addresses: readonly Address[];
  readonly #http: HttpServer;
  readonly #host: NeuroHost;
  readonly #stage: () => Stage;
  readonly #isLocal: boolean;

  /**
   * @param stage asked once there is a request
   * @throws StartError when it cannot listen
   */
  constructor(place: Place, host: NeuroHost, stage: () => Stage) {
    this.#host = host;
    this.#stage = stage;
    this.#isLocal = meansLoopback(place.host);
    const answer = (request: Request, path: string, http: HttpServer) =>
      this.#answer(request, path, http);
    this.#http = new HttpServer(place, SETTINGS, answer, host);
    this.addresses = [{ ...this.#http.address, door: "control" }];
  }

  health(): Health {
    return this.#http.health();
  }

  /** @throws Error when TLS does not work; everything stays as it was */
  configure(place: Place): void {
    this.#http.configure(place, SETTINGS);
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#http.drain(deadlineMs);
  }

  #answer(request: Request, path: string, http: HttpServer): Response | Promise<Response> {
    if (request.headers.has("origin")) return plain(403, "Pages of the web may not post here.");
    // A name of another site may lead to this machine.
    if (this.#isLocal && !namesLoopback(request)) {
      return plain(403, "Ask for it by localhost or its loopback address.");
    }
    if (path !== "/") return plain(404, "There is / alone.");
    if (request.method !== "POST") return unanswered(request, ["POST"]);
    const type = request.headers.get("content-type") ?? "";
    // A page can make a browser post other types without asking first, and old ones say no origin.
    if (!/^application\/json\s*(?:;|$)/i.test(type)) {
      return plain(415, "Send it with the header content-type: application/json.");
    }
    return http.refuses(request) ?? this.#post(request);
  }

  async #post(request: Request): Promise<Response> {
    const posted = postedIn(await request.text());
    if (typeof posted === "string") return plain(400, posted);
    const name = new URL(request.url).searchParams.get("game");
    const games = [...this.#stage().games].filter((one) => name === null || one.name === name);
    if (games.length === 0) return plain(409, "Nothing was sent: there is no such game here.");
    const sent = posted.kind === "frame" ? sentTo(games, posted.frame) : acted(games, posted);
    if (typeof sent === "string") return plain(409, `Nothing was sent: ${sent}.`);
    this.#host.log.record(() => {
      const what = posted.kind === "frame" ? posted.frame : `action ${posted.name}`;
      return `neuro: control: ${shown(what)} to ${sent.map(({ game }) => shown(game)).join(", ")}`;
    });
    return Response.json({ sent });
  }
}

/** Sends a frame to the connections of games: once to one that carries several. */
function sentTo(games: readonly Playing[], frame: string): readonly Sent[] {
  const byConnection = new Map(games.map((game) => [game.clientId, game]));
  for (const game of byConnection.values()) game.sendFrame(frame);
  return games.map(({ name: game }) => ({ game }));
}

/** Sends an action to the games that have it; to all of them when none has. @returns why not, when no game was sent it */
function acted(
  games: readonly Playing[],
  { id, name, data }: Posted & { readonly kind: "action" },
): readonly Sent[] | string {
  const having = games.filter(({ actionNames }) => actionNames.includes(name));
  const sent: Sent[] = [];
  let why = "";
  for (const game of having.length > 0 ? having : games) {
    try {
      sent.push({ game: game.name, id: game.sendAction(name, data, id) });
    } catch (error) {
      if (!(error instanceof ActionRefused)) throw error;
      why ||= messageOf(error);
    }
  }
  return sent.length > 0 ? sent : why;
}
