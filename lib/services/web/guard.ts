import type { Log } from "../../host/log.ts";
import type { HttpServer } from "../../net/http.ts";
import { namesLoopback } from "../../net/http/host.ts";
import { objectOf, refusal, SECURE } from "./answers.ts";
import { cookieOf, type Gate, PAGE_HEADER, type WrongToken } from "./gate.ts";

/** The clients that a built-in route answers. */
export type Audience =
  /** Anybody. */
  | "open"
  /** Anybody on loopback; elsewhere only clients with the token. */
  | "read"
  /** Only clients with the token; when the server has none, the route does not exist. */
  | "act";

/** Refuses requests that may not ask their route, and lets the page sign in and out. */
export class Guard {
  /** Requests refused because they lacked the token. */
  refused = 0;
  readonly #gate: Gate;
  readonly #isLocal: boolean;
  readonly #log: Log;

  /** @param isLocal true if the server listens on loopback alone */
  constructor(gate: Gate, isLocal: boolean, log: Log) {
    this.#gate = gate;
    this.#isLocal = isLocal;
    this.#log = log;
  }

  /** True if there is a token; without one there are no actions. */
  get locked(): boolean {
    return this.#gate.locked;
  }

  /** True if a request may read without the token: the server is on loopback, and the request names this machine and comes from it. */
  isOpen(request: Request, http: HttpServer): boolean {
    return this.#isLocal && namesLoopback(request) && !http.isFromAfar(request);
  }

  /** The answer to a request that may not ask a route; null when it may. */
  refuses(request: Request, audience: Audience, http: HttpServer): Response | null {
    if (audience === "open" || (audience === "read" && this.isOpen(request, http))) return null;
    if (!this.#gate.locked) {
      return refusal(
        403,
        "Without a token only this machine may read; ask for it by localhost or its loopback address.",
      );
    }
    const verdict = this.#gate.judge(request, http);
    if (verdict === "bearer") return null;
    if (verdict === "session") {
      const forged = audience === "act" && !request.headers.has(PAGE_HEADER);
      return forged
        ? refusal(403, `A ${request.method} by cookie needs the header ${PAGE_HEADER}.`)
        : null;
    }
    return this.#unauthorisedAnswer(verdict);
  }

  #unauthorisedAnswer(verdict: "none" | WrongToken): Response {
    this.refused++;
    if (verdict !== "none" && verdict.waitSeconds > 0) {
      const after = String(verdict.waitSeconds);
      const said = `Too many wrong tokens from your address: try again in ${after} s.`;
      return refusal(429, said, { "retry-after": after });
    }
    const said = verdict === "none" ? "This needs the token." : "This token is wrong.";
    return refusal(401, said, { "www-authenticate": 'Bearer realm="summoner"' });
  }

  /** True if a request may ask the routes for readers. */
  mayRead(request: Request, http: HttpServer): boolean {
    return this.isOpen(request, http) || (this.#gate.locked && this.#signedIn(request, http));
  }

  #signedIn(request: Request, http: HttpServer): boolean {
    const verdict = this.#gate.judge(request, http);
    return verdict === "bearer" || verdict === "session";
  }

  /** The rights of the page: `read`, and `admin` as `off`, `signed-in` or `signed-out`. */
  session(request: Request, http: HttpServer): object {
    if (!this.#gate.locked) return { read: this.isOpen(request, http), admin: "off" };
    const signedIn = this.#signedIn(request, http);
    const read = signedIn || this.isOpen(request, http);
    return { read, admin: signedIn ? "signed-in" : "signed-out" };
  }

  /** Answers `POST /login`: trades the token for a session. */
  async login(request: Request, http: HttpServer): Promise<Response> {
    if (!this.#gate.locked) return refusal(404, "There is no token to sign in with.");
    if (!request.headers.has(PAGE_HEADER)) {
      return refusal(403, `Signing in needs the header ${PAGE_HEADER}.`);
    }
    const body = await objectOf(request);
    if (body instanceof Response) return body;
    const { token } = body;
    if (typeof token !== "string") return refusal(400, "token: needs a text");
    const origin = http.originOf(request);
    const wrong = this.#gate.try(token, origin);
    if (wrong) return this.#unauthorisedAnswer(wrong);
    this.#log.audit(`admin: ${origin.address} signed in`);
    return new Response(null, { status: 204, headers: cookie(http, this.#gate.open(), 86_400) });
  }

  /** Answers `POST /logout`: ends the session. */
  logout(request: Request, http: HttpServer): Response {
    if (!request.headers.has(PAGE_HEADER)) {
      return refusal(403, `Signing out needs the header ${PAGE_HEADER}.`);
    }
    this.#gate.close(request, http);
    return new Response(null, { status: 204, headers: cookie(http, "", 0) });
  }
}

function cookie(http: HttpServer, id: string, seconds: number): Record<string, string> {
  const secure = http.tls ? "; Secure" : "";
  const value = `${cookieOf(http)}=${id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}`;
  return { ...SECURE, "set-cookie": value + secure };
}
