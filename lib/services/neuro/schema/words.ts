import type { Random } from "../random.ts";

const WORDS =
  "the brave little turtle takes a card from the blue deck and waits for its turn".split(" ");

/** A few plain words, of at least so many characters. */
export function words(random: Random, least: number): string {
  let text = random.pick(WORDS);
  for (let more = random.whole(0, 3); more > 0; more--) text += ` ${random.pick(WORDS)}`;
  if (text.length >= least) return text;
  return `${text} `.repeat(Math.ceil(least / (text.length + 1))).slice(0, least);
}
