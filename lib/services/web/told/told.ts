import type { ClientRow, ConnzPage } from "./connz.ts";
import { type Data, difference, settled } from "./difference.ts";

/** A client of a page: since when it is connected stands in place of its age, which would differ each second. */
type RowTold = Omit<ClientRow, "age_seconds"> & {
  /** Milliseconds since 1970, to the second. */
  readonly connected_at: number;
};

/** A page of clients by their keys, so that what differs in one does not repeat the others. */
interface PageTold {
  /** `SERVICE/ID` each, in order. */
  readonly keys: readonly string[];
  readonly rows: Readonly<Record<string, RowTold>>;
}

interface State extends Data {
  readonly clients?: ConnzPage | PageTold;
}

/**
 * The state as it is told to a stream that is told what differs, without the
 * log's lines, which are told once. `before` is what it was told last.
 */
export function toldOf(state: Data, before: Data | null): Data {
  const { clients, log, ...rest } = state as State & { readonly log?: Data };
  const { lines: _, ...stats } = log ?? {};
  const known = (before as State | null)?.clients as PageTold | undefined;
  const page = clients && !("keys" in clients) ? pageTold(clients, known, at(state)) : clients;
  return settled({ ...rest, ...(log && { log: stats }), clients: page }, before);
}

const at = ({ at: time }: Data) => (typeof time === "number" ? time : Date.now());

function pageTold(page: ConnzPage, known: PageTold | undefined, now: number): PageTold {
  const { clients, ...rest } = page;
  const rows: Record<string, RowTold> = {};
  for (const { age_seconds: age, ...row } of clients) {
    const key = `${row.service}/${row.id}`;
    // The age is a whole number of seconds: what follows from it would waver.
    const connected_at = known?.rows[key]?.connected_at ?? now - age * 1000;
    rows[key] = { ...row, connected_at };
  }
  return { ...rest, keys: Object.keys(rows), rows };
}

/** What a tick tells a stream that was told `before`: what differs in `after`, the time, and the log's new lines. */
export function newsOf(before: Data, after: Data, state: Data): Data {
  const news = (difference(before, after) ?? {}) as { readonly log?: Data };
  const { lines = [] } = (state["log"] ?? {}) as { readonly lines?: readonly string[] };
  const log = lines.length > 0 ? { log: { ...news.log, lines } } : {};
  return { ...news, at: after["at"], ...log };
}
