import { contentAsJson, oneLine } from "../../host/content.ts";
import { StartError } from "../../host/errors.ts";
import type { Arguments } from "../command.ts";
import { list as listOf, number, object, orNull, text } from "../shape.ts";
import { Refused, request, type StoreConnection } from "./connection.ts";
import { jsonShown, print, textShown, toTerminal, valueShown } from "./output.ts";

/** The keys that are asked for at a time; fewer if their values are wanted too. */
const PAGE = 1000;
const PAGE_WITH_VALUES = 100;

/** A page of keys; `cursor` is where the next one begins, null after the last. */
interface KeysPage {
  readonly keys: readonly string[];
  readonly cursor: string | null;
}

const pageShape = object<KeysPage>({ keys: listOf(text), cursor: orNull(text) });

/** The call of an action: the store, and the command line. */
export interface Call {
  readonly connection: StoreConnection;
  /** The words that follow the action. */
  readonly words: readonly string[];
  /** VALUE as JSON, if the action takes one. */
  readonly value: string;
  readonly flags: Arguments["flags"];
  /** The namespace of keys and channels. */
  readonly at: { readonly ns: string | undefined };
}

/** The number given with an option; undefined without it. */
export function numberOf(flags: Arguments["flags"], name: string): number | undefined {
  const [given] = flags.get(name) ?? [];
  return given === undefined ? undefined : Number(given);
}

/** Prints a value. */
export async function get({ connection, words: [key], flags, at }: Call): Promise<number> {
  const [or] = flags.get("or") ?? [];
  const otherwise = or === undefined ? {} : { default: oneLine(contentAsJson(or)) };
  const value = await connection.ask(
    { action: "GET", key, ...at, meta: flags.has("meta") },
    otherwise,
  );
  await print(`${valueShown(value, flags.has("text"))}\n`);
  return 0;
}

/** Sets a value. */
export async function set({ connection, words: [key], value, flags, at }: Call): Promise<number> {
  const seconds = numberOf(flags, "ttl");
  const conditions = {
    ttl_ms: seconds === undefined ? undefined : Math.round(seconds * 1000),
    if_absent: flags.has("if-absent"),
    if_version: numberOf(flags, "if-version"),
  };
  await connection.ask({ action: "SET", key, ...at, ...conditions }, { value });
  if (toTerminal && !flags.has("quiet")) await print("OK\n");
  return 0;
}

/** Removes keys, and prints the number of those that existed. */
export async function del({ connection, words, flags, at }: Call): Promise<number> {
  const tree = flags.has("tree");
  const requests = words.map((key) => request({ action: "DEL", key, ...at, tree }));
  let removed = 0;
  let failure: Refused | null = null;
  for await (const result of connection.askAll(requests)) {
    if (!(result instanceof Refused)) removed += connection.checked(result, number);
    else if (result.code !== "NOT_FOUND") failure ??= result;
  }
  if (removed > 0 || failure === null) await print(`${removed}\n`);
  if (failure !== null) throw failure;
  return removed > 0 ? 0 : 1;
}

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
    if (page.cursor !== null && page.cursor === cursor) {
      throw new StartError(`${connection.address} lists the same page of keys again and again`);
    }
    cursor = page.cursor;
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
      const line = `${textShown(name)}\t${jsonShown(JSON.stringify(value))}\n`;
      if (!(await print(line))) return false;
    } else if (value.code !== "NOT_FOUND") throw value;
  }
  return true;
}

/** Sends a message, and prints the number of its receivers. */
export async function publish({ connection, words: [channel], value, at }: Call): Promise<number> {
  const receivers = await connection.ask({ action: "PUBLISH", channel, ...at }, { value });
  await print(`${connection.checked(receivers, number)}\n`);
  return 0;
}
