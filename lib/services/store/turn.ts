import type { Config } from "../../config/table.ts";
import type { Host } from "../../host/service.ts";
import type { Clients } from "../../net/clients.ts";
import { type Sending, Sends } from "../../net/sends/sends.ts";
import type { Delivery } from "./channels/delivery.ts";
import { type CatchUp, Hold, type StoreClient } from "./client.ts";
import { Answers } from "./commands/answers.ts";
import type { Doubts } from "./journal/doubts.ts";
import type { Journal } from "./journal/journal.ts";

/** Most `work` of one client in one turn; its last request may exceed it. */
const SHARE = 10_000;
/** A client that is owed more bytes than this is not read; it is read again once it is owed less than half. */
const OWED = 256 * 1024;
/** Most slices of one turn, for all clients that catch up: each takes about a millisecond. */
const SLICES = 8;

/**
 * One turn of the event loop. In it each client is served within its share. At
 * its end all changes are written as one batch, and each client gets what it is
 * owed with one send: at once, or, when a reply promises that a change is on
 * disk, once it is.
 */
export class Turn implements Sending<StoreClient> {
  /** Answers of this turn, in bytes. */
  readonly answers = new Answers();
  readonly #clients: Clients<StoreClient>;
  readonly #journal: Journal | null;
  readonly #delivery: Delivery;
  readonly #settings: Pick<Config, "store">;
  readonly #sends: Sends<StoreClient>;
  readonly #untilSynced: boolean;
  /** Clients to be sent something at the end of this turn. */
  readonly #owed = new Set<StoreClient>();
  /** Clients with bytes that wait for a batch. */
  readonly #waiting = new Set<StoreClient>();
  /** Clients that catch up again once the journal is in no doubt. */
  readonly #stalled = new Set<StoreClient>();
  /** Clients that wait for their next slice, in the order in which they get it. */
  readonly #catching = new Set<StoreClient>();
  /** Slices made in this turn. */
  #slices = 0;
  /** Clients that have had their share of this turn. */
  readonly #served = new Set<StoreClient>();
  #scheduled = false;
  /** Of who waits for this turn, and for batches of earlier ones. */
  #keeping: PromiseWithResolvers<void> | null = null;
  readonly #promised: { readonly batch: number; readonly resolve: () => void }[] = [];
  /** The doubts at the begin of this turn. For as long as they are the same, changes are refused, and what can be read is kept. */
  #doubts: Doubts | null = null;

  /**
   * @param settings with `always` as the `durability`, replies wait for the disk; otherwise only for the write
   * @throws StartError when its sends cannot leave as they are to
   */
  constructor(
    clients: Clients<StoreClient>,
    journal: Journal | null,
    delivery: Delivery,
    settings: Pick<Config, "store">,
    config: Config,
    host: Host<Config>,
  ) {
    this.#clients = clients;
    this.#journal = journal;
    this.#delivery = delivery;
    this.#settings = settings;
    this.#sends = new Sends(config, host, this);
    this.#untilSynced = settings.store.durability === "always";
    if (journal !== null) journal.onSynced = () => this.#sendKept();
  }

  // --- within the turn

  /** Makes the end of the turn write all changes and send this client what it is owed. */
  owes(client: StoreClient): void {
    this.#owed.add(client);
    this.#schedule();
  }

  /** Resolves when all changes so far, and those of the rest of this turn, are kept as clients are promised. */
  kept(): Promise<void> {
    this.#keeping ??= Promise.withResolvers<void>();
    this.#schedule();
    return this.#keeping.promise;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#doubts = this.#journal?.doubts ?? null;
    setImmediate(() => {
      this.#scheduled = false;
      this.#end();
    });
  }

