import { TOKEN_VARIABLE } from "../../config/sections/web.ts";
import { meansLoopback, reachedAt } from "../../config/loopback.ts";
import { load, type Loaded, problemText, sourceOf } from "../../config/load.ts";
import { cut } from "../../config/shown.ts";
import { type Config, settings } from "../../config/table.ts";
import { parsePrintable, printable } from "../../host/content.ts";
import { messageOf, StartError } from "../../host/errors.ts";
import { addressText } from "../../host/service.ts";
import { readChain, tlsOptions } from "../../host/files/tls-files.ts";
import { readToken } from "../../services/web/gate.ts";
import { type Arguments, sourcesOf } from "../command.ts";
import { say } from "../terminal/say.ts";
import {
  anything,
  list,
  number,
  object,
  optional,
  orNull,
  record,
  type Shape,
  text,
} from "./shape.ts";
import { type Problem, problemShape, type Room, roomShape } from "../top/told.ts";
import { placeOf } from "../../config/place.ts";
import { isEnabled, MAIN_SERVICE, SERVICES } from "../../config/services.ts";

/** The service that answers questions about a server. */
const SERVICE = "web";

/** Milliseconds that a running server may take to answer. */
const PATIENCE_MS = 5000;

/** The failures of a connection, by their codes. */
const FAILURES: Readonly<Record<string, string>> = {
  ConnectionRefused: "nobody listens there",
  ECONNREFUSED: "nobody listens there",
  ConnectionClosed: "it closes the connection",
  ECONNRESET: "it closes the connection",
  EPROTO: "it does not speak TLS, or not with this configuration",
  Malformed_HTTP_Response: "it does not speak HTTP",
};

/** What to do where the server that was found is not the one that was meant, or there is none. */
const REPEAT = `if it was started with --set, --preset, --host or --port, give them here too (--port is the ${MAIN_SERVICE.name}'s)`;
/** The longest answer in bytes, and the longest line of a stream of events. */
export const ANSWER_BYTES = 16 * 2 ** 20;

/** A configuration, and the file it is from. */
export type Served = Pick<Loaded<Config>, "config" | "file">;

/** True if a server of this configuration can be asked for its state. */
export function answers(config: Config): boolean {
  return isEnabled(config, SERVICE);
}

/** The answer of `/varz`: facts about a server and its services. */
export interface Varz {
  readonly name: string;
  readonly version: string;
  readonly pid?: number | undefined;
  /** The full path of the file that its settings are from. */
  readonly config_file?: string | null | undefined;
  readonly process: { readonly uptime_seconds: number };
  /** As `2026-01-02T03:04:05.000Z`. */
  readonly now?: string | undefined;
  /** The settings in force, as tables in tables; secrets are masked. */
  readonly config?: Readonly<Record<string, unknown>> | undefined;
  readonly problems?: readonly Problem[] | undefined;
  /** How bytes leave, and why so. */
  readonly sends?: { readonly way: string; readonly why: string } | undefined;
  readonly services: Readonly<
    Record<
      string,
      {
        readonly addresses: readonly string[];
        readonly stats: { readonly clients?: number | undefined };
        readonly room?: Room | undefined;
      }
    >
  >;
}

const varzShape = object<Varz>({
  name: text,
  version: text,
  pid: optional(number),
  config_file: optional(orNull(text)),
  process: object({ uptime_seconds: number }),
  now: optional(text),
  config: optional(record(anything)),
  problems: optional(list(problemShape)),
  sends: optional(object({ way: text, why: text })),
  services: record(
    object({
      addresses: list(text),
      stats: object({ clients: optional(number) }),
      room: optional(roomShape),
    }),
  ),
});
const outcomeShape = object<{ readonly outcome: string }>({ outcome: text });
const sessionShape = object<{ readonly admin: string }>({ admin: text });

/** The server wants its token, or another one. */
export class TokenWanted extends StartError {}

/** The reason that a server of this configuration would take no admin actions from here, or null. */
export function whyNoActions(config: Config): string | null {
  if (!isEnabled(config, SERVICE)) return `the ${SERVICE} service is off`;
  if (tokenOf(config) !== null) return null;
  return `there is no token for the ${SERVICE} service (${TOKEN_VARIABLE} is not set, and ${SERVICE}.token_file names none)`;
}

/** @throws StartError when there is a token that cannot be read */
function tokenOf(config: Config): string | null {
  return readToken(config[SERVICE].token_file);
}

