import type { Place } from "../../config/place.ts";
import type { Config } from "../../config/table.ts";
import { count } from "../../host/count.ts";
import { clientPage } from "../../host/service/client-page.ts";
import { type Fault, LossError } from "../../host/errors.ts";
import type { Panel } from "../../host/service/panel.ts";
import type {
  Address,
  ClientMore,
  ClientPage,
  ClientQuery,
  Health,
  Host,
  Problem,
  Running,
  Table,
} from "../../host/service.ts";
import { counter, type Declared, type Distribution, gauge, headline } from "../../host/stats.ts";
import { CLIENT_COLUMNS } from "../../net/client.ts";
import { CLIENT_STATS, CLOSE_STATS } from "../../net/clients.ts";
import { sendFaults } from "../../net/sends/way.ts";
import { clientTroubles } from "../../net/clients/troubles.ts";
import type { Door, DoorName } from "./doors/door.ts";
import { GrpcDoor } from "./doors/grpc.ts";
import { HttpDoor } from "./doors/http.ts";
import { declaredOf, numbersOf, tableOf } from "./doors/numbers.ts";
import { doorPlace, openDoors } from "./doors/places.ts";
import { LinesDoor } from "./doors/lines.ts";
import { SyslogDoor } from "./doors/syslog.ts";
import { TcpDoor } from "./doors/tcp.ts";
import { TokenGuard, tokenFaults } from "./doors/token-guard.ts";
import { CollectedLog } from "./file/collected-log.ts";
import { logFaults } from "./file/faults.ts";
import type { LogWriter } from "./file/writer.ts";
import { Intake } from "./intake.ts";
import { collectorPanel } from "./panel/panel.ts";

/** The numbers of the collector, besides those of its clients. */
const DECLARED: Declared = {
  ...CLIENT_STATS,
  accepted: counter(
    "clients",
    "Clients that came, served or not: connections, and where gRPC is spoken streams.",
  ),
  records: headline(counter("records", "Entries that were taken, from all doors.")),
  written: counter("records", "Entries that are written to the file."),
  pending: headline(gauge("records", "Entries that wait for the disk.")),
  pending_bytes: gauge("bytes", "Bytes of lines that wait for the disk or for being synced."),
  written_bytes: counter("bytes", "Bytes of lines that were written."),
  again: counter("records", "Records that clients sent again, and that were written once."),
  kept_whole: counter(
    "records",
    "Records that were not understood, and are kept as they came, as the message.",
  ),
  refused: counter("messages", "Messages that were refused, at all doors."),
  rotations: counter("rotations", "Times that a new file was begun because one was full."),
  syncs: counter("syncs", "Times that the file was synced."),
  slow_sync: headline(gauge("seconds", "Time of the slowest of the last hundred syncs but one.")),
  blocked: gauge("", "1 while the disk takes no lines, else 0."),
  blocked_seconds: counter("seconds", "Seconds in which the disk took no lines."),
  ...CLOSE_STATS,
};

/** Milliseconds that a stop waits for a blocked disk at most. */
const LAST_TRIES_MS = 5000;
/** Bytes that may wait for a client before it counts as slow. */
const SLOW = 2 ** 20;

/**
 * Starts the collector.
 * @throws StartError when it cannot listen, or its file cannot be used
 */
export async function collector(config: Config, host: Host<Config>): Promise<Running> {
  const collector = new Collector(config, host);
  try {
    await collector.listen(config);
  } catch (error) {
    await collector.drain(0);
    throw error;
  }
  return collector;
}

collector.check = (config: Config): readonly Fault[] => [
  ...logFaults(config),
  ...tokenFaults(config),
  ...sendFaults(config),
];

collector.places = (config: Config): readonly Place[] =>
  openDoors(config).map((name) => doorPlace(config, name));

/** The numbers of clients where no door knows any. */
const NO_CLIENTS = Object.fromEntries(
  Object.keys({ ...CLIENT_STATS, ...CLOSE_STATS }).map((name) => [name, 0]),
);

class Collector implements Running {
  declared: Declared = DECLARED;
  readonly #host: Host<Config>;
  readonly #log: CollectedLog;
  readonly #writer: LogWriter;
  readonly #intake: Intake;
  readonly #tokens: TokenGuard;
  readonly #doors: Door[] = [];
  readonly #first: number;
  readonly panel: Panel;
  #settings: Config["collector"];

