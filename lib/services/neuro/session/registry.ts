import type { Clock } from "../../../host/clock.ts";
import { isGoodName } from "../codec/decode.ts";
import { type Diagnostic, diagnose, quoted, shown } from "../diagnostics.ts";
import { Missed } from "./missed.ts";
import type { Action } from "../protocol.ts";
import { remarksOn } from "../schema/keywords.ts";

export interface RegistrySettings {
  /** Names that are not good are refused. */
  readonly strict: boolean;
  /** An action whose name is registered already is ignored, as servers did before 2026-08. */
  readonly keepsFirst: boolean;
  readonly mostActions: number;
}

/** Characters of all actions of one game together. */
const MOST_CHARACTERS = 4 * 2 ** 20;

/** The actions of one game. */
export class Registry implements Iterable<Action> {
  readonly #settings: () => RegistrySettings;
  readonly #actions = new Map<string, { readonly action: Action; readonly text: string }>();
  readonly #missed: Missed;
  #characters = 0;

  constructor(settings: () => RegistrySettings, clock: Pick<Clock, "now">) {
    this.#settings = settings;
    this.#missed = new Missed(clock);
  }

  get size(): number {
    return this.#actions.size;
  }

  get names(): readonly string[] {
    return [...this.#actions.keys()];
  }

  has(name: string): boolean {
    return this.#actions.has(name);
  }

  get(name: string): Action | null {
    return this.#actions.get(name)?.action ?? null;
  }

  *[Symbol.iterator](): Iterator<Action> {
    for (const { action } of this.#actions.values()) yield action;
  }

  /** Registers all actions of a batch, or none. @returns whether they were taken */
  register(actions: readonly Action[], tell: (diagnostic: Diagnostic) => void): boolean {
    const { strict, keepsFirst, mostActions } = this.#settings();
    const bad = actions.filter(({ name }) => !isGoodName(name));
    if (strict && bad.length > 0) {
      for (const { name } of bad) tell(diagnose("name_refused", { action: quoted(name) }));
      return false;
    }
    const batch = new Map<string, { action: Action; text: string }>();
    let characters = this.#characters;
    for (const action of actions) {
      const { name } = action;
      const text = JSON.stringify(action);
      if (batch.has(name)) tell(diagnose("twice_in_batch", { action: shown(name) }));
      characters += text.length;
      batch.set(name, { action, text });
    }
    const more = [...batch.keys()].filter((name) => !this.#actions.has(name)).length;
    const most =
      this.size + more > mostActions
        ? `${mostActions} actions`
        : characters > MOST_CHARACTERS && `${MOST_CHARACTERS / 2 ** 20} MB of actions`;
    if (most) {
      tell(diagnose("too_many_actions", { most }));
      return false;
    }
    for (const { name } of bad) tell(diagnose("bad_name", { action: quoted(name) }));
    for (const [name, one] of batch) {
      const before = this.#actions.get(name);
      // The same action again keeps what is known of its schema.
      if (before?.text === one.text) continue;
      if (before !== undefined) {
        const what = { action: shown(name) };
        tell(diagnose(keepsFirst ? "registration_kept" : "registered_again", what));
        if (keepsFirst) continue;
        this.unregister(name);
      }
      for (const remark of remarksOn(one.action)) tell(remark);
      const ms = this.#missed.take(name);
      if (ms !== null) tell(diagnose("registered_late", { action: shown(name), ms }));
      this.#actions.set(name, one);
      this.#characters += one.text.length;
    }
    return true;
  }

  /** @returns whether it was registered */
  unregister(name: string): boolean {
    const found = this.#actions.get(name);
    if (found === undefined) return false;
    this.#characters -= found.text.length;
    return this.#actions.delete(name);
  }

  /** A force has named these, which are not registered. */
  miss(names: readonly string[]): void {
    this.#missed.add(names);
  }

  clear(): void {
    this.#missed.clear();
    this.#actions.clear();
    this.#characters = 0;
  }
}
