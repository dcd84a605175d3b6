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

/** What the actions of games may take together, in characters. */
export interface ActionRoom {
  characters: number;
}

/** Characters of all actions that share a room. */
const MOST_CHARACTERS = 4 * 2 ** 20;
/** What a list, an object or a text in an action counts besides: it takes more memory than it has characters. */
const CHARACTERS = { held: 64, text: 24 };
/** Diagnostics of a kind about one batch. */
const MOST_TOLD = 100;

type Tell = (diagnostic: Diagnostic) => void;

interface Registered {
  readonly action: Action;
  readonly text: string;
  readonly characters: number;
}

/** The actions of one game. */
export class Registry implements Iterable<Action> {
  readonly #settings: () => RegistrySettings;
  readonly #actions = new Map<string, Registered>();
  readonly #missed: Missed;
  readonly #room: ActionRoom;

  constructor(
    settings: () => RegistrySettings,
    clock: Pick<Clock, "now">,
    room: ActionRoom = { characters: 0 },
  ) {
    this.#room = room;
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

  /** Registers all actions of a batch, or none. @returns false for none */
  register(actions: readonly Action[], tell: Tell): boolean {
    const { strict, keepsFirst, mostActions } = this.#settings();
    const bad = actions.filter(({ name }) => !isGoodName(name)).slice(0, MOST_TOLD);
    if (strict && bad.length > 0) {
      for (const { name } of bad) tell(diagnose("name_refused", { action: quoted(name) }));
      return false;
    }
    const batch = new Map<string, Registered>();
    const twice = new Set<string>();
    let { characters } = this.#room;
    for (const action of actions) {
      const { name } = action;
      const text = JSON.stringify(action);
      const one = { action, text, characters: text.length + besides(action) };
      if (batch.has(name) && twice.size < MOST_TOLD) twice.add(name);
      const before = batch.get(name) ?? this.#actions.get(name);
      characters += one.characters - (before?.characters ?? 0);
      batch.set(name, one);
    }
    const more = [...batch.keys()].filter((name) => !this.#actions.has(name)).length;
    const most =
      this.size + more > mostActions
        ? `${mostActions} actions`
        : characters > MOST_CHARACTERS &&
          `${MOST_CHARACTERS / 2 ** 20} MB of actions, those of others on its connection included`;
    if (most) {
      tell(diagnose("too_many_actions", { most }));
      return false;
    }
    for (const name of twice) tell(diagnose("twice_in_batch", { action: shown(name) }));
    for (const { name } of bad) tell(diagnose("bad_name", { action: quoted(name) }));
    const tellAgain = atMost(MOST_TOLD, tell);
    const remark = atMost(MOST_TOLD, tell);
    for (const [name, one] of batch) {
      const before = this.#actions.get(name);
      // The same action again keeps what is known of its schema.
      if (before?.text === one.text) continue;
      if (before !== undefined) {
        const what = { action: shown(name) };
        tellAgain(diagnose(keepsFirst ? "registration_kept" : "registered_again", what));
        if (keepsFirst) continue;
        this.unregister(name);
      }
      for (const found of remarksOn(one.action)) remark(found);
      const ms = this.#missed.take(name);
      if (ms !== null) tell(diagnose("registered_late", { action: shown(name), ms }));
      this.#actions.set(name, one);
      this.#room.characters += one.characters;
    }
    return true;
  }

  /** @returns false when it was not registered */
  unregister(name: string): boolean {
    const found = this.#actions.get(name);
    if (found === undefined) return false;
    this.#room.characters -= found.characters;
    return this.#actions.delete(name);
  }

  /** A force has named these, which are not registered. */
  miss(names: readonly string[]): void {
    this.#missed.add(names);
  }

  clear(): void {
    this.#missed.clear();
    for (const { characters } of this.#actions.values()) this.#room.characters -= characters;
    this.#actions.clear();
  }
}

/** What the values in a value count besides their characters; it stops counting where that is too much. */
function besides(value: unknown): number {
  let sum = 0;
  const walk = (one: unknown): void => {
    if (typeof one === "string") sum += CHARACTERS.text;
    if (typeof one !== "object" || one === null) return;
    sum += CHARACTERS.held;
    for (const key in one) {
      if (sum > MOST_CHARACTERS) return;
      walk((one as Readonly<Record<string, unknown>>)[key]);
    }
  };
  walk(value);
  return sum;
}

/** Tells so many, and no more. */
function atMost(most: number, tell: Tell): Tell {
  let left = most;
  return (diagnostic) => {
    if (left-- > 0) tell(diagnostic);
  };
}
