/** Texts of games within bounds, and numbers for things that have none. */
import { beginning } from "../../../host/content.ts";

/** Characters of the name of an action that the page can be given; a longer one cannot be cut, since it is sent back. */
export const LONGEST_NAME = 500;
/** Characters of all names of a list. */
const MOST_NAMES = 60_000;

/** A text; of a longer one the beginning, and how much more there is. */
export function bounded(text: string, most = 200): string {
  return beginning(text, most);
}

/** The names that have room in a list, as they are. */
export function roomFor(names: Iterable<string>): string[] {
  const found: string[] = [];
  let left = MOST_NAMES;
  for (const name of names) {
    if (name.length > LONGEST_NAME) continue;
    left -= name.length + 20;
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
