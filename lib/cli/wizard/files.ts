import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { isIP } from "node:net";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inputBytes } from "../../config/input.ts";
import { reasonOf } from "../../config/reason.ts";
import { renderSchema, SCHEMA_FILE } from "../../config/schema.ts";
import { settings } from "../../config/table.ts";
import { StartError } from "../../host/errors.ts";
import { asksPassphrase, certificatesIn } from "../../host/files/pem.ts";
import { addressText } from "../../host/service.ts";
import { tlsFaults } from "../../host/files/tls-files.ts";
import { tokenIn } from "../../net/admission/token.ts";
import { contentOf, type NewFile } from "../terminal/write.ts";

/** The schema file for editors beside `target`, or null if it is there already. */
export function schemaFor(target: string): NewFile | null {
  const path = join(dirname(target), SCHEMA_FILE);
  const content = renderSchema(settings);
  return contentOf(path) === content ? null : { path, content, secret: false };
}

/** A new token: 192 random bits. */
export function newToken(): string {
  return randomBytes(24).toString("base64url");
}

/** True if a file holds a token that is long enough. */
export function holdsToken(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    tokenIn(path, "");
    return true;
  } catch {
    return false;
  }
}

/** The days that a self-signed certificate is valid. */
export const TRIAL_DAYS = 90;

/** True if a self-signed pair can be made on this machine. */
export function canSelfSign(): boolean {
  return Bun.which("openssl") !== null;
}

/** A new key and a self-signed certificate, for this machine and these hosts. @throws StartError */
export function selfSigned(hosts: readonly string[]): { cert: string; key: string } {
  const everywhere = ["0.0.0.0", "::"];
  const named = [...hosts, "localhost", "127.0.0.1", "::1", hostname()];
  const names = [...new Set(named)].filter((name) => !everywhere.includes(name));
  const alternatives = names.map((name) => `${isIP(name) ? "IP" : "DNS"}:${name}`).join(",");
  const folder = mkdtempSync(join(tmpdir(), "summoner-tls-"));
  try {
    const [cert, key] = [join(folder, "cert"), join(folder, "key")];
    const request = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days ${TRIAL_DAYS}`;
    const subject = ["-subj", "/CN=summoner", "-addext", `subjectAltName=${alternatives}`];
    const made = Bun.spawnSync(
      ["openssl", ...request.split(" "), ...subject, "-keyout", key, "-out", cert],
      { stdin: "ignore" },
    );
    if (!made.success) {
      const why = made.stderr.toString().trim().split("\n").at(-1);
      throw new StartError(`openssl makes no certificate: ${why}; nothing was written`);
    }
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The error that a file cannot be read or, for `cert`, is no certificate; or null. */
export function fileTrouble(path: string, which: "cert" | "key"): string | null {
  try {
    const bytes = inputBytes(path);
    const found = which === "cert" ? certificatesIn(bytes) : null;
    return typeof found === "string" ? `${path} ${found}` : null;
  } catch (error) {
    return `cannot read ${path}: ${reasonOf(error)}`;
  }
}

/** True if a private key needs a passphrase. */
export function isEncrypted(path: string): boolean {
  return existsSync(path) && asksPassphrase(inputBytes(path));
}

/** The error of a certificate and key that do not work, or null. */
export function pairTrouble(cert: string, key: string, passphrase: string): string | null {
  const tls = { cert, key, passphrase, ca: "", require_client_cert: false };
  const faults = tlsFaults({ tls, tlsKey: (name) => name });
  return faults.length === 0 ? null : faults.map(({ message }) => message).join("; ");
}

/** The error if nothing can listen there at present, or null. */
export function listenTrouble(host: string, port: number): string | null {
  try {
    Bun.listen({ hostname: host, port, socket: { data() {} } }).stop(true);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") return `${addressText(host, port)} is in use`;
    if (code === "EACCES") return `port ${port} takes more rights than you have`;
    if (code === "EADDRNOTAVAIL") return `this machine does not have the address ${host}`;
    return `nobody can listen on ${addressText(host, port)}: ${reasonOf(error)}`;
  }
}

/** The first free port among the 50 after this one, or null. */
export function freeAfter(host: string, port: number): number | null {
  for (let next = port + 1; next <= Math.min(port + 50, 65535); next++) {
    if (listenTrouble(host, next) === null) return next;
  }
  return null;
}
