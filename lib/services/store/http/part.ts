import { isUtf8 } from "node:buffer";
import type { Config } from "../../../config/table.ts";
import type { HttpAsked, HttpMethod, HttpPart } from "../../../host/service/http-part.ts";
import type { Admission } from "../../../net/admission.ts";
import { unmet } from "../../../net/http/conditions.ts";
import type { Auth, Known } from "../auth.ts";
import { setEvent } from "../channels/events.ts";
import { forbidden, tooLarge } from "../commands/command.ts";
import { PLANS } from "../commands/commands.ts";
import type { RequestCounts } from "../commands/counts.ts";
import { inDoubt } from "../commands/in-doubt.ts";
import { MAX_TTL } from "../commands/key-fields.ts";
import { alteredNumbers, doubt, MAX_NESTING, nestsBeyond } from "../commands/numbers.ts";
import type { Journal } from "../journal/journal.ts";
import { type Path, patternOf, SEPARATOR, textOf, unfit } from "../keys/path.ts";
import type { Stored } from "../keys/stored.ts";
import type { VisibleKeys } from "../keys/visible-keys.ts";
import { type Code, NOT_FOUND, Refusal, TOO_DEEP } from "../refusal.ts";
import { FULL, mayAt } from "../roles.ts";
import type { Turn } from "../turn.ts";
import type { Watchers } from "./watchers.ts";

/** The statuses of refusals; 400 for all others. */
const STATUS: Partial<Record<Code, number>> = {
  AUTH_REQUIRED: 401,
  BAD_TOKEN: 401,
  FORBIDDEN: 403,
  RESERVED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 412,
  VERSION_MISMATCH: 412,
  TOO_LONG: 413,
  TOO_LARGE: 413,
  TOO_MANY_TRIES: 429,
  TOO_MANY: 503,
  DISK_FAILING: 503,
  DISK_FULL: 507,
  MEMORY_FULL: 507,
};

/** The query of each method. Those but `ttl_ms` have no value. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  GET: ["watch"],
  HEAD: ["watch"],
  PUT: ["ttl_ms"],
  DELETE: ["tree"],
};

const ACTION: Readonly<Record<string, string>> = { PUT: "SET", DELETE: "DEL" };

const DENIED = new Refusal("FORBIDDEN", "your address may not connect");
const TOKEN_WANTED = new Refusal("AUTH_REQUIRED", "show a token: Authorization: Bearer TOKEN");
const NOT_FROM_AFAR = new Refusal(
  "FORBIDDEN",
  "without tokens only this machine may ask, and no page of another site; name it as localhost or by its loopback address",
);
const KEY_WANTED = new Refusal(
  "BAD_KEY",
  "the path names no key: /kv/users/42 is users^42, and /kv/*?watch watches all",
);
const NOT_JSON = new Refusal("MALFORMED", "the body is not JSON in valid UTF-8");
const NUMBER_RANGE = new Refusal(
  "NUMBER_RANGE",
  "the body holds a number that would not come back as it was",
);

export interface HttpParts {
  readonly keys: VisibleKeys;
  readonly auth: Auth;
  readonly journal: Journal | null;
  readonly settings: Pick<Config, "store">;
  readonly counts: RequestCounts;
  readonly turn: Pick<Turn, "kept">;
  readonly watchers: Watchers;
  /** The store's own lists of addresses hold here too. */
  readonly admission: Pick<Admission, "denied">;
}

/** Keys over HTTP: `/kv/users/42` is the key `users^42`, its version the entity tag. */
export class KeysOverHttp implements HttpPart {
  readonly name = "kv";
  readonly methods: readonly HttpMethod[] = ["GET", "HEAD", "PUT", "DELETE"];
  readonly #parts: HttpParts;

  constructor(parts: HttpParts) {
    this.#parts = parts;
  }

  async answer(asked: HttpAsked): Promise<Response> {
    const { counts, turn } = this.#parts;
    counts.all++;
    const answer = await this.#answer(asked);
    // Any answer may show a change that is not kept yet.
    await turn.kept();
    if (answer instanceof Response) return answer;
    counts.countError(answer.code);
    return refused(answer);
  }

  /** Ends the watches whose token has gone, or may not read there any more. */
  renew(): void {
    const { auth, watchers } = this.#parts;
    watchers.renew(({ asked: { token, pattern } }) => {
      const role = auth.roleOf(token);
      return role !== null && mayAt(role, "read", pattern.path);
    });
  }

