import { markdownTable } from "../../../../config/markdown.ts";
import type { Option } from "../../../../config/option.ts";
import { FILE, STEPS } from "./format.ts";

type Row = readonly [key: string, option: Option<unknown>];

/** What the file of a scenario may hold as Markdown, for the page of scenarios. */
export function scenarioReference(): string {
  return [
    ...markdownTable([["Step", "What it does", "What else it takes"], ...steps()]),
    "",
    ...keyTable(keysOfSteps()),
    "",
    "Beside the steps:",
    "",
    ...keyTable(Object.entries(FILE).filter(([key]) => key !== "play")),
  ].join("\n");
}

function steps(): string[][] {
  return Object.entries(STEPS).map(([name, { verb, about, entries }]) => {
    const step = verb === "expect" ? `expect = "${name}"` : verb;
    const others = Object.keys(entries).filter((key) => key !== verb);
    return [`\`${step}\``, about, others.map((key) => `\`${key}\``).join(", ")];
  });
}

/** Every key of steps, once for each of its meanings. */
function keysOfSteps(): readonly Row[] {
  const all = Object.values(STEPS).flatMap(({ entries }): Row[] => Object.entries(entries));
  const seen = new Set<string>();
  return all.filter(([key, { about }]) => {
    const meaning = `${key} ${about}`;
    return !seen.has(meaning) && seen.add(meaning);
  });
}

function keyTable(rows: readonly Row[]): readonly string[] {
  const body = rows.map(([key, { allowed, about }]) => [`\`${key}\``, allowed, about]);
  return markdownTable([["Key", "Allowed", "Meaning"], ...body]);
}