/** A running server, found by its own configuration and reached through its web service. */
export class Remote {
  /** `127.0.0.1:8889`. */
  readonly address: string;
  readonly #origin: string;
  #token: string | null;
  readonly #tls: BunFetchRequestInitTLS | null;
  readonly #served: Served;
  readonly #hint: string;
  /** True if the server answers questions of this machine without the token, and no certificate shows who it is. */
  readonly #isOpen: boolean;

  /** The server of the configuration that a command line names, or null if that has problems, which have been told. */
  static of(args: Arguments): Remote | null {
    const loaded = load(settings, sourcesOf(args));
    for (const problem of loaded.problems) say.error(problemText(problem));
    return loaded.problems.length > 0 ? null : new Remote(loaded, true);
  }

  /**
   * @param repeats true if the command takes the settings that a server does
   * @throws StartError when the configuration does not say where the server is
   */
  constructor(served: Served, repeats = false) {
    const { config, file } = served;
    const place = placeOf(config, SERVICE);
    const { portKey, host, port, tls } = place;
    const where = file ?? "the defaults";
    if (!isEnabled(config, SERVICE)) {
      throw new StartError(
        `the ${SERVICE} service is off in ${where}, so nothing can be asked of it`,
      );
    }
    if (port === 0) {
      throw new StartError(`${portKey} is 0 in ${where}, so nobody knows where the server listens`);
    }
    this.address = addressText(reachedAt(host), port);
    // The server's own certificate is trusted; the name in it is the public one, so it is not checked.
    const own = tls.require_client_cert ? tlsOptions(place) : {};
    const trusting = () => ({
      ...own,
      ca: readChain(place).pem,
      checkServerIdentity: () => undefined,
    });
    this.#tls = tls.cert === "" ? null : trusting();
    this.#origin = `${this.#tls === null ? "http" : "https"}://${this.address}`;
    this.#isOpen = this.#tls === null && meansLoopback(host);
    this.#token = tokenOf(config);
    this.#served = served;
    this.#hint = repeats ? `; ${REPEAT}` : "";
  }

  /**
   * Asks for a path. A question that needs no token shows none: another program may have the port.
   * @throws StartError of one line when nobody answers
   */
  async ask(
    path: string,
    signal = AbortSignal.timeout(PATIENCE_MS),
    method: "GET" | "POST" = "GET",
    token = method === "GET" && this.#isOpen ? null : this.#token,
    fields: object | null = null,
  ): Promise<Response> {
    try {
      return await fetch(this.#origin + path, {
        method,
        headers: {
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(fields ? { "content-type": "application/json" } : {}),
        },
        body: fields && JSON.stringify(fields),
        redirect: "error",
        signal,
        ...(this.#tls ? { tls: this.#tls } : {}),
      });
    } catch (error) {
      const { code, name } = error as { code?: string; name?: string };
      if (code === "UnexpectedRedirect") throw this.noServer();
      const late = name === "TimeoutError" ? `no answer within ${PATIENCE_MS / 1000} s` : null;
      const why = late ?? FAILURES[code ?? ""] ?? messageOf(error);
      const refused = why === FAILURES.ECONNREFUSED;
      throw new StartError(`no server on ${this.address}: ${why}${refused ? this.#hint : ""}`);
    }
  }

  /**
   * Asks for JSON.
   * @throws StartError of one line when the answer is not JSON of this shape
   */
  async json<T>(path: string, shape: Shape<T>, method: "GET" | "POST" = "GET"): Promise<T> {
    return this.#read(await this.ask(path, AbortSignal.timeout(PATIENCE_MS), method), shape);
  }

