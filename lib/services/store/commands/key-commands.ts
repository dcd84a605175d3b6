import { partsOf, pathOf, SEPARATOR, unfit } from "../keys/path.ts";
import type { Page } from "../keys/tree/scan.ts";
import { NOT_FOUND, Refusal, TOO_LARGE } from "../refusal.ts";
import { type Answer, type Command, command, forbidden, OK, result, tooLarge } from "./command.ts";
import * as field from "./fields.ts";
import { DISK, key, MAX_TTL, ns } from "./key-fields.ts";
import { listing, misplaced, pageOf, PAGING, paging, relative } from "./paging.ts";

const ttl = (about: string) => field.whole(1, MAX_TTL, about);
const version = field.optional(
  field.whole(
    0,
    Number.MAX_SAFE_INTEGER,
    "Only if the value has this version; 0 is that of an absent one.",
  ),
  "any",
);

/** Bytes after which a page of values ends. */
const RANGE_BYTES = 2 ** 20;

const NO_KEY = new Refusal("MISSING_FIELD", "key, or ns and tree without a key");

/** Actions on keys and namespaces. */
export const KEY_COMMANDS = {
  SET: command({
    about: "Sets a value. It never expires unless ttl_ms is given, whatever the one before did.",
    fields: {
      key,
      value: field.json("The value."),
      ns,
      ttl_ms: field.optional(ttl("Milliseconds until it expires."), "never"),
      if_absent: field.optional(field.flag("Only if there is no value."), "false"),
      if_version: version,
      meta: field.optional(field.flag("Whether to tell the version that it has now."), "false"),
    },
    result: '"OK", or with meta `{version}`',
    errors: ["ALREADY_EXISTS", "VERSION_MISMATCH", "TOO_LARGE", "MEMORY_FULL", ...DISK],
    right: "write",
    run(request, client, parts) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "write", path);
      if (refusal) return refusal;
      const text = JSON.stringify(request.value);
      const large = tooLarge(text, parts);
      if (large) return large;
      const set = parts.keys.set(path, text, {
        ttlMs: request.ttl_ms,
        ifAbsent: request.if_absent,
        ifVersion: request.if_version,
      });
      if (set instanceof Refusal) return set;
      return request.meta ? result(`{"version":${set}}`) : OK;
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
    run(request, client, parts) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "read", path);
      if (refusal) return refusal;
      const found = parts.keys.get(path);
      if (found === null) {
        const bad = unfit(path);
        if (bad) return bad;
        if (request.default === undefined) return NOT_FOUND;
        const text = JSON.stringify(request.default);
        return request.meta ? result(`{"value":${text},"version":0,"ttl_ms":null}`) : result(text);
      }
      if (!request.meta) return result(found.text);
      const left = parts.keys.left(found);
      return result(`{"value":${found.text},"version":${found.version},"ttl_ms":${left}}`);
    },
  }),

  DEL: command({
    about:
      "Removes a value; with tree all below it too. With ns and tree, and no key, removes a whole namespace: its node and all below.",
    fields: {
      key: field.optional(key, "the namespace itself, with tree"),
      ns,
      tree: field.optional(field.flag("Whether everything below goes too."), "false"),
      if_version: version,
    },
    result: "how many values were removed",
    errors: ["NOT_FOUND", "VERSION_MISMATCH", ...DISK],
    right: "write",
    waits: ({ tree }) => tree === true,
    run(request, client, parts) {
      if (request.key === undefined && !(request.ns && request.tree)) return NO_KEY;
      const path =
        request.key === undefined ? partsOf(request.ns as string) : pathOf(request.ns, request.key);
      const refusal = forbidden(client, "write", path) ?? unfit(path);
      if (refusal) return refusal;
      const removed = parts.keys.del(path, request.tree ?? false, request.if_version);
      return removed instanceof Refusal ? removed : result(removed);
    },
  }),

  EXISTS: command({
    about: "Tells whether there is a value.",
    fields: { key, ns },
    result: "true or false",
    errors: [],
    right: "read",
    run(request, client, parts) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "read", path) ?? unfit(path);
      return refusal ?? result(parts.keys.get(path) !== null);
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
      meta: field.optional(field.flag("Whether to tell the version that it has now too."), "false"),
    },
    result: "the new number, or with meta `{value, version}`",
    errors: ["NOT_A_NUMBER", "MEMORY_FULL", ...DISK],
    right: "write",
    run(request, client, parts) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "write", path);
      if (refusal) return refusal;
      const number = parts.keys.increase(path, request.by ?? 1);
      if (number instanceof Refusal || !request.meta) {
        return number instanceof Refusal ? number : result(number);
      }
      return result(`{"value":${number},"version":${parts.keys.get(path)?.version}}`);
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
    errors: ["NOT_FOUND", ...DISK],
    right: "write",
    run(request, client, parts) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "write", path);
      return refusal ?? parts.keys.expire(path, request.ttl_ms) ?? OK;
    },
  }),

  TTL: command({
    about: "Tells when a value expires.",
    fields: { key, ns },
    result: "the milliseconds left, or null for never",
    errors: ["NOT_FOUND"],
    right: "read",
    run(request, client, parts) {
      const path = pathOf(request.ns, request.key);
      const refusal = forbidden(client, "read", path);
      if (refusal) return refusal;
      const found = parts.keys.get(path);
      if (found === null) return unfit(path) ?? NOT_FOUND;
      return result(`${parts.keys.left(found)}`);
    },
  }),

  MGET: command({
    about: "Answers several values.",
    fields: { keys: field.textList("The keys."), ns },
    result: "`{values, found}`: the values, null where there is none, and whether there is one",
    errors: ["TOO_LARGE"],
    right: "read",
    run(request, client, parts) {
      const texts: string[] = [];
      const found: boolean[] = [];
      let length = 0;
      for (const name of request.keys) {
        const path = pathOf(request.ns, name);
        const refusal = forbidden(client, "read", path) ?? unfit(path);
        if (refusal) return refusal;
        const text = parts.keys.get(path)?.text;
        texts.push(text ?? "null");
        found.push(text !== undefined);
        length += text?.length ?? 0;
        if (length > parts.settings.store.outbox_bytes) return TOO_LARGE;
      }
      client.work += texts.length;
      return result(`{"values":[${texts.join(",")}],"found":[${found.join(",")}]}`);
    },
  }),

  KEYS: command({
    about:
      "Lists keys that hold a value, in order, a page at a time; a page may be short and yet not the last.",
    fields: { ns, ...PAGING },
    result: "`{keys, cursor}`: names below ns, and where the next page begins, or null",
    errors: [],
    right: "read",
    run(request, client, parts) {
      const wanted = listing(client, "read", request);
      if (wanted instanceof Refusal) return wanted;
      const { keys } = parts;
      const scan = keys.scan.bind(keys);
      return page(
        "keys",
        pageOf(wanted, request, scan, (path) => keys.get(path) !== null),
      );
    },
  }),

  RANGE: command({
    about:
      "Lists keys that hold a value, with their values and versions, in order, a page at a time; a page may be short and yet not the last, and ends where it would be longer than a megabyte.",
    fields: {
      ns,
      ...PAGING,
      reverse: field.optional(field.flag("Whether to list the last ones first."), "false"),
    },
    result:
      "`{entries, cursor}`: of each `{key, value, version}`, keys below ns; and where the next page begins, or null",
    errors: ["TOO_LARGE"],
    right: "read",
    run(request, client, parts) {
      const wanted = listing(client, "read", request);
      if (wanted instanceof Refusal) return wanted;
      const { keys } = parts;
      const scan = keys.scan.bind(keys);
      const listed = pageOf(wanted, request, scan, (path) => keys.get(path) !== null);
      const entries: string[] = [];
      let { cursor } = listed;
      let length = 0;
      for (const [index, name] of listed.names.entries()) {
        client.work++;
        const found = keys.get([...wanted.namespace, ...name.split(SEPARATOR)]);
        if (found === null) continue;
        const shown = JSON.stringify(name);
        const entry = `{"key":${shown},"value":${found.text},"version":${found.version}}`;
        length += Buffer.byteLength(entry);
        if (
          entries.length > 0 &&
          length > Math.min(RANGE_BYTES, parts.settings.store.outbox_bytes / 2)
        ) {
          cursor = listed.names[index - 1] as string;
          break;
        }
        entries.push(entry);
      }
      return result(`{"entries":[${entries.join(",")}],"cursor":${JSON.stringify(cursor)}}`);
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
    waits: () => true,
    run(request, client, parts) {
      const asked = relative(request.ns, request.key);
      const cut = asked.lastIndexOf(SEPARATOR);
      const name = asked.slice(cut + 1);
      const above = cut < 0 ? null : asked.slice(0, cut);
      const path = [...partsOf(request.ns ?? ""), ...(above?.split(SEPARATOR) ?? [])];
      const bad = misplaced(path) ?? (name === "" ? null : unfit([...path, name]));
      if (bad) return bad;
      const refusal = forbidden(client, "read", path);
      if (refusal) return refusal;
      const next = parts.keys.next(path, name, request.reverse ?? false);
      if (next === null) return result("null");
      return result(JSON.stringify(above === null ? next : above + SEPARATOR + next));
    },
  }),

  NAMESPACES: command({
    about: "Lists the namespaces right below one, in order, a page at a time.",
    fields: { ns, cursor: PAGING.cursor, limit: PAGING.limit },
    result: "`{namespaces, cursor}`",
    errors: [],
    right: "read",
    waits: () => true,
    run(request, client, parts) {
      const path = partsOf(request.ns ?? "");
      const refusal = misplaced(path) ?? forbidden(client, "read", path);
      if (refusal) return refusal;
      return page("namespaces", parts.keys.namespaces(path, paging(request)));
    },
  }),
} satisfies Readonly<Record<string, Command>>;

function page(what: string, { names, cursor }: Page): Answer {
  return result(JSON.stringify({ [what]: names, cursor }));
}
