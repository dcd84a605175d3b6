import type { Config } from "../../../config/table.ts";
import type { EventStream } from "../../../host/service/http-part.ts";
import { Replay } from "../channels/catch-up.ts";
import type { Deliverer } from "../channels/channels.ts";
import { lostEvent } from "../channels/events.ts";
import { KeyWatch } from "../channels/watch.ts";
import { NOTICES } from "../client.ts";
import type { Journal } from "../journal/journal.ts";
import type { ChangeLog } from "../keys/change-log.ts";
import type { Turn } from "../turn.ts";
import { eventOf, idOf, placeEvent, placeOf } from "./event-id.ts";
import { type Asked, Watcher } from "./watcher.ts";

/** Bytes that may wait for the disk, for one watcher. */
const WAITING_MAX = 2 ** 20;
/** Bytes that may wait for a watcher that gets more of what it has missed. */
const ROOM = 256 * 1024;
/** Slices of what watchers have missed that are made in one turn. */
const SLICES = 8;

const DENIED = '{"event":"closed","reason":"denied"}\n';

interface WatchersHost {
  readonly clock: { now(): number };
  nextId(): number;
}

/** Tells those who watch keys over HTTP of changes, each once it is kept, as answers are. */
export class Watchers implements Deliverer<Watcher> {
  readonly watch: KeyWatch<Watcher>;
  readonly #turn: Pick<Turn, "kept">;
  readonly #log: ChangeLog;
  readonly #epoch: string;
  readonly #host: WatchersHost;
  readonly #settings: Pick<Config, "store">;
  readonly #all = new Map<number, Watcher>();
  /** Those that have missed something, in the order in which they get more of it. */
  readonly #behind = new Set<Watcher>();
  readonly #journal: Pick<Journal, "doubts"> | null;
  #isGoingOn = false;
  /** What has happened in this turn. */
  #due: { readonly kept: Promise<void>; readonly lines: Map<Watcher, string> } | null = null;

  /** @param log has counted each change before it is told here @param epoch that of its numbers */
  constructor(
    turn: Pick<Turn, "kept">,
    log: ChangeLog,
    epoch: string,
    journal: Pick<Journal, "doubts"> | null,
    host: WatchersHost,
    settings: Pick<Config, "store">,
  ) {
    this.#journal = journal;
    this.#settings = settings;
    this.watch = new KeyWatch<Watcher>(this, log);
    this.#turn = turn;
    this.#log = log;
    this.#epoch = epoch;
    this.#host = host;
  }

  get all(): Iterable<Watcher> {
    return this.#all.values();
  }

  get size(): number {
    return this.#all.size;
  }

