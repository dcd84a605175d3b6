import { SEPARATOR } from "../keys/path.ts";

/** Keys whose last change may not be kept: what a disk that fails was given, and is not known to have. */
export class Doubts {
  readonly #names = new Set<string>();
  /** Keys below which everything was removed. */
  readonly #trees: string[] = [];

  /** Adds the keys of records, each a line of JSON that begins with its kind and its key. */
  add(records: string): void {
    for (const line of records.split("\n")) {
      if (line === "") continue;
      const [kind, name] = JSON.parse(line) as [string, unknown];
      if (typeof name !== "string") continue;
      if (kind === "deltree") this.#trees.push(name);
      else this.#names.add(name);
    }
  }

  /** True if there are none. */
  get isEmpty(): boolean {
    return this.#names.size === 0 && this.#trees.length === 0;
  }

  /** True if a key is one of them. */
  has(name: string): boolean {
    if (this.#names.has(name)) return true;
    return this.#trees.some((tree) => name === tree || name.startsWith(tree + SEPARATOR));
  }
}
