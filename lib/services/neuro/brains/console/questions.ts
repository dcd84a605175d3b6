/** Asks for the data of an action, value by value or as JSON. It is told each line that is typed, and says what is shown. */
import { messageOf } from "../../../../host/errors.ts";
import type { Action } from "../../protocol.ts";
import { brokenRules, type Problem, read } from "../../schema/answers.ts";
import type { Field } from "../../schema/fields.ts";
import { formOf } from "../../schema/form.ts";
import { cleaned, nameOf } from "./shown.ts";
import { aboutAction, askedText, fieldLines, labelOf, questionLines } from "./asked.ts";

/** What comes of a line: what is shown, and the data once there is all of it. */
export interface Answered {
  readonly lines: readonly string[];
  readonly data?: object;
  /** The person wants no questions for this action. */
  readonly goesBack?: boolean;
}

const HOW = "Enter asks for one value after the other; j takes them as JSON; b goes back.";

/** Characters of a schema that are shown. */
const MOST_SCHEMA = 2000;

/** Questions for an action; what it is sent with where there is nothing to ask; or why it cannot be sent. */
export function questionsFor(
  action: Action,
): Questions | { readonly data: object | undefined } | { readonly trouble: string } {
  const form = formOf(action);
  if (form === null) return { data: undefined };
  if ("code" in form) return { trouble: `${form.code} ${form.text}` };
  if (form.kind === "object" && form.fields.length === 0) return { data: {} };
  return new Questions(action, form);
}

/** A value that is asked for; of an object that may be left out, first whether it is wanted. */
interface Step {
  readonly field: Field;
  readonly isWhether: boolean;
}

type State = "start" | "asking" | "json";

export class Questions {
  readonly #action: Action;
  readonly #form: Field;
  #state: State;
  #steps: Step[] = [];
  /** What was typed for each value, as an object in which nothing is inherited. */
  #answers: object = empty();

  constructor(action: Action, form: Field) {
    this.#action = action;
    this.#form = form;
    this.#state = form.kind === "json" ? "json" : "start";
  }

