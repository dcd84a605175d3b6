import type { Question } from "../../config/section.ts";
import type { ServiceEntry } from "../../config/services.ts";
import { askChoice, BACK, type Back } from "./ask.ts";
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
    ask: (draft) => ask(draft, pathOf(question.key), question),
  }));
}

async function ask(
  draft: Draft,
  path: string,
  { title, choices = [] }: Question,
): Promise<Draft | Back> {
  const refuse = (value: unknown) => {
    const found = contradictionsIn(answered(draft, path, value)).find(({ key }) => key === path);
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
