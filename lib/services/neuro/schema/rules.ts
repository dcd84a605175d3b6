import type { Validator } from "@cfworker/json-schema";
import type { Diagnostic } from "../diagnostics.ts";
import type { Action } from "../protocol.ts";
import { sentenceOf } from "./broken.ts";
import { type Resolved, resolve } from "./resolve.ts";
import { sizeOf } from "./size.ts";

/** Most problems of one value that are told. */
const MOST_PROBLEMS = 5;
/** Parts of the schema times parts of the data: more is not checked. */
export const MOST_WORK = 100_000;
/** Items that are compared with each other. */
const MOST_COMPARED = 300;

/** Keywords that say no more than that something inside them is wrong. */
const AROUND = new Set(["properties", "items", "prefixItems", "allOf", "additionalProperties"]);

/** What the data of an action has to be. */
export class DataRules {
  readonly #resolved: Resolved;
  #validator: Validator | null = null;

  constructor(resolved: Resolved) {
    this.#resolved = resolved;
  }

  get resolved(): Resolved {
    return this.#resolved;
  }

  /** What is wrong with data, a sentence each without its end; nothing when it may be sent. */
  async problemsOf(data: unknown): Promise<readonly string[]> {
    if (typeof data !== "object" || data === null || Array.isArray(data)) {
      return ["the data is no object"];
    }
    const { part, size, longest, compares } = this.#resolved;
    const unchecked = uncheckable(data, size, longest, compares ? MOST_COMPARED : Infinity);
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
  parts: number,
  longest: number,
  mostItems: number,
): string | null {
  let why: string | null = null;
  const walk = (value: unknown): void => {
    if (typeof value === "string" && value.length > longest) why = "a text in it is too long";
    if (typeof value !== "object" || value === null || why !== null) return;
    if (Array.isArray(value) && value.length > mostItems) why = "a list in it is too long";
    for (const key in value) {
      if (key.length > longest) why = "a key in it is too long";
      walk((value as Record<string, unknown>)[key]);
    }
  };
  if (sizeOf(data) * parts > MOST_WORK) why = "it is too large";
  else walk(data);
  return why === null ? null : `the data cannot be checked: ${why}`;
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

/** Whether an action can be chosen. */
export interface Look {
  /** Why not; null when it can. */
  readonly trouble: Diagnostic | null;
  /** What of its schema is not heeded: told by one look alone. */
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
