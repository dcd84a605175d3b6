import { markdownTable } from "../../../config/markdown.ts";
import { CODES } from "../refusal.ts";
import { COMMANDS } from "./commands.ts";

/** The actions, their fields and the codes of refusals as Markdown, for the page of the store. */
export function storeReference(): string {
  const codes = Object.entries(CODES).map(([code, about]) => [`\`${code}\``, about]);
  return [
    ...markdownTable([
      ["Action", "Fields", "What it does", "Result", "Right", "Refusals"],
      ...actions(),
    ]),
    "",
    ...markdownTable([["Field", "Of", "Allowed", "Meaning", "Without it"], ...fields()]),
    "",
    ...markdownTable([["Code", "When"], ...codes]),
    "",
  ].join("\n");
}

function actions(): string[][] {
  return Object.entries(COMMANDS).map(([action, row]) => {
    const names = Object.entries(row.fields).map(([name, { optional }]) =>
      optional ? `[${name}]` : name,
    );
    const right = row.right ?? (row.open ? "no token" : "any token");
    return [`\`${action}\``, names.join(", "), row.about, row.result, right, row.errors.join(", ")];
  });
}

/** Each field once, with all actions that have the same. */
function fields(): string[][] {
  const known = new Map<string, { row: string[]; actions: string[] }>();
  for (const [action, row] of Object.entries(COMMANDS)) {
    for (const [name, { allowed, about, optional, otherwise }] of Object.entries(row.fields)) {
      const told = [allowed, about, optional ? (otherwise ?? "") : "refused"];
      const key = JSON.stringify([name, told]);
      const one = known.get(key);
      if (one) one.actions.push(action);
      else known.set(key, { row: [`\`${name}\``, ...told], actions: [action] });
    }
  }
  return [...known.values()].map(({ row: [name = "", ...told], actions: of }) => [
    name,
    of.join(", "),
    ...told,
  ]);
}
