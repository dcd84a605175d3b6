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

/** TLS of the whole server, which each of these services may override. */
export const tlsOf = (services: Entries) =>
  section(
    `TLS for every service. Give cert and key to switch it on; ${overriding(services, "tls")} override it key by key for one service.`,
    tls,
    { contradictions: halfSet },
  );

/** TLS of one service. */
export const ownTls = (who: string) =>
  inherited(`TLS of ${who} alone; a key not given here follows [tls].`, tls, {
    contradictions(own, whole) {
      const given = Object.values(own).some((value) => value !== null);
      return given ? halfSet(overlay((whole as Whole).tls, own)) : [];
    },
  });

interface Whole {
  readonly tls: Values<typeof tls>;
}

/** Settings without those that they need: half a pair, or a check of clients without authorities. */
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
