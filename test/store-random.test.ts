import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EXPIRY_BYTES } from "../lib/services/store/keys/key-space.ts";
import { BRANCH_BYTES } from "../lib/services/store/keys/tree/key-tree.ts";
import { VALUE_BYTES } from "../lib/services/store/keys/tree/values.ts";
import { configure, StoreChild } from "./fixtures/store-child.ts";
import { ask, dial, heard, type Peer } from "./kit.ts";
import { names } from "./keys-model.ts";
import { Random } from "./random.ts";

/** Random requests to a server that is killed again and again, against a map of texts. */

const root = fs.mkdtempSync(join(tmpdir(), "store-"));
const children = new Set<StoreChild>();

afterAll(async () => {
  for (const child of children) await child.kill();
  fs.rmSync(root, { recursive: true });
});

const random = new Random(20);
const one = <T>(list: readonly T[]): T => list[random.whole(0, list.length - 1)] as T;

const PARTS = [
  ..."a b ab users 42 -1 10 9 .5 0.5 007 é 漢 \u{1f600} \ufffd __proto__ toString".split(" "),
  " ",
  'q"q',
  "b\\s",
  "x".repeat(256),
  "999999999999999",
];
const keyOf = () =>
  Array.from({ length: one([1, 1, 2, 2, 3, 4]) }, () => one(PARTS.slice(0, one([5, 99])))).join(
    "^",
  );

/** Values as a client writes them; those in the second list are refused. */
const KEPT = [
  ..."0 7 -7 1.5 1e3 1E-2 1e+21 0.0 9007199254740991 1e300 5e-324 0.1 true null [] {}".split(" "),
  ..."123456789012345 1234567890123456 100000000000000000000".split(" "),
  '""',
  '"é漢\u{1f600}"',
  '"\\ud800"',
  '"\\u0000\\n\\"\\\\"',
  '"]"',
  '"[\\"set\\",\\""',
  '{"2":1,"1":2,"__proto__":{"a":1}}',
  '[ 1 , {"a" : [null]} ]',
  '{"a":1,"a":2}',
  ...[77, 300, 3000, 70_000].map((length) => `"${"x".repeat(length)}"`),
  `"${"é".repeat(40_000)}"`,
];
const REFUSED = "-0 [-0.0] 9007199254740993 9007199254740993.0 1e400 -1e400 1e-400".split(" ");
const shown = (json: string) => JSON.stringify(JSON.parse(json));

interface Held {
  text: string;
  /** Null until it is known. */
  version: number | null;
  expires: boolean;
}

/** What a server holds. */
type Found = ReadonlyMap<string, { text: string; version: number; expires: boolean }>;

class Model {
  readonly held = new Map<string, Held>();
  /** The highest version that each key is known to have had. */
  readonly highest = new Map<string, number>();

  /** @param told the version, where an answer has told it */
  put(key: string, text: string, expires: boolean, told: number | null): void {
    const before = this.held.get(key);
    const next = before === undefined || before.version === null ? null : before.version + 1;
    if (told !== null) {
      if (next !== null) expect([key, told]).toEqual([key, next]);
      else expect(told).toBeGreaterThan(this.highest.get(key) ?? 0);
    }
    const version = told ?? next;
    this.held.set(key, { text, version, expires });
    if (version !== null) this.highest.set(key, version);
  }

  below(key: string): string[] {
    return [...this.held.keys()].filter((name) => name === key || name.startsWith(`${key}^`));
  }

  sorted(): string[] {
    const order = (a: readonly string[], b: readonly string[]): number => {
      for (let i = 0; i < Math.min(a.length, b.length); i++) {
        const found = names(a[i] as string, b[i] as string);
        if (found !== 0) return found;
      }
      return a.length - b.length;
    };
    const paths = [...this.held.keys()].map((key) => key.split("^"));
    return paths.sort(order).map((path) => path.join("^"));
  }

  /** Memory as it is counted: for each value, for its end, and for each name with others below it. */
  get bytes(): number {
    let bytes = 0;
    const above = new Set<string>();
    for (const [key, { text, expires }] of this.held) {
      bytes += VALUE_BYTES + Buffer.byteLength(key) + Buffer.byteLength(text);
      if (expires) bytes += EXPIRY_BYTES;
      const path = key.split("^");
      for (let i = 1; i < path.length; i++) above.add(path.slice(0, i).join("^"));
    }
    for (const name of above) {
      const part = name.slice(name.lastIndexOf("^") + 1);
      const length = Buffer.byteLength(part);
      bytes += BRANCH_BYTES + (length === part.length ? length : Math.max(length, 2 * part.length));
    }
    return bytes;
  }

