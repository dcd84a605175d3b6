import { actionCommand } from "../../codec/encode.ts";
import { type Diagnostic, diagnose, secondsOf, shown } from "../../diagnostics.ts";
import type { Action } from "../../protocol.ts";
import type { Random } from "../../random.ts";
import { generate } from "../../schema/generate.ts";
import { rulesOf } from "../../schema/rules.ts";
import type { SessionEvent } from "../../session/events.ts";
import { fitted } from "../../session/fit.ts";
import type { Force } from "../../session/force.ts";
import type { Pending } from "../../session/pending.ts";
import { ActionRefused, type Choice, type ForceRequest, type Playing } from "../brain.ts";
import type { BrainParts } from "../parts.ts";
import { Drawing, type FaultName, faultsIn } from "./drawing.ts";
import { noJson, wrong } from "./wrong.ts";

/** Done right after the action of a force has been sent. */
type Afterwards = (sent: Pick<Pending, "id" | "name" | "data">) => void;

/** The faults that the settings name; null where those name none. */
export function faultsOf(parts: BrainParts): Faults | null {
  const own = parts.settings();
  const faults = faultsIn(own);
  if (faults.length === 0) return null;
  const told = faults.map(({ name, rate }) => `${name} ${rate}`).join(", ");
  parts.log.warning(`neuro: faults are made on purpose: ${told}; seed ${own.fault_seed}`);
  return new Faults(parts, new Drawing(faults, own.fault_seed));
}

/** Stands between games and their brains: choices come with faults, each of which is told to the game's developer. */
class Faults {
  readonly #parts: BrainParts;
  readonly #drawing: Drawing;
  /** What follows the action of each force, until that has been sent. */
  readonly #armed = new WeakMap<Force, Afterwards>();
  #isWatching = false;

  constructor(parts: BrainParts, drawing: Drawing) {
    this.#parts = parts;
    this.#drawing = drawing;
  }

  /** Has the brain of a game choose, and makes the faults of this choice. */
  async choose(playing: Playing, request: ForceRequest): Promise<Choice> {
    const { name: game, brain } = playing;
    const names = this.#drawing.next(game);
    const random = this.#drawing.random(game);
    for (const name of names) {
      if (await this.#before(name, random, request, playing)) {
        return brain.chooseForceAction(game, request, playing);
      }
    }
    const choice = await brain.chooseForceAction(game, request, playing);
    for (const name of names) {
      const faulty = await this.#after(name, random, request, playing, choice);
      if (faulty !== null) return faulty;
    }
    return choice;
  }

  /** Does a fault that comes before a choice. @returns false when it is no such fault, or could not be done */
  async #before(
    name: FaultName,
    random: Random,
    { actions, signal }: ForceRequest,
    playing: Playing,
  ): Promise<boolean> {
    switch (name) {
      case "slow": {
        const ms = this.#parts.settings().fault_slow_secs * 1000;
        playing.tell(diagnose("fault_slow", { seconds: secondsOf(ms) }));
        await this.#pause(ms, signal);
        return true;
      }
      case "drop":
        playing.tell(diagnose("fault_drop", {}));
        playing.disconnect(true);
        // There is nobody to choose for.
        await this.#pause(Infinity, signal);
        return true;
      case "unforced": {
        const others = playing.actions.filter((one) => !actions.includes(one));
        const made = await madeFor(others.length > 0 ? others : actions, random);
        if (made === null || signal.aborted) return false;
        const { action, data } = made;
        return sent(
          playing,
          action,
          data,
          diagnose("fault_unforced", { action: shown(action.name) }),
        );
      }
      default:
        return false;
    }
  }

  /** A choice with a fault; null where that is none of a choice, or cannot be done with this one. */
  async #after(
    name: FaultName,
    random: Random,
    { actions }: ForceRequest,
    playing: Playing,
    choice: Choice,
  ): Promise<Choice | null> {
    const action = actions.find((one) => one.name === choice?.name);
    // What is wrong already is not sent anyway.
    const fit = action === undefined ? null : await fitted(action, choice.data);
    if (action === undefined || fit === null || "problem" in fit) return null;
    const what = { action: shown(action.name) };
    const faulty = (data: string, diagnostic: Diagnostic): Choice => {
      playing.tell(diagnostic);
      return { ...choice, data, unchecked: true };
    };
    switch (name) {
      case "json": {
        const data = JSON.stringify(JSON.parse(fit.data ?? "{}"));
        return faulty(noJson(data, random), diagnose("fault_json", what));
      }
      case "enum":
      case "type":
      case "missing": {
        const rules = rulesOf(action);
        if (rules === null || "code" in rules || fit.data === undefined) return null;
        const found = await wrong(name, rules, fit.data, random);
        if (found === null) return null;
        const place = { ...what, path: shown(found.path) };
        const diagnostic =
          name === "missing"
            ? diagnose("fault_missing", place)
            : diagnose(`fault_${name}`, { ...place, value: shown(found.value) });
        return faulty(found.data, diagnostic);
      }
      case "duplicate":
        this.#arm(playing, ({ id, name: sentName, data }) => {
          playing.tell(diagnose("fault_duplicate", { action: shown(sentName) }));
          playing.sendFrame(actionCommand(id, sentName, data));
        });
        return choice;
      case "double": {
        const others = actions.filter((one) => one !== action);
        const made = await madeFor(others.length > 0 ? others : actions, random);
        if (made === null) return null;
        this.#arm(playing, (first) => {
          const told = { action: shown(made.action.name), other: shown(first.name) };
          sent(playing, made.action, made.data, diagnose("fault_double", told));
        });
        return choice;
      }
      default:
        return null;
    }
  }

  /** Has something done right after the action of the force that is chosen for has been sent. */
  #arm({ force }: Playing, afterwards: Afterwards): void {
    if (force === null) return;
    this.#armed.set(force, afterwards);
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#parts.stage().watch({ event: (_playing, event) => this.#happened(event) });
  }

  #happened(event: SessionEvent): void {
    if (event.kind !== "action" || event.action.force === null) return;
    const { force, ...sent } = event.action;
    const afterwards = this.#armed.get(force);
    this.#armed.delete(force);
    // It is told of before it is written.
    if (afterwards !== undefined) queueMicrotask(() => afterwards(sent));
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((done, stop) => {
      const cancel = this.#parts.clock.after(ms, done);
      const unwanted = () => {
        cancel();
        stop(signal.reason);
      };
      if (signal.aborted) unwanted();
      else signal.addEventListener("abort", unwanted);
    });
  }
}

/** One of these actions, with data that fits it; null where that cannot be made. */
async function madeFor(actions: readonly Action[], random: Random) {
  const action = random.pick(actions);
  const made = await generate(action, random);
  if ("code" in made) return null;
  return { action, data: made.data === undefined ? undefined : JSON.stringify(made.data) };
}

/** Sends an action that nobody waits for, and tells of it. @returns false when it was not sent */
function sent(
  playing: Playing,
  { name }: Action,
  data: string | undefined,
  diagnostic: Diagnostic,
): boolean {
  try {
    playing.sendAction(name, data);
  } catch (error) {
    if (error instanceof ActionRefused) return false;
    throw error;
  }
  playing.tell(diagnostic);
  return true;
}
