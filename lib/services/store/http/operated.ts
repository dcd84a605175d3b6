import type { ClientColumns } from "../../../host/service/client-page.ts";
import type { ClientInfo } from "../../../host/service.ts";
import { CLIENT_COLUMNS } from "../../../net/client.ts";
import type { StoreClient } from "../client.ts";
import { Watcher, WATCHER_COLUMNS } from "./watcher.ts";

/** Whom an operator sees: who has a connection to the store, and who watches keys over HTTP. */
type Seen = StoreClient | Watcher;

export function* both(clients: Iterable<StoreClient>, watchers: Iterable<Watcher>): Iterable<Seen> {
  yield* clients;
  yield* watchers;
}

/** The columns of both. */
export const COLUMNS = Object.fromEntries(
  (Object.keys(CLIENT_COLUMNS) as (keyof ClientInfo)[]).map((name) => [
    name,
    (one: Seen, now: number) =>
      one instanceof Watcher ? WATCHER_COLUMNS[name](one, now) : CLIENT_COLUMNS[name](one, now),
  ]),
) as ClientColumns<Seen>;
