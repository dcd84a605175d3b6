import { oneLine } from "../host/content.ts";
import { systemClock } from "../host/clock.ts";
import { StartError } from "../host/errors.ts";
import { hintText } from "./args.ts";
import type { Arguments, Command, Flag } from "./command.ts";
import { clientFlags, serverOf } from "./client/destination.ts";
import {
  type Call,
  del,
  expire,
  get,
  incr,
  info,
  mget,
  NEVER,
  order,
  publish,
  set,
  txn,
} from "./kv/actions.ts";
import { STORE_TOKEN_VARIABLE, StoreConnection } from "./kv/connection.ts";
import { follow } from "./kv/follow.ts";
import { keys, range } from "./kv/lists.ts";
import { say } from "./terminal/say.ts";

/** The service that it speaks to. */
const SERVICE = "store";

/** An action of `kv`. */
interface Action {
  /** The words that must follow it, in order. */
  readonly needs: readonly string[];
  readonly may?: readonly string[];
  /** True if more words may follow. */
  readonly repeats?: boolean;
  /** True if it takes a VALUE, as its last word or from standard input. */
  readonly takesValue?: boolean;
  /** The fault of its words, or null. */
  fault?(words: readonly string[]): string | null;
  /** Its options. */
  readonly flags: readonly string[];
  /** @returns the exit code */
  run(call: Call): Promise<number>;
}

/** Every action by its name. */
const ACTIONS: Readonly<Record<string, Action>> = {
  get: { needs: ["KEY"], flags: ["text", "meta", "or"], run: get },
  set: {
    needs: ["KEY"],
    may: ["VALUE"],
    takesValue: true,
    flags: ["text", "ttl", "if-absent", "if-version", "meta"],
    run: set,
  },
  incr: {
    needs: ["KEY"],
    may: ["BY"],
    fault: ([, by = "1"]) =>
      /^-?\d{1,16}$/.test(by) && Number.isSafeInteger(Number(by))
        ? null
        : `BY: found ${by}; allowed: a whole number`,
    flags: ["meta"],
    run: incr,
  },
  expire: {
    needs: ["KEY", "SECONDS"],
    fault: ([, seconds = NEVER]) =>
      seconds === NEVER || isNumber("ttl", seconds)
        ? null
        : `SECONDS: found ${seconds}; allowed: a number of seconds, or ${NEVER}`,
    flags: [],
    run: expire,
  },
  mget: { needs: ["KEY"], repeats: true, flags: [], run: mget },
  del: { needs: ["KEY"], repeats: true, flags: ["tree"], run: del },
  keys: { needs: [], may: ["PREFIX"], flags: ["values", "limit"], run: keys },
  range: {
    needs: [],
    may: ["PREFIX"],
    flags: ["limit", "reverse", "meta"],
    run: range,
  },
  order: { needs: ["KEY"], flags: ["reverse"], run: order },
  txn: { needs: [], may: ["TXN"], takesValue: true, flags: [], run: txn },
  info: { needs: [], flags: [], run: info },
  watch: {
    needs: [],
    may: ["PATTERN"],
    flags: ["json", "count"],
    run: ({ words: [pattern = "*"], ...call }) => follow({ keys: pattern }, call),
  },
  publish: {
    needs: ["CHANNEL"],
    may: ["VALUE"],
    takesValue: true,
    flags: ["text"],
    run: publish,
  },
  subscribe: {
    needs: ["CHANNEL"],
    flags: ["json", "count", "since"],
    run: ({ words: [channel = ""], ...call }) => follow({ channel }, call),
  },
};

/** Options of single actions. */
const OWN_FLAGS: readonly Flag[] = [
  {
    name: "text",
    about:
      "get: print a text without quotes. set, publish: VALUE is a text, whatever it looks like.",
  },
  {
    name: "meta",
    about:
      "get: print {value, version, ttl_ms}. set: print {version}. incr: print {value, version}. range: print {key, value, version}.",
  },
  { name: "or", value: "VALUE", about: "get: what to print where there is no such key." },
  { name: "ttl", value: "SECONDS", about: "set: let it expire; fractions are allowed." },
  { name: "if-absent", about: "set: only if there is no such key." },
  {
    name: "if-version",
    value: "N",
    about: "set: only if the value has this version, as get --meta tells it.",
  },
  { name: "tree", about: "del: all below the key too." },
  { name: "values", about: "keys: print KEY, a tab, and the value as JSON." },
  { name: "limit", value: "N", about: "keys, range: print so many at most." },
  { name: "reverse", about: "range: the last ones first. order: the sibling before, or the last." },
  { name: "json", about: "watch, subscribe: print JSON in a terminal too." },
  { name: "count", value: "N", about: "watch, subscribe: end after so many events." },
  {
    name: "since",
    value: "N",
    about: "subscribe: begin with what the channel has carried after message N.",
  },
];

const MAX = Number.MAX_SAFE_INTEGER;

/** Options that are numbers: the least, the greatest, and their kind in words. */
const NUMBERS: readonly (readonly [name: string, least: number, most: number, what: string])[] = [
  ["port", 1, 65535, "a whole number"],
  ["ttl", 0.001, 10 ** 10, "a number of seconds"],
  ["if-version", 0, MAX, "a whole number"],
  ["limit", 1, MAX, "a whole number"],
  ["count", 1, MAX, "a whole number"],
  ["since", 0, MAX, "a whole number"],
];

