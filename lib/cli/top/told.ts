import type { StatDeclaration } from "../../host/stats.ts";
import type { ClientRow, ConnzPage } from "../../services/web/connz.ts";
import { flag, list, number, object, optional, record, text } from "../shape.ts";

export type Stats = Readonly<Record<string, number>>;

/** Earlier numbers, by `part.stat`, for rates. */
export interface Sample {
  readonly at: number;
  readonly values: Stats;
}

export interface Hello {
  readonly history: readonly Sample[];
  readonly name: string;
  readonly version: string;
  readonly declared: Readonly<Record<string, Readonly<Record<string, Stat>>>>;
}

/** The parts of a number's declaration that are shown. */
interface Stat extends Pick<StatDeclaration, "unit"> {
  readonly kind: string;
  readonly headline?: boolean | undefined;
}

/** The numbers of the process that are shown. */
interface Process {
  readonly cpu_seconds: number;
  readonly uptime_seconds: number;
  readonly memory_bytes: number;
  readonly event_loop_delay_seconds: number;
}

/** What is wrong, as the page tells it too. */
export interface ProblemTold {
  readonly part: string;
  readonly severity: string;
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

export interface Tick {
  readonly at: number;
  readonly draining: boolean;
  readonly health: Readonly<Record<string, { readonly ok: boolean; readonly reason: string }>>;
  readonly problems: readonly ProblemTold[];
  readonly process: Stats & Process;
  readonly services: Readonly<
    Record<string, { readonly addresses: readonly string[]; readonly stats: Stats }>
  >;
  readonly clients: Pick<ConnzPage, "clients" | "total" | "offset">;
}

const stats = record(number);
const processShape = object<Process>({
  cpu_seconds: number,
  uptime_seconds: number,
  memory_bytes: number,
  event_loop_delay_seconds: number,
});
export const problemShape = object<ProblemTold>({
  part: text,
  severity: text,
  text,
  since: number,
});
const rowShape = object<ClientRow>({
  service: text,
  id: number,
  address: text,
  state: text,
  age_seconds: number,
  messages_in: number,
  messages_per_second: number,
  refused: number,
  refused_per_second: number,
  bytes_in: number,
  bytes_out: number,
  outbox_bytes: number,
});
export const helloShape = object<Hello>({
  history: list(object<Sample>({ at: number, values: stats })),
  name: text,
  version: text,
  declared: record(record(object<Stat>({ kind: text, unit: text, headline: optional(flag) }))),
});
export const tickShape = object<Tick>({
  at: number,
  draining: flag,
  health: record(object({ ok: flag, reason: text })),
  problems: list(problemShape),
  process: (found): found is Stats & Process => stats(found) && processShape(found),
  services: record(object({ addresses: list(text), stats })),
  clients: object({ clients: list(rowShape), total: number, offset: number }),
});
