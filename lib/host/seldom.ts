import type { Clock } from "./clock.ts";

const SECOND_MS = 1000;
/** Kinds that are told apart at once; what is beyond them is counted together. */
const MAX_KINDS = 20;

/**
 * For what may happen often, as whatever a client can cause: the first of a kind
 * is told of at once, and how many more there were at most once a second.
 */
export class Seldom {
  readonly #clock: Clock;
  readonly #tellMore: (kind: string | null, more: number) => void;
  /** How many of each kind have not been told of, and when it was told of last. */
  readonly #kinds = new Map<string, { more: number; toldAt: number }>();
  /** How many of further kinds have not been told of. */
  #others = 0;
  #stop: (() => void) | null = null;

  /** @param tellMore says how many more there were of a kind; null stands for all kinds that were too many */
  constructor(clock: Clock, tellMore: (kind: string | null, more: number) => void) {
    this.#clock = clock;
    this.#tellMore = tellMore;
  }

  /** Counts one more of a kind. @returns whether to tell of it now */
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

  /** Tells what has not been told of yet. */
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