  async #answer(asked: HttpAsked): Promise<Response | Refusal> {
    const { request } = asked;
    const { method } = request;
    const known = this.#known(asked);
    if (known instanceof Refusal) return known;
    const plan = PLANS.get(ACTION[method] ?? "GET");
    if (plan !== undefined) this.#parts.counts.count(plan);
    const { searchParams: query } = new URL(request.url);
    const allowed = PARAMETERS[method] ?? [];
    const refusal = misused(query, allowed);
    if (refusal) return refusal;
    if (asked.path === "") return KEY_WANTED;
    const path = pathIn(asked.path);
    if (path === null) return new Refusal("BAD_KEY", "a % begins no escape of UTF-8");
    if (method === "PUT") return this.#put(request, path, known, query.get("ttl_ms"));
    // As `waits` of a command.
    while (query.has("tree") && !this.#parts.keys.settle()) await new Promise(setImmediate);
    if (method === "DELETE") return this.#delete(request, path, known, query.has("tree"));
    return query.has("watch") ? this.#watch(asked, path, known) : this.#get(request, path, known);
  }

  /** Who asks, or the refusal. */
  #known({ request, ip, address, isLocal }: HttpAsked): Known | Refusal {
    const { auth, admission } = this.#parts;
    if (admission.denied(ip) !== null) return DENIED;
    if (auth.isOpen) return isLocal ? { role: FULL, token: null } : NOT_FROM_AFAR;
    const shown = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    return shown === undefined ? TOKEN_WANTED : auth.know(shown, ip, address);
  }

  /** The refusal of a request for a key, or null. */
  #refusal(known: Known, right: "read" | "write", path: Path, action: string): Refusal | null {
    const { journal } = this.#parts;
    const refusal = unfit(path) ?? forbidden(known, right, path);
    if (refusal || journal === null) return refusal;
    return inDoubt(action, right, { key: textOf(path) }, journal);
  }

  #get(request: Request, path: Path, known: Known): Response | Refusal {
    const { keys } = this.#parts;
    const refusal = this.#refusal(known, "read", path, "GET");
    if (refusal) return refusal;
    const found = keys.get(path);
    const wrong = conditions(request, found);
    if (wrong instanceof Refusal) return wrong;
    if (found === null) return NOT_FOUND;
    const left = keys.left(found);
    const headers = {
      "content-type": "application/json; charset=utf-8",
      "cache-control": "private, no-cache",
      etag: tagOf(found.version),
      ...(left === null ? {} : { "x-ttl-ms": `${left}` }),
    };
    if (wrong === 304) return new Response(null, { status: 304, headers });
    return new Response(`${found.text}\n`, { headers });
  }

  async #put(
    request: Request,
    path: Path,
    known: Known,
    ttl: string | null,
  ): Promise<Response | Refusal> {
    const { keys, settings } = this.#parts;
    const denied = this.#refusal(known, "write", path, "SET");
    if (denied) return denied;
    const ttlMs = ttl === null ? undefined : Number(ttl);
    if (ttl !== null && !(/^\d{1,14}$/.test(ttl) && Number(ttl) >= 1 && Number(ttl) <= MAX_TTL)) {
      return new Refusal("WRONG_TYPE", `ttl_ms; allowed: a whole number from 1 to ${MAX_TTL}`);
    }
    const body = Buffer.from(await request.arrayBuffer());
    const most = settings.store.max_line_bytes;
    if (body.length > most) return new Refusal("TOO_LONG", `a value has at most ${most} bytes`);
    const text = valueIn(body);
    if (text instanceof Refusal) return text;
    const large = tooLarge(text, this.#parts);
    // From here on nothing waits, so that nobody comes between the condition and the change.
    const found = keys.get(path);
    const refusal = large ?? this.#refusal(known, "write", path, "SET") ?? changes(request, found);
    if (refusal) return refusal;
    const version = keys.set(path, text, { ttlMs });
    if (version instanceof Refusal) return version;
    const headers = { etag: tagOf(version) };
    return new Response(null, { status: found === null ? 201 : 204, headers });
  }

  #delete(request: Request, path: Path, known: Known, tree: boolean): Response | Refusal {
    const { keys } = this.#parts;
    const denied = this.#refusal(known, "write", path, "DEL");
    const refusal = denied ?? changes(request, keys.get(path));
    if (refusal) return refusal;
    const removed = keys.del(path, tree, undefined);
    return removed instanceof Refusal ? removed : new Response(null, { status: 204 });
  }

  #watch(asked: HttpAsked, path: Path, known: Known): Response | Refusal {
    const { keys, watchers, settings } = this.#parts;
    const pattern = patternOf(path);
    if (pattern instanceof Refusal) return pattern;
    const refusal =
      forbidden(known, "read", pattern.path) ??
      (pattern.below ? null : this.#refusal(known, "read", path, "GET"));
    if (refusal) return refusal;
    const { max_http_watchers: most } = settings.store;
    if (watchers.size >= most) return new Refusal("TOO_MANY", `at most ${most} watch keys here`);
    const value = () => {
      const found = pattern.below ? null : keys.get(path);
      return found === null ? "" : setEvent("set", path, found.text, found.version, null);
    };
    const last = asked.request.headers.get("last-event-id") || null;
    const { token } = known;
    const { address } = asked;
    return asked.events((stream) => watchers.add({ pattern, address, token, last, value }, stream));
  }
}

