import { describe, expect, test } from "bun:test";
import {
  type ClientColumns,
  clientPage,
  clientsOfAll,
  type ServiceClient,
  type ServiceClientQuery,
} from "../lib/host/service/client-page.ts";
import type { ClientInfo, ClientQuery, Running } from "../lib/host/service.ts";

const COLUMNS: ClientColumns<ClientInfo> = {
  id: ({ id }) => id,
  address: ({ address }) => address,
  state: ({ state }) => state,
  ageSeconds: ({ ageSeconds }) => ageSeconds,
  messagesIn: ({ messagesIn }) => messagesIn,
  messagesPerSecond: ({ messagesPerSecond }) => messagesPerSecond,
  refused: ({ refused }) => refused,
  refusedPerSecond: ({ refusedPerSecond }) => refusedPerSecond,
  bytesIn: ({ bytesIn }) => bytesIn,
  bytesOut: ({ bytesOut }) => bytesOut,
  outboxBytes: ({ outboxBytes }) => outboxBytes,
};
const FIELDS = Object.keys(COLUMNS) as (keyof ClientInfo)[];
const EVERYBODY = { address: "", sort: "id", order: "asc", limit: 100, offset: 0 } as const;

let seed = 1;
/** A whole number from 0 to below `most`, the same ones in each run. */
function any(most: number): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return seed % most;
}

function crowd(count: number, firstId: number): ClientInfo[] {
  return Array.from({ length: count }, (_, i) => ({
    id: firstId + i,
    address: `127.0.${any(3)}.1:${any(60_000)}`,
    state: ["open", "paused"][any(2)] as string,
    ageSeconds: any(5),
    messagesIn: any(1000),
    messagesPerSecond: any(20) / 10,
    refused: any(3),
    refusedPerSecond: any(3) / 100,
    bytesIn: any(7),
    bytesOut: count - i,
    outboxBytes: 0,
  }));
}

/** A service that has nothing but clients, and counts the rows that it tells. */
function serviceOf(clients: readonly ClientInfo[], isApart: boolean) {
  const told = { rows: 0 };
  const page = (query: ClientQuery) => {
    const found = clientPage(clients, COLUMNS, query, 0);
    told.rows += found.clients.length;
    return found;
  };
  const running = {
    clients: (query: ClientQuery) => (isApart ? Promise.resolve(page(query)) : page(query)),
  };
  return { told, running: running as unknown as Running };
}

/** The right answer: everything, sorted and cut. */
function expected(rows: readonly ServiceClient[], query: ServiceClientQuery) {
  const { address, sort, order, limit, offset } = query;
  const sign = order === "asc" ? 1 : -1;
  const found = rows
    .filter((row) => row.address.includes(address))
    .toSorted((a, b) => {
      const [one, other] = [a[sort], b[sort]];
      return sign * (one < other ? -1 : one > other ? 1 : 0) || a.id - b.id;
    });
  return { total: found.length, clients: found.slice(offset, offset + limit) };
}

describe("a page of clients", () => {
  test("is the page of everything sorted, for every column, order and place", () => {
    const clients = crowd(300, 1);
    const rows = clients.map((client) => ({ service: "one", ...client }));
    for (const sort of FIELDS) {
      for (const order of ["asc", "desc"] as const) {
        for (const [limit, offset] of [
          [1, 0],
          [25, 0],
          [25, 290],
          [299, 1],
          [300, 0],
          [Infinity, 0],
          [0, 0],
          [25, 300],
          [1000, 1e9],
        ] as const) {
          for (const address of ["", "127.0.2.", "nowhere"]) {
            const query = { address, sort, order, limit, offset };
            const page = clientPage(clients, COLUMNS, query, 0);
            const { total, clients: found } = expected(rows, query);
            expect(page.total).toBe(total);
            expect(page.clients.map(({ id }) => id)).toEqual(found.map(({ id }) => id));
          }
        }
      }
    }
    expect(clientPage(clients, COLUMNS, EVERYBODY, 0).clients[0]).toEqual(clients[0] as ClientInfo);
  });

  test("reads no more of those who are not on it than sorting and counting need", () => {
    const read: Record<string, number> = {};
    const counting = Object.fromEntries(
      FIELDS.map((field) => [
        field,
        (client: ClientInfo) => {
          read[field] = (read[field] ?? 0) + 1;
          return client[field];
        },
      ]),
    ) as unknown as ClientColumns<ClientInfo>;
    const query = { ...EVERYBODY, sort: "outboxBytes", order: "desc", limit: 25 } as const;
    expect(clientPage(crowd(10_000, 1), counting, query, 0).total).toBe(10_000);
    expect(read).toMatchObject({ state: 25, bytesIn: 25, address: 25 });
  });

  test("over several services is the page of all of them together", async () => {
    const crowds = { relay: crowd(120, 1), store: crowd(40, 500), web: crowd(3, 121), none: [] };
    const rows = Object.entries(crowds).flatMap(([service, clients]) =>
      clients.map((client) => ({ service, ...client })),
    );
    const services = new Map(
      Object.entries(crowds).map(([name, clients]) => [
        name,
        serviceOf(clients, name === "store").running,
      ]),
    );
    for (const sort of ["service", ...FIELDS] as const) {
      for (const order of ["asc", "desc"] as const) {
        for (const [limit, offset] of [
          [25, 0],
          [25, 25],
          [7, 118],
          [100, 100],
          [10, 160],
          [10, 163],
          [10, 1e9],
        ] as const) {
          for (const address of ["", "127.0.1."]) {
            const query = { address, sort, order, limit, offset };
            expect(await clientsOfAll(services, query)).toEqual(expected(rows, query));
          }
        }
      }
    }
  });

  test("deep within a large service is not made of the rows before it", async () => {
    const [large, small] = [serviceOf(crowd(5000, 1), false), serviceOf(crowd(10, 9000), false)];
    const services = new Map([
      ["large", large.running],
      ["small", small.running],
    ]);
    const query = { ...EVERYBODY, sort: "messagesIn", limit: 25, offset: 4000 } as const;
    expect((await clientsOfAll(services, query)).clients).toHaveLength(25);
    expect(large.told.rows + small.told.rows).toBeLessThanOrEqual(25 + 10 + 10);
  });
});
