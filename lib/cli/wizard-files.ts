import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { isIP } from "node:net";
import { hostname, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { reasonOf } from "../config/reason.ts";
import { renderSchema, SCHEMA_FILE } from "../config/schema.ts";
import { settings } from "../config/table.ts";
import { StartError } from "../host/errors.ts";
import { addressText } from "../host/service.ts";
import { tlsOptions, probeTls } from "../net/tls.ts";
import { readToken } from "../services/web/gate.ts";

/** A file that is to be there. */
export interface NewFile {
  readonly path: string;
  readonly content: string;
  /** Whether nobody but the owner may read it. */
  readonly secret: boolean;
}

/** What a file holds, or null when there is none. @throws StartError when it cannot be read */
export function contentOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new StartError(`cannot read ${path}: ${reasonOf(error)}`);
  }
}

/**
 * Writes files: all of them or none, and each whole at any moment.
 * @param known what one of them held when a person agreed to replace it
 * @throws StartError when that cannot be done; then everything is as it was
 */
export function place(
  files: readonly NewFile[],
  known: { readonly path: string; readonly content: string | null },
): void {
  if (contentOf(known.path) !== known.content) {
    throw new StartError(`${known.path} has changed meanwhile; nothing was written`);
  }
  const drafts: string[] = [];
  const before = new Map<string, Buffer | null>();
  let at = "";
  try {
    const moves = files.map((file) => {
      at = file.path;
      // A link stays a link to the file that is replaced.
      const target = existsSync(file.path) ? realpathSync(file.path) : file.path;
      const draft = join(
        dirname(target),
        `.${basename(target)}.${randomBytes(4).toString("hex")}.tmp`,
      );
      drafts.push(draft);
      writeDraft(draft, file, target);
      return [draft, target] as const;
    });
    for (const [draft, target] of moves) {
      at = target;
      const old = existsSync(target) ? readFileSync(target) : null;
      renameSync(draft, target);
      before.set(target, old);
    }
  } catch (error) {
    for (const [target, old] of before) {
      if (old === null) rmSync(target, { force: true });
      else writeFileSync(target, old);
    }
    for (const draft of drafts) rmSync(draft, { force: true });
    throw new StartError(`cannot write ${at}: ${reasonOf(error)}; nothing was written`);
  }
}

function writeDraft(draft: string, { content, secret }: NewFile, target: string): void {
  const file = openSync(draft, "wx", secret ? 0o600 : 0o666);
  try {
    if (!secret && existsSync(target)) fchmodSync(file, statSync(target).mode & 0o777);
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The schema that editors check the file at `target` with, where it is not there already. */
export function schemaFor(target: string): NewFile | null {
  const path = join(dirname(target), SCHEMA_FILE);
  const content = renderSchema(settings);
  return contentOf(path) === content ? null : { path, content, secret: false };
}

/** A new admin token: 192 random bits. */
export function newToken(): string {
  return randomBytes(24).toString("base64url");
}

/** Whether a file holds a token that will do. */
export function holdsToken(path: string): boolean {
  if (!existsSync(path)) return false;
  try {
    return readToken(path) !== null;
  } catch {
    return false;
  }
}

/** Days for which a self-signed certificate is good. */
export const TRIAL_DAYS = 90;

/** Whether a pair for trying out can be made here. */
export function canSelfSign(): boolean {
  return Bun.which("openssl") !== null;
}

/** A key and a certificate that it signed itself, for this machine and these hosts. @throws StartError */
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

/** Why a file cannot be read, or null. */
export function fileTrouble(path: string): string | null {
  try {
    readFileSync(path);
    return null;
  } catch (error) {
    return `cannot read ${path}: ${reasonOf(error)}`;
  }
}

/** Whether a private key asks for a passphrase. */
export function isEncrypted(path: string): boolean {
  return /ENCRYPTED/.test(contentOf(path) ?? "");
}

/** Why a certificate and its key do not work, or null. */
export function pairTrouble(cert: string, key: string, passphrase: string): string | null {
  try {
    const tls = tlsOptions({ cert, key, passphrase, ca: "", require_client_cert: false });
    if (tls) probeTls(tls);
    return null;
  } catch (error) {
    return error instanceof StartError
      ? error.message
      : `${cert} and ${key} do not work together: ${reasonOf(error)}`;
  }
}

/** Why nothing can listen there at present, or null. */
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

/** The first port after this one that is free, or null. */
export function freeAfter(host: string, port: number): number | null {
  for (let next = port + 1; next <= Math.min(port + 50, 65535); next++) {
    if (listenTrouble(host, next) === null) return next;
  }
  return null;
}
