import { randomBytes } from "node:crypto";
import { version } from "../../../package.json";
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
  Running,
  Table,
} from "../../host/service.ts";
import { Admission } from "../../net/admission.ts";
import { type Accepted, CLOSE_REASONS, type CloseReason } from "../../net/client.ts";
import { Clients } from "../../net/clients.ts";
import { type LineProtocol, takeLastLine, takeLines } from "../../net/line-clients.ts";
import { Listener } from "../../net/listen.ts";
import { Pinned, SharedBytes } from "../../net/outbox.ts";
import { digest } from "../../net/token.ts";
import { PATIENCE_SECONDS, Tries } from "../../net/tries.ts";
import { Channels, type Deliver } from "./channels/channels.ts";
import { Hold, keyOf, StoreClient, type Subscription } from "./client.ts";
import type { Surroundings } from "./commands/command.ts";
import { DECLARED } from "./declared.ts";
import { Delivery } from "./channels/delivery.ts";
import { openJournal } from "./journal/durable.ts";
import type { Journal } from "./journal/journal.ts";
import { Keys } from "./keys/keys.ts";
import { type Path, SYSTEM } from "./keys/path.ts";
import { Refusal } from "./refusal.ts";
import { FULL, mayAt, type Role, Roles } from "./roles.ts";
import { Server } from "./serve.ts";
import { VisibleKeys } from "./keys/visible-keys.ts";
import { tablesOf } from "./tables.ts";
import { Turn } from "./turn.ts";
import { KeyWatch } from "./channels/watch.ts";

/** How often expired keys are looked for, in milliseconds. */
const SWEEP_MS = 20;

/** Starts the store. @throws StartError when it cannot listen, or its folder or a token file will not do */
export function store(config: Config, host: Host<Config>): Running {
  return new Store(config, host);
}

/** JSON key-value with namespaces and pub/sub over TCP. */
export class Store implements Running, LineProtocol<StoreClient>, Surroundings {
  readonly declared = DECLARED;
  readonly addresses: readonly Address[];
  readonly finishes = true;
  readonly epoch = randomBytes(6).toString("hex");
  readonly keys: VisibleKeys;
  readonly channels: Channels<StoreClient>;
  readonly #own: Keys;
  readonly #system: Keys;
  readonly #watch: KeyWatch<StoreClient>;
  readonly #journal: Journal | null;
  readonly #delivery: Delivery;
  readonly #turn: Turn;
  readonly #server: Server;
  readonly #clients: Clients<StoreClient>;
  readonly #listener: Listener<StoreClient>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #tries: Tries;
  readonly #pinned = new Pinned();
  readonly #startedAt: number;
  readonly #mode: Config["store"]["mode"];
  readonly #jobs: (() => void)[] = [];
  /** Clients that have had their share of the turn. */
  readonly #busy = new Set<StoreClient>();
  #config: Config;
  #roles: Roles;

