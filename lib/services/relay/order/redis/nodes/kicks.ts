import { type Clock, within } from "../../../../../host/clock.ts";

/** Milliseconds that a node may take to answer. */
const ANSWER_MS = 5000;
const MOST_ADDRESS = 100;

/** Kicks of clients of other nodes that have not been answered. */
export class Kicks {
  readonly #clock: Clock;
  #asked = 0;
  readonly #waiting = new Map<number, (address: string | null) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param send sends the question, with its number @throws Error when there is no answer */
  async ask(send: (ask: number) => void): Promise<string | null> {
    const ask = ++this.#asked;
    const { promise, resolve } = Promise.withResolvers<{ address: string | null }>();
    this.#waiting.set(ask, (address) => resolve({ address }));
    send(ask);
    const answer = await within(this.#clock, ANSWER_MS, promise);
    this.#waiting.delete(ask);
    if (answer === null) throw new Error("the node has not answered");
    return answer.address;
  }

  answered({ ask, address }: { readonly ask?: unknown; readonly address?: unknown }): void {
    if (typeof ask !== "number") return;
    const isText = typeof address === "string" && address.length <= MOST_ADDRESS;
    this.#waiting.get(ask)?.(isText ? address : null);
  }
}
