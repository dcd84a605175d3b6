/** The context of games: all that their brains know of them. */
import { firstOf } from "../../host/content.ts";

/** Something that has entered the context of a game. */
export interface ContextEntry {
  readonly kind: "context" | "result" | "force";
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly text: string;
  /** A context that nobody is to react to. */
  readonly silent: boolean;
  /** A result that says failure. */
  readonly failed: boolean;
}

/** Longer texts are cut. */
const LONGEST_TEXT = 256 * 2 ** 10;
/** Characters that are kept of one game. */
const MOST_CHARACTERS = 2 ** 20;
/** Those of all games together. */
const MOST_OF_ALL = 64 * 2 ** 20;
const MOST_ENTRIES = 1000;
/** Games whose context is kept. */
const MOST_REMEMBERED = 1000;
/** Characters that an entry counts besides its text. */
const ENTRY_CHARACTERS = 100;

/** Entries in order, of which the oldest are forgotten when there are too many. */
export class Context {
  readonly #entries: ContextEntry[] = [];
  #characters = 0;

  get entries(): readonly ContextEntry[] {
    return this.#entries;
  }

  get characters(): number {
    return this.#characters;
  }

  add(entry: ContextEntry): void {
    const { text } = entry;
    const kept =
      text.length > LONGEST_TEXT ? { ...entry, text: `${firstOf(text, LONGEST_TEXT)}...` } : entry;
    this.#entries.push(kept);
    this.#characters += kept.text.length + ENTRY_CHARACTERS;
    while (this.#characters > MOST_CHARACTERS || this.#entries.length > MOST_ENTRIES) {
      const oldest = this.#entries.shift() as ContextEntry;
      this.#characters -= oldest.text.length + ENTRY_CHARACTERS;
    }
  }

  /** Takes all of it away. */
  takeAll(): readonly ContextEntry[] {
    this.#characters = 0;
    return this.#entries.splice(0);
  }
}

/** The context of every game, by its name. It outlasts connections. */
export class Memory {
  readonly #isHere: (game: string) => boolean;
  /** The one that was heard last is the last. */
  readonly #games = new Map<string, Context>();
  #characters = 0;

  /** @param isHere true if a game of the name is connected: what is known of it is kept longer */
  constructor(isHere: (game: string) => boolean = () => false) {
    this.#isHere = isHere;
  }

  /** The context of a game, the oldest entry first. */
  of(game: string): readonly ContextEntry[] {
    return this.#games.get(game)?.entries ?? [];
  }

  add(game: string, entry: ContextEntry): void {
    const context = this.#games.get(game) ?? new Context();
    this.#games.delete(game);
    this.#games.set(game, context);
    const before = context.characters;
    context.add(entry);
    this.#characters += context.characters - before;
    while (this.#games.size > MOST_REMEMBERED || this.#characters > MOST_OF_ALL)
      this.#forgetOne(game);
  }

  /** Forgets the game that was silent longest of those that have gone; where all others are here, the one with most. */
  #forgetOne(but: string): void {
    let largest: [game: string, characters: number] | null = null;
    for (const [game, { characters }] of this.#games) {
      if (game === but) continue;
      if (!this.#isHere(game)) {
        this.forget(game);
        return;
      }
      if (largest === null || characters > largest[1]) largest = [game, characters];
    }
    if (largest !== null) this.forget(largest[0]);
  }

  forget(game: string): void {
    this.#characters -= this.#games.get(game)?.characters ?? 0;
    this.#games.delete(game);
  }
}
