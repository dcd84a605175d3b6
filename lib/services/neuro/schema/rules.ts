import type { Validator } from "@cfworker/json-schema";
import type { Diagnostic } from "../diagnostics.ts";
import type { Action } from "../protocol.ts";
import { sentenceOf } from "./broken.ts";
import { MOST_STEPS } from "./pattern.ts";
import { type Check, type Resolved, resolve } from "./resolve.ts";
import { sizeOf } from "./size.ts";

/** Most problems of one value that are told. */
const MOST_PROBLEMS = 5;
/** Parts of the schema times parts of the data: more is not checked. */
export const MOST_WORK = 100_000;
/** Lengths of texts whose steps are remembered. */
const MOST_KNOWN = 1000;
/** Items that are compared with each other. */
const MOST_COMPARED = 300;

/** Keywords that say no more than that something inside them is wrong. */
const AROUND = new Set(["properties", "items", "prefixItems", "allOf", "additionalProperties"]);

/** What the data of an action has to be. */
export class DataRules {
  readonly #resolved: Resolved;
  readonly #stepsOf: (length: number) => number;
  #validator: Validator | null = null;

  constructor(resolved: Resolved) {
    this.#resolved = resolved;
    this.#stepsOf = stepsOf(resolved.checks);
  }

  get resolved(): Resolved {
    return this.#resolved;
  }

  /** What is wrong with data, a sentence each without its end; nothing when it may be sent. */
  async problemsOf(data: unknown): Promise<readonly string[]> {
    if (typeof data !== "object" || data === null || Array.isArray(data)) {
      return ["the data is no object"];
    }
    const { part } = this.#resolved;
    const unchecked = uncheckable(data, this.#resolved, this.#stepsOf);
    if (unchecked !== null) return [unchecked];
    if (this.#validator === null) {
      // Loaded when the first data is checked: a server whose games have no schemas does without.
      const { Validator } = await import("@cfworker/json-schema");
      this.#validator = new Validator(part as object, "2020-12", false);
    }
    const { errors } = this.#validator.validate(data);
    const inner = errors.filter(({ keyword }) => !AROUND.has(keyword));
    return (inner.length > 0 ? inner : errors)
      .slice(0, MOST_PROBLEMS)
      .map((unit) => sentenceOf(unit, part, data));
  }
}

/** Why data is not checked: checking it might take too long. */
function uncheckable(
  data: object,
  { size, checks, compares }: Resolved,
  stepsOf: (length: number) => number,
): string | null {
  let why: string | null = null;
  let steps = 0;
  const text = (length: number, what: string): void => {
    steps += stepsOf(length);
    if (steps > MOST_STEPS) why = `${what} in it is too long`;
  };
  const walk = (value: unknown): void => {
    if (typeof value === "string") text(value.length, "a text");
    if (typeof value !== "object" || value === null || why !== null) return;
    const isList = Array.isArray(value);
    if (isList && compares && value.length > MOST_COMPARED) why = "a list in it is too long";
    for (const key in value) {
      if (!isList) text(key.length, "a key");
      walk((value as Record<string, unknown>)[key]);
    }
  };
  if (sizeOf(data) * size > MOST_WORK) why = "it is too large";
  else if (checks.length > 0 || compares) walk(data);
  return why === null ? null : `the data cannot be checked: ${why}`;
}

/** How many steps all these checks of a text take at most, by its length. */
function stepsOf(checks: readonly Check[]): (length: number) => number {
  const times = new Map<Check, number>();
  for (const one of checks) times.set(one, (times.get(one) ?? 0) + 1);
  const known = new Map<number, number>();
  return (length) => {
    let steps = known.get(length) ?? 0;
    if (steps > 0 || times.size === 0) return steps;
    for (const [check, count] of times) steps += count * check.steps(length);
    if (known.size < MOST_KNOWN) known.set(length, steps);
    return steps;
  };
}

/** Rules that are kept, by their actions: the newest, and as many as have so many parts together. */
const MOST_KEPT = 200_000;
const kept = new WeakMap<Action, DataRules>();
const keptInOrder: { readonly action: WeakRef<Action>; readonly size: number }[] = [];
let keptParts = 0;

function keep(action: Action, rules: DataRules): void {
  const { size } = rules.resolved;
  kept.set(action, rules);
  keptInOrder.push({ action: new WeakRef(action), size });
  keptParts += size;
  while (keptParts > MOST_KEPT && keptInOrder.length > 1) {
    const oldest = keptInOrder.shift() as (typeof keptInOrder)[number];
    keptParts -= oldest.size;
    const gone = oldest.action.deref();
    if (gone !== undefined) kept.delete(gone);
  }
}

/** What is known of a schema that has been read. */
interface Known {
  /** Why its action cannot be chosen; null when it can. */
  readonly trouble: Diagnostic | null;
  /** What of it is not heeded, until that has been told. */
  remarks: readonly Diagnostic[];
}
const known = new WeakMap<Action, Known>();

/** What the data of an action has to be, or why it cannot be chosen; null for an action without data. */
export function rulesOf(action: Action): DataRules | Diagnostic | null {
  const { name, schema } = action;
  if (schema === null) return null;
  const before = known.get(action)?.trouble ?? kept.get(action);
  if (before !== undefined) return before;
  const resolved = resolve(name, schema);
  if ("code" in resolved) {
    known.set(action, { trouble: resolved, remarks: [] });
    return resolved;
  }
  if (!known.has(action)) known.set(action, { trouble: null, remarks: resolved.diagnostics });
  const rules = new DataRules(resolved);
  keep(action, rules);
  return rules;
}

/** A look at an action: it can be chosen, or has a trouble. */
export interface Look {
  /** The reason why it cannot be chosen; null when it can. */
  readonly trouble: Diagnostic | null;
  /** The parts of its schema that are not heeded: told by one look alone. */
  readonly remarks: readonly Diagnostic[];
  /** Parts of the schema that were read for it; Infinity when that ended with a trouble. */
  readonly parts: number;
}

/** Looks whether an action can be chosen. */
export function lookAt(action: Action): Look {
  let parts = 0;
  if (!known.has(action)) {
    const rules = rulesOf(action);
    if (rules !== null) parts = "code" in rules ? Infinity : rules.resolved.size;
  }
  const found = known.get(action);
  const { trouble = null, remarks = [] } = found ?? {};
  if (found !== undefined) found.remarks = [];
  return { trouble, remarks, parts };
}
