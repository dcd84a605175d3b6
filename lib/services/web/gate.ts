import { randomBytes, timingSafeEqual } from "node:crypto";
import { TOKEN_VARIABLE } from "../../config/sections/web.ts";
import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import type { HttpServer } from "../../net/http.ts";
import type { Origin } from "../../net/http/origin.ts";
import { digest, tokenIn, tokenInVariable } from "../../net/admission/token.ts";
import { Tries } from "../../net/admission/tries.ts";

/**
 * The token of the web service, or null when there is none.
 * @throws StartError when the file cannot be read or the token is too short
 */
export function readToken(file: string): string | null {
  const variable = process.env[TOKEN_VARIABLE];
  if (variable) return tokenInVariable(TOKEN_VARIABLE, variable);
  return file === "" ? null : tokenIn(file, "web.token_file");
}

/** The verdict on a wrong token, or on one that was not looked at. */
export interface WrongToken {
  /** Seconds until its address may try another; 0 for at once. */
  readonly waitSeconds: number;
}

/** The result of a gate's look at a request. */
export type Verdict =
  /** The bearer header holds the token. */
  | "bearer"
  /** Its cookie belongs to a session. */
  | "session"
  | "none"
  | WrongToken;

/** Sessions that there may be; one more ends the oldest. */
export const MAX_SESSIONS = 100;
/** Milliseconds without a request after which a session ends. */
const SESSION_MS = 24 * 3600 * 1000;

/** The header that a POST by cookie must carry: no form of another site can send it. */
export const PAGE_HEADER = "x-summoner-page";

/** Checks the token, given by header or traded for a session. An address that tries wrong ones has to wait. */
export class Gate {
  readonly #clock: Clock;
  readonly #tries: Tries;
  /** The time on the clock of each session's last request, by id; the oldest first. */
  readonly #sessions = new Map<string, number>();
  #token: Buffer | null;

  constructor(host: { readonly clock: Clock; readonly log: Log }, token: string | null) {
    this.#clock = host.clock;
    this.#tries = new Tries("web", host);
    this.#token = token === null ? null : digest(token);
  }

  /** True if there is a token. */
  get locked(): boolean {
    return this.#token !== null;
  }

  /** The sessions that there are. */
  get sessions(): number {
    const since = this.#clock.now() - SESSION_MS;
    for (const [id, at] of this.#sessions) {
      if (at >= since) break;
      this.#sessions.delete(id);
    }
    return this.#sessions.size;
  }

  /** Sets the token, or none. A change of it ends all sessions. */
  setToken(token: string | null): void {
    const next = token === null ? null : digest(token);
    if (next?.equals(this.#token ?? Buffer.alloc(0)) !== true) this.#sessions.clear();
    this.#token = next;
  }

  judge(request: Request, http: HttpServer): Verdict {
    const bearer = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    if (bearer !== undefined) return this.try(bearer, http.originOf(request)) ?? "bearer";
    const id = sessionOf(request, http);
    if (id === null || !this.#sessions.has(id)) return "none";
    const now = this.#clock.now();
    if (now - (this.#sessions.get(id) as number) > SESSION_MS) {
      this.#sessions.delete(id);
      return "none";
    }
    this.#sessions.delete(id);
    this.#sessions.set(id, now);
    return "session";
  }

  /** Tries a token that came from `origin`. @returns null when it is right, and looked at */
  try(token: string, { ip, address }: Origin): WrongToken | null {
    const waitSeconds = this.#tries.refuses(ip);
    if (waitSeconds > 0) return { waitSeconds };
    // Digests have one length, so the time of the comparison tells nothing.
    if (this.#token !== null && timingSafeEqual(digest(token), this.#token)) return null;
    return { waitSeconds: this.#tries.failed(ip, address) };
  }

  /** Logs the wrong tokens that have not been logged yet. */
  end(): void {
    this.#tries.close();
  }

  /** Begins a session. @returns its id, 256 random bits */
  open(): string {
    const id = randomBytes(32).toString("hex");
    this.#sessions.set(id, this.#clock.now());
    if (this.#sessions.size > MAX_SESSIONS) forgetOldest(this.#sessions);
    return id;
  }

  /** Ends the session of a request, if it has one. */
  close(request: Request, http: HttpServer): void {
    const id = sessionOf(request, http);
    if (id !== null) this.#sessions.delete(id);
  }
}

/**
 * The name of the cookie that holds a session's id. It has the port in it, as
 * browsers share cookies between the ports of a host.
 */
export function cookieOf({ address }: HttpServer): string {
  return `summoner_session_${address.port}`;
}

function sessionOf(request: Request, http: HttpServer): string | null {
  const cookies = request.headers.get("cookie");
  if (cookies === null) return null;
  const pattern = new RegExp(`(?:^|; *)${cookieOf(http)}=([0-9a-f]{64})(?:;|$)`);
  return pattern.exec(cookies)?.[1] ?? null;
}

function forgetOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
