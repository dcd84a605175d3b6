import { Refused } from "../../../host/service/panel.ts";
import type { Action } from "../protocol.ts";
import { brokenRules, filled, type Problem } from "../schema/answers.ts";
import { rulesOf } from "../schema/rules.ts";

/** Levels of lists and objects in answers; more are refused. */
const MOST_LEVELS = 100;

/**
 * Makes the data of an action from what a page gives: the answers to its form,
 * or JSON text, which is sent as it was typed.
 * @throws Refused with every problem and where it is
 */
export async function dataOf(action: Action, given: unknown): Promise<object | string | undefined> {
  const rules = rulesOf(action);
  if (rules === null) return undefined;
  if ("code" in rules) throw new Refused(409, `It was not sent: ${rules.text}`);
  if (typeof given === "string") return typed(action, given);
  if (isDeep(given, MOST_LEVELS)) {
    throw refused([{ path: [], message: `nested deeper than ${MOST_LEVELS} levels` }]);
  }
  const found = await filled(action, given);
  if ("problems" in found) throw refused(found.problems);
  return found.data;
}

async function typed(action: Action, json: string): Promise<string> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw refused([{ path: [], message: "this is not JSON" }]);
  }
  const problems = isDeep(value, MOST_LEVELS)
    ? [{ path: [], message: `nested deeper than ${MOST_LEVELS} levels` }]
    : await brokenRules(action, value);
  if (problems.length > 0) throw refused(problems);
  return json;
}

function refused(problems: readonly Problem[]): Refused {
  return new Refused(400, "It was not sent.", { problems });
}

function isDeep(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((one) => isDeep(one, levels - 1));
}