  /** @throws StartError when it cannot listen, or its folder or a token file will not do */
  constructor(config: Config, host: Host<Config>) {
    this.#clock = host.clock;
    this.#log = host.log;
    this.#config = config;
    this.#mode = config.store.mode;
    this.#startedAt = host.clock.now();
    this.#tries = new Tries(host.clock);
    this.#roles = new Roles(config.store);
    const place = placeOf(config, "store");
    const admission = new Admission(place, host, {
      limit: this.#lastWord("limit", "the server has too many clients; try again later"),
      perAddress: this.#lastWord("limit", "there are too many clients from your address"),
      denied: this.#lastWord("denied", "your address may not connect"),
    });
    this.#clients = new Clients(this, admission, host);
    this.#delivery = new Delivery(this.#pinned, {
      clients: () => this.#clients.all,
      limits: () => this.#config.store,
      owes: (client) => this.owes(client),
      closeSlow: (client) => this.#closeSlow(client),
    });
    const deliver: Deliver<StoreClient> = (...of) => this.#delivery.deliver(...of);
    this.#watch = new KeyWatch(deliver);
    this.#own = new Keys(host.clock, this.#watch, () => this.#config.store.max_memory_bytes);
    this.#system = new Keys(host.clock, this.#watch, () => Infinity);
    this.keys = new VisibleKeys(this.#own, this.#system);
    this.channels = new Channels(this.epoch, deliver, () => ({
      messages: this.#config.store.replay_messages,
      bytes: this.#config.store.replay_bytes,
    }));
    this.#journal = openJournal(
      config.store,
      this.#own,
      host,
      () => this.#turn.ends(),
      () => this.#turn.kept(),
    );
    this.#turn = new Turn(
      this.#journal,
      config.store.durability === "always",
      (client) => this.#settled(client),
      () => this.#nextTurn(),
    );
    this.#server = new Server(this, this.#mode, host.clock, {
      maxLineBytes: () => this.#config.store.max_line_bytes,
      outboxBytes: () => this.#config.store.outbox_bytes,
      keys: config.store.mode === "store" ? this.#own : null,
      busy: (client) => this.#busy.add(client),
    });
    try {
      this.#listener = new Listener(place, this.#clients, host);
    } catch (error) {
      void this.#journal?.close();
      throw error;
    }
    this.addresses = [this.#listener.address];
    this.#schedule();
    host.onReload((next) => this.#reload(next));
  }

  // --- the contract

  stats(): Record<string, number> {
    const journal = this.#journal;
    return {
      ...this.#clients.stats(),
      keys: this.#own.size,
      memory_bytes: this.#own.bytes,
      requests: this.#server.requests,
      refused: this.#server.refused,
      subscriptions: this.channels.subscriptions + this.#watch.subscriptions.size,
      expiring: this.#own.expiring,
      expired: this.#own.expired,
      published: this.channels.published,
      deliveries: this.#delivery.count,
      channels: this.channels.size,
      kept_bytes: this.channels.keptBytes,
      pinned_bytes: this.#pinned.bytes,
      journal_bytes: journal?.size ?? 0,
      journal_batches: journal?.written ?? 0,
      journal_syncs: journal?.counters.syncs ?? 0,
      journal_failing: journal?.trouble ? 1 : 0,
      snapshots: journal?.counters.snapshots ?? 0,
      ...this.#server.counts(),
    };
  }

  tables(): readonly Table[] {
    return this.#mode === "store" ? tablesOf(this.#own, this.channels) : [];
  }

  health(): Health {
    const trouble = this.#journal?.trouble;
    if (trouble) return { ok: false, reason: `changes are refused: ${trouble}` };
    return this.#listener.health();
  }

  clients(query: ClientQuery): ClientPage {
    return this.#clients.page(query);
  }

  kick(id: number): string | null {
    return this.#clients.kick(id, this.#lastWord("kicked", "an operator closed the connection"));
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#clients.serveAll();
    for (const stop of this.#jobs) stop();
    const notice = this.#lastWord("shutdown", "the server is stopping");
    await this.#listener.drain(deadlineMs, notice);
    await this.#journal?.close();
  }

  // --- one client's life

  create(accepted: Accepted): StoreClient {
    const role = this.#roles.open ? FULL : null;
    return new StoreClient(accepted, this.#pinned, role, (client) => this.owes(client));
  }

  opened(client: StoreClient): void {
    this.#log.info(`store: ${client.address} connected (${this.#clients.size} clients)`);
  }

  received(client: StoreClient, bytes: Buffer): number {
    if (this.#mode !== "echo") return takeLines(this, client, bytes);
    this.#echo(client, bytes);
    return bytes.length;
  }

  ended(client: StoreClient): void {
    client.ending = true;
    this.owes(client);
  }

  drained(client: StoreClient): void {
    this.#settled(client);
  }

  closed(client: StoreClient, wasOpen: boolean): void {
    for (const subscription of client.subscriptions.values())
      this.unsubscribe(client, subscription);
    this.#busy.delete(client);
    client.stage();
    this.owes(client);
    if (!wasOpen) return;
    const reason = client.reason as CloseReason;
    this.#log.info(`store: ${client.address} closed: ${reason}, ${CLOSE_REASONS[reason]}`);
  }

  get maxLineBytes(): number {
    return this.#config.store.max_line_bytes;
  }

  lines(client: StoreClient, block: Buffer): number {
    return this.#server.lines(client, block);
  }

  oversize(client: StoreClient): void {
    this.#server.oversize(client);
  }

  owes(client: StoreClient): void {
    this.#turn.owes(client);
  }

  #echo(client: StoreClient, chunk: Buffer): void {
    client.lastMessageAt = this.#clock.now();
    const bytes = Buffer.from(chunk);
    const shared = new SharedBytes(bytes, bytes.length, this.#pinned);
    shared.pin();
    client.push(shared, bytes.length);
    this.owes(client);
    this.#server.limit(client);
  }

  /** Some of what a client is owed has left. */
  #settled(client: StoreClient): void {
    if (client.state === "closing") this.#clients.drained(client);
    if (client.state !== "open") return;
    if (client.isHeld(Hold.outbox) && this.#server.hasRoom(client)) {
      this.#clients.resume(client, Hold.outbox);
    }
    if (!client.ending || !client.reading || client.held.length > 0) return;
    // A last line may have come without its newline.
    takeLastLine(this, client);
    if (client.owed === 0 && client.reading) this.#clients.close(client, "eof");
  }

  #nextTurn(): void {
    this.#server.answers.used = 0;
    this.#delivery.bound();
    for (const client of this.#busy) {
      this.#busy.delete(client);
      this.#clients.resume(client, Hold.turn);
      if (client.ending) this.owes(client);
    }
  }

  // --- what commands act on

  get limits(): Surroundings["limits"] {
    const { outbox_bytes, max_subscriptions, max_patterns } = this.#config.store;
    return { outboxBytes: outbox_bytes, subscriptions: max_subscriptions, patterns: max_patterns };
  }

  subscribe(client: StoreClient, subscription: Subscription): void {
    const { kind, pattern } = subscription;
    const name = keyOf(subscription);
    if (client.subscriptions.has(name)) return;
    if (kind === "channel") this.channels.subscribe(client, pattern);
    else this.#watch.subscriptions.add(client, pattern);
    client.subscriptions.set(name, subscription);
    if (pattern.below) client.patterns++;
  }

  unsubscribe(client: StoreClient, subscription: Subscription): boolean {
    if (!client.subscriptions.delete(keyOf(subscription))) return false;
    const { kind, pattern } = subscription;
    if (kind === "channel") this.channels.unsubscribe(client, pattern);
    else this.#watch.subscriptions.remove(client, pattern);
    if (pattern.below) client.patterns--;
    return true;
  }

  replay(client: StoreClient, channel: Path, since: number, epoch: string | undefined) {
    const { replayed, lost } = this.channels.missed(channel, since, epoch);
    // More than the outbox may hold would close whoever comes back, again and again.
    let room = this.#config.store.outbox_bytes / 2;
    let first = replayed.length;
    while (first > 0) {
      room -= Buffer.byteLength((replayed[first - 1] as { line: string }).line);
      if (room < 0) break;
      first--;
    }
    const sent = replayed.slice(first);
    client.follows = sent.map(({ line }) => line).join("");
    this.#delivery.count += sent.length;
    return { replayed: sent.length, lost: lost === null ? null : lost + first };
  }

  authenticate(client: StoreClient, token: string): Refusal | null {
    if (this.#roles.open) return null;
    if (!this.#tries.may(client.ip)) {
      return new Refusal("TOO_MANY_TRIES", `wait ${PATIENCE_SECONDS} seconds`);
    }
    const hex = digest(token).toString("hex");
    const role = this.#roles.find(hex);
    if (role === undefined) {
      this.#tries.failed(client.ip);
      this.#log.warning(`store: ${client.address} showed a wrong token`);
      return new Refusal("BAD_TOKEN", "nobody has this token");
    }
    client.token = hex;
    this.#grant(client, role);
    return null;
  }

  /** What a client subscribes to without its new role's right ends. */
  #grant(client: StoreClient, role: Role): void {
    client.role = role;
    for (const one of client.subscriptions.values()) {
      const right = one.kind === "keys" ? "read" : "subscribe";
      if (!mayAt(role, right, one.pattern.path)) this.unsubscribe(client, one);
    }
  }

  info(): Record<string, unknown> {
    const { store, name } = this.#config;
    return {
      name,
      version,
      epoch: this.epoch,
      durability: store.durability,
      uptime_seconds: Math.floor((this.#clock.now() - this.#startedAt) / 1000),
      ...this.stats(),
    };
  }

  #closeSlow(client: StoreClient): void {
    this.#log.warning(
      `store: ${client.address} does not take what it is sent: ${client.owed} bytes wait; closing it`,
    );
    this.#clients.closeSlow(client, this.#lastWord("slow", "you do not take what you are sent"));
  }

  /** One line for a client that is closed; none in a mode where no line is the server's own. */
  #lastWord(reason: CloseReason, message: string): string {
    if (this.#mode === "echo") return "";
    return `${JSON.stringify({ event: "closed", reason, message })}\n`;
  }

  // --- the clock's work

  #schedule(): void {
    const clock = this.#clock;
    this.#jobs.push(clock.every(1000, () => this.#sweepIdle()));
    if (this.#mode !== "store") return;
    this.#jobs.push(
      clock.every(SWEEP_MS, () => this.#own.sweep()),
      clock.every(1000, () => this.#tellSystem()),
      clock.every(1000, () => this.#snapshotIfDue()),
    );
    const wall = new Date(clock.wall()).toISOString();
    for (const [name, value] of Object.entries({ version, epoch: this.epoch, started: wall })) {
      this.#system.tell([SYSTEM, name], JSON.stringify(value));
    }
    this.#tellSystem();
  }

  #sweepIdle(): void {
    const timeoutMs = this.#config.store.idle_secs * 1000;
    const notice = this.#lastWord("idle", "you have sent nothing for too long");
    // Whoever has a subscription may be silent for ever.
    this.#clients.closeIdle(timeoutMs, notice, (client) =>
      client.subscriptions.size > 0 ? Infinity : Math.max(client.lastMessageAt, client.tookAt),
    );
  }

  #tellSystem(): void {
    for (const [name, value] of Object.entries(this.stats())) {
      this.#system.tell([SYSTEM, "stats", name], `${value}`);
    }
  }

  #snapshotIfDue(): void {
    if (!this.#journal?.snapshotDue) return;
    this.#journal.snapshot(this.#own.snapshot()).catch((error) => {
      this.#log.bug(error, "making a snapshot of the store");
    });
  }

  /** @throws StartError when a token file or a certificate will not do; everything stays as it was */
  #reload(next: Config): void {
    const roles = new Roles(next.store);
    this.#listener.configure(placeOf(next, "store"));
    this.#config = next;
    this.#roles = roles;
    const notice = this.#lastWord("denied", "your token is not valid any more");
    for (const client of this.#clients.all) {
      const role = roles.open ? FULL : roles.find(client.token ?? "");
      if (role !== undefined) this.#grant(client, role);
      else if (client.role !== null) this.#clients.close(client, "denied", notice);
    }
  }
}