  /** Bytes that a client may be owed and still be served. */
  get mostOwed(): number {
    return Math.min(OWED, this.#settings.store.outbox_bytes / 4);
  }

  /** True if a client may be served at all. */
  mayBegin(client: StoreClient): boolean {
    if (client.finishing) return client.owed <= this.#settings.store.outbox_bytes;
    return client.reading;
  }

  /** True if a client may be served on. If not, it is held, unless it is finishing: then nothing of it is served later. */
  mayGoOn(client: StoreClient): boolean {
    const owedMuch = client.owed > this.mostOwed;
    const hadShare = client.work > SHARE;
    if (!owedMuch && !hadShare) return true;
    if (client.finishing) return this.mayBegin(client);
    if (owedMuch) client.hold(Hold.outbox);
    if (hadShare) {
      client.hold(Hold.turn);
      this.#served.add(client);
    }
    return false;
  }

  /** Some of what a client is owed has left: reads it again when it is owed little enough, or closes it when it is done. */
  sent(client: StoreClient): void {
    if (client.state === "closing") this.#clients.drained(client);
    if (client.state !== "open") return;
    if (client.isHeld(Hold.outbox) && client.owed < this.mostOwed / 2) {
      this.#clients.resume(client, Hold.outbox);
    }
    if (client.catchUps.size > 0) this.#goOn(client);
    const done = client.ending && client.reading && client.held.length === 0 && client.owed === 0;
    if (done) this.#clients.close(client, "eof");
  }

  keep(client: StoreClient, bytes: Buffer, start: number, length: number): void {
    client.keep(bytes, start, length);
  }

  /** Forgets a closed client; what it is owed still leaves. */
  closed(client: StoreClient): void {
    this.#served.delete(client);
    this.#stalled.delete(client);
    this.#catching.delete(client);
    client.stage();
    this.owes(client);
  }

  /** Sends a client the next slice of what it is catching up on, once it is owed little enough. */
  #goOn(client: StoreClient): void {
    if (client.owed >= this.mostOwed / 2) return;
    if (this.#journal?.doubts) {
      // Values that may not be kept must not be shown.
      this.#stalled.add(client);
      return;
    }
    if (this.#slices >= SLICES) {
      this.#catching.add(client);
      this.#schedule();
      return;
    }
    this.#slices++;
    this.owes(client);
    const [name, catchUp] = client.catchUps.entries().next().value as [string, CatchUp];
    const lines = catchUp.slice();
    this.#delivery.count += lines.length;
    client.reply += lines.join("");
    if (catchUp.done) client.catchUps.delete(name);
  }

  // --- its end

  #end(): void {
    const journal = this.#journal;
    journal?.write();
    // Any reply may show a change that is not kept yet, also one that another client made.
    const needed = journal === null ? 0 : journal.written + (journal.pending ? 1 : 0);
    const inDoubt = this.#doubts !== null && journal?.doubts === this.#doubts;
    const batch = needed > this.#kept && !inDoubt ? needed : null;
    const keeping = this.#keeping;
    this.#keeping = null;
    if (keeping !== null && batch !== null)
      this.#promised.push({ batch, resolve: keeping.resolve });
    else keeping?.resolve();
    const owed = [...this.#owed].filter(({ state }) => state !== "closed");
    // Clients that are served from here on belong to the next turn: their changes are not in this batch.
    this.#owed.clear();
    for (const client of owed) {
      client.settle(batch, this.#sends, this.answers);
      if (batch !== null) this.#waiting.add(client);
    }
    this.#sends.leave();
    this.answers.used = 0;
    this.#delivery.bound();
    this.#serveOn();
    this.#slices = 0;
    this.#catchUp();
    for (const client of owed) this.sent(client);
  }

  /** Sends slices to those that have waited longest. */
  #catchUp(): void {
    for (const client of this.#catching) {
      if (this.#slices >= SLICES) return;
      this.#catching.delete(client);
      this.sent(client);
    }
  }

  /** Begins the next turn with the clients that have had their share of this one. */
  #serveOn(): void {
    const served = [...this.#served];
    // A client that uses up its share of that turn too waits for the one after it.
    this.#served.clear();
    for (const client of served) {
      this.#clients.resume(client, Hold.turn);
      if (client.ending) this.owes(client);
    }
  }

  /** Batches whose changes replies may show. */
  get #kept(): number {
    const { synced = 0, written = 0 } = this.#journal ?? {};
    return this.#untilSynced ? synced : written;
  }

  /** Sends what waits for batches that are kept by now. */
  #sendKept(): void {
    const upTo = this.#kept;
    const promised = this.#promised;
    while (promised[0] !== undefined && promised[0].batch <= upTo) promised.shift()?.resolve();
    const due: StoreClient[] = [];
    for (const client of this.#waiting) {
      if (client.state === "closed") {
        this.#waiting.delete(client);
        continue;
      }
      if (client.letGo(upTo)) this.#waiting.delete(client);
      this.#sends.outbox(client);
      due.push(client);
    }
    this.#sends.leave();
    for (const client of due) this.sent(client);
    if (this.#journal?.doubts) return;
    const stalled = [...this.#stalled];
    this.#stalled.clear();
    for (const client of stalled) this.sent(client);
  }
}
