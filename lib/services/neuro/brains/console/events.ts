/** What the console shows of what happens. */
import type { Diagnostic } from "../../diagnostics.ts";
import type { SessionEvent } from "../../session/events.ts";
import type { CancelReason, Force } from "../../session/force.ts";
import { cleaned, few, linesOf, nameOf, type Look } from "./shown.ts";

const CANCELLED: Readonly<Record<CancelReason, string | null>> = {
  // That it has gone is told anyway.
  disconnect: null,
  startup: "its game has begun anew",
  unregistration: "its actions have gone",
  schemas: "none of its actions can be chosen",
  brain: "nobody chose",
  "choice timeout": "nobody chose in time",
  shutdown: "the server stops",
};

/** What is shown of an event, the first line after the game's name; null where that is nothing. */
export function eventLines(event: SessionEvent, look: Look): readonly string[] | null {
  switch (event.kind) {
    case "registered":
      return [`can now: ${few(event.names)}`];
    case "unregistered":
      return [`can no longer: ${few(event.names)}`];
    case "context": {
      const { kind, text, silent } = event.entry;
      if (kind !== "context") return null;
      const [first = "", ...more] = linesOf(text);
      return [`${silent ? "tells (silently)" : "tells"}: ${first}`, ...more];
    }
    case "force": {
      const end = forceEnd(event.force);
      return end === null ? null : [look.paint("yellow", end)];
    }
    case "action": {
      const { name, data } = event.action;
      const sent = `is sent ${nameOf(name)}${data === undefined ? "" : ` ${cleaned(data)}`}`;
      return [look.paint("bold", sent)];
    }
    case "result": {
      const { action, how, outcome } = event;
      if (how === "disconnect" || how === "startup") return null;
      const [first = "", ...more] = linesOf(outcome.message);
      const said = first === "" ? "" : `: ${first}`;
      const what = `${outcome.success ? "success" : "failure"} of ${nameOf(action.name)}`;
      return [`${look.paint(outcome.success ? "green" : "red", what)}${said}`, ...more];
    }
    case "said":
      return [`is told aloud: ${cleaned(event.text)}`];
    case "shutdown ready":
      return ["is ready to be shut down"];
    case "other":
      return [`says ${nameOf(event.name)} ${cleaned(JSON.stringify(event.data) ?? "")}`.trimEnd()];
    case "diagnostic":
      return [diagnosticText(event.diagnostic, look)];
    case "startup":
      return null;
  }
}

export function diagnosticText(diagnostic: Diagnostic, look: Look): string {
  const { code, severity, text, cure } = diagnostic;
  const style = severity === "error" ? "red" : severity === "warning" ? "yellow" : "dim";
  const mark = severity === "info" ? "note" : severity;
  return `${look.paint(style, `${mark} ${code}:`)} ${text} ${cure}`;
}

function forceEnd({ state, why }: Force): string | null {
  switch (state) {
    case "failed":
      return "the force has failed for good";
    case "timed_out":
      return "the force ends: there was no result in time";
    case "replaced":
      return "the force was replaced by another";
    case "cancelled": {
      const told = why === null ? "it is not known why" : CANCELLED[why];
      return told === null ? null : `the force was cancelled: ${told}`;
    }
    default:
      return null;
  }
}
