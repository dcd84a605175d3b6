import { timingSafeEqual } from "node:crypto";
import type { Config } from "../../../config/table.ts";
import { type Fault, faultsIn } from "../../../host/errors.ts";
import type { Host } from "../../../host/service.ts";
import { addressText } from "../../../host/service.ts";
import { digest, tokenIn } from "../../../net/admission/token.ts";
import { Tries } from "../../../net/admission/tries.ts";

/** A refusal for want of the token. */
export interface TokenRefusal {
  readonly message: string;
  /** Seconds until the address may try another token; 0 for at once. */
  readonly waitSeconds: number;
}

/** Checks the token that clients of gRPC and HTTP show: `Authorization: Bearer TOKEN`. */
export class TokenGuard {
  readonly #tries: Tries;
  #token: Buffer | null;

  /** @throws StartError when the file of the token cannot be read, or holds none */
  constructor(config: Config, host: Host<Config>) {
    this.#tries = new Tries("collector", host);
    this.#token = readToken(config);
  }

  /** @throws StartError when the file of the token cannot be read, or holds none; the token stays as it was */
  configure(next: Config): void {
    this.#token = readToken(next);
  }

  /** @param header the `Authorization` that a client has shown; "" for none @returns null when it is let in */
  refuses(header: string, ip: string, port: number): TokenRefusal | null {
    if (this.#token === null) return null;
    const shown = /^Bearer +(\S+)$/i.exec(header)?.[1];
    if (shown === undefined) {
      return { message: "This needs the token: Authorization: Bearer TOKEN.", waitSeconds: 0 };
    }
    const refused = this.#tries.refuses(ip);
    if (refused > 0) return tooMany(refused);
    // Digests have one length, so the time of the comparison tells nothing.
    if (timingSafeEqual(digest(shown), this.#token)) return null;
    const waitSeconds = this.#tries.failed(ip, addressText(ip, port));
    return waitSeconds > 0
      ? tooMany(waitSeconds)
      : { message: "This token is wrong.", waitSeconds };
  }

  /** Logs the wrong tokens that have not been logged yet. */
  end(): void {
    this.#tries.close();
  }
}

/** The faults in the file of the token. */
export function tokenFaults(config: Config): readonly Fault[] {
  return faultsIn(() => readToken(config));
}

function readToken({ collector: { token_file: file } }: Config): Buffer | null {
  return file === "" ? null : digest(tokenIn(file, "collector.token_file"));
}

function tooMany(waitSeconds: number): TokenRefusal {
  return { message: `Too many wrong tokens: wait ${waitSeconds} seconds.`, waitSeconds };
}
