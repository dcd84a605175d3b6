import { readFileSync } from "node:fs";
import type { TLSOptions } from "bun";
import type { Place } from "../config/place.ts";
import { reasonOf } from "../config/reason.ts";
import { StartError } from "../host/errors.ts";

/** The TLS of a place, with the names of its keys. */
export type TlsPlace = Pick<Place, "tls" | "tlsKey">;

/** The text of a file that the TLS of a place names. @throws StartError naming the key when it cannot be read */
export function readPem({ tls, tlsKey }: TlsPlace, key: "cert" | "key" | "ca"): string {
  try {
    return readFileSync(tls[key], "utf8");
  } catch (error) {
    throw new StartError(`${tlsKey(key)}: cannot read ${tls[key]}: ${reasonOf(error)}`);
  }
}

/** What Bun needs for the TLS of a place; undefined where it has none. @throws StartError naming the key whose file cannot be read */
export function tlsOptions(place: TlsPlace): TLSOptions | undefined {
  const { tls: settings } = place;
  if (settings.cert === "") return undefined;
  const file = (key: "cert" | "key" | "ca") => readPem(place, key);
  return {
    cert: file("cert"),
    key: file("key"),
    ...(settings.passphrase ? { passphrase: settings.passphrase } : {}),
    ...(settings.ca ? { ca: file("ca") } : {}),
    requestCert: settings.require_client_cert,
    rejectUnauthorized: settings.require_client_cert,
  };
}

/**
 * Tries certificates on a port nobody knows, so that bad ones never replace good ones.
 * @throws Error when they do not work
 */
export function probeTls(tls: TLSOptions): void {
  const socket = { data() {} };
  Bun.listen({ hostname: "127.0.0.1", port: 0, tls, socket }).stop(true);
}