export const kv: Command = {
  name: "kv",
  about: "Read, write and follow keys and channels of the store.",
  more: [
    "get KEY, set KEY [VALUE], incr KEY [BY], expire KEY SECONDS (or never), mget KEY ..., del KEY ..., keys [PREFIX], range [PREFIX] with values, order KEY for the sibling after it, txn [TXN], info, watch [PATTERN], publish CHANNEL [VALUE], subscribe CHANNEL. ^ separates the parts of a key; a pattern is a key, or ends in ^* for all below; * is everything.",
    "VALUE is JSON if it reads as JSON, else a text; without it standard input is read to its end. What is printed is for a person in a terminal, and otherwise one line of JSON for each value or event.",
    `The token is that of ${STORE_TOKEN_VARIABLE} in the environment, or else of ${SERVICE}.token_file.`,
  ],
  operands: [
    { name: "ACTION", choices: Object.keys(ACTIONS), about: `${Object.keys(ACTIONS).join(", ")}.` },
    {
      name: "KEY",
      optional: true,
      about: "A key, prefix, pattern or channel; after -- it may begin with a dash.",
    },
    {
      name: "VALUE",
      optional: true,
      repeats: true,
      about: "A value, number or time; for del and mget, further keys.",
    },
  ],
  flags: [
    ...clientFlags(SERVICE),
    { name: "ns", value: "NS", about: "Namespace that keys and channels are in, as users^42." },
    ...OWN_FLAGS,
  ],
  examples: [
    ["kv set users^42^name Ann", "Sets a text; 42 would be a number."],
    ["kv get users^42^name --text", "Prints it without quotes."],
    ["kv set config --ttl 60 < config.json", "Sets what a file holds, for a minute."],
    ["kv keys users --values", "Lists keys that begin so, with their values."],
    ["kv range users --reverse --limit 10", "Prints the last ten of them."],
    ["kv incr visits", "Adds 1, and prints the new number."],
    ["kv txn < changes.json", "Makes all changes of a TXN, or none."],
    ["kv del users^42 --tree", "Removes a key and all below it."],
    ["kv watch 'users^*'", "Prints what becomes of keys, until Ctrl-C."],
    ["kv publish news '{\"n\": 1}'", "Sends a message; kv subscribe news prints it."],
  ],
  async run(args, { program }) {
    const [name = "", ...words] = args.operands;
    const action = ACTIONS[name] as Action;
    const problems = [
      ...wordProblems(name, action, words),
      ...flagProblems(name, action, args.flags),
    ];
    for (const problem of problems) say.error(problem);
    if (problems.length > 0) {
      say.log(hintText(program, kv));
      return 2;
    }
    const server = serverOf(args, SERVICE);
    if (server === null) return 2;
    const value = action.takesValue
      ? await valueOf(words[action.needs.length], args.flags.has("text"))
      : "";
    const { to, config } = server;
    const { token_file, outbox_bytes } = config[SERVICE];
    const connection = new StoreConnection(to, token_file, systemClock, outbox_bytes);
    try {
      const at = { ns: args.flags.get("ns")?.[0] };
      return await action.run({ connection, words, value, flags: args.flags, at });
    } finally {
      connection.close();
    }
  },
};

function wordProblems(
  action: string,
  { needs, may = [], repeats, fault }: Action,
  words: readonly string[],
): string[] {
  const missing = needs
    .slice(words.length)
    .map((name) => `${name}: missing; ${action} ${[...needs, ...may].join(" ")} needs it`);
  const further = repeats ? [] : words.slice(needs.length + may.length);
  const wrong = missing.length === 0 ? (fault?.(words) ?? null) : null;
  return [
    ...missing,
    ...further.map((word) => `${word}: unexpected argument`),
    ...(wrong === null ? [] : [wrong]),
  ];
}

function flagProblems(name: string, action: Action, flags: Arguments["flags"]): string[] {
  const astray = OWN_FLAGS.filter((flag) => flags.has(flag.name))
    .filter((flag) => !action.flags.includes(flag.name))
    .map((flag) => `--${flag.name}: not with ${name}`);
  const wrong = NUMBERS.flatMap(([flag, least, most, what]) => {
    const [given] = flags.get(flag) ?? [];
    if (given === undefined) return [];
    if (isNumber(flag, given)) return [];
    const range = most === MAX ? `from ${least}` : `from ${least} to ${most}`;
    return [`--${flag}: found ${given}; allowed: ${what} ${range}`];
  });
  return [...astray, ...wrong];
}

/** True for a number that an option may have. */
function isNumber(flag: string, given: string): boolean {
  const [, least, most, what] = NUMBERS.find(([name]) => name === flag) as (typeof NUMBERS)[number];
  const form = what === "a whole number" ? /^\d+$/ : /^\d*\.?\d+$/;
  return form.test(given) && Number(given) >= least && Number(given) <= most;
}

/** A value as JSON: the word that was given, or else all of standard input. */
async function valueOf(given: string | undefined, asText: boolean): Promise<string> {
  const text = given ?? (await standardInput());
  if (!asText) {
    try {
      JSON.parse(text);
      return oneLine(text);
    } catch {}
  }
  return JSON.stringify(given ?? text.replace(/\r?\n$/, ""));
}

/** @throws StartError when it is not UTF-8 */
async function standardInput(): Promise<string> {
  if (process.stdin.isTTY) say.log("Type the value; Ctrl-D ends it.");
  const bytes = await Bun.stdin.bytes();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new StartError("standard input is not UTF-8");
  }
}
