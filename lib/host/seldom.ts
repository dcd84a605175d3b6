import type { Clock } from "./clock.ts";

const SECOND_MS = 1000;
/** Kinds counted apart at one time; further kinds are counted together. */
const MAX_KINDS = 20;

/**
 * Reports events that may be frequent, such as all that clients can cause: the
 * first of a kind at once, the number of further ones at most once a second.
 */
export class Seldom {
  readonly #clock: Clock;
  readonly #tellMore: (kind: string | null, more: number) => void;
  /** For each kind: the events that are not reported yet, and the time of its last report. */
  readonly #kinds = new Map<string, { more: number; toldAt: number }>();
  /** Events of further kinds that are not reported yet. */
  #others = 0;
  #stop: (() => void) | null = null;

  /** @param tellMore reports the number of further events of a kind; null stands for all further kinds */
  constructor(clock: Clock, tellMore: (kind: string | null, more: number) => void) {
    this.#clock = clock;
    this.#tellMore = tellMore;
  }

  /** Counts one event of a kind. @returns true if the caller reports it now */
  isFirst(kind: string): boolean {
    const known = this.#kinds.get(kind);
    if (known) known.more++;
    else if (this.#kinds.size === MAX_KINDS) this.#others++;
    else {
      this.#kinds.set(kind, { more: 0, toldAt: this.#clock.now() });
      this.#stop ??= this.#clock.every(SECOND_MS / 4, () => this.#tell(this.#clock.now()));
      return true;
    }
    return false;
  }

  /** Reports all that is not reported yet. */
  close(): void {
    this.#tell(Infinity);
  }

  #tell(now: number): void {
    for (const [kind, known] of this.#kinds) {
      if (now - known.toldAt < SECOND_MS) continue;
      if (known.more === 0 || now === Infinity) this.#kinds.delete(kind);
      if (known.more === 0) continue;
      this.#tellMore(kind, known.more);
      known.more = 0;
      known.toldAt = now;
    }
    if (this.#others > 0 && this.#kinds.size < MAX_KINDS) {
      this.#tellMore(null, this.#others);
      this.#others = 0;
    }
    if (this.#kinds.size > 0) return;
    this.#stop?.();
    this.#stop = null;
  }
}
