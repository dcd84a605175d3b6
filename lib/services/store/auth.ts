import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import { digest } from "../../net/token.ts";
import { Tries } from "../../net/tries.ts";
import type { Subscribers } from "./channels/subscribers.ts";
import type { StoreClient } from "./client.ts";
import { Refusal } from "./refusal.ts";
import { FULL, type Role, type Roles } from "./roles.ts";

/** Gives clients the roles of the tokens that they show. */
export class Auth {
  readonly #subscribers: Subscribers;
  readonly #tries: Tries;
  #roles: Roles;

  constructor(
    roles: Roles,
    subscribers: Subscribers,
    host: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#roles = roles;
    this.#subscribers = subscribers;
    this.#tries = new Tries("store", host);
  }

  /** The role of a client that has not shown a token. */
  get initialRole(): Role | null {
    return this.#roles.open ? FULL : null;
  }

  /** Tries a token for a client. @returns the refusal, or null */
  authenticate(client: StoreClient, token: string): Refusal | null {
    if (this.#roles.open) return null;
    const refusedSeconds = this.#tries.refuses(client.ip);
    if (refusedSeconds > 0) return tooManyTries(refusedSeconds);
    const hex = digest(token).toString("hex");
    const role = this.#roles.find(hex);
    if (role === undefined) {
      const waitSeconds = this.#tries.failed(client.ip, client.address);
      return waitSeconds === 0
        ? new Refusal("BAD_TOKEN", "nobody has this token")
        : tooManyTries(waitSeconds);
    }
    client.token = hex;
    this.#grant(client, role);
    return null;
  }

  /** Replaces the roles; `renew` applies them to a client. */
  configure(roles: Roles): void {
    this.#roles = roles;
  }

  /** Gives a client the role that its token has now. @returns false when the token of a client with a role is no longer valid */
  renew(client: StoreClient): boolean {
    const role = this.initialRole ?? this.#roles.find(client.token ?? "");
    if (role === undefined) return client.role === null;
    this.#grant(client, role);
    return true;
  }

  /** Logs the wrong tokens that are counted but not logged yet. */
  end(): void {
    this.#tries.close();
  }

  #grant(client: StoreClient, role: Role): void {
    client.role = role;
    this.#subscribers.endForbidden(client, role);
  }
}

function tooManyTries(waitSeconds: number): Refusal {
  return new Refusal("TOO_MANY_TRIES", `wait ${waitSeconds} seconds`);
}
