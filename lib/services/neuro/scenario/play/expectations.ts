/** What a step does that expects something. */
import { quoted, shown } from "../../diagnostics.ts";
import type { Action } from "../../protocol.ts";
import { lacking } from "./contains.ts";
import { type Do, time, unregistered } from "./do.ts";
import type { STEPS, StepName } from "../file/format.ts";
import { Failed, type Playthrough } from "./playthrough.ts";
import type { Wording } from "../file/values.ts";

/** The kinds of steps that expect something. */
export type ExpectationName = {
  [N in StepName]: (typeof STEPS)[N]["verb"] extends "expect" ? N : never;
}[StepName];

export const EXPECTATIONS: { readonly [N in ExpectationName]: Do<N> } = {
  connect: (play, { within }) =>
    play.hear("here", () => true, within ?? play.plan.connectMs, "the game did not come"),

  startup: (play, { within }) =>
    play.hear("startup", () => true, time(play, within), "no startup came"),

  register: (play, { actions, description, schema, within }) => {
    const names = actions ?? [];
    let trouble = "";
    const look = () => {
      const here = play.here()?.actions ?? [];
      const found = names.map((name) => here.find((one) => one.name === name));
      const missing = names.filter((_, at) => found[at] === undefined);
      if (missing.length > 0) {
        trouble = unregistered(
          missing,
          here.map(({ name }) => name),
        );
        return undefined;
      }
      const all = found as readonly Action[];
      const wrong = all.flatMap((one) => mismatch(one, description, schema) ?? []);
      trouble = wrong.join("; ");
      return wrong.length > 0 ? undefined : all;
    };
    return play.need(look, time(play, within), () => trouble);
  },

  unregister: (play, { actions, within }) => {
    const names = actions ?? [];
    let left: readonly string[] = [];
    const look = () => {
      const here = play.here();
      left = names.filter((name) => here?.actionNames.includes(name));
      return left.length === 0 ? true : undefined;
    };
    const missing = () => `${shown(left.join(", "))} was not unregistered`;
    return play.need(look, time(play, within), missing);
  },

  context: async (play, { message, silent, within }) => {
    const { entry } = await play.hear(
      "context",
      ({ entry: { text, silent: isSilent } }) =>
        fits(message, text) && (silent === null || silent === isSilent),
      time(play, within),
      "no such context came",
    );
    return entry.text;
  },

  force: async (play, { actions, query, state, priority, within }) => {
    const { force } = await play.hear(
      "force",
      ({ state: at, force: { data, names } }) =>
        at === "queued" &&
        (actions ?? []).every((name) => names.includes(name)) &&
        fits(query, data.query) &&
        fits(state, data.state ?? "") &&
        (priority === null || priority === data.priority),
      time(play, within),
      "no such force came",
    );
    return force.data;
  },

  success: (play, { message, within }) => result(play, true, message, within),
  failure: (play, { message, within }) => result(play, false, message, within),

  "shutdown ready": (play, { within }) =>
    play.hear("shutdown ready", () => true, time(play, within), "no shutdown/ready came"),

  leave: async (play, { within }) => {
    await play.hear("gone", () => true, time(play, within), "the game did not leave");
    play.mayBeAway = true;
  },

  "no errors": async (play, { except }) => clean(play, ["error"], except),
  "no warnings": async (play, { except }) => clean(play, ["error", "warning"], except),
};

function fits(wanted: Wording | null, found: string): boolean {
  return wanted === null || wanted.fits(found);
}

/** What of an action is not as it was expected, or null. */
function mismatch(
  { name, description, schema }: Action,
  wording: Wording | null,
  wanted: Readonly<Record<string, unknown>> | null,
): string | null {
  if (!fits(wording, description)) {
    return `the description of ${shown(name)} is ${quoted(description)}`;
  }
  const path = wanted === null ? null : lacking(schema ?? {}, wanted);
  return path === null ? null : `the schema of ${shown(name)} has not what was expected at ${path}`;
}

/** Waits for the result of the action that was sent last. */
async function result(
  play: Playthrough,
  success: boolean,
  message: Wording | null,
  within: number | null,
): Promise<string> {
  const { sent } = play;
  if (sent === null) throw new Failed("no action was answered or sent before it");
  play.sent = null;
  const name = shown(sent.name);
  const noted = await play.need(
    () => {
      const found = play.brain.transcript
        .since(0)
        .findLast(({ what }) => what.kind === "result" && what.action.id === sent.id);
      if (found === undefined) play.here();
      return found;
    },
    time(play, within),
    () => `no result of ${name} came`,
  );
  play.take(noted);
  if (noted.what.kind !== "result") throw new TypeError("it is no result");
  const { how, outcome } = noted.what;
  const said = outcome.message === "" ? "nothing" : quoted(outcome.message);
  if (how === "timed out") throw new Failed(`${name} got ${outcome.message}`);
  if (how !== "answered") throw new Failed(`${name} got no result: ${outcome.message}`);
  if (outcome.success !== success) {
    const which = success ? "failed" : "succeeded";
    throw new Failed(`${name} ${which}; its message says ${said}`);
  }
  if (!fits(message, outcome.message)) throw new Failed(`the message says ${said}`);
  return outcome.message;
}

/** @throws Failed when the game's developer was told something of these kinds */
function clean(
  play: Playthrough,
  severities: readonly string[],
  except: readonly string[] | null,
): void {
  const found = play
    .diagnostics()
    .filter(
      ({ diagnostic: { code, severity } }) =>
        severities.includes(severity) && !except?.includes(code),
    );
  if (found.length === 0) return;
  const codes = found.map(({ diagnostic: { code } }) => code);
  throw new Failed(`there were: ${[...new Set(codes)].join(", ")}`);
}
