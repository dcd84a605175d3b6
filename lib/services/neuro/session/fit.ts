import { isTooDeep } from "../codec/json.ts";
import { quoted, shown, thrownText } from "../diagnostics.ts";
import type { Action } from "../protocol.ts";
import { MOST_DATA_BYTES } from "../schema/resolve.ts";
import { rulesOf } from "../schema/rules.ts";

/** What an action is sent with, as JSON text, or why it is not sent. */
export type Fit = { readonly data: string | undefined } | { readonly problem: string };

/** Checks data against the schema of an action. */
export async function fitted(action: Action, data: unknown): Promise<Fit> {
  const rules = rulesOf(action);
  // An action without a schema has no data, whatever was chosen.
  if (rules === null) return { data: undefined };
  if ("code" in rules) return { problem: rules.text };
  let text: string;
  let value: unknown;
  try {
    text = typeof data === "string" ? data : JSON.stringify(data ?? {});
    if (text.length > MOST_DATA_BYTES) {
      return { problem: `its data is longer than ${MOST_DATA_BYTES / 2 ** 20} MB` };
    }
    if (isTooDeep(text)) return { problem: "its data is nested too deep" };
    value = JSON.parse(text);
    const [first, ...more] = await rules.problemsOf(value);
    if (first === undefined) return { data: text };
    return { problem: shown([first, ...more].join("; ")) };
  } catch (error) {
    // Not JSON, circular, or nested so deep that it cannot be walked.
    return { problem: `its data is no JSON: ${thrownText(error)}` };
  }
}

/** What a brain has chosen, as far as it can be sent. */
export interface Chosen {
  readonly action: Action;
  readonly data: string | undefined;
  readonly say: string;
  readonly unchecked: boolean;
}

/** A choice that cannot be sent. */
export interface BadChoice {
  readonly name: string;
  readonly data: string | undefined;
  readonly problem: string;
}

/** Checks what a brain has answered, which may be anything. `actionOf` finds what may be chosen at present. */
export async function checkedChoice(
  answer: unknown,
  actionOf: (name: string) => Action | null,
): Promise<Chosen | BadChoice> {
  if (typeof answer !== "object" || answer === null) {
    return { name: "nothing", data: undefined, problem: `it answered ${quoted(String(answer))}` };
  }
  const { name, data, say, ...more } = answer as Readonly<Record<string, unknown>>;
  if (typeof name !== "string") {
    return { name: "nothing", data: undefined, problem: "its answer has no name" };
  }
  const unchecked = more["unchecked"] === true;
  const spoken = typeof say === "string" ? say : "";
  if (unchecked) {
    const action = actionOf(name) ?? { name, description: "", schema: null };
    return { action, data: typeof data === "string" ? data : undefined, say: spoken, unchecked };
  }
  const action = actionOf(name);
  const text = typeof data === "string" ? data : undefined;
  if (action === null) return { name, data: text, problem: "it is not among the actions" };
  const fit = await fitted(action, data);
  if ("problem" in fit) return { name, data: text ?? jsonOf(data), problem: fit.problem };
  return { action, data: fit.data, say: spoken, unchecked };
}

function jsonOf(data: unknown): string | undefined {
  try {
    return JSON.stringify(data);
  } catch {
    return undefined;
  }
}
