import type { StoreClient } from "../client.ts";
import type { Term, Write } from "../keys/group.ts";
import { type Path, pathOf, SEPARATOR, SYSTEM, textOf, unfit } from "../keys/path.ts";
import { Refusal, refusalAt } from "../refusal.ts";
import {
  type Command,
  command,
  Form,
  forbidden,
  notFull,
  OK,
  type Parts,
  result,
  tooLarge,
} from "./command.ts";
import * as field from "./fields.ts";
import { DISK, key, MAX_TTL, ns } from "./key-fields.ts";

/** Versions must be able to grow from there for ever. */
const MAX_MIN_VERSION = 2 ** 52;

const value = field.json("The value.");
const ttl = field.optional(field.whole(1, MAX_TTL, "Milliseconds until it expires."), "never");
const by = field.optional(
  field.whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, "What to add."),
  "1",
);
const minVersion = field.optional(
  field.whole(1, MAX_MIN_VERSION, "The least version that it gets."),
  "the next one",
);
const end = field.wholeOrNull(1, MAX_TTL, "Milliseconds until then; null for never.");

/** The forms of the writes of a TXN, by their actions. */
const WRITES: ReadonlyMap<string, Form> = new Map(
  Object.entries({
    SET: { key, value, ttl_ms: ttl, min_version: minVersion },
    DEL: { key },
    INCR: { key, by },
    EXPIRE: { key, ttl_ms: end },
  }).map(([action, fields]) => [
    action,
    new Form({ ...fields, action: field.text("The action.") }),
  ]),
);

type Raw = Readonly<Record<string, unknown>>;

/** Actions on several keys at once: all of it is done, or nothing. */
export const GROUP_COMMANDS = {
  MSET: command({
    about: "Sets several values, all of them or none. They never expire unless ttl_ms is given.",
    fields: {
      values: field.values("The values by their keys."),
      ns,
      ttl_ms: field.optional(
        field.wholeOrWholes(
          1,
          MAX_TTL,
          "Milliseconds until they expire: of all, or by key of those that do.",
        ),
        "never",
      ),
    },
    result: '"OK"',
    errors: ["TOO_LARGE", "MEMORY_FULL", ...DISK],
    right: "write",
    run({ values, ns: namespace, ttl_ms: ttls }, client, parts) {
      const writes: Write[] = [];
      for (const [name, one] of Object.entries(values)) {
        const path = pathOf(namespace, name);
        const refusal = forbidden(client, "write", path);
        if (refusal) return refusal;
        const text = JSON.stringify(one);
        const large = tooLarge(text, parts);
        if (large) return large;
        const own = typeof ttls === "object" && Object.hasOwn(ttls, name) ? ttls[name] : undefined;
        writes.push({ kind: "set", path, text, ttlMs: typeof ttls === "number" ? ttls : own });
      }
      // Only with a ^ before it can a key have two names.
      const mayRepeat = Object.keys(values).some((name) => name.startsWith(SEPARATOR));
      if (mayRepeat && new Set(writes.map(({ path }) => textOf(path))).size < writes.length) {
        return REPEATED;
      }
      if (typeof ttls === "object") {
        const astray = Object.keys(ttls).find((name) => !Object.hasOwn(values, name));
        if (astray !== undefined) {
          return new Refusal("WRONG_TYPE", "ttl_ms; allowed: only for keys in values");
        }
      }
      client.work += writes.length;
      const done = parts.keys.changeAll([], writes);
      return "refusal" in done ? done.refusal : OK;
    },
  }),

  TXN: command({
    about:
      "Makes several changes, all of them or none, if all conditions hold. A write is an object with the fields of its action: SET (key, value, ttl_ms, min_version), INCR (key, by), DEL (key) or EXPIRE (key, ttl_ms); no key stands in two of them. min_version, the least version that a value gets, takes the token that may do everything.",
    fields: {
      writes: field.objects('The changes, as [{"action": "SET", "key": "a", "value": 1}].'),
      ns,
      if_version: field.optional(
        field.wholes(
          0,
          Number.MAX_SAFE_INTEGER,
          "Only if the values of these keys have these versions; 0 is that of an absent one.",
        ),
        "any",
      ),
      if_absent: field.optional(field.textList("Only if these keys have no value."), "any"),
    },
    result:
      '`{results}`, one for each write: `{version}` of SET, `{value, version}` of INCR, 1 of DEL, "OK" of EXPIRE',
    errors: [
      "VERSION_MISMATCH",
      "ALREADY_EXISTS",
      "NOT_FOUND",
      "NOT_A_NUMBER",
      "TOO_LARGE",
      "MEMORY_FULL",
      ...DISK,
    ],
    right: "write",
    run(request, client, parts) {
      const terms = termsOf(request, client);
      if (terms instanceof Refusal) return terms;
      const writes: Write[] = [];
      const named = new Set<string>();
      for (const [index, raw] of request.writes.entries()) {
        const write = writeOf(raw, request.ns, client, parts);
        if (write instanceof Refusal) return refusalAt(index, write);
        const name = textOf(write.path);
        if (named.has(name)) return refusalAt(index, TWICE);
        named.add(name);
        writes.push(write);
      }
      client.work += terms.length + writes.length;
      const done = parts.keys.changeAll(terms, writes);
      if ("refusal" in done) {
        return done.index === null ? done.refusal : refusalAt(done.index, done.refusal);
      }
      const results = writes.map(({ kind }, index) => {
        const { version, number } = done[index] as (typeof done)[number];
        if (kind === "del") return "1";
        if (kind === "expire") return '"OK"';
        return kind === "set"
          ? `{"version":${version}}`
          : `{"value":${number},"version":${version}}`;
      });
      return result(`{"results":[${results.join(",")}]}`);
    },
  }),
} satisfies Readonly<Record<string, Command>>;

