/** Milliseconds between two looks at the counts of clients. */
export const LOOK_MS = 5000;

/** The rates of a client's messages, and of those refused, over the last 5 to 10 seconds: since the look before the last. */
export class Recent {
  #before: Seen;
  #last: Seen;

  /** @param now clock milliseconds */
  constructor(now: number) {
    this.#before = { at: now, messages: 0, refused: 0 };
    this.#last = { at: now, messages: 0, refused: 0 };
  }

  /** Notes the counts at `now` (clock milliseconds); called every `LOOK_MS`. */
  look(now: number, messages: number, refused: number): void {
    const seen = this.#before;
    seen.at = now;
    seen.messages = messages;
    seen.refused = refused;
    this.#before = this.#last;
    this.#last = seen;
  }

  /** True if there were messages between the last two looks. */
  get isBusy(): boolean {
    return (
      this.#last.messages !== this.#before.messages || this.#last.refused !== this.#before.refused
    );
  }

  /** The rates between the last two looks. */
  lastStep(): { readonly messagesPerSecond: number; readonly refusedPerSecond: number } {
    const [before, last] = [this.#before, this.#last];
    const seconds = Math.max(1, (last.at - before.at) / 1000);
    return {
      messagesPerSecond: (last.messages - before.messages) / seconds,
      refusedPerSecond: (last.refused - before.refused) / seconds,
    };
  }

  messagesPerSecond(now: number, messages: number): number {
    return this.#perSecond(now, messages - this.#before.messages);
  }

  refusedPerSecond(now: number, refused: number): number {
    return this.#perSecond(now, refused - this.#before.refused);
  }

  #perSecond(now: number, count: number): number {
    // One message of a client that has just come would be a high rate.
    const seconds = Math.max(1, (now - this.#before.at) / 1000);
    return Math.round((100 * count) / seconds) / 100;
  }
}

interface Seen {
  at: number;
  messages: number;
  refused: number;
}
