/** Makes data of the answers to a form. */
import { beginning, printable } from "../../../host/content.ts";
import type { Action } from "../protocol.ts";
import type { ChoiceField, Field, NumberField } from "./fields.ts";
import { formOf } from "./form.ts";
import { stepsOf } from "./broken.ts";
import { rulesOf } from "./rules.ts";
import { isPlain } from "./wanted.ts";

/** What is wrong with an answer. */
export interface Problem {
  /** The keys that lead to it in the data; none for all of it. */
  readonly path: readonly string[];
  /** One sentence without its end: `found x; wanted a whole number`. It is safe to show. */
  readonly message: string;
}

/** What an answer means: a value, or undefined for something that is left out; only without problems. */
export interface Reading {
  readonly value?: unknown;
  readonly problems: readonly Problem[];
}

/** Characters that are shown of an answer, and of what is wanted. */
const MOST_FOUND = 60;
const MOST_SHOWN = 300;

/**
 * Reads the answer to a field: a text as it was typed, or a value; for an
 * object its answers by name, or its JSON; for a list its answers, or a text
 * with commas, or its JSON. undefined takes the default where there is one, ""
 * leaves out what may be left out; `""` is the empty text.
 */
export function read(field: Field, answer: unknown, path = field.path): Reading {
  if (answer === undefined && Object.hasOwn(field, "default"))
    return { value: field.default, problems: [] };
  if (answer === undefined && field.kind === "object" && field.required)
    return read(field, {}, path);
  if (answer === undefined || answer === "") return unanswered(field, path);
  const isNull = answer === null || (typeof answer === "string" && answer.trim() === "null");
  if (field.nullable && isNull) return { value: null, problems: [] };
  switch (field.kind) {
    case "choice":
      return choice(field, answer, path);
    case "whole":
    case "number":
      return number(field, answer, path);
    case "text":
      if (typeof answer !== "string") return wrong(field, answer, path);
      return text(field, answer, path);
    case "flag":
      return flag(field, answer, path);
    case "list":
      return list(field, answer, path);
    case "object":
      return object(field, answer, path);
    case "json":
      return typeof answer === "string"
        ? json(field, answer, path)
        : { value: answer, problems: [] };
  }
}

/** Makes data of the answers to an action's form, checked against its schema. */
export async function filled(
  action: Action,
  answers: unknown,
): Promise<{ readonly data: object | undefined } | { readonly problems: readonly Problem[] }> {
  const form = formOf(action);
  if (form === null) return { data: undefined };
  if ("code" in form) return { problems: [{ path: [], message: form.text }] };
  const { value, problems } = read(form, answers);
  if (problems.length > 0) return { problems };
  const broken = await brokenRules(action, value);
  return broken.length > 0 ? { problems: broken } : { data: value as object };
}

/** What of an action's schema a value does not meet. */
export async function brokenRules(action: Action, value: unknown): Promise<readonly Problem[]> {
  const rules = rulesOf(action);
  if (rules === null || "code" in rules) return [];
  const form = formOf(action) as Field;
  return (await rules.problemsOf(value)).map((line) => {
    const [, where = "", said = line] = /^(\/\S*?): ([^]*)$/.exec(line) ?? [];
    const path = stepsOf(where).filter(Boolean);
    const field = path.length === 0 ? undefined : fieldAt(form, path);
    const isSaid = field === undefined || said.includes("; wanted ");
    return { path, message: cut(isSaid ? said : `${said}; wanted ${field.wants}`) };
  });
}

/** The field of a place in the data; none where there is none so deep. */
function fieldAt(form: Field, path: readonly string[]): Field | undefined {
  let found: Field | undefined = form;
  for (const step of path) {
    if (found?.kind === "list") found = found.item;
    else if (found?.kind === "object") found = found.fields.find(({ name }) => name === step);
    else return undefined;
  }
  return found;
}

function unanswered({ required, wants, name }: Field, path: readonly string[]): Reading {
  if (!required) return { value: undefined, problems: [] };
  const what = name === "" ? "an item is empty" : "an answer is needed";
  return problem(path, `${what}: ${cut(wants)}`);
}

function problem(path: readonly string[], message: string): Reading {
  return { problems: [{ path, message }] };
}

function wrong({ wants }: Field, answer: unknown, path: readonly string[]): Reading {
  const found =
    typeof answer === "string" ? answer.trim() || '" "' : (JSON.stringify(answer) ?? "");
  return problem(path, `found ${cut(found, MOST_FOUND)}; wanted ${cut(wants)}`);
}

function cut(text: string, most = MOST_SHOWN): string {
  return printable(beginning(text, most));
}

/** Options are numbered where none of them looks like a number itself. */
export function isNumbered({ options }: ChoiceField): boolean {
  return !options.some(({ text }) => /^\s*\d+\s*$/.test(text));
}

