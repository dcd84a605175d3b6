import { placeOf } from "../../config/place.ts";
import { THREADS_HELP } from "../../config/sections/relay.ts";
import type { Config } from "../../config/table.ts";
import { count } from "../../host/count.ts";
import type { Clock } from "../../host/clock.ts";
import type { FileShares } from "../../host/files/file-shares.ts";
import type { LogLines } from "../../host/log.ts";
import type { Panel } from "../../host/service/panel.ts";
import type {
  Address,
  ClientMore,
  ClientPage,
  ClientQuery,
  Health,
  Problem,
  Running,
} from "../../host/service.ts";
import type { Declared } from "../../host/stats.ts";
import { Admission, type Doorkeeping, type Refused, TURNED_AWAY } from "../../net/admission.ts";
import { type Accepted, CLOSE_REASONS, type CloseReason } from "../../net/client.ts";
import { Clients } from "../../net/clients.ts";
import { type LineProtocol, takeLastLine, takeLines } from "../../net/line-clients.ts";
import { Listener, type ListenerOptions } from "../../net/listen.ts";
import { Pinned } from "../../net/outbox.ts";
import { troublesOf } from "../../net/clients/troubles.ts";
import { Backlog } from "./backlog.ts";
import { Bars } from "./bars.ts";
import { Broadcast } from "./broadcast.ts";
import { Busy, LOOK_MS } from "./busy.ts";
import { Hold, RelayClient } from "./client.ts";
import { DECLARED } from "./declared.ts";
import { lostNotice, NOTICES, pressureNotice } from "./envelope.ts";
import { Intake } from "./intake.ts";
import { Alone } from "./order/alone.ts";
import type { Engine, Order } from "./order/order.ts";
import { Pacing } from "./pacing.ts";
import { relayPanel } from "./panel/panel.ts";
import { type Command, Monitor } from "./pressure.ts";
import { relayProblems, type Troubles } from "./problems.ts";
import { Refusals } from "./refusals.ts";
import { Senders } from "./senders.ts";
import { Traffic } from "./traffic.ts";

const RESUME_TICK_MS = 20;

/** The parts of the host that the relay needs. */
export interface RelayHost {
  readonly clock: Clock;
  readonly log: LogLines;
  readonly files: Pick<FileShares, "share" | "connections">;
  nextId(): number;
  onReload(apply: (config: Config) => void): void;
}

/** Awaited for each client before it is served; it may refuse the client by closing it. */
export type Greeting = (client: RelayClient) => Promise<void> | undefined;

/** TCP broadcast for Summoner agents: each line a client sends goes to all other clients. */
export class Relay implements Running, LineProtocol<RelayClient> {
  readonly declared: Declared = DECLARED;
  readonly addresses: readonly Address[];
  readonly panel: Panel;
  readonly quarantine: Bars;
  /** The clients that take part: greeted, and not closed. */
  readonly #members = new Set<RelayClient>();
  readonly #pinned = new Pinned();
  readonly #monitor = new Monitor();
  readonly #pacing: Pacing;
  readonly #clock: Clock;
  readonly #log: LogLines;
  readonly #traffic: Traffic;
  readonly #intake: Intake;
  readonly #order: Order;
  readonly #senders: Senders;
  readonly #clients: Clients<RelayClient>;
  readonly #backlog: Backlog;
  readonly #broadcast: Broadcast;
  readonly #listener: Listener<RelayClient>;
  readonly #greeting: Greeting | null;
  /** Null where more threads would be no help. */
  readonly #busy: Busy | null;
  #config: Config;
  #guarded: boolean;
  #jobs: (() => void)[] = [];
  #toldDrops = { reports: 0, commands: 0 };

