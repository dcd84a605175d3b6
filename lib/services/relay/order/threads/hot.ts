/**
 * The messages between an engine and the hub of which there are many. They are
 * strings, the cheapest thing to pass between threads.
 *
 * An engine sends a batch, or the number of characters that it has taken. The
 * hub sends the deliveries of a turn, one after the other.
 */

const BATCH = "b";
const TOOK = "t";
const OWN = "o";

/** From an engine: whole envelopes, and their number. */
export function batchMessage(lines: number, text: string): string {
  return `${BATCH}${lines} ${text}`;
}

/** From an engine: so many characters have been taken. */
export function tookMessage(characters: number): string {
  return `${TOOK}${characters}`;
}

/** Reads a message of an engine. */
export function readMessage(
  message: string,
  { batch, took }: { batch(lines: number, text: string): void; took(characters: number): void },
): void {
  if (message.startsWith(TOOK)) return took(Number(message.slice(1)));
  const space = message.indexOf(" ");
  batch(Number(message.slice(1, space)), message.slice(space + 1));
}

/** What the hub delivers: a batch of another engine, or (without text) the place of the engine's own next one. */
export interface Delivery {
  readonly text: string | null;
  readonly lines: number;
  /** The characters of the batch. */
  readonly characters: number;
}

/** The engine's next batch has its place. */
export function ownDelivery(characters: number): string {
  return `${OWN}${characters} `;
}

/** A batch of another engine. */
export function foreignDelivery(lines: number, text: string): string {
  return `${BATCH}${lines},${text.length} ${text}`;
}

/** The deliveries in a message of the hub. */
export function deliveriesIn(message: string): Delivery[] {
  const found: Delivery[] = [];
  for (let at = 0; at < message.length;) {
    const space = message.indexOf(" ", at);
    if (message.startsWith(OWN, at)) {
      found.push({ text: null, lines: 0, characters: Number(message.slice(at + 1, space)) });
      at = space + 1;
      continue;
    }
    const [lines = 0, characters = 0] = message
      .slice(at + 1, space)
      .split(",")
      .map(Number);
    at = space + 1 + characters;
    found.push({ text: message.slice(space + 1, at), lines, characters });
  }
  return found;
}
