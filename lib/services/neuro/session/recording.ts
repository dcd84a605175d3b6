// Long because the rules of a session belong together: what one command does decides what the next may do.
import { type Clock, systemClock } from "../../../host/clock.ts";
import { firstOf } from "../../../host/content.ts";
import { ActionRefused, type Choice, type ForceRequest } from "../brains/brain.ts";
import { Choosing } from "./choosing.ts";
import { ClientSession } from "./client.ts";
import { Context, type ContextEntry } from "../context.ts";
import { type Diagnostic, diagnose, quoted, secondsOf, shown, thrownText } from "../diagnostics.ts";
import type { SessionEvent } from "./events.ts";
import { type Chosen, fitted } from "./fit.ts";
import { type CancelReason, Force, type ForceEnd } from "./force.ts";
import { type Pending, type PendingEnd, Pendings } from "./pending.ts";
import type { Action, ActionOutcome, ForceData, ResultData } from "../protocol.ts";
import { Registry } from "./registry.ts";
import { AT_ONCE, type Turns } from "../turns.ts";
import { SESSION_SETTINGS, type SessionOptions, type SessionSettings } from "../settings.ts";

/** Actions that may be unanswered at once, those that were sent without being checked included. */
const MOST_PENDING = 16;
/** Characters that are kept of the state of a force, and of its query. */
const LONGEST_TEXT = 2 ** 20;
/** Names of a force that are not registered and remembered; what is told of them is shorter. */
const MOST_MISSING = 100;

/**
 * One game over one connection, with all that the protocol's rules ask: its
 * actions, the one action that is unanswered, its force, and what waits for the
 * result. A subclass says who plays, in `addContext` and `chooseForceAction`.
 */
export abstract class RecordingSession extends ClientSession {
  readonly clock: Clock;
  protected readonly registry: Registry;
  readonly #settings: () => SessionSettings;
  readonly #turns: Turns;
  readonly #brain: string;
  readonly #pendings: Pendings;
  /** What came while an action was unanswered. */
  readonly #held = new Context();
  #force: Force | null = null;
  /** The choice that is being made. */
  #choosing: Choosing | null = null;
  /** A choice that waits until nothing is unanswered. */
  #chosen: Chosen | null = null;
  #hasStarted = false;

  constructor(options: SessionOptions = {}) {
    super(options);
    this.clock = options.clock ?? systemClock;
    this.#settings = options.settings ?? (() => SESSION_SETTINGS);
    this.#turns = options.turns ?? AT_ONCE;
    this.#brain = options.brain ?? "of this session";
    this.registry = new Registry(this.#settings, this.clock, options.room);
    this.#pendings = new Pendings(this.clock);
  }

  // --- who plays

  /** Something has entered the context. */
  addContext(_message: string, _replyIfNotBusy: boolean): void {}

  /** Chooses one of the actions of a force. */
  abstract chooseForceAction(force: ForceRequest): Choice | Promise<Choice>;

  /** True if whoever chooses may take any time. */
  protected get isPatient(): boolean {
    return false;
  }

  /** Something has happened. */
  protected noted(_event: SessionEvent): void {}

  /** Says text aloud. */
  protected say(_text: string): void {}

  /** Does work that nobody waits for. */
  protected soon(work: () => Promise<void>): void {
    void work();
  }

  // --- what there is

  get actions(): readonly Action[] {
    return [...this.registry];
  }

  get actionNames(): readonly string[] {
    return this.registry.names;
  }

  getAction(name: string): Action | null {
    return this.registry.get(name);
  }

  hasAction(name: string): boolean {
    return this.registry.has(name);
  }

  /** Forgets all actions. */
  clear(): void {
    this.registry.clear();
  }

  get force(): Force | null {
    return this.#force;
  }

  /** The actions that are unanswered. */
  get pending(): readonly Pending[] {
    return this.#pendings.all;
  }

  // --- sending

  /** Sends an action without checking it, and waits for its result without trying again. */
  override sendAction(name: string, data?: string, id = this.nextId()): string {
    return this.#send(name, data, null, () => {}, id);
  }

  /**
   * Sends an action that no force asked for, and waits for its result.
   * @throws ActionRefused when it is not to be sent
   */
  async submitAction(
    name: string,
    data?: object | string,
    sent?: (id: string) => void,
  ): Promise<ActionOutcome> {
    const action = this.#mayAct(name);
    const fit = await fitted(action, data);
    if ("problem" in fit) throw new ActionRefused(fit.problem);
    this.#mayAct(name);
    return new Promise((settle) => {
      const id = this.#send(name, fit.data, null, settle);
      sent?.(id);
    });
  }

  #mayAct(name: string): Action {
    const [unanswered] = this.#pendings.all;
    if (unanswered) throw new ActionRefused(`${shown(unanswered.name)} has not been answered yet`);
    if (this.#force !== null && this.#force.state !== "queued") {
      throw new ActionRefused("a force is being chosen for");
    }
    const action = this.registry.get(name);
    if (action === null) throw new ActionRefused(`there is no action ${quoted(name)}`);
    return action;
  }

