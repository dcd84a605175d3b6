import type { KeyEngine, Page, Paging, SetTerms, Stored } from "./engine.ts";
import { type Path, SEPARATOR, SYSTEM } from "../path.ts";
import type { Refusal } from "../refusal.ts";

/**
 * The keys of the clients, and beside them those below `^sys`, which are the
 * server's own: a list of all keys does not show them, one of `sys` does.
 */
export class Spaces implements KeyEngine {
  readonly #keys: KeyEngine;
  readonly #system: KeyEngine;

  constructor(keys: KeyEngine, system: KeyEngine) {
    this.#keys = keys;
    this.#system = system;
  }

  get(path: Path): Stored | null {
    return this.#of(path).get(path);
  }

  // Nobody but the server writes below ^sys: these are refused before they get here.

  set(path: Path, text: string, terms: SetTerms): number | Refusal {
    return this.#keys.set(path, text, terms);
  }

  setAll(values: readonly (readonly [path: Path, text: string])[]): Refusal | null {
    return this.#keys.setAll(values);
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

  spent(): number {
    return this.#keys.spent() + this.#system.spent();
  }

  #of(path: Path): KeyEngine {
    return path[0] === SYSTEM ? this.#system : this.#keys;
  }
}
