import { placeOf } from "../../config/place.ts";
import type { Config } from "../../config/table.ts";
import { count } from "../../host/count.ts";
import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import type { Panel } from "../../host/panel.ts";
import type {
  Address,
  ClientMore,
  ClientPage,
  ClientQuery,
  Health,
  Host,
  Problem,
  Quarantined,
  Running,
  Service,
} from "../../host/service.ts";
import { Admission, type Refused } from "../../net/admission.ts";
import { type Accepted, CLOSE_REASONS, type CloseReason } from "../../net/client.ts";
import { Clients } from "../../net/clients.ts";
import { type LineProtocol, takeLastLine, takeLines } from "../../net/line-clients.ts";
import { Listener } from "../../net/listen.ts";
import { Pinned } from "../../net/outbox.ts";
import { Quarantine, type Term } from "../../net/quarantine.ts";
import { sendFaults } from "../../net/sends/way.ts";
import { clientTroubles } from "../../net/troubles.ts";
import { Backlog } from "./backlog.ts";
import { Broadcast } from "./broadcast.ts";
import { RelayClient } from "./client.ts";
import { DECLARED } from "./declared.ts";
import { NOTICES, pressureNotice, quarantinedNotice } from "./envelope.ts";
import { GreetedClient } from "./greeted-client.ts";
import { Intake } from "./intake.ts";
import { Pacing } from "./pacing.ts";
import { relayPanel } from "./panel/panel.ts";
import { type Command, Monitor } from "./pressure.ts";
import { Refusals } from "./refusals.ts";
import { Traffic } from "./traffic.ts";

const RESUME_TICK_MS = 20;

/** Awaited for each client before it is served; it may refuse the client by closing it. */
export type Greeting = (client: RelayClient) => Promise<void> | undefined;

/** The relay as a service. `greet` is awaited for each client before it is served. */
export function relay(
  greet: ((client: GreetedClient) => void | Promise<void>) | null = null,
): Service<Config> {
  const start = (config: Config, host: Host<Config>): Relay => {
    const greeting: Greeting = async (client) => {
      await greet?.(new GreetedClient(client, (notice) => made.close(client, "refused", notice)));
    };
    const made: Relay = new Relay(config, host, greet && greeting);
    return made;
  };
  return Object.assign(start, { check: sendFaults });
}

/** TCP broadcast for Summoner agents: each line a client sends goes to all other clients. */
export class Relay implements Running, LineProtocol<RelayClient> {
  readonly declared = DECLARED;
  readonly addresses: readonly Address[];
  readonly panel: Panel;
  readonly quarantine: Quarantined = {
    entries: () => this.#quarantine.entries(this.#clock.now()),
    impose: (ip, seconds) => this.#bar(ip, seconds),
    lift: (key) => this.#quarantine.lift(key),
  };
  /** The clients that take part: greeted, and not closed. */
  readonly #members = new Set<RelayClient>();
  readonly #pinned = new Pinned();
  readonly #quarantine = new Quarantine();
  readonly #monitor = new Monitor();
  readonly #pacing: Pacing;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #traffic: Traffic;
  readonly #intake: Intake;
  readonly #clients: Clients<RelayClient>;
  readonly #backlog: Backlog;
  readonly #broadcast: Broadcast;
  readonly #listener: Listener<RelayClient>;
  readonly #greeting: Greeting | null;
  #config: Config;
  #guarded: boolean;
  #jobs: (() => void)[] = [];
  #toldDrops = { reports: 0, commands: 0 };

