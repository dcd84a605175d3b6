import type { ContextEntry } from "../../context.ts";
import type { ForceRequest } from "../brain.ts";
import type { Tool } from "./offer.ts";

/** What the model is told about. */
export interface Scene {
  readonly game: string;
  /** Who plays. */
  readonly character: string;
  readonly instructions: string;
  /** What the brain knows of the game, the oldest first. */
  readonly context: readonly ContextEntry[];
  /** Characters of it that are sent. */
  readonly contextChars: number;
}

/** A message of the chat. */
export type Message = Readonly<Record<string, unknown>>;

/** Characters of a force's state that are sent, and of its query. */
export const MOST_STATE = 200_000;
/** Choices that came to nothing that the model is reminded of, the newest. */
const MOST_FAILURES = 6;
const MOST_FAILURE = 4000;

/** The question which of these tools to call. @param asText for a model that calls no tools */
export function choicePrompt(
  scene: Scene,
  force: ForceRequest,
  tools: readonly Tool[],
  asText: boolean,
): readonly Message[] {
  const { state, query, failures } = force;
  const asked = [
    ...(state === null ? [] : [`State: ${cut(state, MOST_STATE)}`]),
    `Query: ${cut(query, MOST_STATE)}`,
  ].join("\n");
  const how = asText
    ? `Answer with nothing but a JSON object: {"name": NAME, "arguments": {...}}. These are the names, what they do, and the JSON Schema of their arguments:\n${tools.map(listed).join("\n")}`
    : "Call one of the tools.";
  return [
    system(scene, how),
    { role: "user", content: [...known(scene, force), "Choose now.", asked].join("\n\n") },
    ...failures.slice(-MOST_FAILURES).flatMap((one, at) => again(one, `call_${at}`, tools, asText)),
  ];
}

/** The question what to say to what the game has told last. */
export function replyPrompt(scene: Scene, words: number): readonly Message[] {
  const how = `Say something about what has just happened, in one or two short sentences of ${words} words at most. Answer with the words alone, as they are spoken.`;
  return [system(scene, how), { role: "user", content: known(scene, null).join("\n\n") }];
}

function system({ character, game, instructions }: Scene, how: string): Message {
  const who = `You are ${character}. You play the game ${JSON.stringify(cut(game, 200))}.`;
  return { role: "system", content: [who, instructions, how].filter(Boolean).join("\n\n") };
}

function listed({ name, action, schema }: Tool): string {
  return JSON.stringify({ name, description: action.description, schema });
}

/** The newest of what is known, as far as it may be sent. */
function known({ context, contextChars }: Scene, force: ForceRequest | null): readonly string[] {
  const lines: string[] = [];
  let left = contextChars;
  for (const entry of withoutAsked(context, force).toReversed()) {
    const line = lineOf(entry);
    const fits = line.length <= left;
    if (!fits && (lines.length > 0 || left === 0)) break;
    lines.push(fits ? line : `...${line.slice(-left)}`);
    left -= line.length;
  }
  if (lines.length === 0) return [];
  return [`What has happened so far:\n${lines.toReversed().join("\n")}`];
}

/** What is known but for the force itself, which is asked for anyway. */
function withoutAsked(
  context: readonly ContextEntry[],
  force: ForceRequest | null,
): readonly ContextEntry[] {
  const at = force === null ? -1 : context.findLastIndex(({ kind }) => kind === "force");
  const isAsked = context[at]?.text.endsWith(`Query: ${force?.query}`) === true;
  return isAsked ? context.toSpliced(at, 1) : context;
}

function lineOf({ kind, text, failed }: ContextEntry): string {
  if (kind === "context") return `- ${text}`;
  if (kind === "force") return `- You were asked: ${text}`;
  return failed ? `- What you did failed: ${text}` : `- What you did succeeded: ${text}`;
}

/** A choice that came to nothing, as the model has made it, and why. */
function again(
  { name, data, message }: ForceRequest["failures"][number],
  id: string,
  tools: readonly Tool[],
  asText: boolean,
): readonly Message[] {
  const tool = tools.find(({ action }) => action.name === name);
  const said = cut(data ?? "{}", MOST_FAILURE);
  const why = cut(message, MOST_FAILURE) || "the game does not say why";
  const content = `That failed: ${why}\nChoose again.`;
  // Endpoints refuse calls of tools that are not there, and arguments that are no JSON.
  if (asText || tool === undefined || !isJson(said)) {
    const names = tools.map((one) => one.name).join(", ");
    const hint = tool === undefined ? ` The names are: ${cut(names, MOST_FAILURE)}.` : "";
    return [
      { role: "assistant", content: `${tool?.name ?? cut(name, MOST_FAILURE)} ${said}` },
      { role: "user", content: content + hint },
    ];
  }
  const call = { id, type: "function", function: { name: tool.name, arguments: said } };
  return [
    { role: "assistant", content: "", tool_calls: [call] },
    { role: "tool", tool_call_id: id, content },
  ];
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === "object";
  } catch {
    return false;
  }
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}...`;
}
