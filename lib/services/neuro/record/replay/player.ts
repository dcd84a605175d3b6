import type { Clock } from "../../../../host/clock.ts";
import type { FrameLine } from "../lines.ts";
import type { Recorded } from "../read.ts";
import { type Difference, differencesOf } from "./compare.ts";
import { isObject, type Said, saidIn } from "./said.ts";

/** How a record is played. */
export interface PlayOptions {
  readonly clock: Clock;
  /** What was sent is sent as soon as the game has caught up, without waiting for its time. */
  readonly isFast: boolean;
  /** How much longer than then the game may take to say something. */
  readonly patienceMs: number;
  /** Paths of messages that are not compared, as `data.message`. */
  readonly ignored: readonly string[];
  /** Sends the game a frame. */
  send(text: string): void;
}

/** What became of a replay. */
export interface Played {
  readonly differences: readonly Difference[];
  /** Messages that the game said then, as far as the record was played. */
  readonly said: number;
  /** What the game calls itself now, where that differs. */
  readonly renamed: string | null;
  /** The game ended its connection with messages owing. */
  readonly hasLeft: boolean;
}

/** So long nothing more has to come before it is over. */
const QUIET_MS = 500;

/**
 * Plays a record to a game. What was sent then is sent at its time, in its
 * order, and not before the game has said as many messages of each command as
 * it had then. Where it does not in time, they are taken for missing.
 */
export class Player {
  /** Resolves when it is over. */
  readonly played: Promise<Played>;
  readonly #recorded: Recorded;
  readonly #options: PlayOptions;
  /** The name that all messages of the record have; null where there are several. */
  readonly #onlyGame: string | null;
  /** What was said then, up to this point of the record. */
  readonly #then: Said[] = [];
  readonly #now: Said[] = [];
  /** Messages that the game owes of each kind; fewer than none when they came early. */
  readonly #owed = new Map<string, number>();
  readonly #over = Promise.withResolvers<Played>();
  /** When the connection came; clock milliseconds, as are the next three. */
  readonly #since: number;
  #sentAt: number;
  #heardAt: number;
  /** When the end of the record was reached; null before. */
  #endedAt: number | null = null;
  /** The time of the last frame that was sent, in the record. */
  #sentMs = 0;
  /** Messages that the game owes at this point. */
  #lacking = 0;
  /** The next frame. */
  #at = 0;
  #renamed: string | null = null;
  #isOver = false;
  #cancel = () => {};

  /** To be made when the connection has come. */
  constructor(recorded: Recorded, options: PlayOptions) {
    this.#recorded = recorded;
    this.#options = options;
    this.#since = this.#sentAt = this.#heardAt = options.clock.now();
    this.#onlyGame = onlyGame(recorded.frames);
    this.played = this.#over.promise;
    this.#step();
  }

  /** The game has sent a frame. */
  received(text: string): void {
    if (this.#isOver) return;
    // Nobody knows what came after a record that was cut short.
    if (this.#endedAt !== null && this.#recorded.end !== "closed") return;
    this.#heardAt = this.#options.clock.now();
    const heard = saidIn(text, this.#heardAt - this.#since, this.#options.ignored);
    for (const said of heard.map((one) => this.#byOldName(one))) {
      this.#now.push(said);
      this.#count(said, -1);
    }
    this.#step();
  }

  /** Its connection has ended, or nobody waits any longer. */
  left(): void {
    const { frames } = this.#recorded;
    const owesMore = frames.slice(this.#at).some(({ kind }) => kind === "in");
    this.#finish(this.#lacking > 0 || owesMore);
  }

  #step(): void {
    this.#cancel();
    const { clock } = this.#options;
    while (!this.#isOver) {
      const frame = this.#recorded.frames[this.#at];
      if (frame?.kind === "in") {
        this.#at++;
        for (const said of saidIn(frame.text, frame.ms, this.#options.ignored)) {
          this.#then.push(said);
          this.#count(said, 1);
        }
        continue;
      }
      const left = this.#waitsUntil(frame) - clock.now();
      if (left > 0) {
        this.#cancel = clock.after(left, () => this.#step());
        return;
      }
      if (this.#lacking > 0) this.#giveUp();
      else if (frame === undefined) this.#finish(false);
      else this.#send(frame);
    }
  }

  /** When it goes on, unless the game says something before. */
  #waitsUntil(next: FrameLine | undefined): number {
    const { clock, isFast, patienceMs } = this.#options;
    const { frames, lastedMs } = this.#recorded;
    if (this.#lacking > 0) {
      const ms = next?.ms ?? frames.at(-1)?.ms ?? 0;
      return this.#sentAt + (ms - this.#sentMs) + patienceMs;
    }
    if (next !== undefined) return isFast ? 0 : this.#since + next.ms;
    // Messages of its own account may go on coming for ever.
    this.#endedAt ??= clock.now();
    const quiet = Math.max(this.#heardAt, this.#sentAt) + QUIET_MS;
    const asThen = isFast ? 0 : this.#since + lastedMs;
    return Math.min(Math.max(quiet, asThen), this.#endedAt + patienceMs);
  }

  #send({ text, ms }: FrameLine): void {
    this.#at++;
    this.#sentAt = this.#options.clock.now();
    this.#sentMs = ms;
    this.#options.send(text);
  }

  /** What the game owes is missing. */
  #giveUp(): void {
    for (const [kind, owed] of this.#owed) if (owed > 0) this.#owed.set(kind, 0);
    this.#lacking = 0;
  }

  #count({ game, command, lane }: Said, one: 1 | -1): void {
    const kind = JSON.stringify([game, command, lane]);
    const owed = this.#owed.get(kind) ?? 0;
    this.#owed.set(kind, owed + one);
    this.#lacking += Math.max(0, owed + one) - Math.max(0, owed);
  }

  /** A message as if its game had the name that it had then. */
  #byOldName(said: Said): Said {
    const { game, document } = said;
    if (this.#onlyGame === null || game === "" || game === this.#onlyGame) return said;
    this.#renamed ??= game;
    if (game !== this.#renamed) return said;
    const renamed = isObject(document) && Object.hasOwn(document, "game");
    const old = renamed ? { ...document, game: this.#onlyGame } : document;
    return { ...said, game: this.#onlyGame, document: old };
  }

  #finish(hasLeft: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancel();
    this.#over.resolve({
      differences: differencesOf(this.#then, this.#now),
      said: this.#then.length,
      renamed: this.#renamed,
      hasLeft,
    });
  }
}

function onlyGame(frames: readonly FrameLine[]): string | null {
  const said = frames.flatMap(({ kind, text, ms }) => (kind === "in" ? saidIn(text, ms, []) : []));
  const [only = null, ...more] = new Set(said.map(({ game }) => game).filter((one) => one !== ""));
  return more.length === 0 ? only : null;
}
