/** What became of scenarios as JUnit's XML: a suite for each file, a case for each scenario. */
import { printable } from "../../../../host/content.ts";
import { endLines, stepLine } from "./report.ts";
import type { Outcome } from "../play/run.ts";

export function junitReport(outcomes: readonly Outcome[]): string {
  const files = [...new Set(outcomes.map(({ plan }) => plan.file))];
  const suites = files.flatMap((file) =>
    suite(
      file,
      outcomes.filter(({ plan }) => plan.file === file),
    ),
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="scenarios"${counts(outcomes)}>`,
    ...suites,
    "</testsuites>",
    "",
  ].join("\n");
}

function suite(file: string, outcomes: readonly Outcome[]): readonly string[] {
  const started = new Date(outcomes[0]?.startedAt ?? 0).toISOString().slice(0, 19);
  return [
    `  <testsuite name="${escaped(file)}"${counts(outcomes)} timestamp="${started}">`,
    ...outcomes.flatMap((outcome) => testcase(file, outcome)),
    "  </testsuite>",
  ];
}

function testcase(file: string, outcome: Outcome): readonly string[] {
  const { plan, ms, failure, state, steps } = outcome;
  const lines = [...steps.map(stepLine), ...endLines(outcome)];
  const head = `    <testcase name="${escaped(plan.name)}" classname="${escaped(file)}" time="${seconds(ms)}">`;
  const told =
    failure === null
      ? [
          ...(state === "skipped" ? ["      <skipped/>"] : []),
          `      <system-out>${text(lines)}</system-out>`,
        ]
      : [`      <failure message="${escaped(failure.why)}" type="failed">${text(lines)}</failure>`];
  return [head, ...told, "    </testcase>"];
}

function counts(outcomes: readonly Outcome[]): string {
  const count = (state: Outcome["state"]) => outcomes.filter((one) => one.state === state).length;
  const time = seconds(outcomes.reduce((sum, { ms }) => sum + ms, 0));
  return ` tests="${outcomes.length}" failures="${count("failed")}" errors="0" skipped="${count("skipped")}" time="${time}"`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3);
}

function text(lines: readonly string[]): string {
  return lines.map(escaped).join("\n");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\t": "&#9;",
};

/** Text as XML can hold it, on one line: what it cannot hold is shown as an escape. */
function escaped(found: string): string {
  return printable(found)
    .replace(/[\ufffe\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16)}`)
    .replace(/[&<>"\t]/g, (character) => ENTITIES[character] as string);
}