  /** Adds one. @returns ends it */
  add(asked: Asked, stream: EventStream): () => void {
    const watcher = new Watcher(this.#host.nextId(), asked, stream, this.#host.clock.now());
    this.#all.set(watcher.id, watcher);
    this.#log.begin();
    this.watch.subscriptions.add(watcher, watcher.pattern);
    this.#begin(watcher, asked);
    return () => {
      if (!this.#all.delete(watcher.id)) return;
      this.#behind.delete(watcher);
      this.watch.subscriptions.remove(watcher, watcher.pattern);
    };
  }

  deliver(watchers: ReadonlySet<Watcher>, line: string): void {
    for (const watcher of watchers) this.#tell(watcher, line, this.#log.seq);
  }

  /** Tells those that have heard nothing for a while where they are, so that they miss nothing if they come back. */
  tellPlaces(): void {
    const { seq } = this.#log;
    for (const watcher of this.#all.values()) {
      if (watcher.isNumbered && watcher.replay === null && watcher.seq !== seq) {
        this.#tellPlace(watcher);
      }
    }
  }

  /** Ends those that may not watch any more. */
  renew(mayWatch: (watcher: Watcher) => boolean): void {
    for (const watcher of this.#all.values()) if (!mayWatch(watcher)) this.#end(watcher, DENIED);
  }

  /** Ends the one of this id. @returns its address, or null when there is none */
  kick(id: number): string | null {
    const watcher = this.#all.get(id);
    if (watcher === undefined) return null;
    this.#end(watcher, NOTICES.kicked);
    return watcher.asked.address;
  }

  /** Sends more of what was missed to those that have room again. */
  goOn(): void {
    if (!this.#isGoingOn && this.#behind.size > 0) this.#sendMissed();
  }

  #sendMissed(): void {
    this.#isGoingOn = false;
    // What may not be kept must not be shown.
    if (this.#journal?.doubts) return;
    let left = SLICES;
    for (const watcher of this.#behind) {
      if (watcher.owed > ROOM) continue;
      if (left-- === 0) break;
      // The others come first next time.
      this.#behind.delete(watcher);
      this.#behind.add(watcher);
      this.#slice(watcher);
    }
    for (const { owed } of this.#behind) {
      if (owed > ROOM) continue;
      this.#isGoingOn = true;
      setImmediate(() => this.#sendMissed());
      return;
    }
  }

  #begin(watcher: Watcher, { pattern, last, value }: Asked): void {
    const place = last === null ? null : placeOf(last);
    const { seq, first } = this.#log;
    const isKnown = place !== null && place.epoch === this.#epoch && place.seq <= seq;
    const lost = isKnown ? Math.max(0, first - 1 - place.seq) : null;
    if (isKnown && watcher.isNumbered && (lost === 0 || pattern.below)) {
      watcher.replay = new Replay(this.#log, pattern, place.seq);
      this.#behind.add(watcher);
      this.goOn();
      return;
    }
    if (last !== null) this.#tell(watcher, lostEvent(pattern, lost), null);
    this.#tellValue(watcher, value());
  }

  #tellValue(watcher: Watcher, line: string): void {
    if (line !== "") this.#tell(watcher, line, this.#log.seq);
    else if (watcher.isNumbered) this.#tellPlace(watcher);
  }

  #slice(watcher: Watcher): void {
    const replay = watcher.replay as Replay;
    for (const { line, seq, isLost } of replay.changes()) {
      this.#tell(watcher, line, seq);
      if (!isLost || watcher.pattern.below) continue;
      // What it has now is all that counts of a single key.
      this.#upToDate(watcher);
      this.#tellValue(watcher, watcher.asked.value());
      return;
    }
    if (!replay.done) return;
    this.#upToDate(watcher);
    this.#tellPlace(watcher);
  }

  #upToDate(watcher: Watcher): void {
    watcher.replay = null;
    this.#behind.delete(watcher);
  }

  /** @param seq the number of the change; null for what has no place */
  #tell(watcher: Watcher, line: string, seq: number | null): void {
    const isPlaced = seq !== null && watcher.isNumbered;
    if (isPlaced) watcher.seq = seq;
    this.#send(watcher, eventOf(line, isPlaced ? idOf({ epoch: this.#epoch, seq }) : null));
  }

  #tellPlace(watcher: Watcher): void {
    watcher.seq = this.#log.seq;
    this.#send(watcher, placeEvent({ epoch: this.#epoch, seq: watcher.seq }));
  }

  #send(watcher: Watcher, text: string): void {
    const kept = this.#turn.kept();
    if (this.#due?.kept !== kept) {
      const lines = new Map<Watcher, string>();
      this.#due = { kept, lines };
      void kept.then(() => {
        for (const [one, waited] of lines) {
          one.waiting -= waited.length;
          if (!this.#all.has(one.id)) continue;
          one.sent += waited.length;
          one.stream.send(waited);
        }
        this.#bound();
      });
    }
    const isTooMuch = watcher.waiting > 0 && watcher.waiting + text.length > WAITING_MAX;
    if (isTooMuch) {
      watcher.stream.close();
      return;
    }
    watcher.waiting += text.length;
    const { lines } = this.#due;
    lines.set(watcher, (lines.get(watcher) ?? "") + text);
  }

  /** Closes the one for which most waits, one after the other, while more than `total_outbox_bytes` wait for all of them. */
  #bound(): void {
    const { total_outbox_bytes: most } = this.#settings.store;
    let total = 0;
    for (const { owed } of this.#all.values()) total += owed;
    while (total > most && this.#all.size > 0) {
      const slowest = this.#mostOwed();
      total -= slowest.owed;
      slowest.stream.close();
    }
  }

  #mostOwed(): Watcher {
    const [first, ...others] = this.#all.values();
    return others.reduce((most, one) => (one.owed > most.owed ? one : most), first as Watcher);
  }

  #end({ stream }: Watcher, line: string): void {
    stream.send(eventOf(line, null));
    stream.close();
  }
}
