import type { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { TLSOptions } from "bun";
import { inputBytes } from "../../config/input.ts";
import type { Place } from "../../config/place.ts";
import { reasonOf } from "../../config/reason.ts";
import { type Fault, StartError } from "../errors.ts";
import { certificatesIn, keyIn } from "./pem.ts";

/** The TLS of a place, with the names of its keys. */
export type TlsPlace = Pick<Place, "tls" | "tlsKey">;

type FileKey = "cert" | "key" | "ca";

/** Bun's options for the TLS of a place; undefined where it has none. @throws StartError with every fault of its files */
export function tlsOptions(place: TlsPlace): TLSOptions | undefined {
  const { options, faults } = readTls(place);
  if (faults.length > 0) throw new StartError(faults);
  return options;
}

/** Every fault of the files that the TLS of a place names. */
export function tlsFaults(place: TlsPlace): readonly Fault[] {
  return readTls(place).faults;
}

/** The certificates that the TLS of a place shows, and their text. @throws StartError naming the key whose file cannot be used */
export function readChain(place: TlsPlace): { pem: string; certificates: X509Certificate[] } {
  const faults: Fault[] = [];
  const file = readFile(place, "cert", faults);
  const certificates = file && certificatesOf(place, "cert", file, faults);
  if (!file || !certificates) throw new StartError(faults);
  return { pem: file.toString(), certificates };
}

function readTls(place: TlsPlace): { options: TLSOptions | undefined; faults: readonly Fault[] } {
  const { tls } = place;
  if (tls.cert === "") return { options: undefined, faults: [] };
  const faults: Fault[] = [];
  const cert = readFile(place, "cert", faults);
  const key = readFile(place, "key", faults);
  const ca = tls.ca === "" ? null : readFile(place, "ca", faults);
  const certificates = cert && certificatesOf(place, "cert", cert, faults);
  if (ca) certificatesOf(place, "ca", ca, faults);
  checkKey(place, key, certificates?.[0], faults);
  if (faults.length > 0) return { options: undefined, faults };
  const options = {
    cert: `${cert}`,
    key: `${key}`,
    ...(tls.passphrase ? { passphrase: tls.passphrase } : {}),
    ...(ca ? { ca: `${ca}` } : {}),
  };
  const { require_client_cert: required } = tls;
  return {
    options: { ...options, requestCert: required, rejectUnauthorized: required },
    faults: lastFault(place, options),
  };
}

function readFile({ tls, tlsKey }: TlsPlace, which: FileKey, faults: Fault[]): Buffer | null {
  try {
    return inputBytes(tls[which]);
  } catch (error) {
    faults.push({
      key: tlsKey(which),
      message: `cannot read ${tls[which]}: ${reasonOf(error)}`,
    });
    return null;
  }
}

function certificatesOf(
  { tls, tlsKey }: TlsPlace,
  which: FileKey,
  bytes: Buffer,
  faults: Fault[],
): X509Certificate[] | null {
  const found = certificatesIn(bytes);
  if (typeof found !== "string") return found;
  faults.push({ key: tlsKey(which), message: `${tls[which]} ${found}` });
  return null;
}

function checkKey(
  { tls, tlsKey }: TlsPlace,
  bytes: Buffer | null,
  certificate: X509Certificate | undefined,
  faults: Fault[],
): void {
  if (bytes === null) return;
  const found = keyIn(bytes, tls.passphrase);
  if ("trouble" in found) {
    faults.push({ key: tlsKey("key"), message: `${tls.key} ${found.trouble}` });
  } else if ("locked" in found) {
    const [which, message] =
      tls.passphrase === ""
        ? (["key", `${tls.key} is encrypted, and there is no passphrase`] as const)
        : (["passphrase", `it does not open ${tls.key}`] as const);
    faults.push({ key: tlsKey(which), message, others: [tlsKey("key"), tlsKey("passphrase")] });
  } else if (certificate && !certificate.checkPrivateKey(found.key)) {
    faults.push({
      key: tlsKey("key"),
      message: `${tls.key} is not the key of the certificate in ${tls.cert} (${tlsKey("cert")})`,
      others: [tlsKey("cert")],
    });
  }
}

/** The fault that only an attempt to use the files shows. */
function lastFault({ tls, tlsKey }: TlsPlace, options: object): Fault[] {
  try {
    createSecureContext(options);
    return [];
  } catch (error) {
    const words = reasonOf(error).split(":").at(-1)?.replaceAll("_", " ").toLowerCase();
    const message = `${tls.cert} and ${tls.key} (${tlsKey("key")}) do not work together: ${words}`;
    return [{ key: tlsKey("cert"), message, others: [tlsKey("key")] }];
  }
}