/** The refusal of a query, or null. */
function misused(query: URLSearchParams, allowed: readonly string[]): Refusal | null {
  for (const [name, value] of query) {
    if (!allowed.includes(name)) {
      return new Refusal("UNKNOWN_FIELD", `${name}: allowed: ${allowed.join(", ")}`);
    }
    // Who asks for tree=false must not lose all that is below.
    if (name !== "ttl_ms" && value !== "") {
      return new Refusal("WRONG_TYPE", `${name}; allowed: without a value`);
    }
    if (query.getAll(name).length > 1) {
      return new Refusal("WRONG_TYPE", `${name}; allowed: once`);
    }
  }
  return null;
}

function tagOf(version: number): string {
  return `"${version}"`;
}

/** Judges the conditions of a request; where there is no value, only that there is none can be one. */
function conditions(request: Request, found: Stored | null): 304 | Refusal | null {
  if (found === null) {
    if (request.headers.get("if-match") === null) return null;
    return new Refusal("VERSION_MISMATCH", "there is no value");
  }
  const wrong = unmet(request, { etag: tagOf(found.version), modifiedMs: null });
  if (wrong !== 412) return wrong;
  return request.headers.get("if-none-match") === "*"
    ? new Refusal("ALREADY_EXISTS", `the key has a value, of version ${found.version}`)
    : new Refusal("VERSION_MISMATCH", `the version is ${found.version}`);
}

/** The same for a change, which nothing but a refusal keeps back. */
function changes(request: Request, found: Stored | null): Refusal | null {
  const wrong = conditions(request, found);
  return wrong instanceof Refusal ? wrong : null;
}

/** The key of a path: `users/42` and `users^42` are the same; null where an escape is wrong. */
function pathIn(path: string): Path | null {
  try {
    return path.split("/").map(decodeURIComponent).join(SEPARATOR).split(SEPARATOR);
  } catch {
    return null;
  }
}

/** The JSON of a body in its shortest form, or the refusal. */
function valueIn(body: Buffer): string | Refusal {
  if (!isUtf8(body)) return NOT_JSON;
  if (nestsBeyond(body, MAX_NESTING)) return TOO_DEEP;
  let value: unknown;
  const text = body.toString();
  try {
    value = JSON.parse(text);
  } catch {
    return NOT_JSON;
  }
  // What is searched for numbers is a line.
  const line = () => Buffer.from(text.replaceAll("\n", " "));
  if (doubt(value) !== null && alteredNumbers(line(), 0) !== null) return NUMBER_RANGE;
  return JSON.stringify(value);
}

function refused({ code, message, body }: Refusal): Response {
  const wait = code === "TOO_MANY_TRIES" ? /\d+/.exec(message)?.[0] : undefined;
  const status = STATUS[code] ?? 400;
  return new Response(`{${body}}\n`, {
    status,
    headers: {
      "content-type": "application/json; charset=utf-8",
      ...(status === 401 ? { "www-authenticate": 'Bearer realm="store"' } : {}),
      ...(wait === undefined ? {} : { "retry-after": wait }),
    },
  });
}