  /** @throws StartError when it cannot listen, or its sends cannot leave as they are to */
  constructor(config: Config, host: Host<Config>, greeting: Greeting | null = null) {
    this.#clock = host.clock;
    this.#log = host.log;
    this.#traffic = new Traffic(host.log, config.logger.log_keys);
    this.#config = config;
    this.#guarded = config.version !== "python";
    this.#greeting = greeting;
    const place = placeOf(config, "relay");
    this.#clients = new Clients(this, new Admission(place, host), host);
    this.#backlog = new Backlog(
      this.#members,
      this.#pinned,
      host.clock,
      this.#clients,
      () => this.#config.relay,
      (client) => this.#closeSlow(client),
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
      this.#broadcast,
      this.#guarded ? { monitor: this.#monitor, pacing: this.#pacing } : null,
      this.#traffic,
      new Refusals(host),
      host.clock,
      () => this.#config,
    );
    this.#listener = new Listener(place, this.#clients, host, {
      inherits: true,
      relistenMs: () => this.#config.hyper_parameters.accept_error_backoff_ms,
    });
    this.addresses = [this.#listener.address];
    this.panel = relayPanel({
      clock: host.clock,
      members: this.#members,
      backlog: this.#backlog,
      pinned: this.#pinned,
      guard: this.#guarded ? { pacing: this.#pacing, monitor: this.#monitor } : null,
      config: () => this.#config,
    });
    this.#schedule();
    host.onReload((next) => this.#reload(next));
    if (config.hyper_parameters.worker_threads > 1) {
      this.#log.info(
        `relay: worker_threads is ${config.hyper_parameters.worker_threads}; this version serves with one thread`,
      );
    }
  }

  // --- the contract

  stats(): Record<string, number> {
    return {
      ...this.#clients.stats(),
      ...this.#intake.counts,
      refused: this.#intake.refused,
      pinned_bytes: this.#pinned.bytes,
      backlog_pauses: this.#backlog.pauses,
      quarantined: this.#quarantine.size,
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
    const { relay: own } = this.#config;
    const problems: Problem[] = [];
    if (this.#backlog.paused) {
      const waits = (this.#pinned.bytes / 1e6).toFixed(1);
      const text = `All senders are paused until their readers have caught up: ${waits} MB wait in memory.`;
      const setting = "relay.total_outbox_bytes";
      problems.push({ key: "backlog", severity: "warning", text, setting });
    }
    const now = this.#clock.now();
    problems.push(...clientTroubles(this.#clients.all, now, own.outbox_bytes / 4));
    const barred = this.#quarantine.size;
    if (barred > 0) {
      const are = barred === 1 ? "1 address is" : `${barred} addresses are`;
      problems.push({ key: "quarantine", severity: "note", text: `${are} in quarantine.` });
    }
    return problems;
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
    await this.#listener.drain(deadlineMs, NOTICES.shutdown);
  }

  // --- one client's life

  create(accepted: Accepted): RelayClient {
    return new RelayClient(accepted, this.#pinned);
  }

  refuses(ip: string, port: number): Refused | null {
    const by = this.#config.relay.quarantine_by;
    const left = this.#quarantine.left(ip, port, by, this.#clock.now());
    if (left === 0) return null;
    return { reason: "quarantined", notice: quarantinedNotice(left) };
  }

  greet(client: RelayClient): Promise<void> | undefined {
    return this.#greeting?.(client);
  }

  opened(client: RelayClient): void {
    // Lines sent before it joined must not reach it.
    this.#broadcast.flush();
    this.#members.add(client);
    this.#backlog.joined(client);
    this.#log.info(`${client.address} connected (${count(this.#members.size, "client")})`);
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
    if (this.#guarded) this.#imposeQuarantine(client);
  }

  /** True while senders wait for their readers. */
  get resting(): boolean {
    return this.#backlog.paused;
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

  // --- the clock's work

  #schedule(): void {
    for (const stop of this.#jobs) stop();
    const { hyper_parameters: hyper, relay } = this.#config;
    const clock = this.#clock;
    this.#jobs = [
      clock.every(RESUME_TICK_MS, () => this.#pacing.resumeDue()),
      clock.every(hyper.quarantine_cleanup_interval_secs * 1000, () =>
        this.#quarantine.sweep(clock.now()),
      ),
    ];
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
    this.#imposeQuarantine(client);
  }

  #imposeQuarantine(client: RelayClient): void {
    const { quarantine_cooldown_secs: seconds } = this.#config.hyper_parameters;
    if (seconds === 0) return;
    const by = this.#config.relay.quarantine_by;
    const term = this.#term(seconds, CLOSE_REASONS[client.reason ?? "slow"]);
    const barred = this.#quarantine.impose(client.ip, client.port, by, term);
    this.#log.warning(`${barred} is in quarantine for ${seconds} s`);
  }

  #term(seconds: number, why: string): Term {
    const since = this.#clock.now();
    return { since, until: since + seconds * 1000, why };
  }

  /** Bars an address for an operator and closes its clients. */
  #bar(ip: string, seconds: number): string {
    const barred = this.#quarantine.bar(ip, this.#term(seconds, "an operator put it there"));
    for (const client of this.#clients.all) {
      if (client.ip === ip) this.close(client, "quarantined", quarantinedNotice(seconds * 1000));
    }
    return barred;
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
