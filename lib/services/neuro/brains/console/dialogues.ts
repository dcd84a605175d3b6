/** What a person is asked at the console, one thing at a time. */
import type { Choice, ForceRequest, Playing } from "../brain.ts";
import type { Action, Priority } from "../../protocol.ts";
import { actionRows } from "./asked.ts";
import { meantOf, withData } from "./find.ts";
import { type Questions, questionsFor } from "./questions.ts";
import { cleaned, linesOf, nameOf, type Look } from "./shown.ts";

/** What comes of a line that was typed. */
export interface Taken {
  readonly lines: readonly string[];
  readonly isOver?: boolean;
}

export interface Dialogue {
  readonly playing: Playing;
  readonly priority: Priority;
  /** What is shown when it begins; the first line stands after the game's name. */
  begin(look: Look): readonly string[];
  readonly prompt: string;
  /** Takes a line; null where it means nothing here, so that it may be a command. */
  take(line: string): Promise<Taken | null>;
  /** The lines that may be typed. */
  readonly words: readonly string[];
  /** What is told of a line that means nothing, here or as a command. */
  unknown(line: string): string;
}

/** Asks for one of the actions of a force. */
export class ForceDialogue implements Dialogue {
  readonly playing: Playing;
  readonly #force: ForceRequest;
  readonly #choose: (choice: Choice) => void;
  #action: Action | null = null;
  #questions: Questions | null = null;

  constructor(playing: Playing, force: ForceRequest, choose: (choice: Choice) => void) {
    this.playing = playing;
    this.#force = force;
    this.#choose = choose;
  }

  get priority(): Priority {
    return this.#force.priority;
  }

  get words(): readonly string[] {
    return this.#questions === null ? this.#force.actions.map(({ name }) => name) : [];
  }

  begin(look: Look): readonly string[] {
    const { state, query, failures, ephemeralContext, priority } = this.#force;
    const [first = "", ...more] = linesOf(query);
    const how = `priority ${priority}${ephemeralContext ? ", to be forgotten afterwards" : ""}`;
    const failure = failures.at(-1);
    const again =
      failure === undefined
        ? []
        : [`It is asked again: ${nameOf(failure.name)} came to nothing: ${said(failure.message)}`];
    return [
      `${look.paint("bold", "wants an action")} (${how}): ${first}`,
      ...more,
      ...(state === null
        ? []
        : ["It tells its state:", ...linesOf(state).map((line) => `  ${line}`)]),
      ...again.map((line) => look.paint("yellow", line)),
      ...actionRows(this.#force.actions),
    ];
  }

  get prompt(): string {
    return this.#questions?.prompt ?? "which action? (number or name)";
  }

  async take(line: string): Promise<Taken | null> {
    if (this.#questions !== null) return this.#answer(this.#questions, line);
    const [typed, json] = withData(line);
    if (typed === "") return { lines: ["Type the number or the name of an action."] };
    const action = this.#actionOf(typed);
    if (action === null) return null;
    const questions = questionsFor(action);
    if ("trouble" in questions) return { lines: [questions.trouble] };
    if ("data" in questions) return this.#chosen(action, questions.data);
    this.#action = action;
    this.#questions = questions;
    if (json === null) return { lines: questions.begin() };
    const taken = await this.#answer(questions, json);
    if (!taken.isOver) this.#questions = null;
    return taken;
  }

  #actionOf(typed: string): Action | null {
    const { actions } = this.#force;
    const exact = actions.find(({ name }) => name === typed);
    if (exact !== undefined) return exact;
    if (/^\d+$/.test(typed)) return actions[Number(typed) - 1] ?? null;
    const small = typed.toLowerCase();
    const alike = actions.filter(({ name }) => name.toLowerCase() === small);
    return alike.length === 1 ? (alike[0] as Action) : null;
  }

  unknown(line: string): string {
    const { actions } = this.#force;
    const [typed] = withData(line);
    const names = actions.map(({ name }) => name);
    const meant = meantOf(typed, names);
    const hint = meant === undefined ? "" : ` Did you mean ${nameOf(meant)}?`;
    const count = actions.length === 1 ? "1" : `1 to ${actions.length}`;
    return `There is no action ${cleaned(typed, 60)} here: type ${count}, or a name.${hint}`;
  }

  async #answer(questions: Questions, line: string): Promise<Taken> {
    const { lines, data, goesBack } = await questions.answer(line);
    if (goesBack) {
      this.#questions = null;
      return { lines: [...lines, "Which action shall it be?", ...actionRows(this.#force.actions)] };
    }
    return data === undefined ? { lines } : this.#chosen(this.#action as Action, data, lines);
  }

  #chosen({ name }: Action, data: object | undefined, lines: readonly string[] = []): Taken {
    this.#choose(data === undefined ? { name } : { name, data });
    return { lines, isOver: true };
  }
}

function said(message: string): string {
  return message === "" ? "its game does not say why." : cleaned(message);
}

/** Asks for the data of an action that no force asked for. */
export class SendDialogue implements Dialogue {
  readonly playing: Playing;
  readonly priority = "low";
  readonly words = [];
  readonly #questions: Questions;
  readonly #send: (data: object) => void;

  constructor(playing: Playing, questions: Questions, send: (data: object) => void) {
    this.playing = playing;
    this.#questions = questions;
    this.#send = send;
  }

  begin(): readonly string[] {
    return this.#questions.begin();
  }

  get prompt(): string {
    return this.#questions.prompt;
  }

  unknown(): string {
    return "";
  }

  async take(line: string): Promise<Taken> {
    const { lines, data, goesBack } = await this.#questions.answer(line);
    if (goesBack) return { lines: [...lines, "Nothing was sent."], isOver: true };
    if (data !== undefined) this.#send(data);
    return { lines, isOver: data !== undefined };
  }
}
