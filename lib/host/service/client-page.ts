import type { ClientInfo, ClientPage, ClientQuery, Running } from "../service.ts";

/** A reader of each field of a `ClientInfo`. */
export type ClientColumns<C> = {
  readonly [K in keyof ClientInfo]: (client: C, now: number) => ClientInfo[K];
};

/** A client together with its service. */
export interface ServiceClient extends ClientInfo {
  readonly service: string;
}

/** A question for one page of the clients of all services together. */
export interface ServiceClientQuery extends Omit<ClientQuery, "sort"> {
  readonly sort: keyof ServiceClient;
}

export interface ServiceClientPage {
  /** Clients that match, on this page or not. */
  readonly total: number;
  readonly clients: readonly ServiceClient[];
}

/** Answers a query from one service's clients. Only what is on the page is made into objects. */
export function clientPage<C>(
  clients: Iterable<C>,
  columns: ClientColumns<C>,
  { id = null, address, sort, order, limit, offset }: ClientQuery,
  now: number,
): ClientPage {
  const leading = new Leading<C>(offset + limit, order);
  const key = columns[sort];
  let total = 0;
  for (const client of clients) {
    if (id !== null && columns.id(client, now) !== id) continue;
    if (address !== "" && !columns.address(client, now).includes(address)) continue;
    total++;
    leading.offer(client, key(client, now), columns.id(client, now));
  }
  const wanted = leading.sorted().slice(offset);
  return { total, clients: wanted.map((client) => infoOf(client, columns, now)) };
}

/** Whoever has clients. */
type Source = Pick<Running, "clients">;

/** Answers a query from the clients of several services, in one order. */
export async function clientsOfAll(
  services: ReadonlyMap<string, Source>,
  query: ServiceClientQuery,
): Promise<ServiceClientPage> {
  const { sort } = query;
  const ofEach: ClientQuery =
    sort === "service" ? { ...query, sort: "id", order: "asc" } : { ...query, sort };
  const names = [...services.keys()];
  const row = (client: ClientInfo, at: number) => ({ service: names[at] as string, ...client });
  return merged([...services.values()], ofEach, query.order, row, (client) => client[sort]);
}

/** Answers a query from the clients of several parts of one service, in one order. */
export function clientsOfParts(parts: readonly Source[], query: ClientQuery): Promise<ClientPage> {
  const value = (client: ClientInfo) => client[query.sort];
  return merged(parts, query, query.order, (client) => client, value);
}

/**
 * With an offset, each source is asked for its total first: rows that come
 * before the page in any case are not asked for.
 */
async function merged<R extends ClientInfo>(
  sources: readonly Source[],
  ofEach: ClientQuery,
  order: ClientQuery["order"],
  row: (client: ClientInfo, source: number) => R,
  value: (row: R) => Value,
): Promise<{ total: number; clients: R[] }> {
  const { limit, offset } = ofEach;
  const ask = (wanted: (source: number) => Partial<ClientQuery>) =>
    Promise.all(sources.map((one, at) => one.clients({ ...ofEach, ...wanted(at) })));
  const sum = (pages: readonly ClientPage[]) => pages.reduce((all, { total }) => all + total, 0);
  const counted =
    offset > 0 && sources.length > 1 ? await ask(() => ({ limit: 0, offset: 0 })) : [];
  const others = (at: number) => sum(counted) - (counted[at]?.total ?? 0);
  const skipped = sources.map((_, at) => Math.max(0, offset - others(at)));
  const pages = await ask((at) => {
    const skip = skipped[at] as number;
    return { offset: skip, limit: offset + limit - skip };
  });
  const rows = pages.flatMap(({ clients }, at) => clients.map((client) => row(client, at)));
  rows.sort((a, b) => compare(value(a), value(b), order) || a.id - b.id);
  const start = Math.max(0, offset - skipped.reduce((all, skip) => all + skip, 0));
  return { total: sum(pages), clients: rows.slice(start, start + limit) };
}

function infoOf<C>(client: C, columns: ClientColumns<C>, now: number): ClientInfo {
  return {
    id: columns.id(client, now),
    address: columns.address(client, now),
    state: columns.state(client, now),
    ageSeconds: columns.ageSeconds(client, now),
    messagesIn: columns.messagesIn(client, now),
    messagesPerSecond: columns.messagesPerSecond(client, now),
    refused: columns.refused(client, now),
    refusedPerSecond: columns.refusedPerSecond(client, now),
    bytesIn: columns.bytesIn(client, now),
    bytesOut: columns.bytesOut(client, now),
    outboxBytes: columns.outboxBytes(client, now),
  };
}

type Value = string | number;

function compare(a: Value, b: Value, order: "asc" | "desc"): number {
  if (a === b) return 0;
  return a < b === (order === "asc") ? -1 : 1;
}

interface Ranked<T> {
  readonly item: T;
  readonly key: Value;
  readonly id: number;
}

/** The first few of many items in an order, found without sorting the rest. */
class Leading<T> {
  readonly #most: number;
  readonly #order: "asc" | "desc";
  #kept: Ranked<T>[] = [];
  /** Items that come after it are not among the first; null until enough items are known. */
  #last: Ranked<T> | null = null;

  constructor(most: number, order: "asc" | "desc") {
    this.#most = most;
    this.#order = order;
  }

  offer(item: T, key: Value, id: number): void {
    const last = this.#last;
    if (last !== null && (compare(key, last.key, this.#order) || id - last.id) > 0) return;
    this.#kept.push({ item, key, id });
    if (this.#kept.length >= 2 * this.#most + 16) this.#cut();
  }

  sorted(): T[] {
    this.#cut();
    return this.#kept.map(({ item }) => item);
  }

  #cut(): void {
    this.#kept.sort((a, b) => compare(a.key, b.key, this.#order) || a.id - b.id);
    this.#kept.length = Math.min(this.#kept.length, this.#most);
    if (this.#kept.length === this.#most) this.#last = this.#kept.at(-1) ?? null;
  }
}
