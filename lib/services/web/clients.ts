import type { ClientInfo, Running } from "../../host/service.ts";

/** A client as `/connz` tells of it. */
export interface ClientRow {
  readonly service: string;
  readonly id: number;
  readonly address: string;
  readonly state: string;
  readonly age_seconds: number;
  readonly lines_in: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly outbox_bytes: number;
}

const COLUMNS = [
  "service",
  "id",
  "address",
  "state",
  "age_seconds",
  "lines_in",
  "bytes_in",
  "bytes_out",
  "outbox_bytes",
] as const satisfies readonly (keyof ClientRow)[];

/** Which page of the clients is wanted. */
export interface ClientQuery {
  /** Only this service's; null for all. */
  readonly service: string | null;
  /** Only those whose address contains this. */
  readonly address: string;
  readonly sort: (typeof COLUMNS)[number];
  readonly order: "asc" | "desc";
  readonly limit: number;
  readonly offset: number;
}

export interface ClientPage extends ClientQuery {
  /** How many match in all. */
  readonly total: number;
  readonly clients: readonly ClientRow[];
}

const LIMIT_MAX = 1000;
const OFFSET_MAX = 1e9;
const PARAMETERS = ["service", "address", "sort", "order", "limit", "offset"];

/** Reads a query; a text says what is wrong with it. */
export function readClientQuery(
  parameters: URLSearchParams,
  services: ReadonlyMap<string, Running>,
): ClientQuery | string {
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) return `${name}: unknown; known: ${PARAMETERS.join(", ")}`;
  }
  const service = parameters.get("service");
  if (service !== null && !services.has(service)) {
    return `service: found ${service}; allowed: ${[...services.keys()].join(", ")}`;
  }
  const sort = parameters.get("sort") ?? "outbox_bytes";
  const column = COLUMNS.find((one) => one === sort);
  if (!column) return `sort: found ${sort}; allowed: ${COLUMNS.join(", ")}`;
  const order = parameters.get("order") ?? "desc";
  if (order !== "asc" && order !== "desc") return `order: found ${order}; allowed: asc, desc`;
  const limit = wholeNumber(parameters.get("limit") ?? "100", 1, LIMIT_MAX);
  if (limit === null) return `limit: allowed: a whole number from 1 to ${LIMIT_MAX}`;
  const offset = wholeNumber(parameters.get("offset") ?? "0", 0, OFFSET_MAX);
  if (offset === null) return `offset: allowed: a whole number from 0 to ${OFFSET_MAX}`;
  return { service, address: parameters.get("address") ?? "", sort: column, order, limit, offset };
}

function wholeNumber(text: string, min: number, max: number): number | null {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : null;
}

/** The clients that a query asks for, of all services together. */
export function clientPage(query: ClientQuery, services: ReadonlyMap<string, Running>): ClientPage {
  const rows: ClientRow[] = [];
  for (const [name, service] of services) {
    if (query.service !== null && query.service !== name) continue;
    for (const info of service.clients()) {
      if (info.address.includes(query.address)) rows.push(rowOf(name, info));
    }
  }
  const { sort, order, offset, limit } = query;
  const sign = order === "asc" ? 1 : -1;
  rows.sort((a, b) => sign * compare(a[sort], b[sort]) || a.id - b.id);
  return { ...query, total: rows.length, clients: rows.slice(offset, offset + limit) };
}

function rowOf(service: string, info: ClientInfo): ClientRow {
  return {
    service,
    id: info.id,
    address: info.address,
    state: info.state,
    age_seconds: info.ageSeconds,
    lines_in: info.linesIn,
    bytes_in: info.bytesIn,
    bytes_out: info.bytesOut,
    outbox_bytes: info.outboxBytes,
  };
}

function compare(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
