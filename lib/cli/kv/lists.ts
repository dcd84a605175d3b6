import { StartError } from "../../host/errors.ts";
import { list as listOf, number, object, orNull, text } from "../client/shape.ts";
import { type Call, numberOf } from "./actions.ts";
import { Refused, request, type StoreConnection } from "./connection.ts";
import { entryShown, jsonShown, print, textShown } from "./output.ts";

/** The keys that are asked for at a time; fewer if their values are wanted too. */
const PAGE = 1000;
const PAGE_WITH_VALUES = 100;

/** A page of keys; `cursor` is where the next one begins, null after the last. */
interface KeysPage {
  readonly keys: readonly string[];
  readonly cursor: string | null;
}

const pageShape = object<KeysPage>({ keys: listOf(text), cursor: orNull(text) });

/** Lists keys, a page at a time. */
export async function keys({ connection, words: [prefix], flags, at }: Call): Promise<number> {
  const withValues = flags.has("values");
  let left = numberOf(flags, "limit") ?? Infinity;
  let cursor: string | null | undefined;
  while (cursor !== null && left > 0) {
    const limit = Math.min(withValues ? PAGE_WITH_VALUES : PAGE, left);
    const asked = { action: "KEYS", ...at, prefix, cursor, limit };
    const page = connection.checked(await connection.ask(asked), pageShape);
    const listed = withValues ? listValues(connection, page.keys, at) : list(page.keys);
    if (!(await listed)) return 0;
    left -= page.keys.length;
    cursor = goneOn(connection, cursor, page.cursor);
  }
  return 0;
}

/** @returns false if nobody reads any more */
function list(names: readonly string[]): Promise<boolean> {
  return print(names.map((name) => `${textShown(name)}\n`).join(""));
}

/** Prints keys with their values, except keys that have gone meanwhile. @returns false if nobody reads any more */
async function listValues(
  connection: StoreConnection,
  names: readonly string[],
  at: Call["at"],
): Promise<boolean> {
  const requests = names.map((key) => request({ action: "GET", key, ...at }));
  let index = 0;
  for await (const value of connection.askAll(requests)) {
    const name = names[index++] as string;
    if (!(value instanceof Refused)) {
      if (!(await print(entryShown(name, value)))) return false;
    } else if (value.code !== "NOT_FOUND") throw value;
  }
  return true;
}

/** An entry of a range. */
interface Entry {
  readonly key: string;
  readonly value: unknown;
  readonly version: number;
}

const entryShape = object<Entry>({
  key: text,
  value: (_found): _found is unknown => true,
  version: number,
});
const rangeShape = object<{ readonly entries: readonly Entry[]; readonly cursor: string | null }>({
  entries: listOf(entryShape),
  cursor: orNull(text),
});

/** Lists keys with their values, a page at a time. */
export async function range({ connection, words: [prefix], flags, at }: Call): Promise<number> {
  const [reverse, meta] = [flags.has("reverse"), flags.has("meta")];
  let left = numberOf(flags, "limit") ?? Infinity;
  let cursor: string | null | undefined;
  while (cursor !== null && left > 0) {
    const limit = Math.min(PAGE, left);
    const asked = { action: "RANGE", ...at, prefix, cursor, limit, reverse };
    const page = connection.checked(await connection.ask(asked), rangeShape);
    const shown = page.entries.map(({ key, value, version }) =>
      meta ? `${jsonShown(JSON.stringify({ key, value, version }))}\n` : entryShown(key, value),
    );
    if (!(await print(shown.join("")))) return 0;
    left -= page.entries.length;
    cursor = goneOn(connection, cursor, page.cursor);
  }
  return 0;
}

/** @returns the cursor of the next page @throws StartError when the store does not go on */
function goneOn(
  { address }: StoreConnection,
  before: string | null | undefined,
  cursor: string | null,
): string | null {
  if (cursor !== null && cursor === before) {
    throw new StartError(`${address} lists the same page of keys again and again`);
  }
  return cursor;
}