  constructor(config: Config, host: Host<Config>) {
    this.#host = host;
    this.#tokens = new TokenGuard(config, host);
    this.#log = new CollectedLog(config, host);
    this.#writer = this.#log.writer;
    this.#first = this.#writer.next;
    this.#intake = new Intake(this.#writer);
    this.#intake.watch(() => this.#log.marks.keptUpTo(this.#writer.durable));
    this.#settings = config.collector;
    this.panel = collectorPanel({
      clock: host.clock,
      log: this.#log,
      doors: this.#doors,
      cameBy: this.#intake.cameBy,
      settings: () => this.#settings,
    });
    host.onReload((next) => {
      this.#tokens.configure(next);
      for (const door of this.#doors) door.configure(next);
      this.#log.configure(next);
      this.#settings = next.collector;
    });
  }

  /** Opens the doors. @throws StartError when one cannot listen */
  async listen(config: Config): Promise<void> {
    const [intake, host] = [this.#intake, this.#host];
    const opening: Record<DoorName, () => Door | Promise<Door>> = {
      tcp: () => new TcpDoor(config, intake, this.#log.marks, host),
      grpc: () => GrpcDoor.open(config, intake, this.#tokens, host),
      http: () => new HttpDoor(config, intake, this.#tokens, host),
      syslog: () => SyslogDoor.open(config, intake, host),
      lines: () => new LinesDoor(config, intake, host),
    };
    for (const name of openDoors(config)) this.#doors.push(await opening[name]());
    this.declared = { ...DECLARED, ...declaredOf(this.#doors) };
  }

  get distributions(): readonly Distribution[] {
    return this.#writer.timings.distributions;
  }

  get addresses(): readonly Address[] {
    return this.#doors.flatMap(({ name, addresses }) =>
      addresses.map((address) => ({ ...address, door: name })),
    );
  }

  stats(): Record<string, number> {
    const stats: Record<string, number> = {
      records: this.#writer.next - this.#first,
      written: this.#writer.next - this.#writer.pending - this.#first,
      pending: this.#writer.pending,
      pending_bytes: this.#writer.pendingBytes,
      written_bytes: this.#writer.counts.bytes,
      again: 0,
      kept_whole: 0,
      refused: 0,
      rotations: this.#writer.rotation.rotations,
      syncs: this.#writer.syncs,
      slow_sync: this.#writer.timings.slowSync,
      blocked: this.#writer.blocked === null ? 0 : 1,
      blocked_seconds: this.#writer.blocking.ms / 1000,
    };
    for (const { counts, clients } of this.#doors) {
      const more = {
        again: counts.again,
        kept_whole: counts.keptWhole,
        refused: counts.refusedInAll,
        ...clients?.stats(),
      };
      for (const [name, value] of Object.entries(more)) stats[name] = (stats[name] ?? 0) + value;
    }
    return { ...NO_CLIENTS, ...stats, ...numbersOf(this.#doors) };
  }

  health(): Health {
    const { blocked } = this.#writer;
    if (blocked !== null) return { ok: false, reason: `nothing is written: ${blocked}` };
    const all = this.#doors.map((door) => door.health());
    return all.find(({ ok }) => !ok) ?? (all[0] as Health);
  }

  problems(): readonly Problem[] {
    const now = this.#host.clock.now();
    const each = this.#doors.flatMap(({ clients }) =>
      clientTroubles(clients?.all ?? [], now, SLOW),
    );
    return each.map((problem, i) => ({ ...problem, key: `${problem.key} ${i}` }));
  }

  clients(query: ClientQuery): ClientPage {
    const all = this.#doors.flatMap(({ clients }) => [...(clients?.all ?? [])]);
    return clientPage(all, CLIENT_COLUMNS, query, this.#host.clock.now());
  }

  client(id: number): ClientMore | null {
    for (const { clients } of this.#doors) {
      const more = clients?.more(id) ?? null;
      if (more !== null) return more;
    }
    return null;
  }

  kick(id: number): string | null {
    for (const { clients } of this.#doors) {
      const address = clients?.kick(id, "") ?? null;
      if (address !== null) return address;
    }
    return null;
  }

  tables(): readonly Table[] {
    return [tableOf(this.#doors), ...this.#log.tables()];
  }

  async drain(deadlineMs: number): Promise<void> {
    const { clock } = this.#host;
    const began = clock.now();
    const isBlocked = this.#writer.blocked !== null;
    const within = isBlocked ? Math.min(deadlineMs, LAST_TRIES_MS) : deadlineMs;
    await Promise.all(this.#doors.map((door) => door.drain(within)));
    this.#tokens.end();
    const { blocked } = this.#writer;
    const left = LAST_TRIES_MS - (isBlocked ? clock.now() - began : 0);
    const lost = await this.#log.close(Math.max(0, left));
    if (lost > 0) {
      const why = blocked ?? "the disk did not take them in time";
      throw new LossError(`collector: ${count(lost, "record")} not written: ${why}`);
    }
  }
}
