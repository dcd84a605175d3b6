import { version } from "../../../package.json";
import { placeOf } from "../../config/place.ts";
import type { Config } from "../../config/table.ts";
import { count } from "../../host/count.ts";
import { clientPage } from "../../host/service/client-page.ts";
import type { Clock } from "../../host/clock.ts";
import { type Fault, faultsIn } from "../../host/errors.ts";
import type { HttpPart } from "../../host/service/http-part.ts";
import type { Log } from "../../host/log.ts";
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
import { Admission } from "../../net/admission.ts";
import { type Accepted, CLOSE_REASONS, type CloseReason } from "../../net/client.ts";
import { Clients } from "../../net/clients.ts";
import { takeLines } from "../../net/line-clients.ts";
import { Listener } from "../../net/listen.ts";
import { Pinned } from "../../net/outbox.ts";
import type { Protocol } from "../../net/protocol.ts";
import { sendFaults } from "../../net/sends/way.ts";
import { clientTroubles } from "../../net/clients/troubles.ts";
import { Auth } from "./auth.ts";
import { Channels } from "./channels/channels.ts";
import { Delivery } from "./channels/delivery.ts";
import { Subscribers } from "./channels/subscribers.ts";
import { KeyWatch, Watches } from "./channels/watch.ts";
import { NO_NOTICES, type Notices, NOTICES, StoreClient } from "./client.ts";
import { RequestCounts } from "./commands/counts.ts";
import { KeysOverHttp } from "./http/part.ts";
import { both, COLUMNS } from "./http/operated.ts";
import { Watchers } from "./http/watchers.ts";
import type { Journal } from "./journal/journal.ts";
import { journalFaults, openJournal, restoreKeys } from "./journal/open.ts";
import { Backups } from "./keys/backups.ts";
import { ChangeLog } from "./keys/change-log.ts";
import { Keys } from "./keys/keys.ts";
import { SYSTEM } from "./keys/path.ts";
import { VisibleKeys } from "./keys/visible-keys.ts";
import { storePanel } from "./panel/panel.ts";
import { Roles } from "./roles.ts";
import { Serving } from "./serving.ts";
import { DECLARED, Stats } from "./stats.ts";
import { Turn } from "./turn.ts";

/** Milliseconds between two sweeps of expired keys. */
const SWEEP_MS = 20;

/** Milliseconds after which those who watch over HTTP are told where they are. */
const PLACES_MS = 10_000;

/** The share of its memory above which the store counts as nearly full. */
const FULL = 0.9;

/** Ends the last line of a client that has ended its side. */
const NEWLINE = Buffer.from("\n");

/** Starts the store. @throws StartError when it cannot listen, or its folder or a token file cannot be used */
export function store(config: Config, host: Host<Config>): Running {
  return new Store(config, host);
}

store.check = (config: Config): readonly Fault[] => [
  ...faultsIn(() => new Roles(config.store)),
  ...journalFaults(config.store),
  ...sendFaults(config),
];

/** JSON key-value with namespaces and pub/sub over TCP. */
export class Store implements Running, Protocol<StoreClient> {
  readonly declared = DECLARED;
  readonly addresses: readonly Address[];
  readonly finishes = true;
  /** None where lines are only sent back. */
  readonly panel?: Panel;
  /** Tells this run of the server from others. */
  readonly epoch: string;
  /** The settings in force. All parts share this object, and a reload changes it. */
  readonly #settings: Pick<Config, "name" | "store">;
  readonly #mode: Config["store"]["mode"];
  readonly #notices: Notices;
  readonly #pinned = new Pinned();
  readonly #journal: Journal | null;
  readonly #clients: Clients<StoreClient>;
  readonly #turn: Turn;
  readonly #keys: Keys;
  /** The server's own keys, below `^sys`. */
  readonly #system: Keys;
  readonly #subscribers: Subscribers;
  readonly #backups: Backups<StoreClient>;
  readonly #auth: Auth;
  readonly #stats: Stats;
  readonly #serving: Serving;
  readonly #http: KeysOverHttp;
  readonly #watchers: Watchers;
  readonly #listener: Listener<StoreClient>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #jobs: (() => void)[] = [];

