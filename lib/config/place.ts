import { overlay } from "./section.ts";
import type { AccessSettings, TlsSettings } from "./table.ts";

/** The place of a service: its address, and the rules for those who may come in there. */
export interface Place {
  /** The service's name. */
  readonly name: string;
  /** The full name of the setting of `host`: `store.host`, or `host` if it is the top level's. */
  readonly hostKey: string;
  /** The full name of the setting of `port`. */
  readonly portKey: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings;
  /** The full name of a key of `tls`: `store.tls.cert` if the service has its own, else `tls.cert`. */
  tlsKey(key: keyof TlsSettings): string;
  readonly access: AccessSettings;
  readonly limits: {
    /** 0: as many as the service's share of the open files allows. */
    readonly clients: number;
    /** 0: a quarter of `clients`, and no limit on loopback. */
    readonly clientsPerAddress: number;
    /** The full names of their settings, if they have any. */
    readonly keys?: { readonly clients: string; readonly clientsPerAddress: string };
  };
  /** The addresses and CIDR ranges of the proxies in front of it; none if not given. */
  readonly trustedProxies?: readonly string[];
  /** Seconds of silence before the system's first TCP keepalive probe; 0: never. */
  readonly keepaliveSecs: number;
  /** The part of the service's files that this door may take, where it has several; 1 if not given. */
  readonly part?: number;
}

/** The settings of the whole server that apply to every place. */
interface Whole {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings;
  readonly access: AccessSettings;
  readonly keepalive_secs: number;
}

/** The settings of a place in the section of its service; for missing ones, those of the whole server apply. */
interface Own {
  readonly host?: string;
  readonly port?: number;
  readonly tls?: { readonly [K in keyof TlsSettings]: TlsSettings[K] | null };
  readonly access?: { readonly [K in keyof AccessSettings]: AccessSettings[K] | null };
  readonly trusted_proxies?: readonly string[];
  readonly max_clients?: number;
  readonly max_clients_per_address?: number;
}

/** The place of the service of this name, by its section of the configuration. */
export function placeOf(config: Whole, name: string): Place {
  const own = (config as unknown as Readonly<Record<string, Own | undefined>>)[name] ?? {};
  return {
    name,
    hostKey: own.host === undefined ? "host" : `${name}.host`,
    portKey: own.port === undefined ? "port" : `${name}.port`,
    host: own.host ?? config.host,
    port: own.port ?? config.port,
    tls: own.tls ? overlay(config.tls, own.tls) : config.tls,
    tlsKey: (key) => ((own.tls?.[key] ?? null) === null ? `tls.${key}` : `${name}.tls.${key}`),
    access: own.access ? overlay(config.access, own.access) : config.access,
    limits: {
      clients: own.max_clients ?? 0,
      clientsPerAddress: own.max_clients_per_address ?? 0,
      keys: {
        clients: `${name}.max_clients`,
        clientsPerAddress: `${name}.max_clients_per_address`,
      },
    },
    trustedProxies: own.trusted_proxies ?? [],
    keepaliveSecs: config.keepalive_secs,
  };
}

/** A place without a configuration: without TLS, and anybody may come in. */
export function openPlace(name: string, host: string, port: number): Place {
  return {
    name,
    hostKey: "host",
    portKey: "port",
    host,
    port,
    tls: { cert: "", key: "", passphrase: "", ca: "", require_client_cert: false },
    tlsKey: (key) => key,
    access: { allow: [], deny: [] },
    limits: { clients: 0, clientsPerAddress: 0 },
    keepaliveSecs: 0,
  };
}
