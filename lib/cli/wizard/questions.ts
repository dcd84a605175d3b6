import type { FlagsQuestion, ValueQuestion } from "../../config/section.ts";
import type { ServiceEntry } from "../../config/services.ts";
import { askChoice, askSeveral, BACK, type Back, tell } from "./ask.ts";
import { answered, contradictionsIn, type Draft, isOn, valueIn } from "./draft.ts";
import { askOption } from "./option.ts";
import type { Step } from "./step.ts";

/** The choice of an answer that is typed. */
const TYPED = "";

/** The questions of a service about itself. */
export function questionSteps(service: ServiceEntry): Step[] {
  const pathOf = (key: string) => `${service.name}.${key}`;
  return service.questions.map((question) => ({
    applies: (draft) =>
      isOn(draft, service) && question.applies?.((key) => valueIn(draft, pathOf(key))) !== false,
    ask: (draft) =>
      "flags" in question ? askFlags(draft, pathOf, question) : ask(draft, pathOf, question),
  }));
}

/** Asks until nothing contradicts what was chosen. */
async function askFlags(
  draft: Draft,
  pathOf: (key: string) => string,
  { title, flags }: FlagsQuestion,
): Promise<Draft | Back> {
  const paths = flags.map(({ key }) => pathOf(key));
  const choices = flags.map(({ key, label, hint }) => ({ value: pathOf(key), label, hint }));
  for (;;) {
    const on = paths.filter((path) => valueIn(draft, path) === true);
    const chosen = await askSeveral(title, choices, on, false);
    if (chosen === BACK) return BACK;
    let next = draft;
    for (const path of paths) next = answered(next, path, chosen.includes(path));
    const wrong = contradictionsIn(next).find(({ key }) => paths.includes(key));
    if (wrong === undefined) return next;
    tell.warn(wrong.message);
  }
}

async function ask(
  draft: Draft,
  pathOf: (key: string) => string,
  { key, title, choices = [], settles = key }: ValueQuestion,
): Promise<Draft | Back> {
  const path = pathOf(key);
  const told = [path, pathOf(settles)];
  const refuse = (value: unknown) => {
    const found = contradictionsIn(answered(draft, path, value)).find((one) =>
      told.includes(one.key),
    );
    return found?.message ?? null;
  };
  if (choices.length === 0) return askOption(draft, path, title, { refuse });
  const current = valueIn(draft, path);
  const isListed = choices.some(({ value }) => value === current);
  const shown = choices.map((one) => ({ ...one, value: one.value ?? TYPED }));
  for (;;) {
    const chosen = await askChoice(title, "", shown, isListed ? String(current) : TYPED);
    if (chosen === BACK) return BACK;
    if (chosen !== TYPED) return answered(draft, path, chosen);
    const label = choices.find(({ value }) => value === null)?.label ?? title;
    const initial = isListed ? "" : String(current);
    const typed = await askOption(draft, path, label, { initial, refuse });
    if (typed !== BACK) return typed;
  }
}
