import type { ClientRow, ConnzPage } from "../../services/web/told/connz.ts";
import type { NodeTold, RoomTold } from "../../services/web/told/clusterz.ts";
import type { ProblemTold } from "../../services/web/told/problems.ts";
import type { StatDeclaration } from "../../host/stats.ts";
import {
  flag,
  list,
  number,
  object,
  optional,
  orNull,
  record,
  type Shape,
  text,
} from "../client/shape.ts";

export type Stats = Readonly<Record<string, number>>;

/** Earlier numbers, by `part.stat`, for rates. */
export interface Sample {
  readonly at: number;
  readonly values: Stats;
}

/** The parts of a number's declaration that are shown. */
export interface Stat extends Pick<StatDeclaration, "unit"> {
  readonly kind: string;
  readonly headline?: boolean | undefined;
  readonly adverse?: boolean | undefined;
  readonly title?: string | undefined;
}

/** Declarations by part and number. */
export type Declarations = Readonly<Record<string, Readonly<Record<string, Stat>>>>;

export interface Hello {
  readonly history: readonly Sample[];
  readonly name: string;
  readonly version: string;
  readonly started_at: number;
  /** None for a stream that has said that it has them. */
  readonly declared?: Declarations | undefined;
  /** The client that this stream is itself. */
  readonly stream: { readonly id: number; readonly address: string };
}

/** The numbers of the process that are shown. */
interface Process {
  readonly cpu_seconds: number;
  readonly uptime_seconds: number;
  readonly memory_bytes: number;
  readonly event_loop_delay_seconds: number;
}

export type Problem = Pick<ProblemTold, "part" | "severity" | "text" | "since">;

export type Node = NodeTold;
export type Room = RoomTold;

/** The largest of something that a service holds many of. */
export interface TableTold {
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly unit: string }[];
  readonly rows: readonly (readonly [name: string, ...values: number[]])[];
  readonly more: number;
}

export interface Served {
  readonly addresses: readonly string[];
  readonly stats: Stats;
  /** There where addresses can be put in quarantine. */
  readonly quarantine?: readonly object[] | undefined;
  /** There where it is shared with other servers. */
  readonly room?: Room | undefined;
  readonly tables?: readonly TableTold[] | undefined;
}

export interface Tick {
  readonly at: number;
  readonly draining: boolean;
  /** The worst first. */
  readonly problems: readonly Problem[];
  readonly process: Stats & Process;
  readonly services: Readonly<Record<string, Served>>;
  readonly clients: Pick<ConnzPage, "clients" | "total" | "offset">;
}

const stats = record(number);
const processShape = object<Process>({
  cpu_seconds: number,
  uptime_seconds: number,
  memory_bytes: number,
  event_loop_delay_seconds: number,
});
const severity: Shape<Problem["severity"]> = (found): found is Problem["severity"] =>
  found === "failing" || found === "warning" || found === "note";
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
const stat = object<Stat>({
  kind: text,
  unit: text,
  headline: optional(flag),
  adverse: optional(flag),
  title: optional(text),
});
export const helloShape = object<Hello>({
  history: list(object<Sample>({ at: number, values: stats })),
  name: text,
  version: text,
  started_at: number,
  declared: optional(record(record(stat))),
  stream: object({ id: number, address: text }),
});
/** What is wrong, as the page tells it too. */
export const problemShape = object<Problem>({ part: text, severity, text, since: number });
/** The room of a service, as the page tells it too. */
export const roomShape = object<Room>({
  name: text,
  server: text,
  trouble: orNull(object({ reason: text, since: number })),
  lost_lines: number,
  lagging: orNull(text),
  clients: number,
  nodes: list(
    object<Node>({
      name: text,
      address: text,
      version: text,
      clients: number,
      lines_per_second: number,
      delay_p50_ms: orNull(number),
      delay_p99_ms: orNull(number),
      joined_at: number,
      left_at: orNull(number),
      is_lost: flag,
      is_self: flag,
    }),
  ),
  more: number,
});
const rowOfTable: Shape<TableTold["rows"][number]> = (found): found is TableTold["rows"][number] =>
  Array.isArray(found) && text(found[0]) && found.slice(1).every(number);
const tableShape = object<TableTold>({
  name: text,
  columns: list(object({ name: text, unit: text })),
  rows: list(rowOfTable),
  more: number,
});
export const tickShape = object<Tick>({
  at: number,
  draining: flag,
  problems: list(problemShape),
  process: (found): found is Stats & Process => stats(found) && processShape(found),
  services: record(
    object<Served>({
      addresses: list(text),
      stats,
      quarantine: optional(list(object({}))),
      room: optional(roomShape),
      tables: optional(list(tableShape)),
    }),
  ),
  clients: object({ clients: list(rowShape), total: number, offset: number }),
});
