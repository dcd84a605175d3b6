import { clientsOfAll, type ServiceClient } from "../../../host/service/client-page.ts";
import type { Running } from "../../../host/service.ts";
import type { HttpServer } from "../../../net/http.ts";
import { json, longJson, refusal } from "../answers.ts";

/** A client in the answer of `/connz`. */
export interface ClientRow {
  readonly service: string;
  readonly id: number;
  readonly address: string;
  readonly state: string;
  readonly age_seconds: number;
  readonly messages_in: number;
  readonly messages_per_second: number;
  readonly refused: number;
  readonly refused_per_second: number;
  readonly bytes_in: number;
  readonly bytes_out: number;
  readonly outbox_bytes: number;
}

/** The name of each column in the contract of services. */
const FIELDS = {
  service: "service",
  id: "id",
  address: "address",
  state: "state",
  age_seconds: "ageSeconds",
  messages_in: "messagesIn",
  messages_per_second: "messagesPerSecond",
  refused: "refused",
  refused_per_second: "refusedPerSecond",
  bytes_in: "bytesIn",
  bytes_out: "bytesOut",
  outbox_bytes: "outboxBytes",
} as const satisfies Record<keyof ClientRow, keyof ServiceClient>;

const COLUMNS = Object.keys(FIELDS) as (keyof ClientRow)[];

/** A query for one page of the clients. */
export interface ConnzQuery {
  /** The service of the clients; null for all services. */
  readonly service: string | null;
  /** 0 without those who watch the server: its event streams. */
  readonly viewers?: 0;
  /** The number of the only client that is wanted; null for any. */
  readonly id: number | null;
  /** A text that the address must contain; "" for any. */
  readonly address: string;
  readonly sort: keyof ClientRow;
  readonly order: "asc" | "desc";
  readonly limit: number;
  readonly offset: number;
}

export interface ConnzPage extends ConnzQuery {
  /** All clients that match, on this page or not. */
  readonly total: number;
  readonly clients: readonly ClientRow[];
}

/** The service whose clients are the event streams. */
const VIEWED_BY = "web";
const LIMIT_MAX = 1000;
const OFFSET_MAX = 1e9;
const PARAMETERS = ["service", "id", "address", "sort", "order", "limit", "offset", "viewers"];

/** Reads the query of a request. @returns a text about the fault if it has one */
export function readConnzQuery(
  parameters: URLSearchParams,
  services: ReadonlyMap<string, Running>,
): ConnzQuery | string {
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) return `${name}: unknown; known: ${PARAMETERS.join(", ")}`;
  }
  const service = parameters.get("service");
  if (service !== null && !services.has(service)) {
    return `service: found ${service}; allowed: ${[...services.keys()].join(", ")}`;
  }
  const viewers = parameters.get("viewers");
  if (viewers !== null && viewers !== "0") return `viewers: found ${viewers}; allowed: 0`;
  const sort = parameters.get("sort") ?? "outbox_bytes";
  const column = COLUMNS.find((one) => one === sort);
  if (!column) return `sort: found ${sort}; allowed: ${COLUMNS.join(", ")}`;
  const order = parameters.get("order") ?? "desc";
  if (order !== "asc" && order !== "desc") return `order: found ${order}; allowed: asc, desc`;
  const limit = wholeNumber(parameters.get("limit") ?? "100", 1, LIMIT_MAX);
  if (limit === null) return `limit: allowed: a whole number from 1 to ${LIMIT_MAX}`;
  const offset = wholeNumber(parameters.get("offset") ?? "0", 0, OFFSET_MAX);
  if (offset === null) return `offset: allowed: a whole number from 0 to ${OFFSET_MAX}`;
  const id = parameters.get("id");
  const only = id === null ? null : wholeNumber(id, 0, Number.MAX_SAFE_INTEGER);
  if (id !== null && only === null) return "id: allowed: the number of a client";
  return {
    service,
    ...(viewers === null ? {} : { viewers: 0 }),
    id: only,
    address: parameters.get("address") ?? "",
    sort: column,
    order,
    limit,
    offset,
  };
}

/** The number that a parameter holds, or null. */
export function wholeNumber(text: string, min: number, max: number): number | null {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : null;
}

/** Answers `GET /connz`; `more` tells more of the client of an id. */
export async function connz(
  request: Request,
  http: HttpServer,
  services: ReadonlyMap<string, Running>,
  more: (client: { readonly service: string; readonly id: number }) => Promise<object | null>,
): Promise<Response> {
  const query = readConnzQuery(new URL(request.url).searchParams, services);
  if (typeof query === "string") return refusal(400, query);
  const found = await connzPage(query, services);
  const [only] = found.clients;
  const page = query.id === null || !only ? found : { ...found, ...(await more(only)) };
  // Compressed together with a text that an attacker chooses, the length would reveal addresses.
  return query.address === "" ? longJson(request, http, page) : json(page);
}

/** The page of clients that a query asks for, over all its services. */
export async function connzPage(
  query: ConnzQuery,
  services: ReadonlyMap<string, Running>,
): Promise<ConnzPage> {
  const { service, viewers } = query;
  const asked = [...services].filter(
    ([name]) => (service === null || service === name) && !(viewers === 0 && name === VIEWED_BY),
  );
  const wanted = { ...query, sort: FIELDS[query.sort] };
  const { total, clients } = await clientsOfAll(new Map(asked), wanted);
  return { ...query, total, clients: clients.map(rowOf) };
}

function rowOf(client: ServiceClient): ClientRow {
  return {
    service: client.service,
    id: client.id,
    address: client.address,
    state: client.state,
    age_seconds: client.ageSeconds,
    messages_in: client.messagesIn,
    messages_per_second: client.messagesPerSecond,
    refused: client.refused,
    refused_per_second: client.refusedPerSecond,
    bytes_in: client.bytesIn,
    bytes_out: client.bytesOut,
    outbox_bytes: client.outboxBytes,
  };
}
