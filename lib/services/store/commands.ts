import { type Answer, type Command, command, forbidden, Plan, result } from "./command.ts";
import { keyOf, type StoreClient, type Subscription } from "./client.ts";
import type { Surroundings } from "./command.ts";
import * as field from "./fields.ts";
import { type Path, partsOf, pathOf, patternOf, SEPARATOR, textOf, unfit } from "./path.ts";
import { CODES, NOT_FOUND, Refusal, TOO_LARGE } from "./refusal.ts";

/** Longest life that can be asked for, in milliseconds: some 300 years. */
const MAX_TTL = 10 ** 13;
const MAX_LIMIT = 10_000;
const DEFAULT_LIMIT = 1000;
/** What INFO counts as, in requests. */
const INFO_WORK = 1000;

const ns = field.optional(field.text("Namespace that the key is in, as users^42."), "the root");
const key = field.text("The key; ^ separates its parts.");
const ttl = (about: string) => field.whole(1, MAX_TTL, about);
const version = field.optional(
  field.whole(
    0,
    Number.MAX_SAFE_INTEGER,
    "Only if the value has this version; 0 is that of an absent one.",
  ),
  "any",
);
const prefix = field.optional(field.text("What the names begin with."), "everything");
const cursor = field.optional(field.text("Where the page before ended."), "the beginning");
const limit = field.optional(
  field.whole(1, MAX_LIMIT, "Most names in the answer."),
  `${DEFAULT_LIMIT}`,
);
const channel = field.optional(
  field.text("A channel, as orders^eu; or orders^* for all below, * for all."),
);
const keys = field.optional(field.text("Keys to watch: one, or with ^* at the end all below."));

