/** A tool that a model calls. */
export interface Call {
  readonly name: string;
  /** JSON text, as the model has written it. */
  readonly data: string;
}

/** The answer of a model. */
export interface Said {
  readonly calls: readonly Call[];
  readonly text: string;
  /** The endpoint has said that it is whole. */
  readonly isWhole: boolean;
}

/** Calls of one answer that are heeded. */
const MOST_CALLS = 16;

type Fields = Readonly<Record<string, unknown>>;

/** Puts an answer together from its parts: those of a stream, or the one of an answer that comes whole. */
export class Gathering {
  readonly #calls: { index: unknown; id: string; name: string; data: string }[] = [];
  #text = "";
  #isWhole = false;

  get said(): Said {
    return { calls: this.#calls, text: this.#text, isWhole: this.#isWhole };
  }

  /** Characters so far that are said aloud or thought. */
  get textLength(): number {
    return this.#text.length;
  }

  /** Everything has come. */
  ended(): void {
    this.#isWhole = true;
  }

  /** Takes a part, which may be anything. @returns the error that it tells of, or null */
  add(part: unknown): string | null {
    const { error, choices } = fieldsOf(Array.isArray(part) ? part[0] : part);
    if (error !== undefined && error !== null) return errorText(error);
    const choice = fieldsOf(Array.isArray(choices) ? choices[0] : null);
    const { content, tool_calls: calls } = fieldsOf(choice["delta"] ?? choice["message"]);
    this.#text += textOf(content);
    if (Array.isArray(calls)) for (const call of calls) this.#call(fieldsOf(call));
    if (typeof choice["finish_reason"] === "string") this.#isWhole = true;
    return null;
  }

  #call({ index, id, function: named }: Fields): void {
    const { name, arguments: given } = fieldsOf(named);
    const data = typeof given === "string" ? given : given == null ? "" : JSON.stringify(given);
    const call = this.#callAt(index, typeof id === "string" ? id : "", name);
    if (call === undefined) return;
    if (typeof name === "string" && call.name === "") call.name = name;
    call.data += data;
  }

  /** The call that a part belongs to. Endpoints count calls by their index, or give each an id, or neither. */
  #callAt(index: unknown, id: string, name: unknown) {
    const known = this.#calls.findLast((one) => one.index === index);
    const isOther = id !== "" && known?.id !== "" && known?.id !== id;
    const isUncounted = typeof index !== "number" && id === "" && typeof name === "string";
    if (known !== undefined && !isOther && !isUncounted) return known;
    if (this.#calls.length >= MOST_CALLS) return undefined;
    const call = { index, id, name: "", data: "" };
    this.#calls.push(call);
    return call;
  }
}

/** What an endpoint says of an error, in the forms that there are: a text, or an object with a message. */
export function errorText(error: unknown): string {
  if (typeof error === "string") return error;
  const { message, detail } = fieldsOf(error);
  const text = [message, detail].find((one) => typeof one === "string");
  return (text as string | undefined) ?? "an error without a message";
}

/** An object's fields; none of anything else. */
function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

/** The text of a content, which is a text or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part) => fieldsOf(part)["text"])
    .filter((text) => typeof text === "string")
    .join("");
}

/** True if an answer has ended before it was whole. */
export function isCut({ calls, isWhole }: Said): boolean {
  if (isWhole) return false;
  return calls.length === 0 || !calls.every(({ data }) => isJson(data));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
