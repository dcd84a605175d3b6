/**
 * The messages between an engine and the hub of which there are many. They are
 * strings, the cheapest thing to pass between threads: a letter, a number, and
 * for some a space and envelopes.
 */

/** From an engine: a batch, with its lines. From the hub: a batch of another engine. */
export const BATCH = "b";
/** From the hub: the engine's next batch has its place in the order. The number is that of its characters. */
export const OWN = "o";
/** From an engine: so many characters have been taken. */
export const TOOK = "t";

export function hot(letter: string, number: number): string {
  return letter + number;
}

export function hotBatch(lines: number, text: string): string {
  return `${BATCH}${lines} ${text}`;
}

export function numberOf(message: string): number {
  return Number(message.slice(1));
}

export function batchOf(message: string): { readonly lines: number; readonly text: string } {
  const space = message.indexOf(" ");
  return { lines: Number(message.slice(1, space)), text: message.slice(space + 1) };
}
