import { shown } from "../../diagnostics.ts";
import type { Happening } from "./transcript.ts";

/** What a game did, in a line; null for what says nothing to a person. */
export function lineOf(what: Happening): string | null {
  switch (what.kind) {
    case "gone":
      return "the game left";
    case "startup":
      return "startup";
    case "registered":
    case "unregistered":
      return `${what.kind} ${shown(what.names.join(", "))}`;
    case "context":
      return `context ${quoted(what.entry.text)}`;
    case "force": {
      if (what.state !== "queued") return null;
      const { names, query } = what.force.data;
      return `force of ${shown(names.join(", "))}, query ${quoted(query)}`;
    }
    case "result": {
      const { action, outcome, how } = what;
      const name = shown(action.name);
      if (how !== "answered") return `no result of ${name}: ${outcome.message}`;
      const said = outcome.message === "" ? "" : `, message ${quoted(outcome.message)}`;
      return `result of ${name}: ${outcome.success ? "success" : "failure"}${said}`;
    }
    case "shutdown ready":
      return "shutdown ready";
    default:
      return null;
  }
}

function quoted(text: string): string {
  return `"${shown(text)}"`;
}
