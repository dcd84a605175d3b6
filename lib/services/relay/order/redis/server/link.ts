import { RedisClient } from "bun";
import { type Clock, within } from "../../../../../host/clock.ts";
import { messageOf } from "../../../../../host/errors.ts";
import { printable } from "../../../../../host/content.ts";
import type { ServerAddress } from "./address.ts";
import { type Keys, SCRIPT } from "../script.ts";
import { located } from "./sentinels.ts";
import { whyNot, withHint } from "./why-not.ts";

/** Milliseconds that a connection may take until it is ready. */
const CONNECT_MS = 3000;
/** Milliseconds that the server may take for an answer without which nothing goes on. */
const ANSWER_MS = 5000;
/** Milliseconds after which a read that finds nothing comes back. */
const BLOCK_MS = 1000;
/** The client's words for every trouble before a connection is ready. */
const SAYS_NOTHING = ["Connection closed", "Connection has failed"];
/** The most characters of an error of the server that are told. */
const MOST_REASON = 200;

/** What a server says of the script in which an error was found. */
const OF_SCRIPT = /\.? script: [0-9a-f]{40}, on .*$/;

const SHA = new Bun.CryptoHasher("sha1").update(SCRIPT).digest("hex");

/** The server does not know the script: it has restarted, or somebody has flushed its scripts. */
export class ScriptUnknown extends Error {}

/**
 * Two connections to the server: one appends, the other one waits for entries.
 * A link that has broken stays broken.
 */
export class Link {
  readonly #clock: Pick<Clock, "after">;
  /** The server as the settings name it, and as it was found. */
  readonly #address: ServerAddress;
  readonly #server: ServerAddress;
  readonly #keys: readonly string[];
  readonly #log: string;
  readonly #appending: RedisClient;
  readonly #reading: RedisClient;
  /** The server is known to have the script. */
  #hasScript = false;
  #isClosed = false;

  private constructor(
    clock: Pick<Clock, "after">,
    keys: Keys,
    address: ServerAddress,
    server: ServerAddress,
    appending: RedisClient,
    reading: RedisClient,
  ) {
    this.#clock = clock;
    this.#address = address;
    this.#server = server;
    this.#keys = Object.values(keys);
    this.#log = keys.log;
    this.#appending = appending;
    this.#reading = reading;
  }

  /** Connects. @param broke called once when it breaks, with the reason @throws Error with the reason when it cannot */
  static async open(
    address: ServerAddress,
    keys: Keys,
    clock: Pick<Clock, "after">,
    broke: (reason: string, link: Link) => void,
  ): Promise<Link> {
    const server = await located(address, clock);
    const [appending, reading] = [clientOf(server), clientOf(server)];
    const link = new Link(clock, keys, address, server, appending, reading);
    try {
      await Promise.all([appending.connect(), reading.connect()]);
      // A server may let somebody in whom it lets do nothing.
      const may = [
        appending.send("EXISTS", [keys.log]),
        appending.send("EVALSHA", [SHA, "0"]).catch(unlessForbidden),
        reading.send("XREAD", ["COUNT", "1", "STREAMS", keys.log, "$"]).catch(unlessForbidden),
      ];
      await inTime(clock, Promise.all(may));
    } catch (error) {
      link.close();
      const reason = reasonIn(error);
      const said = SAYS_NOTHING.includes(reason) ? await whyNot(server, clock) : reason;
      const why = said.replace("{ROOM}", /\{.*\}/.exec(keys.log)?.[0] ?? "{ROOM}");
      throw new Error(server === address ? why : `${why} (${server.shown})`);
    }
    for (const client of [appending, reading]) {
      client.onclose = () => {
        if (!link.#isClosed) broke("the connection broke", link);
        link.close();
      };
      // It may have broken before anybody listened.
      if (client.connected) continue;
      link.close();
      throw new Error("the connection broke");
    }
    return link;
  }

  /** Runs the script. Calls are served in order. @throws ScriptUnknown @throws Error with the reason */
  async run(args: readonly string[]): Promise<unknown> {
    const { length } = this.#keys;
    const call = [`${length}`, ...this.#keys, ...args];
    const first = !this.#hasScript;
    this.#hasScript = true;
    try {
      return await (first
        ? this.#appending.send("EVAL", [SCRIPT, ...call])
        : this.#appending.send("EVALSHA", [SHA, ...call]));
    } catch (error) {
      const reason = reasonIn(error);
      if (!reason.startsWith("NOSCRIPT")) throw new Error(reason, { cause: error });
      this.#hasScript = false;
      throw new ScriptUnknown(reason, { cause: error });
    }
  }

  /** Gives the server one command. @throws Error with the reason */
  async ask(command: string, ...args: readonly string[]): Promise<unknown> {
    try {
      return await this.#appending.send(command, [...args]);
    } catch (error) {
      throw new Error(reasonIn(error), { cause: error });
    }
  }

  /** Waits for entries after `last`, for a second. @returns null when none came @throws Error with the reason */
  async read(last: string, most: number): Promise<unknown[] | null> {
    const args = ["COUNT", `${most}`, "BLOCK", `${BLOCK_MS}`, "STREAMS", this.#log, last];
    try {
      const answer = (await this.#reading.send("XREAD", args)) as Record<string, unknown[]> | null;
      return answer?.[this.#log] ?? null;
    } catch (error) {
      throw new Error(reasonIn(error), { cause: error });
    }
  }

  /** The server that sentinels have named, `host:port`; null where the settings name it. */
  get at(): string | null {
    return this.#address.sentinels === null ? null : this.#server.shown;
  }

  /** True if sentinels name another server by now; the one of this link may live on for seconds, and take lines that the new one never gets. */
  async hasMoved(): Promise<boolean> {
    if (this.#address.sentinels === null) return false;
    const now = await located(this.#address, this.#clock);
    return now.url !== this.#server.url;
  }

  close(): void {
    this.#isClosed = true;
    this.#appending.close();
    this.#reading.close();
  }
}

function clientOf({ url, tls }: ServerAddress): RedisClient {
  const client = new RedisClient(url, {
    autoReconnect: false,
    connectionTimeout: CONNECT_MS,
    ...(tls ? { tls } : {}),
  });
  client.onclose = () => {};
  return client;
}

/** A script that is unknown yet, or run without its keys, fails for other reasons as well; so does a stream that is none until somebody joins. */
function unlessForbidden(error: unknown): void {
  if (reasonIn(error).startsWith("NOPERM")) throw error;
}

/** Bun's client waits for an answer without end. @throws Error when it does not come in time */
export async function inTime<T>(clock: Pick<Clock, "after">, answer: Promise<T>): Promise<T> {
  const come = answer.then((value) => ({ value }));
  const found = await within(clock, ANSWER_MS, come);
  if (found === null) throw new Error("it does not answer");
  return found.value;
}

/** The words of the server, or of the client. */
function reasonIn(error: unknown): string {
  return withHint(printable(messageOf(error)).replace(OF_SCRIPT, "").slice(0, MOST_REASON));
}
