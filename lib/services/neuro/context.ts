/** What a brain knows of a game. */
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
const MOST_ENTRIES = 1000;
/** Games whose context is kept; the one that was silent longest is forgotten first. */
const MOST_GAMES = 1000;
/** What an entry counts besides its text. */
const ENTRY_CHARACTERS = 100;

/** Entries in order, of which the oldest are forgotten when there are too many. */
export class Context {
  readonly #entries: ContextEntry[] = [];
  #characters = 0;

  get entries(): readonly ContextEntry[] {
    return this.#entries;
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
  readonly #games = new Map<string, Context>();

  /** The context of a game, the oldest entry first. */
  of(game: string): readonly ContextEntry[] {
    return this.#games.get(game)?.entries ?? [];
  }

  add(game: string, entry: ContextEntry): void {
    const context = this.#games.get(game) ?? new Context();
    // The last in the map is the one that was heard last.
    this.#games.delete(game);
    this.#games.set(game, context);
    context.add(entry);
    if (this.#games.size <= MOST_GAMES) return;
    const [silent] = this.#games.keys();
    this.#games.delete(silent as string);
  }

  forget(game: string): void {
    this.#games.delete(game);
  }
}
