/** Milliseconds between two looks at how much clients have sent. */
export const LOOK_MS = 5000;

/** How fast a client's messages, and those of them that are refused, have come lately: over one to two looks. */
export class Recent {
  #before: Seen;
  #last: Seen;

  /** @param now clock milliseconds */
  constructor(now: number) {
    this.#before = { at: now, messages: 0, refused: 0 };
    this.#last = { at: now, messages: 0, refused: 0 };
  }

  /** Called every `LOOK_MS` with the counts of then. */
  look(now: number, messages: number, refused: number): void {
    const seen = this.#before;
    seen.at = now;
    seen.messages = messages;
    seen.refused = refused;
    this.#before = this.#last;
    this.#last = seen;
  }

  messagesPerSecond(now: number, messages: number): number {
    return this.#perSecond(now, messages - this.#before.messages);
  }

  refusedPerSecond(now: number, refused: number): number {
    return this.#perSecond(now, refused - this.#before.refused);
  }

  #perSecond(now: number, count: number): number {
    // Of a client that has only just come, little is known.
    const seconds = Math.max(1, (now - this.#before.at) / 1000);
    return Math.round((100 * count) / seconds) / 100;
  }
}

interface Seen {
  at: number;
  messages: number;
  refused: number;
}
