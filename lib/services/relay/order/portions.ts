import type { RelayClient } from "../client.ts";

/** Characters of envelopes that the outboxes of members hold wherever they do not lag. */
export function portionOf({ outbox_bytes }: { readonly outbox_bytes: number }): number {
  return outbox_bytes / 24;
}

/** Envelopes that are to be delivered. */
interface Waiting {
  readonly sender: RelayClient | null;
  /** Where what is not delivered yet begins. */
  at: number;
  readonly text: string;
  /** Lines of it that are not delivered yet. */
  lines: number;
}

/** The part of an engine that takes deliveries. */
export interface Receiver {
  deliver(sender: RelayClient | null, envelopes: string, lines: number): void;
  readonly resting: boolean;
}

/**
 * Hands an engine what comes from other engines, which may gather more at once
 * than its members may have waiting: in portions, and none while it rests.
 */
export class Portions {
  readonly #receiver: Receiver;
  readonly #most: () => number;
  #waiting: Waiting[] = [];

  /** @param most characters of a portion, unless a single line has more */
  constructor(receiver: Receiver, most: () => number) {
    this.#receiver = receiver;
    this.#most = most;
  }

  /** True while something waits for the engine. */
  get wait(): boolean {
    return this.#waiting.length > 0;
  }

  deliver(sender: RelayClient | null, text: string, lines: number): void {
    if (!this.wait && text.length <= this.#most()) {
      this.#receiver.deliver(sender, text, lines);
      return;
    }
    this.#waiting.push({ sender, at: 0, text, lines });
    if (this.#waiting.length === 1) this.rested();
  }

  /** Goes on, until the engine rests again. */
  rested(): void {
    while (!this.#receiver.resting) {
      const first = this.#waiting[0];
      if (first === undefined) return;
      if (first.text.length - first.at <= this.#most()) {
        this.#waiting.shift();
        this.#receiver.deliver(first.sender, first.text.slice(first.at), first.lines);
      } else this.#deliverSome(first);
    }
  }

  /** Delivers whole lines of about a portion; at least one. */
  #deliverSome(waiting: Waiting): void {
    const { sender, at, text } = waiting;
    const upto = at + this.#most();
    let [end, lines] = [at, 0];
    do {
      end = text.indexOf("\n", end) + 1;
      lines++;
    } while (end < upto && lines < waiting.lines);
    waiting.at = end;
    waiting.lines -= lines;
    if (waiting.lines === 0) this.#waiting.shift();
    this.#receiver.deliver(sender, text.slice(at, end), lines);
  }
}
