/** Reads one step of a scenario, from a file or from a function's call. */
import type { Layer, Problem } from "../../../../config/layer.ts";
import { whereIn } from "../../../../config/layer.ts";
import { nearest } from "../../../../config/nearest.ts";
import { readTable } from "../../../../config/read.ts";
import { describe, keyText } from "../../../../config/shown.ts";
import type { Entries } from "../../../../config/section.ts";
import { shown } from "../../diagnostics.ts";
import { EXPECTED, type ReadStep, STEPS, type StepName, VERBS } from "./format.ts";

/** A step, or what is wrong with it. */
export type StepReading = ReadStep | readonly Problem[];

/** @param layer the table of the step, with the positions of its keys @param where its place as a whole */
export function readStep(layer: Layer, where: string): StepReading {
  const { values } = layer;
  const at = (key: string, message: string): Problem => ({
    where: layer.positions?.at([key]) ? whereIn(layer, [key]) : where,
    message: `${keyText([key])}: ${message}`,
  });
  const verbs = VERBS.filter((verb) => Object.hasOwn(values, verb));
  const [verb, second] = verbs;
  if (verb === undefined) return unclear(layer, where, at);
  if (second !== undefined && !(second === "say" && verb === "answer")) {
    return [at(second, `a step does one thing, and this one has ${verb} too`)];
  }
  const name = verb === "expect" ? values["expect"] : verb;
  if (!isStepName(name, verb)) {
    const word = typeof name === "string" ? nearest(name, EXPECTED) : undefined;
    const hint = word === undefined ? "" : `; did you mean "${word}"?`;
    const allowed = EXPECTED.map((one) => `"${one}"`).join(", ");
    return [at("expect", `found ${describe(name)}; allowed: ${allowed}${hint}`)];
  }
  const { entries, ...kind }: { entries: Entries; needs?: string } = STEPS[name];
  const problems: Problem[] = [];
  const own: Record<string, unknown> = {};
  const called = verb === "expect" ? `expect = "${name}"` : verb;
  for (const [key, value] of Object.entries(values)) {
    if (key === "expect" && verb === "expect") continue;
    if (Object.hasOwn(entries, key) || !isKeyOfAny(key)) own[key] = value;
    else {
      const takes = Object.keys(entries).join(", ") || "nothing else";
      problems.push(at(key, `not for ${called}, which takes ${takes}`));
    }
  }
  const read = readTable(entries, { ...layer, values: own });
  problems.push(...read.problems);
  const { needs } = kind;
  if (needs !== undefined && !Object.hasOwn(own, needs)) {
    problems.push({ where, message: `${needs}: missing; ${called} needs it` });
  }
  if (problems.length > 0) return problems;
  return { name, values: read.values, where, text: textOf(verb, values) } as ReadStep;
}

function isStepName(name: unknown, verb: string): name is StepName {
  if (typeof name !== "string" || !Object.hasOwn(STEPS, name)) return false;
  return STEPS[name as StepName].verb === verb;
}

const KEYS = new Set<string>([
  ...VERBS,
  ...Object.values(STEPS).flatMap(({ entries }) => Object.keys(entries)),
]);

function isKeyOfAny(key: string): boolean {
  return KEYS.has(key);
}

/** What is wrong with a step that says neither what is expected nor what is done. */
function unclear(
  { values }: Layer,
  where: string,
  at: (key: string, message: string) => Problem,
): readonly Problem[] {
  const slips = Object.keys(values).flatMap((key) => {
    const meant = isKeyOfAny(key) ? undefined : nearest(key, VERBS);
    return meant === undefined ? [] : [at(key, `unknown key; did you mean ${meant}?`)];
  });
  if (slips.length > 0) return slips;
  return [{ where, message: `a step has one of these keys: ${VERBS.join(", ")}` }];
}

/** Keys that say how, not what. */
const UNSAID = new Set(["within", "unchecked"]);

/** A step as a person reads it: `expect force play, state "your turn"`. */
function textOf(verb: string, values: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(values)
    .filter(([key]) => key !== verb && !UNSAID.has(key))
    .map(([key, value]) => {
      if (key === "actions") return ` ${several(value)}`;
      if (key === "message") return ` ${quoted(value)}`;
      if (key === "data") return ` ${typeof value === "string" ? value : json(value)}`;
      return `, ${key} ${quoted(value)}`;
    })
    .toSorted((a, b) => Number(a.startsWith(",")) - Number(b.startsWith(",")));
  const first = values[verb];
  return shown(`${verb} ${verb === "say" ? quoted(first) : String(first)}${parts.join("")}`);
}

function several(value: unknown): string {
  return Array.isArray(value) ? value.join(", ") : String(value);
}

function quoted(value: unknown): string {
  if (Array.isArray(value)) return several(value);
  if (typeof value !== "string") return value instanceof RegExp ? String(value) : json(value);
  return /^\/.+\/[a-z]*$/s.test(value) ? value : `"${value}"`;
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