  /** Where it differs from what a server holds, or null. */
  difference(found: Found): string | null {
    if (found.size !== this.held.size) return `${found.size} keys instead of ${this.held.size}`;
    for (const [key, { text, version, expires }] of this.held) {
      const there = found.get(key);
      if (there?.text !== text || there.expires !== expires)
        return `${key}: ${there?.text.slice(0, 60)}`;
      const isRight =
        version === null ? there.version > (this.highest.get(key) ?? 0) : there.version === version;
      if (!isRight) return `${key}: version ${there.version} instead of ${version}`;
    }
    return null;
  }
}

/** A request, and what it does to the model. @param answer null where none has come */
interface Step {
  readonly line: string;
  take(model: Model, answer: string | null): void;
}

const refusal = (code: string) => new RegExp(`^\\{"error":\\{"code":"${code}"`);

function wanted(line: string, answer: string | null, expected: string | RegExp): void {
  if (answer === null) return;
  const isRight = typeof expected === "string" ? answer === expected : expected.test(answer);
  if (!isRight) expect([line, answer]).toEqual([line, String(expected)]);
}

/** The number behind `"version":` in an answer. */
const versionIn = (answer: string | null) =>
  answer === null ? null : Number(/"version":(\d+)[^"]*$/.exec(answer)?.[1]);

const isWhole = (text: string) => /^-?\d/.test(text) && Number.isInteger(Number(text));

function step(): Step {
  const key = keyOf();
  const cut = key.lastIndexOf("^");
  const name =
    cut > 0 && random.whole(0, 2) === 0
      ? `"ns":${JSON.stringify(key.slice(0, cut))},"key":${JSON.stringify(key.slice(cut + 1))}`
      : `"key":${JSON.stringify(one([key, key, `^${key}`]))}`;
  const request = (action: string, fields = "") => `{"action":"${action}",${name}${fields}}`;
  const raw = random.whole(0, 15) === 0 ? null : one(KEPT);
  const expires = random.whole(0, 3) === 0;
  const ttl = expires ? ',"ttl_ms":10000000' : "";
  const found = (model: Model, line: string, answer: string | null) => {
    const held = model.held.get(key);
    if (held === undefined) wanted(line, answer, refusal("NOT_FOUND"));
    return held;
  };
  switch (one("SET SET SET GET GET DEL TREE INCR EXPIRE MSET TXN".split(" "))) {
    case "SET": {
      const line = request("SET", `,"value":${raw ?? one(REFUSED)},"meta":true${ttl}`);
      return {
        line,
        take(model, answer) {
          if (raw === null) return wanted(line, answer, refusal("NUMBER_RANGE"));
          wanted(line, answer, /^\{"result":\{"version":\d+\}\}$/);
          model.put(key, shown(raw), expires, versionIn(answer));
        },
      };
    }
    case "GET": {
      const line = request("GET");
      return {
        line,
        take(model, answer) {
          const held = found(model, line, answer);
          if (held !== undefined) wanted(line, answer, `{"result":${held.text}}`);
        },
      };
    }
    case "DEL": {
      const line = request("DEL");
      return {
        line,
        take(model, answer) {
          if (found(model, line, answer) === undefined) return;
          wanted(line, answer, '{"result":1}');
          model.held.delete(key);
        },
      };
    }
    case "TREE": {
      const line = request("DEL", ',"tree":true');
      return {
        line,
        take(model, answer) {
          const gone = model.below(key);
          wanted(
            line,
            answer,
            gone.length > 0 ? `{"result":${gone.length}}` : refusal("NOT_FOUND"),
          );
          for (const one of gone) model.held.delete(one);
        },
      };
    }
    case "INCR": {
      const line = request("INCR", ',"meta":true');
      return {
        line,
        take(model, answer) {
          const held = model.held.get(key);
          const text = held?.text ?? "0";
          if (!isWhole(text)) return wanted(line, answer, refusal("NOT_A_NUMBER"));
          const after = Number(text) + 1;
          if (!Number.isSafeInteger(after)) return wanted(line, answer, refusal("NUMBER_RANGE"));
          wanted(
            line,
            answer,
            new RegExp(`^\\{"result":\\{"value":${after},"version":\\d+\\}\\}$`),
          );
          model.put(key, `${after}`, held?.expires ?? false, versionIn(answer));
        },
      };
    }
    case "EXPIRE": {
      const line = request("EXPIRE", expires ? ttl : ',"ttl_ms":null');
      return {
        line,
        take(model, answer) {
          const held = found(model, line, answer);
          if (held === undefined) return;
          wanted(line, answer, '{"result":"OK"}');
          model.held.set(key, { ...held, expires });
        },
      };
    }
    case "MSET": {
      const keys = [...new Set([key, keyOf(), keyOf()])];
      const texts = keys.map(() => one(KEPT));
      const values = keys.map((one, i) => `${JSON.stringify(one)}:${texts[i]}`);
      const line = `{"action":"MSET","values":{${values.join(",")}}${ttl}}`;
      return {
        line,
        take(model, answer) {
          wanted(line, answer, '{"result":"OK"}');
          for (const [i, one] of keys.entries()) {
            model.put(one, shown(texts[i] as string), expires, null);
          }
        },
      };
    }
    default: {
      const other = `other^${key}`;
      const writes = [
        `{"action":"SET","key":${JSON.stringify(other)},"value":1}`,
        `{"action":"DEL","key":${JSON.stringify(key)}}`,
      ];
      const line = `{"action":"TXN","writes":[${writes.join(",")}],"if_absent":["^none"]}`;
      return {
        line,
        take(model, answer) {
          if (found(model, line, answer) === undefined) return;
          wanted(line, answer, /^\{"result":\{"results":\[\{"version":\d+\},1\]\}\}$/);
          model.put(other, "1", false, versionIn(answer));
          model.held.delete(key);
        },
      };
    }
  }
}

/** All that a server holds, in order, page by page. */
async function everything(peer: Peer): Promise<Found> {
  const found = new Map<string, { text: string; version: number; expires: boolean }>();
  let cursor: string | null = null;
  do {
    const more = cursor === null ? {} : { cursor };
    const { result } = await ask(peer, { action: "RANGE", limit: random.whole(1, 200), ...more });
    for (const { key, value, version } of result.entries) {
      expect(found.has(key)).toBeFalse();
      found.set(key, { text: JSON.stringify(value), version, expires: false });
    }
    cursor = result.cursor;
  } while (cursor !== null);
  peer.send([...found.keys()].map((key) => `${JSON.stringify({ action: "TTL", key })}\n`).join(""));
  for (const one of found.values()) one.expires = (await heard(peer))["result"] !== null;
  return found;
}

/** Looks whether a server holds what the model does, and learns the versions that no answer has told. */
async function compare(model: Model, peer: Peer): Promise<void> {
  const found = await everything(peer);
  expect(model.difference(found)).toBeNull();
  expect([...found.keys()]).toEqual(model.sorted());
  for (const [key, held] of model.held) {
    held.version = found.get(key)?.version as number;
    model.highest.set(key, held.version);
  }
  const { result } = await ask(peer, { action: "INFO" });
  expect([result.keys, result.memory_bytes]).toEqual([model.held.size, model.bytes]);
}

test("what was answered is there after each kill, in order and counted, and of the rest a beginning", async () => {
  const file = configure(root, { snapshot_bytes: 32_768, idle_secs: 0 });
  const model = new Model();
  const start = async () => {
    const { child, port } = await StoreChild.ready(file);
    children.add(child);
    return { child, peer: await dial(port) };
  };
  let { child, peer } = await start();
  for (let kill = 0; kill < 6; kill++) {
    const steps = Array.from({ length: 500 }, step);
    peer.send(steps.map(({ line }) => `${line}\n`).join(""));
    const answered = random.whole(250, 499);
    for (const { line, take } of steps.slice(0, answered)) {
      take(model, await peer.next().catch((error: Error) => `${line}: ${error.message}`));
    }
    await child.kill();
    children.delete(child);
    await peer.closed;
    // What was on its way counts too.
    const more = peer.lines.length;
    const rest = steps.slice(answered);
    for (const { take } of rest.slice(0, more)) take(model, peer.lines.shift() as string);
    ({ child, peer } = await start());
    const found = await everything(peer);
    let difference = model.difference(found);
    for (const { take } of rest.slice(more)) {
      if (difference === null) break;
      take(model, null);
      difference = model.difference(found);
    }
    expect(difference).toBeNull();
    await compare(model, peer);
  }
  expect(model.held.size).toBeGreaterThan(50);
  for (const top of new Set([...model.held.keys()].map((key) => key.split("^")[0] as string))) {
    const { result } = await ask(peer, { action: "DEL", key: top, tree: true });
    expect(result).toBe(model.below(top).length);
    for (const key of model.below(top)) model.held.delete(key);
  }
  await compare(model, peer);
  peer.end();
  child.signal("SIGTERM");
  expect(await child.exit()).toBe(0);
  children.delete(child);
}, 120_000);
