import { type Entries, flag, inherited, overriding, section, text } from "../option.ts";
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
  );

/** TLS of one service. */
export const ownTls = (who: string) =>
  inherited(`TLS of ${who} alone; a key not given here follows [tls].`, tls);
