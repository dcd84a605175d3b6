import { TOKEN_VARIABLE } from "../config/sections/web.ts";
import { reachedAt } from "../config/loopback.ts";
import { load, type Loaded, problemText } from "../config/load.ts";
import { type Config, settings } from "../config/table.ts";
import { parsePrintable, printable } from "../host/content.ts";
import { messageOf, StartError } from "../host/errors.ts";
import { addressText } from "../host/service.ts";
import { readChain } from "../host/tls-files.ts";
import { readToken } from "../services/web/gate.ts";
import { type Arguments, sourcesOf } from "./command.ts";
import { say } from "./say.ts";
import { placeOf } from "../config/place.ts";
import { isEnabled } from "../config/services.ts";

/** The service that is asked. */
const SERVICE = "web";

/** How long a running server may take to answer. */
const PATIENCE_MS = 5000;

/** A configuration, and the file it is from. */
export type Served = Pick<Loaded<Config>, "config" | "file">;

/** Why a server of this configuration takes no admin actions from us, or null when it does. */
export function whyNoActions(config: Config): string | null {
  if (!isEnabled(config, SERVICE)) return `the ${SERVICE} service is off`;
  return tokenOf(config) === null ? `there is no token for the ${SERVICE} service` : null;
}

/** @throws StartError when there is one that cannot be read */
function tokenOf(config: Config): string | null {
  return readToken(config[SERVICE].token_file);
}

/** A server that runs somewhere, found by its own configuration, and spoken to through its web service. */
export class Remote {
  /** `127.0.0.1:8889`. */
  readonly address: string;
  readonly #origin: string;
  readonly #token: string | null;
  readonly #ca: string | null;

  /** The server of the configuration that a command line names, or null when that has problems, which have been told. */
  static of(args: Arguments): Remote | null {
    const loaded = load(settings, sourcesOf(args));
    for (const problem of loaded.problems) say.error(problemText(problem));
    return loaded.problems.length > 0 ? null : new Remote(loaded);
  }

  /** @throws StartError when the configuration does not tell where it is */
  constructor({ config, file }: Served) {
    const place = placeOf(config, SERVICE);
    const { prefix, host, port, tls } = place;
    const where = file ?? "the defaults";
    if (!isEnabled(config, SERVICE)) {
      throw new StartError(
        `the ${SERVICE} service is off in ${where}, so nothing can be asked of it`,
      );
    }
    if (port === 0) {
      throw new StartError(
        `${prefix}port is 0 in ${where}, so nobody knows where the server listens`,
      );
    }
    this.address = addressText(reachedAt(host), port);
    this.#ca = tls.cert === "" ? null : readChain(place).pem;
    this.#origin = `${this.#ca === null ? "http" : "https"}://${this.address}`;
    this.#token = tokenOf(config);
  }

  /**
   * Asks for a path.
   * @throws StartError in one line when nobody answers
   */
  async ask(
    path: string,
    signal = AbortSignal.timeout(PATIENCE_MS),
    method: "GET" | "POST" = "GET",
  ): Promise<Response> {
    try {
      return await fetch(this.#origin + path, {
        method,
        headers: this.#token ? { authorization: `Bearer ${this.#token}` } : {},
        signal,
        // Its own certificate is the one to trust; the name in it is the public one.
        ...(this.#ca ? { tls: { ca: this.#ca, checkServerIdentity: () => undefined } } : {}),
      });
    } catch (error) {
      const { code, name } = error as { code?: string; name?: string };
      const late = name === "TimeoutError" ? `no answer within ${PATIENCE_MS / 1000} s` : null;
      const refused = code === "ConnectionRefused" || code === "ECONNREFUSED";
      const why = late ?? (refused ? "nobody listens there" : messageOf(error));
      throw new StartError(`no server on ${this.address}: ${why}`);
    }
  }

  /**
   * Asks for JSON.
   * @throws StartError in one line when there is none to have
   */
  async json<T>(path: string, method: "GET" | "POST" = "GET"): Promise<T> {
    const answer = await this.ask(path, AbortSignal.timeout(PATIENCE_MS), method);
    await this.refuse(answer);
    try {
      return parsePrintable(await answer.text()) as T;
    } catch {
      throw new StartError(`${this.address} does not answer as a Summoner server`);
    }
  }

  /**
   * Has an action carried out. @returns what was done, in a sentence
   * @throws StartError with the reason when it was not
   */
  async post(path: string): Promise<string> {
    return (await this.json<{ outcome: string }>(path, "POST")).outcome;
  }

  /** @throws StartError when an answer is a refusal */
  async refuse(answer: Response): Promise<void> {
    if (answer.ok || answer.headers.get("content-type")?.startsWith("application/json")) return;
    const token = answer.status === 401 ? `; set ${TOKEN_VARIABLE} or ${SERVICE}.token_file` : "";
    const said = printable((await answer.text()).trim().split("\n")[0] ?? "");
    throw new StartError(`${this.address} answers ${answer.status}: ${said}${token}`);
  }
}
