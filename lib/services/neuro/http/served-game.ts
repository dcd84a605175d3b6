import type { Clock } from "../../../host/clock.ts";
import type { HttpServer } from "../../../net/http.ts";
import type { Answered } from "../../../net/http/flights.ts";
import { Files } from "../../../net/http/files/files.ts";
import { unanswered } from "../../../net/http/methods.ts";
import { plain } from "../../../net/http/plain.ts";

/** Where the kits ask a game's own server for the address of the Neuro API. */
const ENVIRONMENT = "/$env/";
const WHERE = `${ENVIRONMENT}NEURO_SDK_WS_URL`;

/** Without both, browsers give a page no memory that threads share, which builds with threads need. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** A game's build for the web, served by the door that it connects to. */
export class ServedGame {
  readonly #clock: Pick<Clock, "wall">;
  readonly #files: Files;

  /** @throws StartError when there is no such folder */
  constructor(folder: string, clock: Pick<Clock, "wall">) {
    this.#clock = clock;
    this.#files = servedFiles(folder);
  }

  /** Answers every request that is none for a WebSocket. */
  answer(request: Request, path: string, http: HttpServer): Answered | Promise<Answered> {
    const answer = this.#answer(request, path, http);
    return answer instanceof Promise ? answer.then(isolated) : isolated(answer);
  }

  #answer(request: Request, path: string, http: HttpServer): Response | Promise<Response> {
    // Some write the dollar as a URL may have it.
    const asked = path.replace(/^\/%24/, "/$");
    if (asked.startsWith(ENVIRONMENT)) return where(request, asked, http);
    const means = { compression: http.compression, wall: this.#clock.wall() };
    return (
      this.#files.respond(request, path, means) ??
      plain(404, "The folder of serve_game has no such file; games connect by WebSocket.")
    );
  }
}

/** @throws StartError when there is no such folder */
export function servedFiles(folder: string): Files {
  return new Files(folder, { key: "neuro.serve_game", sendsHeld: true });
}

/** The address of the Neuro API, by the host that the client has used: it is one that it can reach. */
function where(request: Request, path: string, { tls }: HttpServer): Response {
  if (path !== WHERE) return plain(404, `There is ${WHERE} alone.`);
  if (request.method !== "GET" && request.method !== "HEAD") {
    return unanswered(request, ["GET", "HEAD"]);
  }
  const { host } = new URL(request.url);
  // A page that came by https, through a proxy, may not connect without TLS.
  const isSecure = tls || request.headers.get("referer")?.startsWith(`https://${host}/`) === true;
  // Kits take the answer as it is: a newline at its end would be part of the address.
  return new Response(`${isSecure ? "wss" : "ws"}://${host}`, {
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" },
  });
}

function isolated(answer: Response): Response {
  for (const [name, value] of Object.entries(ISOLATED)) answer.headers.set(name, value);
  return answer;
}
