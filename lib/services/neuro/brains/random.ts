import type { Clock } from "../../../host/clock.ts";
import { turn } from "../../../net/tcp/quiet.ts";
import { Random } from "../random.ts";
import { generate } from "../schema/generate.ts";
import { words } from "../schema/words.ts";
import { type Brain, CannotChoose, type Choice, type ForceRequest } from "./brain.ts";

export interface RandomSettings {
  readonly seed: number;
  /** Milliseconds that it thinks. */
  readonly delayMs: number;
}

/** Games whose numbers are kept. */
const MOST_GAMES = 1000;

/** Plays by chance: the same for the same forces of a game, whatever other games there are. */
export class RandomBrain implements Brain {
  readonly name = "random";
  readonly #clock: Pick<Clock, "after">;
  readonly #settings: () => RandomSettings;
  readonly #games = new Map<string, Random>();

  constructor(clock: Pick<Clock, "after">, settings: () => RandomSettings) {
    this.#clock = clock;
    this.#settings = settings;
  }

  addContext(game: string, _message: string, replyIfNotBusy: boolean): string | undefined {
    return replyIfNotBusy ? `${words(this.#random(game), 20)}.` : undefined;
  }

  async chooseForceAction(game: string, { actions, signal }: ForceRequest): Promise<Choice> {
    await this.#think(signal);
    const random = this.#random(game);
    const left = [...actions];
    let trouble: CannotChoose | null = null;
    while (left.length > 0) {
      const [action] = left.splice(random.whole(0, left.length - 1), 1);
      if (action === undefined) break;
      const made = await generate(action, random);
      if (!("code" in made)) return { name: action.name, data: made.data };
      trouble = new CannotChoose(made);
      // Much may have been tried: others have their turn.
      await turn();
      if (signal.aborted) break;
    }
    throw trouble ?? new Error("there is nothing to choose from");
  }

  #think(signal: AbortSignal): Promise<void> | undefined {
    const { delayMs } = this.#settings();
    if (delayMs === 0) return undefined;
    return new Promise((done) => {
      const cancel = this.#clock.after(delayMs, done);
      signal.addEventListener("abort", () => {
        cancel();
        done();
      });
    });
  }

  #random(game: string): Random {
    let random = this.#games.get(game);
    if (random === undefined) {
      random = new Random(Bun.hash.crc32(game) ^ this.#settings().seed);
      this.#games.set(game, random);
      const [oldest] = this.#games.keys();
      if (this.#games.size > MOST_GAMES) this.#games.delete(oldest as string);
    }
    return random;
  }
}
