import type { Refusal } from "../refusal.ts";
import type { Term, Write } from "./group.ts";
import type { Keys } from "./keys.ts";
import { type Path, SEPARATOR, SYSTEM } from "./path.ts";
import type { Page, Paging } from "./tree/scan.ts";
import type { SetTerms, Stored } from "./stored.ts";

/**
 * The keys that clients see: their own, and the server's below `^sys`. A list of
 * all keys does not show the latter; a list of `sys` does. Each method does the
 * same as in `Keys`.
 */
export class VisibleKeys {
  /** Reads of a key that was there, and of one that was not. */
  readonly reads = { hits: 0, misses: 0 };
  readonly #keys: Keys;
  readonly #system: Keys;

  constructor(keys: Keys, system: Keys) {
    this.#keys = keys;
    this.#system = system;
  }

  get(path: Path): Stored | null {
    const found = this.#of(path).get(path);
    if (found === null) this.reads.misses++;
    else this.reads.hits++;
    return found;
  }

  left(stored: Stored): number | null {
    return this.#keys.left(stored);
  }

  // A change below ^sys is refused earlier, by `forbidden`.

  set(path: Path, text: string, terms: SetTerms): number | Refusal {
    return this.#keys.set(path, text, terms);
  }

  changeAll(terms: readonly Term[], writes: readonly Write[]): ReturnType<Keys["changeAll"]> {
    return this.#keys.changeAll(terms, writes);
  }

  del(path: Path, tree: boolean, ifVersion: number | undefined): number | Refusal {
    return this.#keys.del(path, tree, ifVersion);
  }

  increase(path: Path, by: number): number | Refusal {
    return this.#keys.increase(path, by);
  }

  expire(path: Path, ttlMs: number | null): Refusal | null {
    return this.#keys.expire(path, ttlMs);
  }

  scan(namespace: Path, prefix: string, paging: Paging): Page {
    const isSystem = namespace.length === 0 && prefix.startsWith(SYSTEM + SEPARATOR);
    const keys = isSystem ? this.#system : this.#of(namespace);
    return keys.scan(namespace, prefix, paging);
  }

  namespaces(namespace: Path, paging: Paging): Page {
    return this.#of(namespace).namespaces(namespace, paging);
  }

  next(namespace: Path, name: string, back: boolean): string | null {
    return this.#of(namespace).next(namespace, name, back);
  }

  settle(): boolean {
    // Nothing of the server's own expires.
    return this.#keys.settle();
  }

  takeVisits(): number {
    return this.#keys.takeVisits() + this.#system.takeVisits();
  }

  #of(path: Path): Keys {
    return path[0] === SYSTEM ? this.#system : this.#keys;
  }
}