  /** What is shown before the first line. */
  begin(): readonly string[] {
    const about = aboutAction(this.#action);
    if (this.#state === "json") return [about, ...this.#schema()];
    return [about, ...fieldLines(this.#form), HOW];
  }

  get prompt(): string {
    const name = nameOf(this.#action.name);
    const [step] = this.#steps;
    if (this.#state === "json") return `${name} {...}`;
    if (this.#state === "start" || step === undefined) return name;
    return askedText(step.field, step.isWhether);
  }

  async answer(line: string): Promise<Answered> {
    const word = line.trim().toLowerCase();
    if (word === "!back") return { lines: [], goesBack: true };
    if (word === "!json") return this.#asJson();
    switch (this.#state) {
      case "start":
        if (word === "") return this.#begin();
        if (word === "j" || word === "json") return this.#asJson();
        if (word.startsWith("{")) return this.#json(line);
        break;
      case "json":
        if (word.startsWith("{")) return this.#json(line);
        break;
      case "asking":
        return this.#value(line);
    }
    if (word === "b" || word === "back") return { lines: [], goesBack: true };
    if (this.#state === "start") return { lines: [HOW] };
    const example = '{"name": "value"}';
    return {
      lines: [word === "" ? `Type an object, as ${example}.` : `That is no object, as ${example}.`],
    };
  }

  #asJson(): Answered {
    this.#state = "json";
    return { lines: this.#schema() };
  }

  #schema(): readonly string[] {
    return [
      "Type its data as JSON; b goes back. Its schema:",
      cleaned(JSON.stringify(this.#action.schema), MOST_SCHEMA),
    ];
  }

  async #json(line: string): Promise<Answered> {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      return { lines: [`That is not JSON: ${cleaned(messageOf(error), 200)}.`] };
    }
    const problems = await brokenRules(this.#action, value);
    if (problems.length > 0) return { lines: problems.map(told) };
    return { lines: [], data: value as object };
  }

  // --- value by value

  #begin(): Answered {
    this.#answers = empty();
    this.#steps = stepsOf(this.#form);
    this.#state = "asking";
    return { lines: this.#question() };
  }

  #question(): readonly string[] {
    const [step] = this.#steps;
    return step === undefined || step.isWhether ? [] : questionLines(step.field);
  }

  async #value(line: string): Promise<Answered> {
    const { field, isWhether } = this.#steps[0] as Step;
    if (isWhether) return this.#whether(field, line);
    const hasDefault = Object.hasOwn(field, "default");
    const isEmpty = line.trim() === "";
    const answer = isEmpty ? (hasDefault ? undefined : "") : line;
    const { problems } = read(field, answer);
    if (problems.length > 0) return { lines: problems.map(told) };
    return this.#next(field, answer);
  }

  async #whether(field: Field, line: string): Promise<Answered> {
    const word = line.trim().toLowerCase();
    if (word.startsWith("{")) {
      const { problems } = read(field, line);
      return problems.length > 0 ? { lines: problems.map(told) } : this.#next(field, line);
    }
    const isNo = word === "" || word === "n" || word === "no";
    if (isNo) return this.#next(field, field.required ? null : "");
    if (word !== "y" && word !== "yes") return { lines: ["Type y, or nothing to leave it out."] };
    this.#steps.splice(0, 1, ...stepsOf(field));
    this.#put(field, empty());
    return this.#steps.length > 0 ? { lines: this.#question() } : this.#finish();
  }

  async #next(field: Field, answer: unknown): Promise<Answered> {
    this.#put(field, answer);
    this.#steps.shift();
    return this.#steps.length > 0 ? { lines: this.#question() } : this.#finish();
  }

  #put({ path }: Field, answer: unknown): void {
    const last = path.at(-1);
    if (last === undefined) {
      this.#answers = answer as object;
      return;
    }
    let inside = this.#answers as Record<string, unknown>;
    for (const key of path.slice(0, -1)) {
      inside[key] = opened(inside[key]);
      inside = inside[key] as Record<string, unknown>;
    }
    inside[last] = answer;
  }

  async #finish(): Promise<Answered> {
    const { value, problems } = read(this.#form, this.#answers);
    const all = problems.length > 0 ? problems : await brokenRules(this.#action, value);
    if (all.length === 0) return { lines: [], data: value as object };
    this.#steps = stepsOf(this.#form, all);
    if (this.#steps.length === 0) this.#state = "start";
    return { lines: [...all.map(told), ...this.#question()] };
  }
}

function empty(): object {
  return Object.create(null) as object;
}

/** An object that values are put into: the answers so far, which may have been typed as JSON. */
function opened(answer: unknown): object {
  const found: unknown = typeof answer === "string" && answer !== "" ? JSON.parse(answer) : answer;
  return Object.assign(empty(), typeof found === "object" ? found : {});
}

/** What has to be asked for a field: itself, or its fields. @param problems asks only where these are */
function stepsOf(field: Field, problems: readonly Problem[] | null = null): Step[] {
  if (field.kind !== "object") {
    const isMeant = problems === null || problems.some(({ path }) => isAt(path, field.path));
    return isMeant ? [{ field, isWhether: false }] : [];
  }
  return field.fields.flatMap((one) => {
    const isWhether = one.kind === "object" && (!one.required || one.nullable);
    return isWhether && problems === null ? [{ field: one, isWhether }] : stepsOf(one, problems);
  });
}

/** True if a place is another or lies in it. */
function isAt(path: readonly string[], outer: readonly string[]): boolean {
  return outer.length > 0 && outer.every((step, i) => path[i] === step);
}

function told({ path, message }: Problem): string {
  const where = path.length === 0 ? "" : `${labelOf(path)}: `;
  return `${where}${message}.`;
}
