import type { Running } from "../../../host/service.ts";
import { type ConnzQuery, readConnzQuery } from "./connz.ts";

/** One client of a service. */
export interface OneClient {
  readonly service: string;
  readonly id: number;
}

/** The clients that a stream tells of. */
export interface Wanted {
  /** A page of the table; null for none. */
  readonly page: ConnzQuery | null;
  /** The client that is looked at; null for none. */
  readonly client: OneClient | null;
  /** The same for those who want the same. */
  readonly key: string;
}

/** What a page that was connected before has already. */
export interface Known {
  /** The start of the server that told it, milliseconds since 1970. */
  readonly of: number;
  /** The time of its newest sample. */
  readonly since: number;
}

export interface Asked {
  readonly wanted: Wanted;
  readonly known: Known | null;
  /** True for a stream that is told what differs, after its first tick. */
  readonly differences: boolean;
}

type Services = ReadonlyMap<string, Running>;

/**
 * Reads the query of a request for a stream: that for a page of clients, and `client`,
 * `differences`, `of` and `since`. @returns a text about the fault if it has one
 */
export function readAsked({ url }: Request, services: Services): Asked | string {
  const query = url.includes("?") ? new URL(url).searchParams : new URLSearchParams();
  const [of, since, differences] = ["of", "since", "differences"].map((name) => take(query, name));
  if ((of === null) !== (since === null)) return "of, since: give both or none of them";
  if (of !== null && !/^\d{1,16}(\.\d{1,9})? \d{1,16}(\.\d{1,9})?$/.test(`${of} ${since}`)) {
    return "of, since: allowed: milliseconds since 1970";
  }
  if (differences !== null && differences !== "1") return "differences: allowed: 1";
  const wanted = readWanted(query, services);
  if (typeof wanted === "string") return wanted;
  const known = of === null ? null : { of: Number(of), since: Number(since) };
  return { wanted, known, differences: differences !== null };
}

/** Reads which clients are wanted. @returns a text about the fault if there is one */
export function readWanted(query: URLSearchParams, services: Services): Wanted | string {
  const key = query.toString();
  const text = take(query, "client");
  const client = text === null ? null : readClient(text, services);
  if (typeof client === "string") return client;
  if (query.size === 0) return { page: null, client, key };
  const page = readConnzQuery(query, services);
  return typeof page === "string" ? page : { page, client, key };
}

function readClient(text: string, services: Services): OneClient | string {
  const [, service = "", id] = /^(.{1,100})\/(\d{1,15})$/.exec(text) ?? [];
  if (services.has(service)) return { service, id: Number(id) };
  return "client: allowed: SERVICE/NUMBER, of a service that runs";
}

function take(query: URLSearchParams, name: string): string | null {
  const text = query.get(name);
  query.delete(name);
  return text;
}