function choice(field: ChoiceField, answer: unknown, path: readonly string[]): Reading {
  const { options } = field;
  const same = (value: unknown) =>
    options.find((one) => JSON.stringify(one.value) === JSON.stringify(value));
  const found = typeof answer === "string" ? named(field, answer) : same(answer);
  return found === undefined ? wrong(field, answer, path) : { value: found.value, problems: [] };
}

/** The option that a text means. */
function named(field: ChoiceField, answer: string) {
  const { options } = field;
  const typed = answer.trim();
  const exact =
    options.find(({ text }) => text === answer) ?? options.find(({ text }) => text === typed);
  if (exact !== undefined) return exact;
  const small = typed.toLowerCase();
  const alike = options.filter(({ text, title, value }) =>
    [text.toLowerCase(), title.toLowerCase(), JSON.stringify(value).toLowerCase()].includes(small),
  );
  if (alike.length === 1) return alike[0];
  return /^\d+$/.test(typed) && isNumbered(field) ? options[Number(typed) - 1] : undefined;
}

function number(field: NumberField, answer: unknown, path: readonly string[]): Reading {
  const isNumber = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,4})?$/i;
  const typed = typeof answer === "string" ? answer.trim() : "";
  const value = isNumber.test(typed) ? Number(typed) : answer;
  const { min = -Infinity, max = Infinity, above = -Infinity, below = Infinity } = field;
  const isGood =
    typeof value === "number" &&
    Number.isFinite(value) &&
    (field.kind === "number" || Number.isInteger(value)) &&
    value >= min &&
    value <= max &&
    value > above &&
    value < below;
  return isGood ? { value, problems: [] } : wrong(field, answer, path);
}

function text(field: Field & { kind: "text" }, answer: string, path: readonly string[]): Reading {
  const value = answer.trim() === '""' ? "" : answer;
  const { minLength = 0, maxLength = Infinity } = field;
  // As JSON Schema counts: characters, not UTF-16 units.
  const length = value.length > 2 * maxLength ? Infinity : [...value].length;
  const isGood = length >= minLength && length <= maxLength;
  return isGood ? { value, problems: [] } : wrong(field, answer, path);
}

const YES = new Set(["y", "yes", "true", "on", "1"]);
const NO = new Set(["n", "no", "false", "off", "0"]);

function flag(field: Field, answer: unknown, path: readonly string[]): Reading {
  const word = typeof answer === "string" ? answer.trim().toLowerCase() : answer;
  if (typeof word === "boolean") return { value: word, problems: [] };
  if (typeof word === "string" && YES.has(word)) return { value: true, problems: [] };
  if (typeof word === "string" && NO.has(word)) return { value: false, problems: [] };
  return wrong(field, answer, path);
}

function list(field: Field & { kind: "list" }, answer: unknown, path: readonly string[]): Reading {
  const { item, minItems = 0, maxItems = Infinity } = field;
  let answers = answer;
  if (typeof answer === "string") {
    const isJson = /^\s*\[/.test(answer);
    if (isJson || !isPlain(item)) {
      const found = json(field, answer, path);
      if (found.problems.length > 0) return found;
      answers = found.value;
    } else answers = answer.split(",").map((one) => one.trim());
  }
  if (!Array.isArray(answers)) return wrong(field, answer, path);
  if (answers.length < minItems || answers.length > maxItems) {
    return problem(path, `found ${answers.length} of them; wanted ${cut(field.wants)}`);
  }
  const readings = answers.map((one, at) => read(item, one, [...path, `${at}`]));
  const problems = readings.flatMap((one) => one.problems);
  return problems.length > 0
    ? { problems }
    : { value: readings.map(({ value }) => value), problems };
}

function object(
  field: Field & { kind: "object" },
  answer: unknown,
  path: readonly string[],
): Reading {
  if (typeof answer === "string") return json(field, answer, path);
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) {
    return wrong(field, answer, path);
  }
  const readings = field.fields.map((one) => {
    const own = Object.hasOwn(answer, one.name)
      ? (answer as Record<string, unknown>)[one.name]
      : undefined;
    return [one.name, read(one, own, [...path, one.name])] as const;
  });
  const problems = readings.flatMap(([, one]) => one.problems);
  if (problems.length > 0) return { problems };
  const entries = readings.filter(([, { value }]) => value !== undefined);
  return { value: Object.fromEntries(entries.map(([name, { value }]) => [name, value])), problems };
}

function json(field: Field, answer: string, path: readonly string[]): Reading {
  try {
    return { value: JSON.parse(answer), problems: [] };
  } catch {
    const hint = /^\s*[[{"]/.test(answer) ? "" : "; texts stand in quotes";
    return problem(
      path,
      `found ${cut(answer.trim(), MOST_FOUND)}, which is not JSON${hint}; wanted ${cut(field.wants)}`,
    );
  }
}
