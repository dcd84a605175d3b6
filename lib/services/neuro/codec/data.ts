import { diagnose, quoted, shown } from "../diagnostics.ts";
import {
  type Action,
  type Command,
  type ForceData,
  LONGEST_NAME,
  PRIORITIES,
  type Priority,
  type ResultData,
  type Schema,
} from "../protocol.ts";
import type { Tell } from "./json.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** What a value is, for a diagnostic. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "not there";
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") {
    if (value.length > LONGEST_NAME) return `a text of ${value.length} characters`;
    return value === "" ? "an empty text" : `the text ${quoted(value)}`;
  }
  return shown(String(value));
}

/** The data of one command, read key by key. What will not do is told, and answers undefined or null. */
export class Data {
  readonly #command: string;
  readonly #fields: Fields | null;
  readonly #found: unknown;
  readonly #tell: Tell;

  constructor(command: string, found: unknown, tell: Tell) {
    this.#command = command;
    this.#found = found;
    this.#tell = tell;
    if (Array.isArray(found) && found.length === 0) {
      this.#tell(diagnose("empty_list", { key: "data", command }));
      this.#fields = {};
    } else if (found === null) {
      this.#null("data");
      this.#fields = {};
    } else if (found === undefined) this.#fields = {};
    else
      this.#fields = typeof found === "object" && !Array.isArray(found) ? (found as Fields) : null;
  }

  /** For a command without data. */
  unused(command: Command): Command {
    if (this.#fields === null) {
      const found = kindOf(this.#found);
      this.#tell(diagnose("unused_data", { command: this.#command, found }));
    }
    return command;
  }

  /** A text that has to be there; null reads as `ifNull` where that is given. */
  text(key: string, ifNull?: string): string | undefined {
    const value = this.#given(key, "a text");
    if (typeof value === "string") return value;
    if (value === null && ifNull !== undefined) {
      this.#null(key);
      return ifNull;
    }
    return this.#bad(key, value, "a text");
  }

  /** A text that may be missing or null. */
  #optionalText(key: string): string | null | undefined {
    const value = this.#fields?.[key];
    if (value === undefined || typeof value === "string") return value ?? null;
    if (value !== null) return this.#bad(key, value, "a text, or leave it out");
    this.#null(key);
    return null;
  }

  flag(key: string): boolean | undefined {
    const value = this.#given(key, "true or false");
    return typeof value === "boolean" ? value : this.#bad(key, value, "true or false");
  }

  names(): readonly string[] | null {
    const key = "action_names";
    const value = this.#given(key, NAMES);
    if (value === null) {
      this.#null(key);
      return [];
    }
    const wrong = Array.isArray(value) ? value.findIndex((one) => !isName(one)) : 0;
    if (wrong < 0) return value as string[];
    if (!Array.isArray(value)) this.#bad(key, value, NAMES);
    else this.#bad(`${key}[${wrong}]`, value[wrong], "the name of an action");
    return null;
  }

  force(): ForceData | null {
    const query = this.text("query");
    const names = query === undefined ? null : this.names();
    const state = names === null ? undefined : this.#optionalText("state");
    const ephemeral = state === undefined ? undefined : this.#ephemeral();
    if (query === undefined || names === null || state === undefined) return null;
    if (ephemeral === undefined) return null;
    return { query, names, state, ephemeral, priority: this.#priority() };
  }

  #ephemeral(): boolean | undefined {
    const key = "ephemeral_context";
    const value = this.#fields?.[key];
    if (value === undefined || typeof value === "boolean") return value ?? false;
    if (value !== null) return this.#bad(key, value, "true or false, or leave it out");
    this.#null(key);
    return false;
  }

  #priority(): Priority {
    const value = this.#fields?.["priority"];
    if (value === undefined) return "low";
    if (value === null) {
      this.#null("priority");
      return "low";
    }
    const found = PRIORITIES.find((one) => one === value);
    if (found === undefined) this.#tell(diagnose("unknown_priority", { found: kindOf(value) }));
    return found ?? "low";
  }

  result(): ResultData | null {
    const id = this.text("id");
    const success = id === undefined ? undefined : this.flag("success");
    const message = success === undefined ? undefined : this.#optionalText("message");
    if (id === undefined || success === undefined || message === undefined) return null;
    return { id, success, message: message ?? "" };
  }

  /** All of a batch, or null when one of them will not do. */
  actions(): readonly Action[] | null {
    const wanted = "a list of objects with name, description and schema";
    const list = this.#given("actions", wanted);
    if (!Array.isArray(list)) {
      this.#bad("actions", list, wanted);
      return null;
    }
    const actions: Action[] = [];
    for (const [at, item] of list.entries()) {
      const action = this.#action(item, `actions[${at}]`);
      if (action === null) return null;
      actions.push(action);
    }
    return actions;
  }

  #action(item: unknown, at: string): Action | null {
    if (typeof item !== "object" || item === null || Array.isArray(item)) {
      this.#bad(at, item, "an object with name, description and schema");
      return null;
    }
    const { name, description, schema } = item as Fields;
    if (!isName(name) || name === "") {
      this.#bad(
        `${at}.name`,
        name,
        `a text that is not empty, of ${LONGEST_NAME} characters at most`,
      );
      return null;
    }
    if (typeof description === "string") {
      if (description.trim() === "") this.#undescribed(name);
    } else if (description === undefined || description === null) this.#undescribed(name);
    else {
      this.#bad(`${at}.description`, description, "a text");
      return null;
    }
    const read = this.#schema(schema, `${at}.schema`);
    if (read === undefined) return null;
    return { name, description: description ?? "", schema: read };
  }

  #schema(value: unknown, key: string): Schema | null | undefined {
    const isList = Array.isArray(value);
    if (isList && value.length === 0) {
      this.#tell(diagnose("empty_list", { key, command: this.#command }));
      return null;
    }
    if (value === null) {
      this.#null(key);
      return null;
    }
    if (value === undefined) return null;
    if (isList || typeof value !== "object") {
      return this.#bad(key, value, "an object that is a JSON Schema, or leave it out");
    }
    return Object.keys(value).length === 0 ? null : (value as Schema);
  }

  #undescribed(name: string): void {
    this.#tell(diagnose("no_description", { action: shown(name) }));
  }

  /** The value of a key that has to be there, whatever it is; undefined when data has no such key. */
  #given(key: string, wanted: string): unknown {
    const value = this.#fields?.[key];
    if (value === undefined && this.#fields !== null) {
      this.#tell(diagnose("missing_key", { command: this.#command, key, wanted }));
    }
    return value;
  }

  #null(key: string): void {
    this.#tell(diagnose("null_value", { key, command: this.#command }));
  }

  #bad(key: string, value: unknown, wanted: string): undefined {
    const command = this.#command;
    if (this.#fields === null) {
      const found = kindOf(this.#found);
      this.#tell(diagnose("bad_value", { command, key: "data", found, wanted: "an object" }));
    } else if (value !== undefined || key.includes("[")) {
      this.#tell(diagnose("bad_value", { command, key, found: kindOf(value), wanted }));
    }
    return undefined;
  }
}

const NAMES = "a list of names of actions";

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= LONGEST_NAME;
}
