import type { RelayClient } from "../client.ts";
import { type Batch, BATCH_CHARACTERS, type Road, type RoadEnd } from "./batch.ts";
import type { Engine, Order, RoomBar } from "./order.ts";
import { Portions } from "./portions.ts";

/** Envelopes of one sender within a batch. */
interface Piece {
  readonly sender: RelayClient;
  characters: number;
  lines: number;
}

interface InFlight {
  readonly batch: Batch;
  readonly pieces: readonly Piece[];
}

/**
 * The order of a room that several engines share. It gathers the lines of a
 * turn into a batch, sends that by its road, and remembers whose lines are in
 * it until the road brings it back: nobody gets their own lines, and nothing is
 * decoded that was encoded here.
 *
 * While more than `bound()` characters are on their way, or the road is closed,
 * the engine's senders are held; their lines wait in the kernel.
 */
export class Shared implements Order, RoadEnd {
  readonly shared = true;
  readonly #road: Road;
  readonly #bound: () => number;
  #engine!: Engine;
  #pieces: Piece[] = [];
  #text = "";
  #lines = 0;
  #scheduled = false;
  #number = 0;
  readonly #inFlight: InFlight[] = [];
  #inFlightCharacters = 0;
  #isOpen = false;
  #isDraining = false;
  #holding = false;
  #settling: PromiseWithResolvers<void> | null = null;
  readonly #portion: () => number;
  #portions!: Portions;

  /**
   * @param bound characters that may be on their way before senders are held
   * @param portion characters that are delivered at once, so that the members' outboxes hold them
   */
  constructor(road: Road, bound: () => number, portion: () => number) {
    this.#road = road;
    this.#bound = bound;
    this.#portion = portion;
  }

  // --- the engine's side

  open(engine: Engine): void {
    this.#engine = engine;
    this.#portions = new Portions(engine, this.#portion);
    this.#holdOrRelease();
    this.#road.open(this);
  }

  get elsewhere(): number {
    return this.#road.elsewhere;
  }

  get holding(): boolean {
    return this.#holding;
  }

  append(sender: RelayClient, envelopes: string, lines: number): void {
    const last = this.#pieces.at(-1);
    if (last?.sender === sender) {
      last.characters += envelopes.length;
      last.lines += lines;
    } else this.#pieces.push({ sender, characters: envelopes.length, lines });
    this.#text += envelopes;
    this.#lines += lines;
    if (this.#text.length >= BATCH_CHARACTERS) {
      this.#send();
    } else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#send();
      });
    }
  }

  bar(bar: RoomBar): void {
    this.#road.bar(bar);
  }

  lift(key: string): void {
    this.#road.lift(key);
  }

  rested(): void {
    this.#portions.rested();
    if (this.#portions.wait) return;
    this.#maybeSettle();
    this.#road.rested();
  }

  drains(): void {
    this.#isDraining = true;
    this.#holdOrRelease();
  }

  settled(): Promise<void> | null {
    this.#send();
    const others = () => this.#road.settled?.();
    if (this.#isSettled) return others() ?? null;
    this.#settling ??= Promise.withResolvers();
    return this.#settling.promise.then(others);
  }

  // --- the road's side

  /** True while nothing should be delivered to the engine. */
  get resting(): boolean {
    return this.#portions.wait || this.#engine.resting;
  }

  /** The batches that are on their way, in order: what the road may have to send again. */
  get unanswered(): readonly Batch[] {
    return this.#inFlight.map(({ batch }) => batch);
  }

  /** The road takes batches, or takes none for now. */
  opened(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.#holdOrRelease();
  }

  /** The next batch of this engine has its place in the order. */
  own(): void {
    const flight = this.#inFlight.shift();
    if (flight === undefined) throw new Error("a batch came back that was not on its way");
    const { batch, pieces } = flight;
    this.#inFlightCharacters -= batch.text.length;
    let at = 0;
    for (const { sender, characters, lines } of pieces) {
      this.#portions.deliver(sender, batch.text.slice(at, at + characters), lines);
      at += characters;
    }
    this.#holdOrRelease();
    this.#maybeSettle();
  }

  /** A batch of another engine. */
  foreign(text: string, lines: number): void {
    this.#portions.deliver(null, text, lines);
  }

  /** Another engine has barred an address or a port of it. */
  barred(bar: RoomBar): void {
    this.#engine.barred(bar);
  }

  lifted(key: string): void {
    this.#engine.lifted(key);
  }

  /** Lines of other engines can never be delivered here. */
  lost(lines: number): void {
    this.#engine.lost(lines);
  }

  get #isSettled(): boolean {
    return this.#inFlight.length === 0 && !this.#portions.wait;
  }

  #maybeSettle(): void {
    if (!this.#isSettled) return;
    this.#settling?.resolve();
    this.#settling = null;
  }

  #send(): void {
    if (this.#lines === 0) return;
    const batch = { number: ++this.#number, text: this.#text, lines: this.#lines };
    this.#inFlight.push({ batch, pieces: this.#pieces });
    this.#inFlightCharacters += batch.text.length;
    this.#pieces = [];
    this.#text = "";
    this.#lines = 0;
    if (this.#isOpen) this.#road.append(batch);
    this.#holdOrRelease();
  }

  #holdOrRelease(): void {
    const full = this.#inFlightCharacters > this.#bound() / (this.#holding ? 2 : 1);
    const holding = full || !(this.#isOpen || this.#isDraining);
    if (holding === this.#holding) return;
    this.#holding = holding;
    if (holding) this.#engine.hold();
    else this.#engine.release();
  }
}
