import { FAULT_NAMES } from "../../../../config/sections/neuro/faults.ts";
import type { Config } from "../../../../config/table.ts";
import { Random } from "../../random.ts";

/** What is done wrong on purpose. */
export type FaultName = (typeof FAULT_NAMES)[number];

/** A fault, with how likely it is in a choice. */
export interface Likely {
  readonly name: FaultName;
  readonly rate: number;
}

/** Games whose numbers are kept. */
const MOST_GAMES = 1000;

/** The faults that settings name, each once. */
export function faultsIn({ faults, fault_rate }: Config["neuro"]): readonly Likely[] {
  const rates = new Map<FaultName, number>();
  for (const item of faults) {
    const [name = "", rate] = item.split("=");
    const known = FAULT_NAMES.find((one) => one === name);
    if (known !== undefined) rates.set(known, rate === undefined ? fault_rate : Number(rate));
  }
  return [...rates].map(([name, rate]) => ({ name, rate }));
}

/** Draws faults by chance: the same for the same choices of a game, whatever other games there are. */
export class Drawing {
  readonly #faults: readonly Likely[];
  readonly #seed: number;
  readonly #games = new Map<string, Random>();

  constructor(faults: readonly Likely[], seed: number) {
    this.#faults = faults;
    this.#seed = seed;
  }

  /** The faults of the next choice of a game: the first of them that can be done is done. */
  next(game: string): readonly FaultName[] {
    const random = this.random(game);
    // Each is drawn, so that those after it do not depend on what came of it.
    return this.#faults.filter(({ rate }) => random.chance(rate)).map(({ name }) => name);
  }

  random(game: string): Random {
    let random = this.#games.get(game);
    if (random === undefined) {
      random = new Random(Bun.hash.crc32(`faults of ${game}`) ^ this.#seed);
      this.#games.set(game, random);
      const [oldest] = this.#games.keys();
      if (this.#games.size > MOST_GAMES) this.#games.delete(oldest as string);
    }
    return random;
  }
}