/** Every command, by its action. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  PING: command({
    about: "Answers.",
    fields: {},
    result: '"PONG"',
    errors: [],
    right: null,
    open: true,
    run: () => result('"PONG"'),
  }),

  ECHO: command({
    about: "Sends a value back.",
    fields: { value: field.json("What to send back.") },
    result: "the value",
    errors: [],
    right: null,
    run: ({ value }) => result(JSON.stringify(value)),
  }),

  SET: command({
    about: "Sets a value. It never expires unless ttl_ms is given, whatever the one before did.",
    fields: {
      key,
      value: field.json("The value."),
      ns,
      ttl_ms: field.optional(ttl("Milliseconds until it expires."), "never"),
      if_absent: field.optional(field.flag("Only if there is no value."), "false"),
      if_version: version,
    },
    result: '"OK"',
    errors: ["ALREADY_EXISTS", "VERSION_MISMATCH", "TOO_LARGE", "MEMORY_FULL", "DISK_FULL"],
    right: "write",
    run(request, client, at) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "write", path);
      if (refusal) return refusal;
      const text = JSON.stringify(request.value);
      const large = tooLarge(text, at);
      if (large) return large;
      const set = at.keys.set(path, text, {
        ttlMs: request.ttl_ms,
        ifAbsent: request.if_absent,
        ifVersion: request.if_version,
      });
      return set instanceof Refusal ? set : OK;
    },
  }),

  GET: command({
    about: "Answers a value.",
    fields: {
      key,
      ns,
      default: field.optional(field.json("Answered where there is no value."), "an error"),
      meta: field.optional(
        field.flag("Whether to tell the version and the time left too."),
        "false",
      ),
    },
    result: "the value, or with meta `{value, version, ttl_ms}`",
    errors: ["NOT_FOUND"],
    right: "read",
    run(request, client, at) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "read", path);
      if (refusal) return refusal;
      const found = at.keys.get(path);
      if (found === null) {
        const bad = unfit(path);
        if (bad) return bad;
        if (request.default === undefined) return NOT_FOUND;
        const text = JSON.stringify(request.default);
        return request.meta ? result(`{"value":${text},"version":0,"ttl_ms":null}`) : result(text);
      }
      if (!request.meta) return result(found.text);
      const left = at.left(found);
      return result(`{"value":${found.text},"version":${found.version},"ttl_ms":${left}}`);
    },
  }),

  DEL: command({
    about: "Removes a value; with tree all below it too.",
    fields: {
      key,
      ns,
      tree: field.optional(field.flag("Whether everything below goes too."), "false"),
      if_version: version,
    },
    result: "how many values were removed",
    errors: ["NOT_FOUND", "VERSION_MISMATCH", "DISK_FULL"],
    right: "write",
    run(request, client, at) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "write", path) ?? unfit(path);
      if (refusal) return refusal;
      const removed = at.keys.del(path, request.tree ?? false, request.if_version);
      return removed instanceof Refusal ? removed : result(removed);
    },
  }),

  EXISTS: command({
    about: "Tells whether there is a value.",
    fields: { key, ns },
    result: "true or false",
    errors: [],
    right: "read",
    run(request, client, at) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "read", path) ?? unfit(path);
      return refusal ?? result(at.keys.get(path) !== null);
    },
  }),

  INCR: command({
    about: "Adds to an integer; an absent one counts as 0. What it is set to expire at stays.",
    fields: {
      key,
      ns,
      by: field.optional(
        field.whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "What to add."),
        "1",
      ),
    },
    result: "the new number",
    errors: ["NOT_A_NUMBER", "MEMORY_FULL", "DISK_FULL"],
    right: "write",
    run(request, client, at) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "write", path);
      if (refusal) return refusal;
      const number = at.keys.increase(path, request.by ?? 1);
      return number instanceof Refusal ? number : result(number);
    },
  }),

  EXPIRE: command({
    about: "Sets when a value expires.",
    fields: {
      key,
      ttl_ms: field.wholeOrNull(1, MAX_TTL, "Milliseconds until then; null for never."),
      ns,
    },
    result: '"OK"',
    errors: ["NOT_FOUND", "DISK_FULL"],
    right: "write",
    run(request, client, at) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "write", path);
      return refusal ?? at.keys.expire(path, request.ttl_ms) ?? OK;
    },
  }),

  TTL: command({
    about: "Tells when a value expires.",
    fields: { key, ns },
    result: "the milliseconds left, or null for never",
    errors: ["NOT_FOUND"],
    right: "read",
    run(request, client, at) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "read", path);
      if (refusal) return refusal;
      const found = at.keys.get(path);
      if (found === null) return unfit(path) ?? NOT_FOUND;
      return result(`${at.left(found)}`);
    },
  }),

  MGET: command({
    about: "Answers several values.",
    fields: { keys: field.textList("The keys."), ns },
    result: "`{values, found}`: the values, null where there is none, and whether there is one",
    errors: ["TOO_LARGE"],
    right: "read",
    run(request, client, at) {
      const texts: string[] = [];
      const found: boolean[] = [];
      let length = 0;
      for (const name of request.keys) {
        const path = pathOf(request.ns, name);
        const refusal = forbidden(client, "read", path) ?? unfit(path);
        if (refusal) return refusal;
        const text = at.keys.get(path)?.text;
        texts.push(text ?? "null");
        found.push(text !== undefined);
        length += text?.length ?? 0;
        // A character may be three bytes.
        if (length > at.limits.outboxBytes / 6) return TOO_LARGE;
      }
      client.work += texts.length;
      return result(`{"values":[${texts.join(",")}],"found":[${found.join(",")}]}`);
    },
  }),

  MSET: command({
    about: "Sets several values, all of them or none. They never expire.",
    fields: { values: field.values("The values by their keys."), ns },
    result: '"OK"',
    errors: ["TOO_LARGE", "MEMORY_FULL", "DISK_FULL"],
    right: "write",
    run(request, client, at) {
      const values: [Path, string][] = [];
      for (const [name, value] of Object.entries(request.values)) {
        const path = pathOf(request.ns, name);
        const refusal = forbidden(client, "write", path);
        if (refusal) return refusal;
        const text = JSON.stringify(value);
        const large = tooLarge(text, at);
        if (large) return large;
        values.push([path, text]);
      }
      client.work += values.length;
      return at.keys.setAll(values) ?? OK;
    },
  }),

  KEYS: command({
    about:
      "Lists keys that hold a value, in order, a page at a time; a page may be short and yet not the last.",
    fields: { ns, prefix, cursor, limit },
    result: "`{keys, cursor}`: names below ns, and where the next page begins, or null",
    errors: [],
    right: "read",
    run(request, client, at) {
      const path = partsOf(request.ns ?? "");
      const start = inner(request.ns, request.prefix ?? "");
      const named = start.split(SEPARATOR).slice(0, -1);
      const whole = [...path, ...named];
      const refusal = misplaced(whole) ?? forbidden(client, "read", whole);
      if (refusal) return refusal;
      return page("keys", client, at.keys.scan(path, start, paging(request)));
    },
  }),

  ORDER: command({
    about:
      "Tells the sibling that follows a key, which need not exist; of an empty last part, the first one. Numbers come first, by value, then texts by code point.",
    fields: {
      key: field.text("The key; its last part may be empty."),
      ns,
      reverse: field.optional(
        field.flag("Whether to go back: the one before, or the last."),
        "false",
      ),
    },
    result: "the key of the sibling, or null",
    errors: [],
    right: "read",
    run(request, client, at) {
      const asked = inner(request.ns, request.key);
      const cut = asked.lastIndexOf(SEPARATOR);
      const name = asked.slice(cut + 1);
      const above = cut < 0 ? null : asked.slice(0, cut);
      const path = [...partsOf(request.ns ?? ""), ...(above?.split(SEPARATOR) ?? [])];
      const bad = misplaced(path) ?? (name === "" ? null : unfit([...path, name]));
      if (bad) return bad;
      const refusal = forbidden(client, "read", path);
      if (refusal) return refusal;
      const next = at.keys.next(path, name, request.reverse ?? false);
      if (next === null) return result("null");
      return result(JSON.stringify(above === null ? next : above + SEPARATOR + next));
    },
  }),

  NAMESPACES: command({
    about: "Lists the namespaces right below one, in order, a page at a time.",
    fields: { ns, cursor, limit },
    result: "`{namespaces, cursor}`",
    errors: [],
    right: "read",
    run(request, client, at) {
      const path = partsOf(request.ns ?? "");
      const refusal = misplaced(path) ?? forbidden(client, "read", path);
      if (refusal) return refusal;
      return page("namespaces", client, at.keys.namespaces(path, paging(request)));
    },
  }),

  SUBSCRIBE: command({
    about:
      "Sends what a channel carries from now on, or with keys what becomes of keys. With since, what a channel has carried after that message comes first.",
    fields: {
      channel,
      keys,
      ns,
      since: field.optional(
        field.whole(
          0,
          Number.MAX_SAFE_INTEGER,
          "Number of the last message that was seen; not for a pattern.",
        ),
      ),
      epoch: field.optional(field.text("The epoch that number came with.")),
    },
    result:
      "`{subscribed}`; of one channel `{subscribed, seq, epoch}`, and with since `{replayed, lost}` too: lost is null where that cannot be known",
    errors: ["TOO_MANY"],
    right: "subscribe",
    run(request, client, at) {
      const wanted = subscriptionOf(request);
      if (wanted instanceof Refusal) return wanted;
      const { kind, pattern, name } = wanted;
      const refusal = forbidden(client, kind === "keys" ? "read" : "subscribe", pattern.path);
      if (refusal) return refusal;
      const single = kind === "channel" && !pattern.below;
      if (!single && (request.since !== undefined || request.epoch !== undefined)) {
        return new Refusal("WRONG_TYPE", "since; allowed: only with one channel");
      }
      const full = tooMany(client, wanted, at);
      if (full && !client.subscriptions.has(keyOf(wanted))) return full;
      at.subscribe(client, wanted);
      const subscribed = JSON.stringify(name);
      if (!single) return result(`{"subscribed":${subscribed}}`);
      const { since, epoch } = request;
      const known = `"subscribed":${subscribed},"seq":${at.channels.known(pattern.path).seq},"epoch":"${at.epoch}"`;
      if (since === undefined) return result(`{${known}}`);
      const { replayed, lost } = at.replay(client, pattern.path, since, epoch);
      return result(`{${known},"replayed":${replayed},"lost":${lost}}`);
    },
  }),

  UNSUBSCRIBE: command({
    about: "Ends a subscription, or all.",
    fields: { channel, keys, ns },
    result: "how many were ended",
    errors: [],
    right: null,
    run(request, client, at) {
      if (request.channel === undefined && request.keys === undefined && request.ns === undefined) {
        const all = [...client.subscriptions.values()];
        for (const one of all) at.unsubscribe(client, one);
        return result(all.length);
      }
      const named = subscriptionOf(request);
      if (named instanceof Refusal) return named;
      return result(at.unsubscribe(client, named) ? 1 : 0);
    },
  }),

  PUBLISH: command({
    about: "Sends a value to whoever subscribes to a channel.",
    fields: {
      channel: field.text("The channel."),
      value: field.json("What to send."),
      ns: field.optional(field.text("Namespace that the channel is in."), "the root"),
    },
    result: "how many subscribers it went to",
    errors: ["TOO_LARGE"],
    right: "publish",
    run(request, client, at) {
      const path = pathOf(request.ns, request.channel);
      const bad = unfit(path) ?? (path.includes("*") ? STAR : null);
      if (bad) return bad;
      const refusal = forbidden(client, "publish", path);
      if (refusal) return refusal;
      const text = JSON.stringify(request.value);
      const large = tooLarge(text, at);
      if (large) return large;
      const count = at.channels.publish(path, text);
      client.work += count;
      return result(count);
    },
  }),

  CHANNELS: command({
    about: "Lists channels that have subscribers or keep messages, in order, a page at a time.",
    fields: {
      ns: field.optional(field.text("Namespace that the channels are in."), "the root"),
      prefix,
      cursor,
      limit,
    },
    result: "`{channels, cursor}`: of each `{channel, subscribers, seq}`",
    errors: [],
    right: "subscribe",
    run(request, client, at) {
      const path = partsOf(request.ns ?? "");
      const start = inner(request.ns, request.prefix ?? "");
      const named = start.split(SEPARATOR).slice(0, -1);
      const whole = [...path, ...named];
      const refusal = misplaced(whole) ?? forbidden(client, "subscribe", whole);
      if (refusal) return refusal;
      const { names, cursor: next, visited } = at.channels.scan(path, start, paging(request));
      client.work += visited;
      const channels = names.map((name) => ({
        channel: name,
        ...at.channels.known([...path, ...name.split(SEPARATOR)]),
      }));
      return result(JSON.stringify({ channels, cursor: next }));
    },
  }),

  AUTH: command({
    about: "Shows a token, which tells what the client may do.",
    fields: { token: field.text("The token.") },
    result: '"OK"',
    errors: ["BAD_TOKEN", "TOO_MANY_TRIES"],
    right: null,
    open: true,
    run: ({ token }, client, at) => at.authenticate(client, token) ?? OK,
  }),

  INFO: command({
    about: "Tells about the server.",
    fields: {},
    result: "an object",
    errors: [],
    right: null,
    run(_request, client, at) {
      // Every client is looked at.
      client.work += INFO_WORK;
      return result(JSON.stringify(at.info()));
    },
  }),

  HELP: command({
    about: "Tells about the actions.",
    fields: { command: field.optional(field.text("The one to tell about."), "all") },
    result: "an object, by action",
    errors: ["UNKNOWN_ACTION"],
    right: null,
    open: true,
    run(request) {
      if (request.command === undefined) return HELP;
      const one = Object.hasOwn(COMMANDS, request.command) ? COMMANDS[request.command] : undefined;
      if (one === undefined) return unknownAction(request.command);
      return result(JSON.stringify({ [request.command]: helpOf(one) }));
    },
  }),
};

const OK = result('"OK"');
const STAR = new Refusal("BAD_KEY", "a channel has no part that is *");

/** How each action's requests are checked, by action. */
export const PLANS: ReadonlyMap<string, Plan> = new Map(
  Object.entries(COMMANDS).map(([action, row]) => [action, new Plan(row)]),
);

