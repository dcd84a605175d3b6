import { readFileSync } from "node:fs";
import type { TLSOptions } from "bun";
import type { TlsSettings } from "../config/table.ts";
import { reasonOf } from "../config/reason.ts";
import { StartError } from "../host/errors.ts";

/** What a file of `[tls]` holds. @throws StartError naming the key when it cannot be read */
export function readPem(settings: TlsSettings, key: "cert" | "key" | "ca"): string {
  try {
    return readFileSync(settings[key], "utf8");
  } catch (error) {
    throw new StartError(`tls.${key}: cannot read ${settings[key]}: ${reasonOf(error)}`);
  }
}

/** @throws StartError naming the key whose file cannot be read */
export function tlsOptions(settings: TlsSettings): TLSOptions | undefined {
  if (settings.cert === "") return undefined;
  const file = (key: "cert" | "key" | "ca") => readPem(settings, key);
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
