import { shown } from "../diagnostics.ts";
import type { SessionEvent } from "../session/events.ts";

/** What the log says of an event, made only where it is wanted; null where it says nothing. */
export function lineOf(event: SessionEvent): (() => string) | null {
  switch (event.kind) {
    case "context":
      return () => `${event.entry.kind}: ${shown(event.entry.text)}`;
    case "action": {
      const { name, data, force } = event.action;
      const what = force === null ? "action" : "forced action";
      return () => `${what}: ${shown(name)}${data === undefined ? "" : ` ${shown(data)}`}`;
    }
    case "result": {
      const { action, how, outcome } = event;
      if (how !== "answered") return null;
      return () => `result of ${shown(action.name)}: ${outcome.success ? "success" : "failure"}`;
    }
    case "force": {
      const { hasEnded, why } = event.force;
      if (!hasEnded) return null;
      return () => `force ${event.state.replace("_", " ")}${why === null ? "" : `: ${why}`}`;
    }
    case "shutdown ready":
      return () => "it is ready to be shut down";
    default:
      return null;
  }
}