const REPEATED = new Refusal("WRONG_TYPE", "values; allowed: each key once; a and ^a are one");
const TWICE = new Refusal("WRONG_TYPE", "key; allowed: one that stands in no other write");

/** The conditions of a TXN, or the refusal. */
function termsOf(
  {
    ns: namespace,
    if_version: versions = {},
    if_absent: absent = [],
  }: {
    readonly ns?: string;
    readonly if_version?: Readonly<Record<string, number>>;
    readonly if_absent?: readonly string[];
  },
  client: StoreClient,
): readonly Term[] | Refusal {
  const asked: (readonly [name: string, version: number, isAbsent: boolean])[] = [
    ...Object.entries(versions).map(([name, version]) => [name, version, false] as const),
    ...absent.map((name) => [name, 0, true] as const),
  ];
  const terms: Term[] = [];
  for (const [name, version, isAbsent] of asked) {
    const path = pathOf(namespace, name);
    const refusal = unfit(path) ?? unseen(client, path);
    if (refusal) return refusal;
    terms.push({ path, version, isAbsent });
  }
  return terms;
}

/** The refusal of a condition: who may write a key, or read it, may ask for its version. */
function unseen(client: StoreClient, path: Path): Refusal | null {
  const refusal = forbidden(client, "write", path);
  return refusal !== null && path[0] !== SYSTEM ? forbidden(client, "read", path) : refusal;
}

function writeOf(
  raw: Raw,
  namespace: string | undefined,
  client: StoreClient,
  parts: Parts,
): Write | Refusal {
  const { action } = raw;
  const form = typeof action === "string" ? WRITES.get(action) : undefined;
  if (form === undefined) {
    return new Refusal("WRONG_TYPE", `action; allowed: ${[...WRITES.keys()].join(", ")}`);
  }
  const refusal = Object.hasOwn(raw, "id")
    ? new Refusal("UNKNOWN_FIELD", "id: it stands beside writes")
    : form.check(raw);
  if (refusal) return refusal;
  const path = pathOf(namespace, raw["key"] as string);
  const denied = forbidden(client, "write", path);
  if (denied) return denied;
  switch (action) {
    case "SET": {
      const text = JSON.stringify(raw["value"]);
      const ttlMs = raw["ttl_ms"] as number | undefined;
      const least = raw["min_version"] as number | undefined;
      const alone = least === undefined ? null : notFull(client);
      if (alone) return alone;
      return tooLarge(text, parts) ?? { kind: "set", path, text, ttlMs, minVersion: least };
    }
    case "INCR":
      return { kind: "increase", path, by: (raw["by"] as number | undefined) ?? 1 };
    case "EXPIRE":
      return { kind: "expire", path, ttlMs: raw["ttl_ms"] as number | null };
    default:
      return { kind: "del", path };
  }
}
