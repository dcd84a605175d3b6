import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import { digest } from "../../net/admission/token.ts";
import { Tries } from "../../net/admission/tries.ts";
import type { Subscribers } from "./channels/subscribers.ts";
import type { StoreClient } from "./client.ts";
import { Refusal } from "./refusal.ts";
import { FULL, type Role, type Roles } from "./roles.ts";

/** Who asks. */
export interface Known {
  readonly role: Role;
  /** Digest of the token, in hex; null where there are no tokens. */
  readonly token: string | null;
}

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

  /** True if there are no tokens. */
  get isOpen(): boolean {
    return this.#roles.open;
  }

  /** The role of a token, by its digest in hex, as it is now; where there are no tokens, all rights. Null for one that nobody has. */
  roleOf(token: string | null): Role | null {
    return this.initialRole ?? this.#roles.find(token ?? "") ?? null;
  }

  /** Tries a token that came from an address. @returns whose it is, or the refusal */
  know(token: string, ip: string, address: string): Known | Refusal {
    const refusedSeconds = this.#tries.refuses(ip);
    if (refusedSeconds > 0) return tooManyTries(refusedSeconds);
    const hex = digest(token).toString("hex");
    const role = this.#roles.find(hex);
    if (role !== undefined) return { role, token: hex };
    const waitSeconds = this.#tries.failed(ip, address);
    return waitSeconds === 0
      ? new Refusal("BAD_TOKEN", "nobody has this token")
      : tooManyTries(waitSeconds);
  }

  /** Tries a token for a client. @returns the refusal, or null */
  authenticate(client: StoreClient, token: string): Refusal | null {
    if (this.#roles.open) return null;
    const known = this.know(token, client.ip, client.address);
    if (known instanceof Refusal) return known;
    client.token = known.token;
    this.#grant(client, known.role);
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
