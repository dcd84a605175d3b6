/** Finds the games and actions that words mean. */
import { nearest } from "../../../../config/nearest.ts";
import type { Playing } from "../brain.ts";
import type { Action } from "../../protocol.ts";
import { cleaned, few, nameOf, tagOf } from "./shown.ts";

/** Longer words are not compared with others: that would take too long. */
const LONGEST_WORD = 100;
/** Spaces that may part the name of a game from the name of an action. */
const MOST_SPACES = 50;

/** The name that was most likely meant. */
export function meantOf(typed: string, names: readonly string[]): string | undefined {
  if (typed.length > LONGEST_WORD) return undefined;
  return nearest(
    typed,
    names.filter(({ length }) => length <= LONGEST_WORD),
  );
}

/** The games that a word means: a number, a name, or the beginning of one. */
export function gamesCalled(word: string, games: readonly Playing[]): readonly Playing[] {
  const byNumber = games.filter(({ id }) => String(id) === word);
  if (byNumber.length > 0) return byNumber;
  const small = word.toLowerCase();
  const byName = games.filter(({ name }) => name.toLowerCase() === small);
  if (byName.length > 0 || small === "") return byName;
  return games.filter(({ name }) => name.toLowerCase().startsWith(small));
}

/** Splits `play_card {"card": 1}` into the words and the JSON. */
export function withData(line: string): readonly [words: string, json: string | null] {
  const at = line.search(/\s\{/);
  return at < 0 ? [line.trim(), null] : [line.slice(0, at).trim(), line.slice(at).trim()];
}

/** What is to be sent. */
export interface Order {
  readonly playing: Playing;
  readonly action: Action;
  /** JSON that was typed after it. */
  readonly json: string | null;
}

/** What `send` means by `ACTION`, or `CLIENT ACTION`, with or without JSON after it; or why it means nothing. */
export function orderOf(words: string, games: readonly Playing[]): Order | string {
  const [typed, json] = withData(words);
  if (typed === "") return "send what? As send ACTION, or send CLIENT ACTION; list shows both.";
  if (games.length === 0) return "No game is here.";
  const orders: Order[] = [];
  const add = (among: readonly Playing[], name: string) => {
    for (const playing of among) {
      const action = playing.actions.find((one) => one.name === name);
      if (action !== undefined) orders.push({ playing, action, json });
    }
  };
  add(games, typed);
  // Names of games may have spaces in them, and names of actions too.
  const spaces = typed.matchAll(/\s+/g).take(MOST_SPACES).toArray();
  for (const { index, 0: space } of spaces) {
    if (orders.length > 0) break;
    add(gamesCalled(typed.slice(0, index), games), typed.slice(index + space.length));
  }
  const [only, ...others] = orders;
  if (only === undefined) return unknown(typed, spaces[0]?.index ?? typed.length, games);
  if (others.length === 0) return only;
  const tags = orders.map(({ playing }) => tagOf(playing)).join(" and ");
  const example = `send ${only.playing.id} ${nameOf(only.action.name)}`;
  return `${tags} can do that; say which: ${example}`;
}

function unknown(typed: string, space: number, games: readonly Playing[]): string {
  const [named, ...others] = gamesCalled(typed.slice(0, space), games);
  const rest = typed.slice(space).trim();
  if (named !== undefined && others.length === 0) {
    const has = named.actionNames.length === 0 ? "no action" : few(named.actionNames);
    if (rest === "") return `send ${named.id} what? It has ${has}.`;
    return `${tagOf(named)} has no action ${cleaned(rest, 60)}; it has ${has}.`;
  }
  const names = games.flatMap(({ actionNames }) => actionNames);
  const meant = meantOf(typed, names) ?? meantOf(rest, names);
  const hint = meant === undefined ? "list shows what there is." : `Did you mean ${nameOf(meant)}?`;
  return `There is no action ${cleaned(typed, 60)}. ${hint}`;
}
