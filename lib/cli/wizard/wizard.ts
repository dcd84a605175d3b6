import { existsSync } from "node:fs";
import { styleText } from "node:util";
import { intro } from "@clack/prompts";
import { problemText, type Sources } from "../../config/load.ts";
import { type PresetName, presets } from "../../config/presets.ts";
import { SERVICES } from "../../config/services.ts";
import { contentOf } from "../terminal/write.ts";
import { addressSteps, askServices } from "./addresses.ts";
import { askChoice, BACK, type Back, Cancelled, type Choice, tell } from "./ask.ts";
import { clusterStep } from "./cluster.ts";
import { differenceLines, withoutSecret } from "./difference.ts";
import {
  addressLines,
  begin,
  type Draft,
  draftOf,
  givenBy,
  givenIn,
  isShipped,
  presetAbout,
  rebased,
  rendered,
  settingLines,
  TOKENS,
  valueIn,
} from "./draft.ts";
import { schemaFor } from "./files.ts";
import { guardStep } from "./guards.ts";
import { questionSteps } from "./questions.ts";
import type { Step } from "./step.ts";
import { tlsSteps } from "./tls.ts";
import { tokenStep } from "./token.ts";

/** The start of the wizard. */
export interface Opening {
  /** The file to write. */
  readonly target: string;
  /** The sources that the command line names. */
  readonly sources: Sources;
  readonly draft: Draft;
  /** Remarks on the file that is started from. */
  readonly notes: readonly string[];
}

/** Asks everything. @returns the draft to write @throws Cancelled */
export async function askAll(opening: Opening): Promise<Draft> {
  intro(styleText("bold", `A new ${opening.target}`));
  tell.info(
    "Enter takes what is marked, < goes back a step, Ctrl-C ends this. Nothing is written before the end.",
  );
  if (opening.notes.length > 0) tell.lines(opening.notes);
  const steps = stepsOf(opening);
  let { draft } = opening;
  const keep = (changed: Draft) => {
    draft = changed;
  };
  for (let at = 0; at < steps.length;) {
    const step = steps[at] as Step;
    const answer = step.applies?.(draft) === false ? draft : await step.ask(draft, keep);
    if (answer !== BACK) {
      draft = answer;
      at++;
      continue;
    }
    const before = steps.findLastIndex((one, i) => i < at && one.applies?.(draft) !== false);
    at = Math.max(0, before);
  }
  return draft;
}

function stepsOf(opening: Opening): Step[] {
  const { target } = opening;
  return [
    ...(opening.sources.file === undefined ? [purposeStep(opening)] : []),
    { ask: askServices },
    ...SERVICES.flatMap(addressSteps),
    ...SERVICES.flatMap(questionSteps),
    ...SERVICES.flatMap((one) => (one.guards ? guardStep(one, one.guards) : [])),
    clusterStep(target),
    ...tlsSteps(target),
    ...TOKENS.map((token) => tokenStep(token, target)),
    { ask: (draft) => review(draft, target) },
  ];
}

// --- what for

function purposeStep({ target, sources }: Opening): Step {
  const existing = existingBase(target, sources);
  const bases = new Map([["defaults", () => begin({ ...sources, preset: undefined })]]);
  const choices: Choice<string>[] = [
    { value: "defaults", label: "Agents in general: the defaults, with their guards" },
  ];
  for (const preset of Object.keys(presets) as PresetName[]) {
    bases.set(preset, () => begin({ ...sources, preset }));
    choices.push({ value: preset, label: presetAbout(preset), hint: `preset ${preset}` });
  }
  if (existing?.problems.length === 0) {
    bases.set(target, () => existing);
    choices.unshift({ value: target, label: `What ${target} says now` });
  }
  return {
    async ask(draft) {
      const purpose = await askChoice("What is this server for?", "", choices, draft.purpose);
      if (purpose === BACK) return BACK;
      const base = bases.get(purpose) as () => ReturnType<typeof begin>;
      return rebased(draft, purpose, givenBy(base()));
    },
  };
}

function existingBase(target: string, sources: Sources): ReturnType<typeof begin> | null {
  return existsSync(target) ? begin({ ...sources, file: target }) : null;
}

/** The start of the wizard if no file is named to start from. */
export function openingOf(target: string, sources: Sources): Opening {
  const existing = existingBase(target, sources);
  const notes = (existing?.problems ?? []).map(problemText);
  if (notes.length > 0) notes.unshift(`${target} cannot be started from:`);
  const draft =
    existing?.problems.length === 0 && sources.preset === undefined
      ? draftOf(target, givenBy(existing))
      : draftOf(sources.preset ?? "defaults", givenBy(begin(sources)));
  return { target, sources, draft, notes };
}

// --- the end

async function review(draft: Draft, target: string): Promise<Draft | Back> {
  const given = givenIn(draft);
  const { text, config, problems } = rendered(target, given);
  if (problems.length > 0) {
    for (const problem of problems) tell.error(problemText(problem));
    return BACK;
  }
  const before = contentOf(target);
  const files = newFiles(draft, text === before ? null : target);
  const settings = settingLines(given);
  tell.box("Summary", [
    ...addressLines(config),
    "",
    ...(settings.length > 0 ? settings : ["Everything is as the program ships it."]),
    "",
    files.length === 0 ? `${target} says all this already.` : `To write: ${files.join(", ")}`,
  ]);
  const replaces = before !== null && text !== before;
  if (replaces) {
    tell.warn(`${target} is there already. This would change:`);
    tell.lines(differenceLines(before, text));
  }
  const choices: Choice<string>[] = [
    {
      value: "write",
      label: replaces ? `Replace ${target}` : files.length > 0 ? "Write" : "Go on",
    },
    { value: "show", label: `Show all of ${target} first` },
    { value: "no", label: "No, write nothing" },
  ];
  for (;;) {
    const chosen = await askChoice(
      "Is this right?",
      "",
      choices,
      replaces && !isShipped(before) ? "no" : "write",
    );
    if (chosen === BACK) return BACK;
    if (chosen === "no") throw new Cancelled();
    if (chosen === "write") return draft;
    tell.lines(text.trimEnd().split("\n").map(withoutSecret));
  }
}

/** The files to write for a draft. @param target the configuration, or null if it stays as it is */
function newFiles(draft: Draft, target: string | null): string[] {
  const { tls, newTokens } = draft;
  return [
    ...(target === null ? [] : [target, schemaFor(target)?.path ?? []].flat()),
    ...(tls?.made ? [tls.cert, tls.key] : []),
    ...[...newTokens].map((path) => valueIn(draft, path) as string),
  ];
}