  /**
   * Makes sure that the server of the configuration answers, and not another one
   * on its port. The token is shown only if that is needed to find out.
   * @returns the facts about the server
   * @throws StartError when it is another one
   */
  async confirm(): Promise<Varz> {
    const path = "/varz";
    const open = await this.ask(path, AbortSignal.timeout(PATIENCE_MS), "GET", null);
    if (open.status === 401 && this.#isOpen) {
      throw new StartError(
        `${this.address} asks for the token, as no Summoner server on loopback does; it was not shown`,
      );
    }
    const varz =
      open.status === 401 ? await this.json(path, varzShape) : await this.#read(open, varzShape);
    const { config, file } = this.#served;
    const source = sourceOf(this.#served);
    // The same file is enough: after a change of it, a server keeps some old settings until its restart.
    if (source !== null && source === varz.config_file) return varz;
    const different = differences(config, varz);
    if (different.length === 0) return varz;
    throw new StartError(
      `${this.address} is ${varz.name}, not the server of ${file ?? "the defaults"}: ${different.join("; ")}${this.#hint}`,
    );
  }

  async #read<T>(answer: Response, shape: Shape<T>): Promise<T> {
    await this.refuse(answer);
    return this.parsed(await this.#textOf(answer), shape);
  }

  /** JSON of this shape, with every text in it made printable. @throws StartError when it is not */
  parsed<T>(json: string, shape: Shape<T>): T {
    let found: unknown;
    try {
      found = parsePrintable(json);
    } catch {}
    if (!shape(found)) throw this.noServer();
    return found;
  }

  /** All of an answer. @throws StartError when it is longer than a server's, or does not come whole in time */
  async #textOf(answer: Response): Promise<string> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const chunk of answer.body ?? []) {
        length += chunk.length;
        if (length > ANSWER_BYTES) break;
        chunks.push(chunk);
      }
    } catch {
      throw this.noServer();
    }
    if (length > ANSWER_BYTES) throw this.noServer();
    return new TextDecoder().decode(Buffer.concat(chunks));
  }

  /** The error that something else answers. */
  noServer(): StartError {
    return new StartError(`${this.address} does not answer as a Summoner server`);
  }

  /**
   * Has an action carried out. @returns the outcome, in a sentence
   * @throws StartError with the reason when it was not
   */
  async post(path: string): Promise<string> {
    return (await this.json(path, outcomeShape, "POST")).outcome;
  }

  /** Shows this token from now on. */
  useToken(token: string): void {
    this.#token = token;
  }

  /**
   * Has an action of an operator carried out. @returns a sentence about what came of it
   * @throws StartError when nobody answers
   */
  async act(
    name: string,
    fields: object,
  ): Promise<{ readonly done: boolean; readonly said: string; readonly wantsToken: boolean }> {
    const refused = (said: string, wantsToken: boolean) => ({ done: false, said, wantsToken });
    const { admin } = await this.json("/session", sessionShape);
    if (admin === "off") return refused("this server has no token, so it takes no actions.", false);
    if (this.#token === null) return refused("The server wants its token.", true);
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await this.ask(`/admin/${name}`, signal, "POST", this.#token, fields);
    const body = await this.#textOf(answer);
    if (answer.ok)
      return { done: true, said: this.parsed(body, outcomeShape).outcome, wantsToken: false };
    const [line = ""] = body.trim().split("\n");
    return refused(cut(printable(line), 200), answer.status === 401 || answer.status === 429);
  }

  /**
   * @throws TokenWanted when the server wants a token, or waits before it looks at another one
   * @throws StartError when the answer is another error that is not JSON
   */
  async refuse(answer: Response): Promise<void> {
    if (answer.ok || answer.headers.get("content-type")?.startsWith("application/json")) return;
    const token = answer.status === 401 ? `; set ${TOKEN_VARIABLE} or ${SERVICE}.token_file` : "";
    const [line = ""] = (await this.#textOf(answer)).trim().split("\n");
    const said = cut(printable(token === "" ? line : line.replace(/\.$/, "")), 200);
    const message = `${this.address} answers ${answer.status}: ${said}${token}`;
    throw [401, 429].includes(answer.status) ? new TokenWanted(message) : new StartError(message);
  }
}

/** The differences between a running server and a configuration, in words for each service. */
function differences(config: Config, { services }: Varz): string[] {
  return SERVICES.flatMap(({ name }) => {
    const running = services[name];
    if (!isEnabled(config, name)) return running ? [`it runs the ${name}`] : [];
    if (!running) return [`it does not run the ${name}`];
    const { host, port } = placeOf(config, name);
    if (running.addresses.some((address) => isAt(address, host, port))) return [];
    return [`its ${name} is on ${running.addresses.join(", ")}, not on ${addressText(host, port)}`];
  });
}

/** True if an address can come from this host and port of the settings. */
function isAt(address: string, host: string, port: number): boolean {
  const colon = address.lastIndexOf(":");
  const found = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  if (port !== 0 && Number(address.slice(colon + 1)) !== port) return false;
  // A socket that the service manager handed over may listen on all addresses.
  const anywhere = found === "0.0.0.0" || found === "::";
  const named = [found, host].includes("localhost") && meansLoopback(found) && meansLoopback(host);
  return found === host || anywhere || named;
}
