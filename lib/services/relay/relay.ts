import { isUtf8 } from "node:buffer";
import { placeOf } from "../../config/place.ts";
import type { Config } from "../../config/table.ts";
import type { Clock } from "../../host/clock.ts";
import type { Log } from "../../host/log.ts";
import type {
  Address,
  ClientPage,
  ClientQuery,
  Health,
  Host,
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
import { Quarantine } from "../../net/quarantine.ts";
import { Backlog } from "./backlog.ts";
import { Broadcast } from "./broadcast.ts";
import { Hold, RelayClient } from "./client.ts";
import { DECLARED } from "./declared.ts";
import {
  envelope,
  exceeds,
  NOTICES,
  oversizeNotice,
  pressureNotice,
  quarantinedNotice,
} from "./envelope.ts";
import { GreetedClient } from "./greeted-client.ts";
import { type Command, Monitor } from "./pressure.ts";
import { Traffic } from "./traffic.ts";

/** Notices beyond this wait for the socket before more are made. */
const NOTICE_BATCH = 64 * 1024;
/** Text beyond this is encoded before more is made, and so many bytes of lines are decoded at a time. */
const TEXT_BATCH = 64 * 1024;
const RESUME_TICK_MS = 20;
const NEWLINE = 10;

/** Awaited for each client before it is served; it may refuse it by closing it. */
export type Greeting = (client: RelayClient) => Promise<void> | undefined;

/** The relay as a service. `greet` is awaited for each client before it is served. */
export function relay(
  greet: ((client: GreetedClient) => void | Promise<void>) | null = null,
): Service<Config> {
  return (config, host) => {
    const greeting: Greeting = async (client) => {
      await greet?.(new GreetedClient(client, (notice) => made.close(client, "refused", notice)));
    };
    const made: Relay = new Relay(config, host, greet && greeting);
    return made;
  };
}

/** TCP broadcast for Summoner agents: each line a client sends goes to all other clients. */
export class Relay implements Running, LineProtocol<RelayClient> {
  readonly declared = DECLARED;
  readonly addresses: readonly Address[];
  readonly quarantine: Quarantined = {
    entries: () => this.#quarantine.entries(this.#clock.now()),
    impose: (ip, seconds) => this.#bar(ip, seconds),
    lift: (key) => this.#quarantine.lift(key),
  };
  /** The clients that are served: greeted, and not closed. */
  readonly #members = new Set<RelayClient>();
  readonly #pinned = new Pinned();
  readonly #quarantine = new Quarantine();
  readonly #monitor = new Monitor();
  readonly #paused = new Set<RelayClient>();
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #traffic: Traffic;
  readonly #clients: Clients<RelayClient>;
  readonly #backlog: Backlog;
  readonly #broadcast: Broadcast;
  readonly #listener: Listener<RelayClient>;
  readonly #greeting: Greeting | null;
  #config: Config;
  #guarded: boolean;
  #jobs: (() => void)[] = [];
  #toldDrops = { reports: 0, commands: 0 };
  #counts = {
    linesIn: 0,
    blank: 0,
    relayed: 0,
    deliveries: 0,
    rate: 0,
    oversize: 0,
    utf8: 0,
  };

  /** @throws StartError when it cannot listen */
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
    this.#broadcast = new Broadcast(
      this.#members,
      this.#pinned,
      host.clock,
      this.#backlog,
      () => this.#config.relay.outbox_bytes / 8,
    );
    this.#listener = new Listener(place, this.#clients, host, {
      inherits: true,
      relistenMs: () => this.#config.hyper_parameters.accept_error_backoff_ms,
    });
    this.addresses = [this.#listener.address];
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
      lines_in: this.#counts.linesIn,
      lines_blank: this.#counts.blank,
      lines_relayed: this.#counts.relayed,
      deliveries: this.#counts.deliveries,
      refused_rate: this.#counts.rate,
      refused_oversize: this.#counts.oversize,
      refused_utf8: this.#counts.utf8,
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

  clients(query: ClientQuery): ClientPage {
    return this.#clients.page(query);
  }

  kick(id: number): string | null {
    this.#broadcast.flush();
    return this.#clients.kick(id, this.#lastWords(NOTICES.kicked));
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#clients.serveAll();
    this.#broadcast.flush();
    for (const stop of this.#jobs) stop();
    await this.#listener.drain(deadlineMs, this.#lastWords(NOTICES.shutdown));
  }

  // --- one client's life

  create(accepted: Accepted): RelayClient {
    return new RelayClient(accepted, this.#pinned);
  }

  refuses(ip: string, port: number): Refused | null {
    const by = this.#config.relay.quarantine_by;
    const left = this.#quarantine.left(ip, port, by, this.#clock.now());
    if (left === 0) return null;
    return {
      reason: "quarantined",
      notice: this.#lastWords(quarantinedNotice(left)),
    };
  }

  greet(client: RelayClient): Promise<void> | undefined {
    return this.#greeting?.(client);
  }

  opened(client: RelayClient): void {
    // What was sent before it joined is not for it.
    this.#broadcast.flush();
    this.#members.add(client);
    this.#backlog.joined(client);
    this.#log.info(`${client.address} connected (${this.#members.size} clients)`);
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
    this.#paused.delete(client);
    this.#monitor.forget(client);
    this.#backlog.shrank(client, true);
    this.#log.info(`${client.address} closed: ${reason}, ${CLOSE_REASONS[reason]}`);
  }

  /** Closes a client with a reason and one last line. */
  close(client: RelayClient, reason: CloseReason, notice = ""): void {
    this.#broadcast.flush();
    this.#clients.close(client, reason, this.#lastWords(notice));
  }

  #closeSlow(client: RelayClient): void {
    this.#log.warning(
      `${client.address} does not take what it is sent: ${client.outbox.bytes} bytes wait; closing it`,
    );
    this.#clients.closeSlow(client, this.#lastWords(NOTICES.slow));
    if (this.#guarded) this.#imposeQuarantine(client);
  }

  /** The plain backend says good-bye on every close, as the reference does. */
  #lastWords(notice: string): string {
    return this.#guarded ? notice : notice + NOTICES.disconnected;
  }

  // --- lines

  get maxLineBytes(): number {
    return this.#config.relay.max_line_bytes;
  }

  lines(client: RelayClient, block: Buffer): number {
    client.lastMessageAt = this.#clock.now();
    let taken = 0;
    while (taken < block.length && client.reading) {
      const end = endOfPiece(block, taken);
      const piece = taken === 0 && end === block.length ? block : block.subarray(taken, end);
      taken += this.#relay(client, piece);
    }
    this.#sendNotices(client);
    return taken;
  }

  oversize(client: RelayClient): void {
    client.lastMessageAt = this.#clock.now();
    if (this.#counted(client)) this.#tooLong(client);
    this.#sendNotices(client);
  }

  /** Relays lines until the client is held. @returns how many bytes of them */
  #relay(client: RelayClient, block: Buffer): number {
    const lines = decoded(block);
    const { maxLineBytes } = this;
    const batch = Math.min(TEXT_BATCH, this.#config.relay.outbox_bytes / 24);
    const fanOut = this.#members.size - 1;
    const logged = this.#traffic.wanted;
    let text = "";
    let relayed = 0;
    let taken = block.length;
    for (let i = 0; i < lines.length; i++) {
      if (!this.#counted(client)) continue;
      let line = lines[i] as string | null;
      if (line === null) {
        this.#counts.utf8++;
        this.#refuse(client, NOTICES.utf8);
        continue;
      }
      if (line.endsWith("\r")) line = line.slice(0, -1);
      if (line === "") {
        this.#counts.blank++;
        continue;
      }
      const out = envelope(client.prefix, line);
      if (exceeds(out, maxLineBytes)) {
        this.#tooLong(client);
        continue;
      }
      relayed++;
      if (logged) this.#traffic.add(client.address, line);
      if (client.onLine) client.onLine(line);
      if (fanOut === 0) continue;
      text += out;
      if (text.length < batch) continue;
      this.#broadcast.add(client, text);
      text = "";
      if (client.reading) continue;
      taken = lengthOfLines(block, i + 1);
      break;
    }
    if (text !== "") this.#broadcast.add(client, text);
    this.#counts.relayed += relayed;
    this.#counts.deliveries += relayed * fanOut;
    if (this.#guarded && relayed > 0) {
      const capacity = this.#config.hyper_parameters.queue_monitor_capacity;
      this.#monitor.stage(client, fanOut, relayed, capacity);
    }
    return taken;
  }

  /** Counts one line. @returns whether it is within the rate; if not, it has been refused */
  #counted(client: RelayClient): boolean {
    client.messagesIn++;
    this.#counts.linesIn++;
    if (!this.#guarded) return true;
    const limit = this.#config.hyper_parameters.rate_limit_msgs_per_minute;
    if (client.rate.allows(client.lastMessageAt, limit)) return true;
    this.#counts.rate++;
    this.#refuse(client, NOTICES.rate);
    return false;
  }

  #tooLong(client: RelayClient): void {
    this.#counts.oversize++;
    this.#refuse(client, oversizeNotice(this.#config.relay.max_line_bytes));
  }

  /** One notice a refused line, for as long as the client reads them. */
  #refuse(client: RelayClient, notice: string): void {
    if (client.outbox.bytes > 0) return;
    client.notices += notice;
    if (client.notices.length > NOTICE_BATCH) this.#sendNotices(client);
  }

  #sendNotices(client: RelayClient): void {
    if (client.notices === "") return;
    const { notices } = client;
    client.notices = "";
    client.send(notices);
  }

  // --- the clock's work

  #schedule(): void {
    for (const stop of this.#jobs) stop();
    const { hyper_parameters: hyper, relay } = this.#config;
    const clock = this.#clock;
    this.#jobs = [
      clock.every(RESUME_TICK_MS, () => this.#resumeDue()),
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
    const notice = this.#lastWords(NOTICES.idle);
    this.#clients.closeIdle(timeoutMs, notice, ({ lastMessageAt }) => lastMessageAt);
  }

  #apply(client: RelayClient, command: Command): void {
    const hyper = this.#config.hyper_parameters;
    if (command === "disconnect") {
      const seconds = hyper.quarantine_cooldown_secs;
      this.close(client, "pressure", pressureNotice(seconds));
      this.#imposeQuarantine(client);
      return;
    }
    const ms = command === "throttle" ? hyper.throttle_delay_ms : hyper.flow_control_delay_ms;
    if (!client.isHeld(Hold.pressure)) {
      this.#log.debug(`${client.address} pauses for ${ms} ms: ${command}`);
    }
    client.pausedUntil = Math.max(client.pausedUntil, this.#clock.now() + ms);
    client.hold(Hold.pressure);
    this.#paused.add(client);
  }

  #resumeDue(): void {
    if (this.#paused.size === 0) return;
    const now = this.#clock.now();
    for (const client of this.#paused) {
      if (client.pausedUntil > now) continue;
      this.#paused.delete(client);
      this.#clients.resume(client, Hold.pressure);
    }
  }

  #imposeQuarantine(client: RelayClient): void {
    const { quarantine_cooldown_secs: seconds } = this.#config.hyper_parameters;
    if (seconds === 0) return;
    const until = this.#clock.now() + seconds * 1000;
    const by = this.#config.relay.quarantine_by;
    const barred = this.#quarantine.impose(client.ip, client.port, by, until);
    this.#log.warning(`${barred} is in quarantine for ${seconds} s`);
  }

  /** An operator bars an address, whoever is connected from there included. */
  #bar(ip: string, seconds: number): string {
    const barred = this.#quarantine.bar(ip, this.#clock.now() + seconds * 1000);
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
    this.#listener.configure(placeOf(next, "relay"));
    this.#config = { ...next, version: this.#config.version };
    this.#traffic.configure(next.logger.log_keys);
    this.#schedule();
  }
}

/** Where a piece of a block ends that begins at `start`: whole lines, few enough to be decoded at a time. */
function endOfPiece(block: Buffer, start: number): number {
  if (block.length - start <= TEXT_BATCH) return block.length;
  const last = block.lastIndexOf(NEWLINE, start + TEXT_BATCH - 1);
  return (last >= start ? last : block.indexOf(NEWLINE, start)) + 1;
}

/** Bytes that the first `count` lines of a block take. */
function lengthOfLines(block: Buffer, count: number): number {
  let end = 0;
  for (let i = 0; i < count; i++) end = block.indexOf(NEWLINE, end) + 1;
  return end;
}

/** The lines of a block, which ends with a newline; null for each that is not UTF-8. */
function decoded(block: Buffer): (string | null)[] {
  if (isUtf8(block)) {
    const lines = block.toString("utf8").split("\n");
    lines.pop();
    return lines;
  }
  const lines: (string | null)[] = [];
  for (let start = 0; start < block.length;) {
    const newline = block.indexOf(NEWLINE, start);
    const line = block.subarray(start, newline);
    lines.push(isUtf8(line) ? line.toString("utf8") : null);
    start = newline + 1;
  }
  return lines;
}
