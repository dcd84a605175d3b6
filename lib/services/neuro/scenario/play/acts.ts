/** What a step does in which the brain acts. */
import { ActionRefused, type Choice, type ForceRequest } from "../../brains/brain.ts";
import { shown } from "../../diagnostics.ts";
import type { Action } from "../../protocol.ts";
import { generate } from "../../schema/generate.ts";
import { fitted } from "../../session/fit.ts";
import type { Pending } from "../../session/pending.ts";
import { type Do, time, unregistered } from "./do.ts";
import type { ExpectationName } from "./expectations.ts";
import type { StepName, StepValues } from "../file/format.ts";
import { Failed, type Playthrough } from "./playthrough.ts";

export const ACTS: { readonly [N in Exclude<StepName, ExpectationName>]: Do<N> } = {
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

/** The game. @throws Failed when it is not here */
function needed(play: Playthrough) {
  const here = play.here();
  if (here === null) throw new Failed("the game is not here");
  return here;
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
