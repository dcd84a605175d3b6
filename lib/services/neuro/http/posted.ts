import { rawCommand } from "../codec/encode.ts";
import { isTooDeep } from "../codec/json.ts";

/** A message for games that was posted. */
export type Posted =
  | { readonly kind: "frame"; readonly frame: string }
  | {
      readonly kind: "action";
      /** undefined for a new one. */
      readonly id: string | undefined;
      readonly name: string;
      readonly data: string | undefined;
    };

/** Understands a body. @returns what is wrong with it, in a sentence, when it is no message */
export function postedIn(body: string): Posted | string {
  if (isTooDeep(body)) return "The body is nested too deep.";
  let found: unknown;
  try {
    found = JSON.parse(body);
  } catch {
    return "The body is not JSON.";
  }
  if (!isObject(found)) return 'The body has to be an object: {"command": ..., "data": ...}.';
  const { command, data } = found;
  if (typeof command !== "string" || command === "") return "command: needs a text.";
  if (command === "action") return actionIn(data);
  return { kind: "frame", frame: rawCommand(found) };
}

function actionIn(found: unknown): Posted | string {
  if (!isObject(found)) return 'data: needs an object: {"id": ..., "name": ..., "data": ...}.';
  const { id, name, data } = found;
  if (typeof name !== "string" || name === "") return "data.name: needs the name of an action.";
  // Without an id that is a text no result could be told to be that of this action.
  if (id !== undefined && (typeof id !== "string" || id === "")) {
    return "data.id: needs a text; without one, a new one is made.";
  }
  if (data !== undefined && typeof data !== "string") {
    return 'data.data: needs a text that holds JSON, as "{\\"to\\": 3}".';
  }
  return { kind: "action", id, name, data };
}

function isObject(found: unknown): found is Readonly<Record<string, unknown>> {
  return typeof found === "object" && found !== null && !Array.isArray(found);
}
