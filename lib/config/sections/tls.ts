import { flag, text } from "../option.ts";
import {
  type Contradiction,
  type Entries,
  inherited,
  overlay,
  overriding,
  section,
  type Values,
} from "../section.ts";
import { live } from "./bounds.ts";

const tls = {
  cert: text("", "File with the certificate chain, PEM. Empty means no TLS.", live),
  key: text("", "File with the private key, PEM.", live),
  passphrase: text("", "Passphrase of an encrypted private key.", {
    ...live,
    secret: true,
  }),
  ca: text("", "File with the authorities that client certificates must come from, PEM.", live),
  require_client_cert: flag(
    false,
    "Serve only clients that present a certificate signed by ca.",
    live,
  ),
};

/** TLS of the whole server; each of these services may override it. */
export const tlsOf = (services: Entries) =>
  section(
    `TLS for every service. Give cert and key to switch it on; ${overriding(services, "tls")} override it key by key for one service.`,
    tls,
    {
      contradictions: (own, whole) => [...halfSet(own), ...withoutPair(own, whole, services)],
      remarks: (given) =>
        ["tls", ...Object.keys(services).map((name) => `${name}.tls`)]
          .filter((path) => given.has(`${path}.ca`))
          .filter((path) => ![path, "tls"].some((one) => given.has(`${one}.require_client_cert`)))
          .map(
            (path) =>
              `${path}.ca is given, but clients are asked for no certificate: require_client_cert is not set`,
          ),
    },
  );

/** TLS of one service. */
export const ownTls = (who: string) =>
  inherited(`TLS of ${who} alone; a key not given here follows [tls].`, tls, {
    contradictions(own, whole) {
      const given = Object.values(own).some((value) => value !== null);
      if (!given) return [];
      const effective = overlay((whole as Whole).tls, own);
      const found = halfSet(effective);
      const key = needy.find((one) => own[one] !== null && own[one] !== "");
      return key && found.length === 0 && effective.cert === "" ? [needsPair(key)] : found;
    },
  });

interface Whole {
  readonly tls: Values<typeof tls>;
}

/** Settings that mean nothing without encryption. */
const needy = ["ca", "passphrase"] as const;

/** The contradiction of such a setting that is given while some enabled service is not encrypted. */
function withoutPair(own: Values<typeof tls>, whole: object, services: Entries): Contradiction[] {
  const key = needy.find((one) => own[one] !== "");
  if (key === undefined || own.cert !== "" || own.key !== "" || own.require_client_cert) return [];
  const plain = Object.keys(services).some((name) => {
    const section = (whole as Readonly<Record<string, Service | undefined>>)[name];
    return section?.enabled === true && (section.tls?.cert ?? "") === "";
  });
  return plain ? [needsPair(key)] : [];
}

interface Service {
  readonly enabled?: boolean;
  readonly tls?: { readonly cert: string | null };
}

function needsPair(key: (typeof needy)[number]): Contradiction {
  return { key, message: "given without cert and key, so nothing would be encrypted" };
}

/** Settings given without those that they need: half a pair, or a check of clients without a `ca`. */
function halfSet({ cert, key, ca, require_client_cert }: Values<typeof tls>): Contradiction[] {
  if ((cert === "") !== (key === "")) {
    const [present, missing] = cert === "" ? ["key", "cert"] : ["cert", "key"];
    return [{ key: present, message: `given without ${missing}; TLS needs both` }];
  }
  if (require_client_cert && (ca === "" || cert === "")) {
    const missing = cert === "" ? "cert and key" : "ca";
    const message = `true without ${missing}, so no client could ever be verified`;
    return [{ key: "require_client_cert", message }];
  }
  return [];
}