  #send(
    name: string,
    data: string | undefined,
    force: Force | null,
    settle: (outcome: ActionOutcome) => void,
    id = this.nextId(),
  ): string {
    if (this.#pendings.has(id)) throw new ActionRefused(`the id ${quoted(id)} is in use`);
    if (this.#pendings.size >= MOST_PENDING) {
      throw new ActionRefused(`${MOST_PENDING} actions have not been answered yet`);
    }
    const pending = { id, name, data, sentAt: this.clock.now(), force, settle };
    // Recorded first: the answer may be here before sending returns.
    this.#pendings.add(pending, this.#settings().resultTimeoutMs, (late) => this.#late(late));
    force?.sent({ id, name }, pending.sentAt);
    this.noted({ kind: "action", action: pending });
    if (force !== null) this.#moved(force);
    this.writeAction(id, name, data);
    return id;
  }

  // --- what the game says

  protected override startup(): void {
    const hadAny = this.registry.size + this.#pendings.size > 0 || this.#force !== null;
    if (this.#hasStarted && hadAny)
      this.diagnosed(diagnose("startup_again", { game: shown(this.game ?? "") }));
    this.#hasStarted = true;
    this.#endAll("startup");
    this.noted({ kind: "startup" });
  }

  protected override context(message: string, silent: boolean): void {
    if (message === "") return;
    this.#remember({
      kind: "context",
      at: this.clock.wall(),
      text: message,
      silent,
      failed: false,
    });
  }

  protected override registerActions(actions: readonly Action[]): void {
    const isTaken = this.registry.register(actions, (one) => this.diagnosed(one));
    if (!isTaken || actions.length === 0) return;
    this.noted({ kind: "registered", names: actions.map(({ name }) => name) });
  }

  protected override unregisterActions(names: readonly string[]): void {
    const gone = names.filter((name) => this.registry.unregister(name));
    if (gone.length === 0) return;
    this.noted({ kind: "unregistered", names: gone });
    const force = this.#force;
    if (force === null || force.state === "sent" || this.#left(force).length > 0) return;
    this.diagnosed(diagnose("force_emptied", { state: force.state }));
    this.#end("cancelled", "unregistration");
  }

  protected override forceActions(data: ForceData): void {
    const found = new Set<string>();
    const missing = new Set<string>();
    for (const name of data.names) {
      if (this.registry.has(name)) found.add(name);
      else if (missing.size < MOST_MISSING) missing.add(name);
    }
    this.registry.miss([...missing]);
    const names = [...found];
    const told = shown([...missing].join(", ")) || "nothing";
    if (names.length === 0) {
      this.diagnosed(diagnose("force_ignored", { names: told }));
      return;
    }
    if (missing.size > 0) this.diagnosed(diagnose("force_narrowed", { names: told }));
    if (this.#force !== null) {
      this.diagnosed(diagnose("force_replaced", { state: this.#force.state }));
      this.#end("replaced");
    }
    const [query, state] = [this.#cut("query", data.query), data.state];
    const kept = { ...data, names, query, state: state && this.#cut("state", state) };
    const force = new Force(kept, names, this.clock.now());
    this.#force = force;
    this.#moved(force);
    this.#proceed();
  }

  /** As much of a text of a force as is kept: a force may wait for long. */
  #cut(what: string, text: string): string {
    if (text.length > LONGEST_TEXT) {
      const count = { count: text.length, most: LONGEST_TEXT };
      this.diagnosed(diagnose("force_cut", { what, ...count }));
    }
    return firstOf(text, LONGEST_TEXT);
  }

  protected override actionResult({ id, success, message }: ResultData): void {
    const pending = this.#pendings.take(id, "answered");
    if (pending === null) {
      this.diagnosed(this.#pendings.stray(id, this.ownerOf(id)));
      return;
    }
    if (message !== "") this.#enter({ kind: "result", text: message, failed: !success });
    else if (!success) {
      this.diagnosed(diagnose("failed_silently", { action: shown(pending.name) }));
    }
    this.#settle(pending, "answered", { success, message });
    const { force } = pending;
    if (force !== null && force === this.#force) {
      if (success) this.#end("succeeded");
      else this.#failed(force, pending, message);
    }
    this.#proceed();
  }

  /** The name of another game that an action of this id was sent to, or null. */
  protected ownerOf(_id: string): string | null {
    return null;
  }

  /** The action of a force has failed: it is chosen for again, or ends. */
  #failed(force: Force, { name, data }: Pending, message: string): void {
    const most = this.#settings().forceRetries;
    const action = shown(name);
    const said = message === "" ? "nothing" : quoted(message);
    force.failed({ name, data, message });
    if (force.retries >= most) {
      this.diagnosed(diagnose("retries_used", { most, action, message: said }));
      this.#end("failed");
    } else if (this.#left(force).length === 0) {
      this.diagnosed(diagnose("retry_emptied", { action }));
      this.#end("failed");
    } else {
      force.retry(this.clock.now());
      const retry = force.retries;
      this.diagnosed(diagnose("retried", { retry, most, action, message: said }));
      this.#moved(force);
      this.#choose(force);
    }
  }

  /** No result has come in time. */
  #late(pending: Pending): void {
    const seconds = secondsOf(this.#settings().resultTimeoutMs);
    this.diagnosed(diagnose("no_result", { action: shown(pending.name), seconds }));
    const message = `no result in ${seconds} s`;
    this.#settle(pending, "timed out", { success: false, message });
    if (pending.force !== null && pending.force === this.#force) this.#end("timed_out");
    this.#proceed();
  }

  #settle(action: Pending, how: PendingEnd, outcome: ActionOutcome): void {
    this.noted({ kind: "result", action, how, outcome });
    action.settle(outcome);
    if (this.#pendings.size > 0) return;
    for (const entry of this.#held.takeAll()) this.#take(entry);
  }

  protected override shutdownReady(): void {
    this.noted({ kind: "shutdown ready" });
  }

  protected override unknownCommand(name: string, data: unknown): void {
    this.noted({ kind: "other", name, data });
  }

  protected override diagnosed(diagnostic: Diagnostic): void {
    this.noted({ kind: "diagnostic", diagnostic });
  }

  // --- context

  /** Takes what has come, or holds it while an action is unanswered. */
  #remember(entry: ContextEntry): void {
    if (this.#pendings.size > 0) this.#held.add(entry);
    else this.#take(entry);
  }

  #enter(entry: Pick<ContextEntry, "kind" | "text"> & Partial<ContextEntry>): void {
    this.#take({ at: this.clock.wall(), silent: true, failed: false, ...entry });
  }

  #take(entry: ContextEntry): void {
    this.noted({ kind: "context", entry });
    if (entry.kind === "force") return;
    try {
      this.addContext(entry.text, !entry.silent);
    } catch (error) {
      const why = thrownText(error);
      this.diagnosed(diagnose("brain_failed", { brain: this.#brain, why }));
    }
  }

  // --- forces

  /** The names of a force that are registered at present. */
  #left({ names }: Force): readonly string[] {
    return names.filter((name) => this.registry.has(name));
  }

  /** Goes on with the force, where nothing is unanswered. */
  #proceed(): void {
    const force = this.#force;
    if (force === null || this.#pendings.size > 0) return;
    if (force.state === "queued") this.#turns.wait(force, () => this.#begin(force));
    else if (this.#chosen !== null) this.#sendChosen(force, this.#chosen);
  }

  #begin(force: Force): void {
    if (force !== this.#force || force.state !== "queued") return;
    force.begin(this.clock.now());
    this.#moved(force);
    const { ephemeral, state, query } = force.data;
    if (!ephemeral) {
      const text = state === null ? `Query: ${query}` : `State: ${state}\nQuery: ${query}`;
      this.#enter({ kind: "force", text });
    }
    this.#choose(force);
  }

  #choose(force: Force): void {
    const choosing = new Choosing(force, {
      brain: this.#brain,
      limitMs: this.isPatient ? 0 : this.#settings().choiceTimeoutMs,
      clock: this.clock,
      ask: (request) => this.chooseForceAction(request),
      actionOf: (name) => this.registry.get(name),
      tell: (diagnostic) => this.diagnosed(diagnostic),
      chosen: (chosen) => {
        this.#chosen = chosen;
        this.#proceed();
      },
      gaveUp: (why) => this.#end("cancelled", why),
    });
    this.#choosing = choosing;
    this.soon(() => choosing.start());
  }

  #sendChosen(force: Force, { action, data, say, unchecked }: Chosen): void {
    this.#stopChoosing();
    if (!unchecked && this.registry.get(action.name) !== action) {
      // It has changed while another action was unanswered.
      this.#choose(force);
      return;
    }
    if (say !== "") this.say(say);
    this.#send(action.name, data, force, () => {});
  }

  #moved(force: Force): void {
    this.noted({ kind: "force", force, state: force.state });
  }

  #stopChoosing(): void {
    this.#chosen = null;
    this.#choosing?.stop();
    this.#choosing = null;
  }

  #end(how: ForceEnd, why: CancelReason | null = null): void {
    const force = this.#force;
    if (force === null) return;
    this.#stopChoosing();
    this.#force = null;
    force.end(how, this.clock.now(), why);
    this.#moved(force);
    this.#turns.leave(force);
  }

  #endAll(how: "startup" | "disconnect"): void {
    this.#end("cancelled", how);
    for (const pending of this.#pendings.takeAll(how)) {
      const message = how === "startup" ? "the game began anew" : "the game has gone";
      this.#settle(pending, how, { success: false, message });
    }
    this.registry.clear();
  }

  /** The connection has ended. Its context stays, all else is forgotten. */
  disconnected(): void {
    this.#endAll("disconnect");
  }
}
