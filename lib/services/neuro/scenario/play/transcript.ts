import type { Clock } from "../../../../host/clock.ts";
import type { Playing } from "../../brains/brain.ts";
import type { SessionEvent } from "../../session/events.ts";
import type { Force } from "../../session/force.ts";
import type { Frame, Watcher } from "../../watch/stage.ts";

/** Something that a game did, or that became of it. */
export type Happening = { readonly kind: "here" } | { readonly kind: "gone" } | SessionEvent;

export interface Noted<H extends Happening = Happening> {
  /** From 1, in order. */
  readonly number: number;
  /** Clock milliseconds. */
  readonly at: number;
  readonly playing: Playing;
  readonly what: H;
  /** It has met an expectation. */
  isTaken: boolean;
}

/** The beginning of a frame. */
export interface SeenFrame {
  readonly at: number;
  readonly direction: Frame["direction"];
  readonly text: string;
}

const MOST_NOTED = 10_000;
/** Characters of all that is noted together. */
const MOST_CHARACTERS = 16 * 2 ** 20;
const MOST_FRAMES = 12;
const LONGEST_FRAME = 400;
/** Connections whose frames are kept. */
const MOST_CONNECTIONS = 100;

/** What all games did, in order; the oldest is forgotten when there is too much. */
export class Transcript implements Watcher {
  readonly #clock: Clock;
  readonly #noted: Noted[] = [];
  readonly #frames = new Map<number, SeenFrame[]>();
  #last = 0;
  #characters = 0;
  /** Called after something was noted. */
  changed = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The number of what was noted last. */
  get last(): number {
    return this.#last;
  }

  /** What was noted from this number on. */
  since(number: number): readonly Noted[] {
    const first = this.#noted[0]?.number ?? 0;
    return number <= first ? this.#noted : this.#noted.slice(number - first);
  }

  note(playing: Playing, what: Happening): void {
    this.#noted.push({
      number: ++this.#last,
      at: this.#clock.now(),
      playing,
      what,
      isTaken: false,
    });
    this.#characters += sizeOf(what);
    while (this.#noted.length > MOST_NOTED || this.#characters > MOST_CHARACTERS) {
      this.#characters -= sizeOf((this.#noted.shift() as Noted).what);
    }
    this.changed();
  }

  event(playing: Playing, event: SessionEvent): void {
    const { kind } = event;
    // What a brain reads of results and forces is noted as these already.
    if (kind === "context" && event.entry.kind !== "context") return;
    if (kind !== "diagnostic" && kind !== "other" && kind !== "said") this.note(playing, event);
  }

  frame({ clientId, direction, text }: Frame): void {
    const frames = this.#frames.get(clientId) ?? [];
    if (frames.length === 0) this.#frames.set(clientId, frames);
    frames.push({ at: this.#clock.now(), direction, text: beginningOf(text) });
    if (frames.length > MOST_FRAMES) frames.shift();
    if (this.#frames.size <= MOST_CONNECTIONS) return;
    const [oldest] = this.#frames.keys();
    this.#frames.delete(oldest as number);
  }

  /** The last frames of these connections, in order. */
  framesOf(clientIds: ReadonlySet<number>): readonly SeenFrame[] {
    return [...clientIds]
      .flatMap((id) => this.#frames.get(id) ?? [])
      .toSorted((a, b) => a.at - b.at)
      .slice(-MOST_FRAMES);
  }

  /** The number of the last thing that a game said of a force: the force itself, or a result. */
  lastOf(force: Force): number {
    const last = this.#noted.findLast(
      ({ what }) =>
        (what.kind === "force" && what.state === "queued" && what.force === force) ||
        (what.kind === "result" && what.action.force === force),
    );
    return last?.number ?? 0;
  }
}

/** A copy: a part of a text keeps the whole of it. */
function beginningOf(text: string): string {
  return text.length <= LONGEST_FRAME
    ? text
    : `${Buffer.from(text.slice(0, LONGEST_FRAME)).toString()}...`;
}

/** What it takes to keep it, in characters. */
function sizeOf(what: Happening): number {
  if (what.kind === "context") return what.entry.text.length;
  if (what.kind === "result") return what.outcome.message.length;
  if (what.kind !== "force") return 0;
  const { query, state } = what.force.data;
  return query.length + (state?.length ?? 0);
}
