/** What the console shows of actions and of what they need. */
import type { Action } from "../../protocol.ts";
import { isNumbered } from "../../schema/answers.ts";
import type { ChoiceField, Field } from "../../schema/fields.ts";
import { formOf } from "../../schema/form.ts";
import { cleaned, columns, nameOf } from "./shown.ts";

/** Options that are shown, and columns of a row of them. */
const MOST_OPTIONS = 100;
const ROW = 70;
/** Characters of a default. */
const MOST_DEFAULT = 40;

/** The path to a value: `options.loud`. */
export function labelOf(path: readonly string[]): string {
  return cleaned(path.join("."), 60);
}

/** An action with its description. */
export function aboutAction({ name, description }: Action): string {
  return `${nameOf(name)}: ${cleaned(description) || "it has no description"}`;
}

/** Actions in rows: number, name, what they need, description. */
export function actionRows(actions: readonly Action[]): string[] {
  const rows = actions.map((action, i): [string, string] => {
    const needs = needsOf(action);
    return [`${i + 1} ${nameOf(action.name)}${needs}`, cleaned(action.description, 200)];
  });
  return columns(rows);
}

/** What an action needs, in brackets: `(card, target?)`; "" where that is nothing. */
function needsOf(action: Action): string {
  const form = formOf(action);
  if (form === null) return "";
  if ("code" in form) return " (cannot be chosen)";
  if (form.kind !== "object") return " (JSON)";
  const names = form.fields.map(({ name, required }) => nameOf(name) + (required ? "" : "?"));
  const shown = names.length > 6 ? [...names.slice(0, 6), "..."] : names;
  return names.length === 0 ? "" : ` (${shown.join(", ")})`;
}

/** All that a form asks for, a line each. */
export function fieldLines(form: Field): readonly string[] {
  const leaves = leavesOf(form);
  return columns(leaves.map((field) => [labelOf(field.path) || "data", aboutField(field)]));
}

function leavesOf(field: Field): readonly Field[] {
  return field.kind === "object" ? field.fields.flatMap(leavesOf) : [field];
}

function aboutField(field: Field): string {
  const { wants, description, required } = field;
  const usual = defaultOf(field);
  const need = usual === null ? (required ? "" : " (optional)") : ` (else ${usual})`;
  const about = description === "" ? "" : `: ${cleaned(description, 200)}`;
  return `${cleaned(wants, 200)}${need}${about}`;
}

function defaultOf(field: Field): string | null {
  if (!Object.hasOwn(field, "default")) return null;
  return cleaned(JSON.stringify(field.default), MOST_DEFAULT);
}

/** What is shown before a value is typed. */
export function questionLines(field: Field): readonly string[] {
  const { description, required, path, title, name } = field;
  const usual = defaultOf(field);
  const enter =
    usual === null ? (required ? "" : " Enter leaves it out.") : ` Enter takes ${usual}.`;
  const label = labelOf(path) || "data";
  const called = title === name ? "" : ` (${cleaned(title, 60)})`;
  const isListed = field.kind === "choice" && field.options.length > 1;
  const wants = isListed ? "one of these, by number or as it stands" : cleaned(field.wants, 300);
  const about = description === "" ? "" : ` ${cleaned(description)}`;
  const first = `${label}${called}: ${wants}.${enter}${about}`;
  return isListed ? [first, ...optionRows(field)] : [first];
}

/** Options in rows, with the numbers by which they can be chosen. */
function optionRows(field: ChoiceField): readonly string[] {
  const isCounted = isNumbered(field);
  const texts = field.options.slice(0, MOST_OPTIONS).map(({ text, title }, i) => {
    const called = title === "" ? "" : ` (${cleaned(title, 60)})`;
    return `${isCounted ? `${i + 1} ` : ""}${cleaned(text, 100)}${called}`;
  });
  const rows: string[] = [];
  for (const text of texts) {
    const last = rows.at(-1);
    if (last !== undefined && last.length + text.length + 3 <= ROW) {
      rows[rows.length - 1] = `${last}   ${text}`;
    } else rows.push(`  ${text}`);
  }
  const more = field.options.length - MOST_OPTIONS;
  return more > 0 ? [...rows, `  ... and ${more} more`] : rows;
}

/** What stands before a value that is typed. */
export function askedText(field: Field, isWhether: boolean): string {
  const label = labelOf(field.path) || "data";
  if (isWhether) return `${label}: fill it in? [y/N]`;
  const usual = defaultOf(field);
  return usual === null ? label : `${label} [${usual}]`;
}
