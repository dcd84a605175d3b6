/** The outcomes of scenarios, for a person and for programs. */
import { printable } from "../../../../host/content.ts";
import type { Outcome, StepOutcome } from "../play/run.ts";
import type { Plan } from "../file/read.ts";

const MARKS = { passed: "✓", failed: "✗", skipped: "-" };
/** Where the times stand. */
const COLUMN = 66;

/** A scenario begins. */
export function titleLine({ file, name }: Plan): string {
  return printable(file.endsWith(name) ? file : `${file}: ${name}`);
}

export function stepLine({ text, state, ms }: StepOutcome): string {
  const line = `  ${MARKS[state]} ${text}`;
  return state === "skipped" ? line : `${line.padEnd(COLUMN)} ${clockText(ms)}`;
}

/** What there is to tell of a scenario besides its steps. */
export function endLines(outcome: Outcome): readonly string[] {
  const { failure, meanwhile, diagnostics, frames, program, state } = outcome;
  if (failure === null) {
    // What is good to know is told where something failed.
    const worth = diagnostics.filter(({ diagnostic }) => diagnostic.severity !== "info");
    return [...developerLines(worth), ...(state === "skipped" ? ["  not played"] : [])];
  }
  return [
    `  failed: ${failure.where}: ${failure.why}`,
    ...part("What the game did meanwhile:", meanwhile),
    ...developerLines(diagnostics),
    ...part("Last messages:", frames.map(frameLine)),
    ...programLines(program),
  ];
}

function developerLines(diagnostics: Outcome["diagnostics"]): readonly string[] {
  const lines = diagnostics.map(({ diagnostic: { severity, code, text, cure }, times }) => {
    const often = times > 1 ? ` (${times} times)` : "";
    return `${severity} ${code}${often}: ${text} ${cure}`;
  });
  return part("Told to the game's developer:", lines);
}

function frameLine({ at, direction, text }: Outcome["frames"][number]): string {
  const way = direction === "in" ? "from the game" : "to the game";
  return `${clockText(at)} ${way}: ${printable(text)}`;
}

function programLines(program: Outcome["program"]): readonly string[] {
  if (program === null) return [];
  const { end } = program;
  const lines = program.lines.map(printable);
  const title = end === null ? "What the game printed last:" : `The game ${end}:`;
  return part(title, lines.length > 0 || end === null ? lines : ["it printed nothing"]);
}

function part(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [`  ${title}`, ...lines.map((line) => `    ${line}`)];
}

/** `0.25 s`, always with two digits. */
function clockText(ms: number): string {
  return `${(ms / 1000).toFixed(2)} s`;
}

/** `2 of 3 passed, 1 failed`. */
export function summaryLine(outcomes: readonly Outcome[]): string {
  const count = (state: Outcome["state"]) => outcomes.filter((one) => one.state === state).length;
  const [passed, failed, skipped] = [count("passed"), count("failed"), count("skipped")];
  const more = skipped > 0 ? `, ${skipped} not played` : "";
  return `${passed} of ${outcomes.length} passed, ${failed} failed${more}`;
}

/** All of it as JSON. */
export function jsonReport(outcomes: readonly Outcome[]): object {
  return {
    passed: outcomes.every(({ state }) => state === "passed"),
    scenarios: outcomes.map(({ plan, startedAt, ms, steps, diagnostics, program, ...rest }) => ({
      file: plan.file,
      name: plan.name,
      ...rest,
      started: new Date(startedAt).toISOString(),
      seconds: ms / 1000,
      steps: steps.map(({ ms: took, ...step }) => ({ ...step, seconds: took / 1000 })),
      diagnostics: diagnostics.map(({ diagnostic, times }) => ({ ...diagnostic, times })),
      program,
    })),
  };
}
