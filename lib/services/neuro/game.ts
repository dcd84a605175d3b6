import type { Brain, Choice, ForceRequest, Playing } from "./brains/brain.ts";
import { diagnose, thrownText } from "./diagnostics.ts";
import type { SessionEvent } from "./session/events.ts";
import type { Force } from "./session/force.ts";
import { RecordingSession } from "./session/recording.ts";
import type { SessionOptions } from "./settings.ts";

/** The server, as far as a game needs it. */
export interface GameHost extends SessionOptions {
  readonly id: number;
  readonly sessionId: string;
  /** Number and address of its connection. */
  readonly clientId: number;
  readonly address: string;
  /** The answer to a startup; null for none. */
  acknowledgement(sessionId: string): string | null;
  send(frame: string): void;
  /** Has its brain choose. */
  choose(game: Game, force: ForceRequest): Choice | Promise<Choice>;
  happened(game: Game, event: SessionEvent): void;
  ownerOf(id: string): string | null;
  /** @returns false where nothing is spoken, or something else is */
  say(game: Game, text: string): boolean;
  /** A fault of ours. */
  failed(game: Game, error: unknown): void;
  /** Ends its connection. */
  close(abruptly: boolean): void;
}

/** Has the brain of a game choose, with nothing between them. */
export function chosenBy(game: Playing, force: ForceRequest): Choice | Promise<Choice> {
  return game.brain.chooseForceAction(game.name, force, game);
}

/** Forces that are remembered after their end. */
const MOST_ENDED = 50;

/** One game on one connection of the server, played by its brain. */
export class Game extends RecordingSession implements Playing {
  readonly id: number;
  readonly name: string;
  readonly brain: Brain;
  readonly since: number;
  readonly ended: Force[] = [];
  /** The number of forces it has sent that were taken. */
  forces = 0;
  readonly #host: GameHost;

  constructor(name: string, brain: Brain, host: GameHost) {
    super({ ...host, game: name, brain: brain.name });
    this.id = host.id;
    this.name = name;
    this.brain = brain;
    this.since = this.clock.wall();
    this.#host = host;
  }

  get clientId(): number {
    return this.#host.clientId;
  }

  get address(): string {
    return this.#host.address;
  }

  sendFrame(frame: string): void {
    this.write(frame);
  }

  disconnect(abruptly = false): void {
    this.#host.close(abruptly);
  }

  // --- what a session asks for

  protected override write(frame: string): void {
    this.#host.send(frame);
  }

  protected override startup(): void {
    super.startup();
    const answer = this.#host.acknowledgement(this.#host.sessionId);
    if (answer !== null) this.write(answer);
  }

  override addContext(message: string, replyIfNotBusy: boolean): void {
    const said = this.brain.addContext?.(this.name, message, replyIfNotBusy, this);
    if (said === undefined || said === null) return;
    const speak = (text: unknown) => {
      if (replyIfNotBusy && typeof text === "string") this.say(text);
    };
    if (typeof said === "string") speak(said);
    else
      void Promise.resolve(said)
        .then(speak)
        .catch((error) => this.#failed(error));
  }

  override chooseForceAction(force: ForceRequest): Choice | Promise<Choice> {
    return this.#host.choose(this, force);
  }

  protected override get isPatient(): boolean {
    return this.brain.isPerson === true || this.brain.isPatient === true;
  }

  protected override noted(event: SessionEvent): void {
    if (event.kind === "force" && event.force.state === "queued") this.forces++;
    if (event.kind === "force" && event.force.hasEnded) {
      this.ended.push(event.force);
      if (this.ended.length > MOST_ENDED) this.ended.shift();
    }
    this.#host.happened(this, event);
  }

  protected override ownerOf(id: string): string | null {
    return this.#host.ownerOf(id);
  }

  protected override soon(work: () => Promise<void>): void {
    work().catch((error) => this.#host.failed(this, error));
  }

  override say(text: string): boolean {
    const isSpoken = this.#host.say(this, text);
    if (isSpoken) this.noted({ kind: "said", text });
    return isSpoken;
  }

  #failed(error: unknown): void {
    const why = thrownText(error);
    this.tell(diagnose("brain_failed", { brain: this.brain.name, why }));
  }

  /** The names among these that another of its character's games has too. */
  sharedWith(other: Game, names: readonly string[]): readonly string[] {
    return other === this ? [] : names.filter((name) => other.hasAction(name));
  }

  /** Tells the brain that its actions have changed, it has come, or gone; whatever it makes of that. */
  changed(what: "here" | "actions" | "gone"): void {
    try {
      this.brain.gameChanged?.(this, what);
    } catch (error) {
      this.#failed(error);
    }
  }
}