export function unknownAction(action: string): Refusal {
  const shown = action.length > 40 ? `${action.slice(0, 40)}...` : action;
  return new Refusal("UNKNOWN_ACTION", `${shown}; allowed: ${Object.keys(COMMANDS).join(", ")}`);
}

/** A command for a person or a program that asks for HELP. */
function helpOf({ about, fields, result: answer, errors, right }: Command) {
  const described = Object.entries(fields).map(([name, one]) => {
    const otherwise = one.optional ? { otherwise: one.otherwise ?? "" } : {};
    return [name, { about: one.about, allowed: one.allowed, needed: !one.optional, ...otherwise }];
  });
  const told = errors.map((code) => [code, CODES[code]]);
  return {
    about,
    fields: Object.fromEntries(described),
    result: answer,
    errors: Object.fromEntries(told),
    ...(right === null ? {} : { right }),
  };
}

const HELP = result(
  JSON.stringify(
    Object.fromEntries(Object.entries(COMMANDS).map(([action, row]) => [action, helpOf(row)])),
  ),
);

/** Why a path cannot be a namespace, or null; the root can. */
function misplaced(path: Path): Refusal | null {
  return path.length === 0 ? null : unfit(path);
}

/** A name without the separator that it may begin with; within a namespace it may not, and keeps it to be refused. */
function inner(namespace: string | undefined, name: string): string {
  const isRoot = namespace === undefined || namespace === "";
  return isRoot && name.startsWith(SEPARATOR) ? name.slice(1) : name;
}

