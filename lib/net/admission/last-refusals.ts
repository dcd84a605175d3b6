import type { RefusedMessage } from "../../host/service.ts";

/** Refusals that are kept of one client, and clients of a service of whom any are kept. */
export const REFUSALS_KEPT = 8;
export const CLIENTS_KEPT = 1000;
/** Characters of its words that are kept. */
const WORDS = 200;

interface Kept extends RefusedMessage {
  at: number;
  times: number;
}

/** The last messages of each client that were refused, and why: a bounded number of a bounded number of clients. */
export class LastRefusals {
  /** By client; whose first refusal came first is the first, and makes room. */
  readonly #of = new Map<number, Kept[]>();

  /** Notes a refusal at `at` (clock milliseconds). One just like the last is counted with it. */
  note(id: number, at: number, code: string, words: string): void {
    const kept = this.#of.get(id) ?? this.#begin(id);
    const last = kept.at(-1);
    if (last !== undefined && last.code === code && last.words === words) {
      last.at = at;
      last.times++;
      return;
    }
    if (kept.length === REFUSALS_KEPT) kept.shift();
    kept.push({ at, code, words: cut(words), times: 1 });
  }

  /** Those of a client, the newest first. */
  of(id: number): readonly RefusedMessage[] {
    return this.#of.get(id)?.toReversed() ?? [];
  }

  forget(id: number): void {
    this.#of.delete(id);
  }

  #begin(id: number): Kept[] {
    if (this.#of.size === CLIENTS_KEPT) {
      for (const first of this.#of.keys()) {
        this.#of.delete(first);
        break;
      }
    }
    const kept: Kept[] = [];
    this.#of.set(id, kept);
    return kept;
  }
}

/** A part of a text would keep all of it in memory, so it is copied. */
function cut(words: string): string {
  if (words.length <= WORDS) return words;
  return Buffer.from(words.slice(0, WORDS)).toString().toWellFormed();
}
