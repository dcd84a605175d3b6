import type { X509Certificate } from "node:crypto";
import type { TLSOptions } from "bun";
import { inputBytes, inputText } from "../../../../../config/input.ts";
import { reasonOf } from "../../../../../config/reason.ts";
import { PASSWORD_VARIABLE } from "../../../../../config/sections/cluster.ts";
import {
  isEncrypted,
  roomUrl,
  type Sentinels,
} from "../../../../../config/sections/cluster-url.ts";
import type { Config } from "../../../../../config/table.ts";
import { type Fault, faultsIn, StartError } from "../../../../../host/errors.ts";
import { certificatesIn, keyIn } from "../../../../../host/files/pem.ts";

type Settings = Config["cluster"];

/** The server of a room, with all that a connection to it takes. */
export interface ServerAddress {
  /** With its secrets. */
  readonly url: string;
  /** The URL as a person may see it. */
  readonly shown: string;
  readonly host: string;
  readonly port: number;
  /** True for TLS as it comes: Bun's client takes no options that say nothing. */
  readonly tls: TLSOptions | boolean;
  /** Those that know where the server is; host and port are of one of them then. */
  readonly sentinels: Sentinels | null;
}

const PORT = 6379;

/** The server that the settings name. @throws StartError with every fault of the files that they name */
export function serverAddress(settings: Settings): ServerAddress {
  const { url, sentinels, shown } = roomUrl(settings.url);
  const faults: Fault[] = [];
  const attempt: Attempt = (read) => {
    let found: ReturnType<typeof read> | null = null;
    faults.push(...faultsIn(() => void (found = read())));
    return found;
  };
  const password = attempt(() => passwordOf(settings));
  const tls = tlsOf(settings, attempt);
  if (faults.length > 0) throw new StartError(faults);
  if (password) url.password = encodeURIComponent(password);
  return {
    url: url.href,
    shown,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || PORT,
    tls,
    sentinels,
  };
}

/** Keeps the faults of what is read, and answers null for it then. */
type Attempt = <T>(read: () => T) => T | null;

/** Every fault of the files that the settings of a room name. */
export function addressFaults({ cluster }: Pick<Config, "cluster">): readonly Fault[] {
  return cluster.url === "" ? [] : faultsIn(() => serverAddress(cluster));
}

/** The password that does not stand in the URL; null when there is none. */
function passwordOf({ password_file: file }: Settings): string | null {
  const variable = process.env[PASSWORD_VARIABLE];
  if (variable) return variable;
  if (file === "") return null;
  const key = "cluster.password_file";
  const password = (read(key, file, inputText).split("\n")[0] as string).trim();
  if (password !== "") return password;
  throw new StartError([{ key, message: `${file}: its first line is empty` }]);
}

function tlsOf({ url, ca, cert, key }: Settings, attempt: Attempt): TLSOptions | boolean {
  if (!isEncrypted(url)) return false;
  if (ca === "" && cert === "") return true;
  const authorities = ca === "" ? null : attempt(() => certificates("cluster.ca", ca));
  if (cert === "") return authorities === null ? true : { ca: authorities.text };
  const shown = attempt(() => certificates("cluster.cert", cert));
  const own = attempt(() => privateKey(key));
  if (shown !== null && own !== null && !shown.first.checkPrivateKey(own.key)) {
    attempt(() => {
      const message = `${key} is not the key of the certificate in ${cert} (cluster.cert)`;
      throw new StartError([{ key: "cluster.key", message }]);
    });
  }
  return {
    ...(authorities && { ca: authorities.text }),
    ...(shown && { cert: shown.text }),
    ...(own && { key: own.text }),
  };
}

function certificates(key: string, file: string) {
  const bytes = read(key, file, inputBytes);
  const found = certificatesIn(bytes);
  if (typeof found === "string") throw new StartError([{ key, message: `${file} ${found}` }]);
  return { text: bytes.toString(), first: found[0] as X509Certificate };
}

function privateKey(file: string) {
  const key = "cluster.key";
  const bytes = read(key, file, inputBytes);
  const found = keyIn(bytes, "");
  if ("key" in found) return { text: bytes.toString(), key: found.key };
  const why = "trouble" in found ? found.trouble : "is encrypted, which is not supported here";
  throw new StartError([{ key, message: `${file} ${why}` }]);
}

function read<T>(key: string, file: string, reading: (file: string) => T): T {
  try {
    return reading(file);
  } catch (error) {
    throw new StartError([{ key, message: `cannot read ${file}: ${reasonOf(error)}` }]);
  }
}