/** Why a value cannot be sent or kept, or null: whoever gets it could not be sent it. */
function tooLarge(text: string, { limits }: Surroundings): Refusal | null {
  const most = limits.outboxBytes / 2;
  return 3 * text.length > most && Buffer.byteLength(text) > most ? TOO_LARGE : null;
}

function paging(request: { cursor?: string; limit?: number }) {
  return { after: request.cursor ?? null, limit: request.limit ?? DEFAULT_LIMIT };
}

function page(
  what: string,
  client: StoreClient,
  {
    names,
    cursor: next,
    visited,
  }: { names: readonly string[]; cursor: string | null; visited: number },
): Answer {
  client.work += visited;
  return result(JSON.stringify({ [what]: names, cursor: next }));
}

interface Named extends Subscription {
  readonly name: string;
}

function subscriptionOf(request: {
  channel?: string;
  keys?: string;
  ns?: string;
}): Named | Refusal {
  const { channel: one, keys: some, ns: namespace } = request;
  if ((one === undefined) === (some === undefined)) {
    return new Refusal("MISSING_FIELD", "just one of channel, keys");
  }
  const parts = pathOf(namespace, (one ?? some) as string);
  const pattern = patternOf(parts);
  if (pattern instanceof Refusal) return pattern;
  if (one !== undefined && pattern.path.includes("*")) return STAR;
  return { kind: one === undefined ? "keys" : "channel", pattern, name: textOf(parts) };
}

function tooMany(
  client: StoreClient,
  { pattern }: Named,
  { limits }: Surroundings,
): Refusal | null {
  if (client.subscriptions.size >= limits.subscriptions) {
    return new Refusal("TOO_MANY", `at most ${limits.subscriptions} subscriptions`);
  }
  if (pattern.below && client.patterns >= limits.patterns) {
    return new Refusal("TOO_MANY", `at most ${limits.patterns} patterns`);
  }
  return null;
}
