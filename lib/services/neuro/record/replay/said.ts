import { documentsOf } from "../../codec/json.ts";

/** One message of a game, at the time of the record or now. */
export interface Said {
  /** Milliseconds since the connection came. */
  readonly ms: number;
  /** "" for what has none, or cannot be read. */
  readonly game: string;
  /** null for what cannot be read. */
  readonly command: string | null;
  /** Messages whose order is compared: those of one lane follow each other, others need not. */
  readonly lane: string;
  /** What is compared; a text for what cannot be read. */
  readonly document: unknown;
}

/** Commands whose order among each other means something: a force may only name what is registered. */
const ORDERED = new Set(["startup", "actions/register", "actions/unregister", "actions/force"]);
const UNREADABLE = "unreadable";

type Fields = Readonly<Record<string, unknown>>;

/**
 * The messages of a frame.
 * @param ignored paths that are left out, as `data.message`
 */
export function saidIn(text: string, ms: number, ignored: readonly string[]): readonly Said[] {
  const documents = documentsOf(text, () => {});
  if (documents.length === 0) {
    return [{ ms, game: "", command: null, lane: UNREADABLE, document: text }];
  }
  return documents.map((document) => {
    const fields = fieldsOf(document);
    const game = textOf(fields["game"]);
    const command = typeof fields["command"] === "string" ? fields["command"] : null;
    const compared = ignored.reduce(without, document);
    return { ms, game, command, lane: laneOf(command, fields), document: compared };
  });
}

function laneOf(command: string | null, { data }: Fields): string {
  if (command === null) return UNREADABLE;
  if (ORDERED.has(command)) return "actions";
  if (command === "action/result") return `result ${textOf(fieldsOf(data)["id"])}`;
  return command;
}

function fieldsOf(found: unknown): Fields {
  return isObject(found) ? found : {};
}

function textOf(found: unknown): string {
  return typeof found === "string" ? found : "";
}

export function isObject(found: unknown): found is Fields {
  return typeof found === "object" && found !== null && !Array.isArray(found);
}

/** A document without what is at a path. */
function without(document: unknown, path: string): unknown {
  if (!isObject(document)) return document;
  const [key = "", ...more] = path.split(".");
  if (!Object.hasOwn(document, key)) return document;
  const { [key]: found, ...rest } = document;
  return more.length === 0 ? rest : { ...rest, [key]: without(found, more.join(".")) };
}

/** Lists whose order means nothing. */
const SETS = new Set(["actions", "action_names"]);

/** A text that is the same for messages that mean the same: the order of keys does not count, nor that of actions in a list. */
export function canonical(value: unknown, isSet = false): string {
  if (Array.isArray(value)) {
    const items = value.map((item) => canonical(item));
    return `[${(isSet ? items.toSorted() : items).join()}]`;
  }
  if (!isObject(value)) return JSON.stringify(value) ?? "undefined";
  const parts = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key], SETS.has(key))}`);
  return `{${parts.join()}}`;
}
