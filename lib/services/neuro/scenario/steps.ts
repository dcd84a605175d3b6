/** What each kind of step does. */
import { ActionRefused, type Choice, type ForceRequest } from "../brains/brain.ts";
import { quoted, shown } from "../diagnostics.ts";
import type { Action } from "../protocol.ts";
import { generate } from "../schema/generate.ts";
import { fitted } from "../session/fit.ts";
import type { Pending } from "../session/pending.ts";
import { lacking } from "./contains.ts";
import type { ReadStep, StepName, StepValues } from "./format.ts";
import { Failed, type Playthrough } from "./playthrough.ts";
import type { Wording } from "./values.ts";

type Do<N extends StepName> = (play: Playthrough, values: StepValues<N>) => Promise<unknown>;

const STEPS: { readonly [N in StepName]: Do<N> } = {
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

  answer: async (play, values) => {
    const { answer: name, within } = values;
    const ms = time(play, within);
    const end = play.clock.now() + ms;
    const left = () => Math.max(0, end - play.clock.now());
    for (;;) {
      const asked = await play.need(
        () => {
          const here = play.here();
          return here === null ? undefined : (play.brain.askedBy(here) ?? undefined);
        },
        left(),
        () => "no force came that waits for an answer",
        ms,
      );
      const { request, force } = asked;
      const choice = await chosen(play, name as string, request.actions, values);
      const since = play.brain.transcript.last + 1;
      asked.answer(values.say === null ? choice : { ...choice, say: values.say });
      const sent = await play.need(
        () =>
          sentSince(play, since, (pending) => pending.force === force) ??
          (request.signal.aborted || force?.hasEnded ? null : undefined),
        left(),
        () => `${shown(choice.name)} could not be sent`,
        ms,
      );
      // It was replaced before it was sent.
      if (sent === null) continue;
      play.act(force === null ? 0 : play.brain.transcript.lastOf(force));
      play.sent = sent;
      return;
    }
  },

  send: async (play, values) => {
    const ms = time(play, values.within);
    const wanted = values.send as string;
    let trouble = "";
    const here = await play.need(
      () => {
        const found = play.here();
        if (found === null) return undefined;
        const { actionNames: names, pending } = found;
        const isThere = names.includes(wanted) || (wanted === "random" && names.length > 0);
        if (pending.length > 0) trouble = "the action before was not answered";
        else if (isThere || values.unchecked) return found;
        else trouble = unregistered([wanted], names);
        return undefined;
      },
      ms,
      () => trouble,
    );
    const { name, data } = await chosen(play, wanted, here.actions, values);
    const since = play.brain.transcript.last + 1;
    let refused: unknown;
    if (values.unchecked) here.sendAction(name, data as string | undefined);
    else {
      here.submitAction(name, data).catch((error: unknown) => {
        refused = error;
        play.look();
      });
    }
    const sent = await play.need(
      () => {
        if (refused instanceof ActionRefused) {
          throw new Failed(`${shown(name)} was not sent: ${refused.message}`);
        }
        if (refused !== undefined) throw refused;
        return sentSince(play, since, (pending) => pending.name === name);
      },
      ms,
      () => `${shown(name)} was not sent`,
    );
    play.act();
    play.sent = sent;
  },

  say: async (play, { say }) => {
    const here = needed(play);
    if (!here.say(say as string)) throw new Failed("something else is being said");
    play.act();
  },

  ask: async (play, { ask }) => {
    const here = needed(play);
    play.act();
    if (ask === "reregister") here.sendReregisterAll();
    else if (ask === "immediate shutdown") here.sendShutdownImmediate();
    else here.sendShutdownGraceful(ask === "graceful shutdown");
  },

  disconnect: async (play, { disconnect }) => {
    const here = needed(play);
    play.act();
    here.disconnect(disconnect === "abruptly");
    const isHere = () => [...play.brain.games].includes(here);
    await play.need(
      () => (isHere() ? undefined : true),
      play.plan.withinMs,
      () => "the game did not close its end of the connection",
    );
    play.mayBeAway = true;
  },

  wait: async (play, { wait }) => void (await play.wait(() => undefined, wait as number)),
};

/** Does a step. @returns what a function is given that asked for it @throws Failed */
export function doStep(play: Playthrough, { name, values }: ReadStep): Promise<unknown> {
  return (STEPS[name] as Do<StepName>)(play, values as never);
}

function time(play: Playthrough, within: number | null): number {
  return within ?? play.plan.withinMs;
}

function fits(wanted: Wording | null, found: string): boolean {
  return wanted === null || wanted.fits(found);
}

/** The game. @throws Failed when it is not here */
function needed(play: Playthrough) {
  const here = play.here();
  if (here === null) throw new Failed("the game is not here");
  return here;
}

function unregistered(missing: readonly string[], there: readonly string[]): string {
  const others = there.length === 0 ? "nothing else is" : `there is ${shown(there.join(", "))}`;
  return `${shown(missing.join(", "))} was not registered (${others})`;
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

/** The action that was sent since, if it was. */
function sentSince(
  { brain, playing }: Playthrough,
  since: number,
  isIt: (pending: Pending) => boolean,
): Pending | undefined {
  for (const { what, playing: by } of brain.transcript.since(since)) {
    if (what.kind === "action" && by === playing && isIt(what.action)) return what.action;
  }
  return undefined;
}

/** What is sent, checked unless it is not to be. @throws Failed when it does not fit */
async function chosen(
  play: Playthrough,
  wanted: string,
  actions: ForceRequest["actions"] | readonly Action[],
  { data, unchecked }: Pick<StepValues<"send">, "data" | "unchecked">,
): Promise<Choice> {
  const named = actions.find(({ name }) => name === wanted);
  const isAny = named === undefined && wanted === "random" && actions.length > 0;
  const action = isAny ? play.random.pick(actions) : named;
  if (unchecked) {
    const text = typeof data === "string" || data === null ? data : JSON.stringify(data);
    const name = action?.name ?? wanted;
    return { name, unchecked, ...(text === null ? {} : { data: text }) };
  }
  if (action === undefined) {
    const others = actions.map(({ name }) => name).join(", ") || "nothing";
    throw new Failed(`there is no action ${shown(wanted)} to choose; there is ${shown(others)}`);
  }
  const { name } = action;
  if (data === "random" || (isAny && data === null)) {
    const made = await generate(action, play.random);
    if ("code" in made) throw new Failed(made.text);
    return { name, data: made.data };
  }
  const fit = await fitted(action, data ?? undefined);
  if ("problem" in fit) throw new Failed(`the data does not fit ${shown(name)}: ${fit.problem}`);
  return { name, data: fit.data };
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
