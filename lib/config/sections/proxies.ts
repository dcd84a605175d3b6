import { list } from "../option.ts";
import type { Contradiction } from "../section.ts";
import { CIDRS, isCidr } from "./access.ts";
import { live } from "./bounds.ts";

/** The proxies in front of a service over TCP. */
export const trustedProxies = list(
  "Proxies in front of it: a connection from one of these has to begin with a header of the PROXY protocol (version 1 or 2), and is taken for the client's that this tells of. Not together with TLS: that is the proxy's to speak.",
  CIDRS,
  isCidr,
  live,
);

interface Own {
  readonly enabled: boolean;
  readonly trusted_proxies: readonly string[];
  readonly tls: { readonly cert: string | null };
}

interface Whole {
  readonly tls: { readonly cert: string };
}

/** Proxies in front of a service whose own TLS would hide their headers. */
export function proxyContradictions(own: Own, whole: object): Contradiction[] {
  if (!own.enabled || own.trusted_proxies.length === 0) return [];
  if ((own.tls.cert ?? (whole as Whole).tls.cert) === "") return [];
  return [
    {
      key: "trusted_proxies",
      message:
        "given for a service with TLS, which cannot be had together; let the proxy speak TLS and leave the service's tls.cert and tls.key empty",
    },
  ];
}
