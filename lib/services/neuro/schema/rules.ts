import type { Validator } from "@cfworker/json-schema";
import type { Diagnostic } from "../diagnostics.ts";
import type { Action } from "../protocol.ts";
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
  #isTold = false;

  constructor(resolved: Resolved) {
    this.#resolved = resolved;
  }

  get resolved(): Resolved {
    return this.#resolved;
  }

  /** What its developer should know of the schema; nothing after the first time. */
  untold(): readonly Diagnostic[] {
    if (this.#isTold) return [];
    this.#isTold = true;
    return this.#resolved.diagnostics;
  }

  /** What is wrong with data, a line each; nothing when it may be sent. */
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
      .map(({ instanceLocation, error }) => `${instanceLocation.slice(1) || "/"}: ${error}`);
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

/** The rules of each action, made when first asked for. */
const known = new WeakMap<Action, DataRules | Diagnostic>();

/** What the data of an action has to be, or why it cannot be chosen; null for an action without data. */
export function rulesOf(action: Action): DataRules | Diagnostic | null {
  const { name, schema } = action;
  if (schema === null) return null;
  let rules = known.get(action);
  if (rules === undefined) {
    const resolved = resolve(name, schema);
    rules = "code" in resolved ? resolved : new DataRules(resolved);
    known.set(action, rules);
  }
  return rules;
}
