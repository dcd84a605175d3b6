import type { Action, Schema } from "../../protocol.ts";

/** An action as a tool that a model may call. */
export interface Tool {
  readonly action: Action;
  /** Its name as a tool: that of the action, where endpoints allow it. */
  readonly name: string;
  readonly schema: Schema;
}

/** Endpoints take so many tools. */
const MOST_TOOLS = 128;
/** Characters of all tools together. */
const MOST_CHARACTERS = 400_000;
const GOOD_NAME = /^[a-zA-Z0-9_-]{1,64}$/;
/** Characters that are kept of a name that is no good one. */
const KEPT = 56;
const NO_DATA: Schema = { type: "object", properties: {} };

/** The actions of a force as tools, as many as an endpoint takes, and at least one. */
export function toolsOf(actions: readonly Action[]): readonly Tool[] {
  const tools: Tool[] = [];
  const taken = new Set(actions.map(({ name }) => name).filter((name) => GOOD_NAME.test(name)));
  let characters = 0;
  for (const action of actions.slice(0, MOST_TOOLS)) {
    const { name, description } = action;
    const schema = schemaOf(action);
    characters += name.length + description.length + JSON.stringify(schema).length;
    if (tools.length > 0 && characters > MOST_CHARACTERS) break;
    const good = GOOD_NAME.test(name) ? name : goodName(name, taken);
    taken.add(good);
    tools.push({ action, name: good, schema });
  }
  return tools;
}

function schemaOf({ schema }: Action): Schema {
  if (schema === null) return NO_DATA;
  // Endpoints insist on both.
  return { ...NO_DATA, ...schema };
}

function goodName(name: string, taken: ReadonlySet<string>): string {
  const near = name.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, KEPT) || "action";
  for (let n = 1; ; n++) {
    const tried = n === 1 ? near : `${near}_${n}`;
    if (!taken.has(tried)) return tried;
  }
}
