import { StartError } from "../../host/errors.ts";
import { contentAsJson, oneLine } from "../../host/content.ts";
import type { Arguments } from "../command.ts";
import { number, orNull, text } from "../client/shape.ts";
import { Refused, request, type StoreConnection } from "./connection.ts";
import { entryShown, print, textShown, toTerminal, valueShown } from "./output.ts";

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
    meta: flags.has("meta") || undefined,
  };
  const result = await connection.ask({ action: "SET", key, ...at, ...conditions }, { value });
  if (flags.has("meta")) await print(`${valueShown(result)}\n`);
  else if (toTerminal && !flags.has("quiet")) await print("OK\n");
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

/** Adds to a number, and prints the new one. */
export async function incr({
  connection,
  words: [key, by = "1"],
  flags,
  at,
}: Call): Promise<number> {
  const meta = flags.has("meta") || undefined;
  const result = await connection.ask({ action: "INCR", key, ...at, by: Number(by), meta });
  await print(`${valueShown(result)}\n`);
  return 0;
}

/** The word for a key that never expires. */
export const NEVER = "never";

/** Sets when a value expires. */
export async function expire({
  connection,
  words: [key, seconds],
  flags,
  at,
}: Call): Promise<number> {
  const ttl_ms = seconds === NEVER ? null : Math.round(Number(seconds) * 1000);
  await connection.ask({ action: "EXPIRE", key, ...at, ttl_ms });
  if (toTerminal && !flags.has("quiet")) await print("OK\n");
  return 0;
}

/** Prints those keys that exist, each with its value. */
export async function mget({ connection, words, at }: Call): Promise<number> {
  const requests = words.map((key) => request({ action: "GET", key, ...at }));
  let index = 0;
  let missing = 0;
  for await (const value of connection.askAll(requests)) {
    const name = words[index++] as string;
    if (!(value instanceof Refused)) {
      if (!(await print(entryShown(name, value)))) return 0;
    } else if (value.code === "NOT_FOUND") missing++;
    else throw value;
  }
  return missing === 0 ? 0 : 1;
}

/** Prints the sibling that follows a key, or with --reverse the one before. */
export async function order({ connection, words: [key], flags, at }: Call): Promise<number> {
  const reverse = flags.has("reverse");
  const sibling = await connection.ask({ action: "ORDER", key, ...at, reverse });
  const name = connection.checked(sibling, orNull(text));
  if (name === null) return 1;
  await print(`${textShown(name)}\n`);
  return 0;
}

/** Makes all changes of a TXN, given as an object with the fields of the action, or none; prints what each has come to. */
export async function txn({ connection, value, at }: Call): Promise<number> {
  const given = JSON.parse(value) as unknown;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new StartError('a TXN is an object, as {"writes": [...], "if_version": {...}}');
  }
  // Its members stay as they are written: a number must not be altered on the way.
  const members = value.trim().slice(1, -1).trim();
  const head = JSON.stringify({ action: "TXN", ...at }).slice(0, -1);
  const line = `${head}${members === "" ? "" : ","}${members}}\n`;
  for await (const result of connection.askAll([{ line, isSafe: false }])) {
    if (result instanceof Refused) throw result;
    await print(`${valueShown(result)}\n`);
  }
  return 0;
}

/** Prints what the store tells about itself. */
export async function info({ connection }: Call): Promise<number> {
  await print(`${valueShown(await connection.ask({ action: "INFO" }))}\n`);
  return 0;
}

/** Sends a message, and prints the number of its receivers. */
export async function publish({ connection, words: [channel], value, at }: Call): Promise<number> {
  const receivers = await connection.ask({ action: "PUBLISH", channel, ...at }, { value });
  await print(`${connection.checked(receivers, number)}\n`);
  return 0;
}
