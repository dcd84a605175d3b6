/** Texts of games within bounds, and numbers for things that have none. */
import { beginning } from "../../../host/content.ts";

/** Characters of all names of a list. */
const MOST_NAMES = 60_000;
/** What a name counts besides its characters. */
const NAME_CHARACTERS = 20;

/** A text; of a longer one the beginning, and how much more there is. */
export function bounded(text: string, most: number): string {
  if (text.length <= most) return text;
  // A text of its own: a part would keep the whole in memory.
  return Buffer.from(beginning(text, most)).toString();
}

/** The first names of a list, as many as there is room for. */
export function roomFor(names: Iterable<string>): string[] {
  const found: string[] = [];
  let left = MOST_NAMES;
  for (const name of names) {
    left -= name.length + NAME_CHARACTERS;
    if (left < 0) break;
    found.push(name);
  }
  return found;
}

/** Gives each object a number of its own, the same one whenever it is asked for. */
export class Numbered {
  readonly #numbers = new WeakMap<object, number>();
  #last = 0;

  of(object: object): number {
    let number = this.#numbers.get(object);
    if (number === undefined) {
      number = ++this.#last;
      this.#numbers.set(object, number);
    }
    return number;
  }
}