  /** @throws StartError when it cannot listen, or its folder or a token file cannot be used */
  constructor(config: Config, host: Host<Config>) {
    const { clock, log } = host;
    this.#clock = clock;
    this.#log = log;
    this.#settings = { name: config.name, store: config.store };
    this.#mode = config.store.mode;
    this.#notices = this.#mode === "echo" ? NO_NOTICES : NOTICES;
    const settings = this.#settings;
    const place = placeOf(config, "store");
    const roles = new Roles(config.store);
    this.#journal = openJournal(config.store, host);
    this.#clients = new Clients(this, new Admission(place, host, this.#notices), host);
    const delivery = new Delivery(this.#clients, this.#pinned, settings, this.#notices, log);
    this.#turn = new Turn(this.#clients, this.#journal, delivery, settings, config, host);
    const changes = new ChangeLog(() => ({
      entries: settings.store.change_log_entries,
      bytes: settings.store.change_log_bytes,
    }));
    const watch = new KeyWatch(delivery, changes);
    const channels = new Channels(delivery, settings);
    const { epoch } = channels;
    this.#watchers = new Watchers(this.#turn, changes, epoch, this.#journal, host, settings);
    const watches = new Watches(watch, this.#watchers.watch);
    this.#keys = new Keys(clock, watches, () => settings.store.max_memory_bytes, changes);
    this.#system = new Keys(clock, watches, () => Infinity);
    const visible = new VisibleKeys(this.#keys, this.#system);
    this.#subscribers = new Subscribers(channels, watch, visible, changes, delivery, settings);
    this.#auth = new Auth(roles, this.#subscribers, host);
    const requests = new RequestCounts();
    this.#stats = new Stats(
      {
        clients: this.#clients,
        requests,
        keys: this.#keys,
        visible,
        watch,
        watchers: this.#watchers,
        changes,
        channels,
        delivery,
        pinned: this.#pinned,
        journal: this.#journal,
      },
      settings,
      clock,
    );
    this.#backups = new Backups(this.#keys, () => settings.store.outbox_bytes);
    const parts = {
      keys: visible,
      backups: this.#backups,
      channels,
      subscribers: this.#subscribers,
      auth: this.#auth,
      stats: this.#stats,
      journal: this.#journal,
      settings,
    };
    if (this.#mode === "store") {
      this.panel = storePanel({
        clock,
        settings,
        keys: this.#keys,
        channels,
        clients: this.#clients,
        journal: this.#journal,
        auth: this.#auth,
        stats: this.#stats,
      });
    }
    this.#http = new KeysOverHttp({
      keys: visible,
      auth: this.#auth,
      journal: this.#journal,
      settings,
      counts: requests,
      turn: this.#turn,
      watchers: this.#watchers,
      admission: this.#clients.admission,
    });
    const plain = this.#mode === "store" ? this.#keys : null;
    this.#serving = new Serving(parts, plain, this.#turn, requests, this.#pinned, clock);
    if (this.#journal !== null) restoreKeys(this.#keys, this.#journal, log);
    try {
      this.#listener = new Listener(place, this.#clients, host);
    } catch (error) {
      void this.#journal?.close();
      throw error;
    }
    this.addresses = [this.#listener.address];
    this.epoch = channels.epoch;
    this.#schedule();
    host.onReload((next) => this.#reload(next));
  }

  // --- the contract

  stats(): Record<string, number> {
    return this.#stats.numbers();
  }

  tables(): readonly Table[] {
    // Whoever reads them has shown no token of the store.
    const isOpen = this.#auth.initialRole !== null;
    return this.#mode === "store" && isOpen ? this.#stats.tables() : [];
  }

  get http(): HttpPart | undefined {
    return this.#mode === "store" && this.#settings.store.http ? this.#http : undefined;
  }

  health(): Health {
    const trouble = this.#journal?.trouble;
    if (trouble) {
      const advice = this.#journal?.advice(this.#keys.bytes) ?? null;
      const more = advice === null ? "" : `; ${advice}`;
      return { ok: false, reason: `changes are refused: ${trouble}${more}` };
    }
    const salvaged = this.#journal?.salvaged;
    if (salvaged) {
      const damages = count(salvaged.damages.length, "damage");
      const reason = `the journal was salvaged from ${damages} at ${salvaged.at}: store acknowledge tells them, and ends this`;
      return { ok: false, reason };
    }
    return this.#listener.health();
  }

  problems(): readonly Problem[] {
    const { outbox_bytes, max_memory_bytes } = this.#settings.store;
    const problems = [...clientTroubles(this.#clients.all, this.#clock.now(), outbox_bytes / 4)];
    const used = this.#stats.numbers()["memory_bytes"] ?? 0;
    if (max_memory_bytes > 0 && used > max_memory_bytes * FULL) {
      const share = Math.floor((100 * used) / max_memory_bytes);
      const text = `Keys and values take ${share} % of the memory that they may take.`;
      const setting = "store.max_memory_bytes";
      problems.push({ key: "memory", severity: "warning", text, setting });
    }
    return problems;
  }

  clients(query: ClientQuery): ClientPage {
    const all = [this.#clients.all, this.#watchers.all] as const;
    return clientPage(both(...all), COLUMNS, query, this.#clock.now());
  }

  client(id: number): ClientMore | null {
    return this.#clients.more(id);
  }

  kick(id: number): string | null {
    return this.#clients.kick(id, this.#notices.kicked) ?? this.#watchers.kick(id);
  }

  async drain(deadlineMs: number): Promise<void> {
    for (const stop of this.#jobs) stop();
    await this.#listener.drain(deadlineMs, this.#notices.shutdown);
    this.#auth.end();
    await this.#journal?.close();
  }

  // --- one client's life

  get maxLineBytes(): number {
    return this.#settings.store.max_line_bytes;
  }

  get unfinishedNotice(): string {
    return this.#notices.unfinished;
  }

  create(accepted: Accepted): StoreClient {
    return new StoreClient(accepted, this.#pinned, this.#auth.initialRole, this.#turn);
  }

  opened(client: StoreClient): void {
    this.#log.info(`store: ${client.address} connected (${count(this.#clients.size, "client")})`);
  }

  received(client: StoreClient, bytes: Buffer): number {
    return this.#mode === "echo"
      ? this.#serving.echo(client, bytes)
      : takeLines(this.#serving, client, bytes);
  }

  drained(client: StoreClient): void {
    this.#turn.sent(client);
  }

  ended(client: StoreClient): void {
    client.ending = true;
    this.#turn.owes(client);
    if (this.#mode === "echo") return;
    // A last line may have come without its newline; an empty one is not answered.
    client.held.push(NEWLINE);
    this.#clients.serveHeld(client);
  }

  closed(client: StoreClient, wasOpen: boolean): void {
    this.#subscribers.unsubscribeAll(client);
    this.#backups.end(client);
    this.#turn.closed(client);
    if (!wasOpen) return;
    const reason = client.reason as CloseReason;
    this.#log.info(`store: ${client.address} closed: ${reason}, ${CLOSE_REASONS[reason]}`);
  }

  // --- the clock's work

  #schedule(): void {
    const clock = this.#clock;
    this.#jobs.push(clock.every(1000, () => this.#closeIdle()));
    if (this.#mode !== "store") return;
    this.#jobs.push(
      clock.every(SWEEP_MS, () => this.#sweep()),
      clock.every(1000, () => this.#tellStats()),
      clock.every(1000, () => this.#snapshotIfDue()),
      clock.every(1000, () => this.#journal?.note()),
      clock.every(PLACES_MS, () => this.#watchers.tellPlaces()),
    );
    const started = new Date(clock.wall()).toISOString();
    for (const [name, value] of Object.entries({ version, epoch: this.epoch, started })) {
      this.#system.tell([SYSTEM, name], JSON.stringify(value));
    }
    this.#tellStats();
  }

  #closeIdle(): void {
    const timeoutMs = this.#settings.store.idle_secs * 1000;
    // A client with a subscription may be silent for ever.
    this.#clients.closeIdle(timeoutMs, this.#notices.idle, (client) =>
      client.subscriptions.size > 0 ? Infinity : Math.max(client.lastMessageAt, client.tookAt),
    );
  }

  #sweep(): void {
    this.#keys.sweep();
    this.#watchers.goOn();
    if (this.#journal?.pending) this.#journal.write();
  }

  #tellStats(): void {
    for (const [name, value] of Object.entries(this.stats())) {
      this.#system.tell([SYSTEM, "stats", name], `${value}`);
    }
  }

  #snapshotIfDue(): void {
    const journal = this.#journal;
    if (!journal?.snapshotDue && !journal?.rewriteDue(this.#keys.bytes)) return;
    journal.snapshot(this.#keys.snapshot()).catch((error) => {
      this.#log.bug(error, "making a snapshot of the store");
    });
  }

  /** @throws StartError when a token file or a certificate cannot be used; everything then stays as it was */
  #reload(next: Config): void {
    const roles = new Roles(next.store);
    this.#listener.configure(placeOf(next, "store"));
    Object.assign(this.#settings, { name: next.name, store: next.store });
    this.#auth.configure(roles);
    this.#http.renew();
    for (const client of this.#clients.all) {
      if (!this.#auth.renew(client)) this.#clients.close(client, "denied", this.#notices.token);
    }
  }
}
