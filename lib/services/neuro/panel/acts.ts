import { text, word } from "../../../host/service/asked.ts";
import { type Clock, within } from "../../../host/clock.ts";
import { type Act, type Done, Refused } from "../../../host/service/panel.ts";
import { ActionRefused, type Choice, type Playing } from "../brains/brain.ts";
import { WebBrain } from "../brains/web.ts";
import { quoted, shown } from "../diagnostics.ts";
import { type Action, LONGEST_NAME } from "../protocol.ts";
import type { Force } from "../session/force.ts";
import type { Stage } from "../watch/stage.ts";
import { gameOf } from "./asked.ts";
import { dataOf } from "./data.ts";
import { keyOf } from "./forces.ts";
import type { Numbered } from "./shown.ts";

/** Milliseconds that a choice may take until it is with the game, for the answer to name its id. */
const SENDING_MS = 2000;
/** Characters that may be said aloud with a choice. */
const MOST_SAID = 2000;

const GAME = { game: "its number" };
const DATA = "the answers to the form of the action, or JSON text that is sent as it stands";

type Fields = Readonly<Record<string, unknown>>;

/** The acts of an operator on the games that are here. */
export function actsOf(stage: Stage, clock: Clock, numbers: Numbered): Record<string, Act> {
  return {
    send: {
      about: "Send an action that nobody asked for; once, whatever comes of it.",
      fields: { ...GAME, action: "its name", data: DATA },
      run: (fields) => send(gameOf(fields, stage), fields),
    },
    choose: {
      about: 'Answer the force of a game that a person plays on the page (`brain = "web"`).',
      fields: {
        ...GAME,
        force: "its key, as the view has it",
        action: "the name of one of its actions",
        data: DATA,
        say: "what is said aloud with it; may be left out",
      },
      run: (fields) => choose(gameOf(fields, stage), fields, { stage, clock, numbers }),
    },
    reregister: {
      about: "Ask a game to register its actions again.",
      fields: GAME,
      run(fields) {
        const playing = gameOf(fields, stage);
        playing.sendReregisterAll();
        return { outcome: `asked ${quoted(playing.name)} for its actions` };
      },
    },
    shutdown: {
      about: "Ask a game to shut down: when it suits it, not after all, or at once.",
      fields: { ...GAME, how: "graceful, keep, immediate" },
      run(fields) {
        const how = word(fields, "how", ["graceful", "keep", "immediate"]);
        const playing = gameOf(fields, stage);
        if (how === "immediate") playing.sendShutdownImmediate();
        else playing.sendShutdownGraceful(how === "graceful");
        const name = quoted(playing.name);
        const said = {
          graceful: `asked ${name} to shut down when it suits it`,
          keep: `took back that ${name} shut down`,
          immediate: `asked ${name} to shut down at once`,
        };
        return { outcome: said[how] };
      },
    },
    disconnect: {
      about: "Close the connection of a game, and of all games on it.",
      fields: { ...GAME, how: "closed, or reset for one without a close frame; may be left out" },
      run(fields) {
        const how = word({ how: "closed", ...fields }, "how", ["closed", "reset"]);
        const playing = gameOf(fields, stage);
        playing.disconnect(how === "reset");
        return { outcome: `disconnected ${quoted(playing.name)}, ${playing.address}` };
      },
    },
  };
}

/** The registered action that is named. @throws Refused */
function actionOf(playing: Playing, fields: Fields): Action {
  const name = text(fields, "action", LONGEST_NAME);
  const found = playing.actions.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new Refused(409, `There is no action ${quoted(name)}; the game may have taken it back.`);
}

async function send(playing: Playing, fields: Fields): Promise<Done> {
  const action = actionOf(playing, fields);
  const data = await dataOf(action, fields["data"]);
  const id = await new Promise<string>((sent, refused) => {
    // What the game makes of it is seen in the results.
    playing.submitAction(action.name, data, sent).catch(refused);
  }).catch((error: unknown) => {
    if (!(error instanceof ActionRefused)) throw error;
    throw new Refused(409, `It was not sent: ${error.message}.`);
  });
  const outcome = `sent ${shown(action.name)} to ${quoted(playing.name)}`;
  return { outcome, more: { id } };
}

async function choose(
  playing: Playing,
  fields: Fields,
  parts: { stage: Stage; clock: Clock; numbers: Numbered },
): Promise<Done> {
  const { brain, force } = playing;
  const key = text(fields, "force", 40);
  const say = text(fields, "say", MOST_SAID, "");
  if (!(brain instanceof WebBrain)) {
    throw new Refused(
      409,
      `No person plays ${quoted(playing.name)}: its brain is ${shown(brain.name)}.`,
    );
  }
  const question = brain.questionOf(playing);
  if (force === null || question === null || keyOf(force, parts.numbers) !== key) throw tooLate();
  const action = actionOf(playing, fields);
  if (!force.names.includes(action.name)) {
    throw new Refused(409, `${shown(action.name)} is not among what the game asks for.`);
  }
  const data = await dataOf(action, fields["data"]);
  const choice: Choice = { name: action.name, data, ...(say === "" ? {} : { say }) };
  if (!brain.answer(playing, question, choice)) throw tooLate();
  const id = await sentFor(playing, force, parts);
  const chosen = `chose ${shown(action.name)} for ${quoted(playing.name)}`;
  return { outcome: id === null ? `${chosen}; it has not been sent yet` : chosen, more: { id } };
}

function tooLate(): Refused {
  return new Refused(409, "Too late: it has been answered, or the game does not ask it any more.");
}

/** The id of the action that is sent for a force; null when none is for a while. */
async function sentFor(
  playing: Playing,
  force: Force,
  { stage, clock }: { stage: Stage; clock: Clock },
): Promise<string | null> {
  let id: string | null = null;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = stage.watch({
    event(one, event) {
      if (one !== playing) return;
      if (event.kind === "action" && event.action.force === force) id = event.action.id;
      else if (event.kind !== "force" || event.force !== force || event.state === "sent") return;
      resolve();
    },
  });
  await within(clock, SENDING_MS, promise);
  stop();
  return id;
}
