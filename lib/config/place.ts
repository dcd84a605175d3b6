import { overlay } from "./section.ts";
import type { AccessSettings, TlsSettings } from "./table.ts";

/** Where a service lives, and who may come in there. */
export interface Place {
  /** The service's name. */
  readonly name: string;
  /** The full name of the setting that gives `host`: `store.host`, or `host` where it is the top level's. */
  readonly hostKey: string;
  /** The same of `port`. */
  readonly portKey: string;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings;
  /** The full name of a key of `tls`: `store.tls.cert` where the service has its own, else `tls.cert`. */
  tlsKey(key: keyof TlsSettings): string;
  readonly access: AccessSettings;
  readonly limits: {
    /** 0: what the limit of open files allows. */
    readonly clients: number;
    /** 0: a quarter of `clients`, and no limit on loopback. */
    readonly clientsPerAddress: number;
  };
  /** Seconds of silence after which the system asks whether a client is still there; 0: never. */
  readonly keepaliveSecs: number;
}

/** What the settings of the whole server say of every place. */
interface Whole {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsSettings;
  readonly access: AccessSettings;
  readonly keepalive_secs: number;
}

/** What the section of a service may say of its place; what it does not say, the whole server's settings do. */
interface Own {
  readonly host?: string;
  readonly port?: number;
  readonly tls?: { readonly [K in keyof TlsSettings]: TlsSettings[K] | null };
  readonly access?: { readonly [K in keyof AccessSettings]: AccessSettings[K] | null };
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
    },
    keepaliveSecs: config.keepalive_secs,
  };
}

/** A place that no configuration describes: without TLS, and anybody may come in. */
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