  /** @throws StartError when it cannot listen, or its sends cannot leave as they are to */
  constructor(
    config: Config,
    host: RelayHost,
    greeting: Greeting | null = null,
    order: Order = new Alone(),
    shared?: Doorkeeping & Pick<ListenerOptions, "tls">,
  ) {
    this.#clock = host.clock;
    this.#log = host.log;
    this.#traffic = new Traffic(host.log, config.logger.log_keys);
    this.#config = config;
    this.#guarded = config.version !== "python";
    this.#greeting = greeting;
    this.#order = order;
    const alone = greeting === null && shared === undefined;
    this.#busy = alone && THREADS_HELP ? new Busy(host.clock, host.log) : null;
    const place = placeOf(config, "relay");
    this.#clients = new Clients(this, new Admission(place, host, TURNED_AWAY, shared), host);
    this.quarantine = new Bars(
      host.clock,
      host.log,
      () => this.#config,
      order,
      (ip, notice) => this.#closeFrom(ip, notice),
    );
    this.#senders = new Senders(this.#members, this.#clients, host.clock);
    this.#backlog = new Backlog(
      this.#members,
      this.#pinned,
      host.clock,
      this.#senders,
      () => this.#config.relay,
      (client) => this.#closeSlow(client),
      () => order.rested(),
    );
    this.#pacing = new Pacing(this.#clients, host.clock, () => this.#config.hyper_parameters);
    this.#broadcast = new Broadcast(
      this.#members,
      this.#pinned,
      config,
      host,
      this.#backlog,
      () => this.#config.relay.outbox_bytes / 8,
    );
    this.#intake = new Intake(
      this.#members,
      order,
      this.#guarded ? { monitor: this.#monitor, pacing: this.#pacing } : null,
      this.#traffic,
      new Refusals(host),
      host.clock,
      () => this.#config,
    );
    order.open(this.#engine());
    this.#listener = new Listener(place, this.#clients, host, {
      inherits: shared === undefined,
      sharesPort: shared !== undefined,
      ...(shared?.tls ? { tls: shared.tls } : {}),
      relistenMs: () => this.#config.hyper_parameters.accept_error_backoff_ms,
    });
    this.addresses = [this.#listener.address];
    this.panel = relayPanel({
      clock: host.clock,
      members: this.#members,
      fanOut: () => this.#intake.fanOut,
      backlog: this.#backlog,
      pinned: this.#pinned,
      guard: this.#guarded ? { pacing: this.#pacing, monitor: this.#monitor } : null,
      config: () => this.#config,
    });
    this.#schedule();
    host.onReload((next) => this.#reload(next));
  }

  // --- the contract

  stats(): Record<string, number> {
    return {
      ...this.#clients.stats(),
      ...this.#intake.counts,
      deliveries: this.#broadcast.deliveries,
      refused: this.#intake.refused,
      pinned_bytes: this.#pinned.bytes,
      backlog_pauses: this.#backlog.pauses,
      quarantined: this.quarantine.size,
      throttles: this.#monitor.commands.throttle,
      flow_controls: this.#monitor.commands.flow_control,
      pressure_disconnects: this.#monitor.commands.disconnect,
      dropped_reports: this.#monitor.dropped.reports,
      dropped_commands: this.#monitor.dropped.commands,
    };
  }

  health(): Health {
    return this.#listener.health();
  }

  problems(): readonly Problem[] {
    return [...relayProblems(this.troubles()), ...(this.#busy?.problems() ?? [])];
  }

  troubles(): Troubles {
    const most = this.#config.relay.outbox_bytes / 4;
    return {
      paused: this.#backlog.paused,
      pinnedBytes: this.#pinned.bytes,
      clients: troublesOf(this.#clients.all, this.#clock.now(), most),
      quarantined: this.quarantine.size,
    };
  }

  clients(query: ClientQuery): ClientPage {
    return this.#clients.page(query);
  }

  client(id: number): ClientMore | null {
    return this.#clients.more(id);
  }

  kick(id: number): string | null {
    this.#broadcast.flush();
    return this.#clients.kick(id, NOTICES.kicked);
  }

  async drain(deadlineMs: number): Promise<void> {
    for (const stop of this.#jobs) stop();
    this.#pacing.end();
    this.#order.drains();
    await this.#listener.drain(deadlineMs, NOTICES.shutdown);
  }

  // --- one client's life

  create(accepted: Accepted): RelayClient {
    return new RelayClient(accepted, this.#pinned);
  }

  refuses(ip: string, port: number): Refused | null {
    return this.quarantine.refusal(ip, port);
  }

  greet(client: RelayClient): Promise<void> | undefined {
    return this.#greeting?.(client);
  }

  opened(client: RelayClient): void {
    // Lines sent before it joined must not reach it.
    this.#broadcast.flush();
    this.#members.add(client);
    this.#backlog.joined(client);
    if (this.#order.holding) client.hold(Hold.order);
    this.#log.info(`${client.address} connected (${count(this.#intake.fanOut + 1, "client")})`);
  }

  received(client: RelayClient, bytes: Buffer): number {
    return takeLines(this, client, bytes);
  }

  ended(client: RelayClient): void {
    takeLastLine(this, client);
  }

  drained(client: RelayClient): void {
    this.#backlog.shrank(client, false);
  }

  closed(client: RelayClient, wasOpen: boolean): void {
    const reason = client.reason as CloseReason;
    client.onClosed?.(reason);
    if (!wasOpen) return;
    this.#members.delete(client);
    this.#pacing.forget(client);
    this.#monitor.forget(client);
    this.#backlog.shrank(client, true);
    this.#log.info(`${client.address} closed: ${reason}, ${CLOSE_REASONS[reason]}`);
  }

  /** Closes a client with a reason and one last line. */
  close(client: RelayClient, reason: CloseReason, notice = ""): void {
    this.#broadcast.flush();
    this.#clients.close(client, reason, notice);
  }

  #closeSlow(client: RelayClient): void {
    this.#log.warning(
      `${client.address} does not take what it is sent: ${client.outbox.bytes} bytes wait; closing it`,
    );
    this.#clients.closeSlow(client, NOTICES.slow);
    if (this.#guarded) this.quarantine.imposeOn(client);
  }

  /** True while senders wait for their readers. */
  get resting(): boolean {
    return this.#backlog.paused || this.#order.holding;
  }

  /** Resolves when all lines that were taken have been delivered; null when none waits for that. */
  settled(): Promise<void> | null {
    return this.#order.settled()?.then(() => this.#broadcast.flush()) ?? null;
  }

  /** The plain backend says good-bye on every close, as the reference does. */
  get lastWords(): string {
    return this.#guarded ? "" : NOTICES.disconnected;
  }

  // --- lines

  get maxLineBytes(): number {
    return this.#config.relay.max_line_bytes;
  }

  get unfinishedNotice(): string {
    return NOTICES.unfinished;
  }

  lines(client: RelayClient, block: Buffer): number {
    return this.#intake.lines(client, block);
  }

  oversize(client: RelayClient): void {
    this.#intake.oversize(client);
  }

  /** This relay as its order sees it. */
  #engine(): Engine {
    const backlog = this.#backlog;
    return {
      deliver: (sender, envelopes, lines) => this.#broadcast.add(sender, envelopes, lines),
      lost: (lines) => {
        this.#broadcast.flush();
        for (const client of this.#members) client.send(lostNotice(lines));
      },
      get resting() {
        return backlog.paused;
      },
      barred: (bar) => this.quarantine.barred(bar),
      lifted: (key) => this.quarantine.lifted(key),
      hold: () => this.#senders.hold(Hold.order),
      release: () => this.#senders.release(Hold.order, () => this.#order.holding),
    };
  }

  // --- the clock's work

  #schedule(): void {
    for (const stop of this.#jobs) stop();
    const { hyper_parameters: hyper, relay } = this.#config;
    const clock = this.#clock;
    this.#jobs = [
      clock.every(RESUME_TICK_MS, () => this.#pacing.resumeDue()),
      clock.every(hyper.quarantine_cleanup_interval_secs * 1000, () => this.quarantine.sweep()),
    ];
    const busy = this.#busy;
    if (busy !== null) this.#jobs.push(clock.every(LOOK_MS, () => busy.look()));
    if (!this.#guarded) return;
    this.#jobs.push(
      clock.every(hyper.timeout_check_interval_secs * 1000, () => this.#sweepIdle()),
      clock.every(relay.monitor_interval_ms, () =>
        this.#monitor.tick(this.#config.hyper_parameters, (client, command) =>
          this.#apply(client, command),
        ),
      ),
      clock.every(1000, () => this.#tellDrops()),
    );
  }

  #sweepIdle(): void {
    const timeoutMs = this.#config.hyper_parameters.client_timeout_secs * 1000;
    this.#broadcast.flush();
    // A client that is not read cannot show that it is active.
    this.#clients.closeIdle(timeoutMs, NOTICES.idle, (client) =>
      client.state === "open" && !client.reading
        ? Infinity
        : Math.max(client.lastMessageAt, client.heldUntil),
    );
  }

  /** Carries out a command of the monitor. Throttle and flow control need nothing more: `Pacing` has delayed the line. */
  #apply(client: RelayClient, command: Command): void {
    if (command !== "disconnect") return;
    const seconds = this.#config.hyper_parameters.quarantine_cooldown_secs;
    this.close(client, "pressure", pressureNotice(seconds));
    this.quarantine.imposeOn(client);
  }

  #closeFrom(ip: string, notice: string): void {
    for (const client of this.#clients.all) {
      if (client.ip === ip) this.close(client, "quarantined", notice);
    }
  }

  #tellDrops(): void {
    const { reports, commands } = this.#monitor.dropped;
    const told = this.#toldDrops;
    if (reports === told.reports && commands === told.commands) return;
    this.#log.warning(
      `the backpressure monitor dropped ${reports - told.reports} reports and ${commands - told.commands} commands: its queues were full`,
    );
    this.#toldDrops = { reports, commands };
  }

  #reload(next: Config): void {
    this.#broadcast.flush();
    this.#listener.configure(placeOf(next, "relay"));
    this.#config = { ...next, version: this.#config.version };
    this.#traffic.configure(next.logger.log_keys);
    this.#schedule();
  }
}
