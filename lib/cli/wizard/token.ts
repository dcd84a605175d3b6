import { existsSync } from "node:fs";
import type { Option } from "../../config/option.ts";
import { askChoice, BACK, type Back, type Choice } from "./ask.ts";
import {
  answered,
  besides,
  type Draft,
  isOn,
  needsToken,
  OPTIONS,
  type TokenFile,
  valueIn,
  withNewToken,
} from "./draft.ts";
import { holdsToken } from "./files.ts";
import type { Step } from "./step.ts";

/** The question about the token for the actions of a service. */
export function tokenStep(token: TokenFile, target: string): Step {
  return {
    applies: (draft) => isOn(draft, token.service),
    ask: (draft) => askToken(draft, token, target),
  };
}

async function askToken(draft: Draft, token: TokenFile, target: string): Promise<Draft | Back> {
  const { path, name, variable } = token;
  const file = (valueIn(draft, path) as string) || besides(target, ".token");
  const [there, usable] = [existsSync(file), holdsToken(file)];
  const choices: Choice<string>[] = [];
  if (usable) choices.push({ value: "keep", label: `The one in ${file}` });
  choices.push({
    value: "make",
    label: there ? `A new one; it replaces what ${file} holds` : `A new one, kept in ${file}`,
    hint: "shown once, at the end",
  });
  if (process.env[variable]) {
    choices.push({ value: "none", label: `The one in the environment, as ${variable}` });
  } else if (!needsToken(draft, token)) {
    choices.push({ value: "none", label: `None, and no ${name} actions` });
  }
  const { about } = OPTIONS.get(path) as Option<unknown>;
  const initial = draft.newTokens.has(path) ? "make" : usable ? "keep" : "make";
  const chosen = await askChoice(
    `Which token opens the ${name} actions?`,
    `${path}: ${about}`,
    choices,
    initial,
  );
  if (chosen === BACK) return BACK;
  const next = answered(draft, path, chosen === "none" ? "" : file);
  return withNewToken(next, path, chosen === "make");
}
