import { contradictions } from "../../config/contradictions.ts";
import type { Option } from "../../config/option.ts";
import { tomlValue } from "../../config/render.ts";
import type { Guards } from "../../config/section.ts";
import type { ServiceEntry } from "../../config/services.ts";
import { settings } from "../../config/table.ts";
import { askChoice, BACK, type Back, type Choice, tell } from "./ask.ts";
import { type Draft, givenIn, isOn, OPTIONS, rendered, valueIn } from "./draft.ts";
import { askOption, lastKey } from "./option.ts";
import type { Step } from "./step.ts";

/** The question about the guards of a service. */
export function guardStep(service: ServiceEntry, guards: Guards): Step {
  return {
    applies: (draft) => isOn(draft, service),
    ask: (draft, keep) => askGuards(draft, guards, keep),
  };
}

async function askGuards(
  draft: Draft,
  { paths, acting }: Guards,
  keep: (draft: Draft) => void,
): Promise<Draft | Back> {
  let next = draft;
  for (;;) {
    const choices: Choice<string>[] = [{ value: "", label: "Keep them" }];
    const now = next;
    for (const path of acting?.((path) => valueIn(now, path)) ?? paths) {
      const { about } = OPTIONS.get(path) as Option<unknown>;
      const label = `${lastKey(path)} = ${tomlValue(valueIn(next, path))}`;
      choices.push({ value: path, label, more: about });
    }
    const path = await askChoice("Keep these guards, or change one?", "", choices, "");
    if (path === BACK) return BACK;
    if (path === "") {
      const wrong = guardTroubles(next, paths);
      if (wrong.length === 0) return next;
      for (const trouble of wrong) tell.warn(trouble);
      continue;
    }
    const { allowed, words } = OPTIONS.get(path) as Option<unknown>;
    const isShown = words !== undefined || typeof valueIn(next, path) === "boolean";
    const about = isShown ? "" : `Allowed: ${allowed}.`;
    const changed = await askOption(next, path, lastKey(path), { about });
    if (changed === BACK) continue;
    next = changed;
    keep(next);
  }
}

/** The contradictions among the guards, in words. */
function guardTroubles(draft: Draft, guards: readonly string[]): string[] {
  const { config } = rendered("summoner.toml", givenIn(draft));
  return contradictions(settings, config)
    .filter(({ key }) => guards.includes(key))
    .map(({ key, message }) => `${lastKey(key)}: ${message}`);
}
