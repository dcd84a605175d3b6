import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { nest, optionPaths } from "../lib/config/paths.ts";
import { renderToml } from "../lib/config/render.ts";
import { renderSchema, SCHEMA_LINE } from "../lib/config/schema.ts";
import { settings } from "../lib/config/table.ts";
import { Random } from "./random.ts";

const root = join(import.meta.dir, "..");
const folder = mkdtempSync(join(tmpdir(), "summoner-schema-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
  readonly anyOf?: readonly Schema[];
  readonly default?: unknown;
  readonly description?: string;
}

const KEYWORDS = [
  "type",
  "enum",
  "minimum",
  "maximum",
  "items",
  "properties",
  "additionalProperties",
  "anyOf",
  "default",
  "description",
];

function isOfType(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isObject(value);
  if (type === "number") return Number.isFinite(value);
  return typeof value === type;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True if a value is valid by the draft's rule for each keyword. */
function isValid(schema: Schema, value: unknown): boolean {
  const { type, items, properties = {}, anyOf } = schema;
  if (type !== undefined && !isOfType(value, type)) return false;
  if (schema.enum && !schema.enum.includes(value)) return false;
  if (typeof value === "number" && value < (schema.minimum ?? -Infinity)) return false;
  if (typeof value === "number" && value > (schema.maximum ?? Infinity)) return false;
  if (items && Array.isArray(value) && !value.every((item) => isValid(items, item))) return false;
  if (anyOf && !anyOf.some((one) => isValid(one, value))) return false;
  if (!isObject(value)) return true;
  return Object.entries(value).every(([key, inner]) =>
    Object.hasOwn(properties, key)
      ? isValid(properties[key] as Schema, inner)
      : schema.additionalProperties !== false,
  );
}

const schema = JSON.parse(renderSchema(settings)) as Schema;
const options = [...optionPaths(settings)];

/** The schema of the key at a dotted path. */
function schemaAt(path: string): Schema {
  return path.split(".").reduce((outer, key) => outer.properties?.[key] as Schema, schema);
}

describe("the schema", () => {
  test("names its draft and uses nothing but what is checked here", () => {
    const { $schema, title, ...rest } = schema as Schema & { $schema: string; title: string };
    expect($schema).toBe("https://json-schema.org/draft/2020-12/schema");
    expect(title).toBe("summoner.toml");
    const known = (one: Schema) => {
      for (const keyword of Object.keys(one)) expect(KEYWORDS).toContain(keyword);
      for (const inner of Object.values(one.properties ?? {})) known(inner);
      for (const inner of one.anyOf ?? []) known(inner);
      if (one.items) known(one.items);
    };
    known(rest);
  });

  test.each(options)("has %s with its words and its default", (path, option) => {
    const found = schemaAt(path);
    expect(found.description).toStartWith(option.about);
    expect(found.description).toContain(option.allowed);
    expect(found.description?.includes("restart")).toBe(!option.live);
    if (option.initial === null) expect(found).not.toHaveProperty("default");
    else {
      expect(found.default).toEqual(option.initial);
      expect(isValid(found, found.default)).toBeTrue();
    }
  });

  test("has every alias, said to be one, and no key besides", () => {
    const names = (one: Schema, prefix: string): string[] =>
      Object.entries(one.properties ?? {}).flatMap(([key, inner]) =>
        inner.properties ? names(inner, `${prefix}${key}.`) : [prefix + key],
      );
    const expected = options.flatMap(([path, { aliases = [] }]) => [
      path,
      ...aliases.map((alias) => path.slice(0, path.lastIndexOf(".") + 1) + alias),
    ]);
    expect(names(schema, "")).toEqual(expected);
    const { description, ...rest } = schemaAt("hyper_parameters.client_timeout");
    const { description: own, ...same } = schemaAt("hyper_parameters.client_timeout_secs");
    expect(rest).toEqual(same);
    expect(description).toBe(`Another name of client_timeout_secs. ${own}`);
  });

  test("takes the shipped file, with the defaults too", async () => {
    const shipped = await Bun.file(join(root, "summoner.toml")).text();
    expect(isValid(schema, parse(shipped))).toBeTrue();
    const uncommented = renderToml(settings).replace(/^# (\w+ = )/gm, "$1");
    expect(isValid(schema, parse(uncommented))).toBeTrue();
  });

  test.each([
    "prot = 1",
    "port = '1'",
    "port = 65536",
    "port = -1",
    "port = 1.5",
    "version = 'rusty'",
    "host = 1",
    "logger = 1",
    "[logger]\nlog_lvel = 'INFO'",
    "[logger]\nlog_keys = 'a'",
    "[logger]\nlog_keys = [1]",
    "[access]\nallow = '::1'",
    "[web]\nenabled = 1",
    "[hyper_parameters]\nclient_timeout = true",
    "[relay.tls]\ncret = 'a'",
  ])("does not take %j", (text) => {
    expect(isValid(schema, parse(text))).toBeFalse();
  });
});

describe("the schema and the reader", () => {
  /** A value of any kind, near the bounds when it is a number. */
  function anything(random: Random, one: Schema, depth = 0): unknown {
    const { minimum = 0, maximum = 0 } = one.anyOf?.[0] ?? one;
    const words = one.enum ?? [];
    switch (random.whole(depth > 0 ? 3 : 0, depth > 2 ? 5 : 7)) {
      case 0:
        return random.whole(0, 1) === 1;
      case 1:
        return minimum + random.whole(-2, 2);
      case 2:
        return maximum + random.whole(-2, 2);
      case 3:
        return random.whole(minimum, maximum) + random.whole(0, 1) / 2;
      case 4:
        return ["", " ", "a", "::1", "/a", "%", one.default, null, Infinity, NaN][
          random.whole(0, 9)
        ];
      case 5:
        return words.length > 0 ? words[random.whole(0, words.length - 1)] : "10.0.0.0/8";
      case 6:
        return Array.from({ length: random.whole(0, 2) }, () => anything(random, one, depth + 1));
      default:
        return { a: anything(random, one, depth + 1) };
    }
  }

  // These look into a text, which the schema leaves to the reader.
  const lax = options.filter(
    ([path, { initial, words, allowed }]) =>
      !words &&
      allowed !== "text" &&
      (typeof initial === "string" ||
        path.endsWith("access.allow") ||
        path.endsWith("access.deny") ||
        path.endsWith("trusted_proxies") ||
        path.endsWith(".brains") ||
        path.endsWith(".faults")),
  );
  const isLax = new Set(lax.map(([path]) => path));

  test("agree on any value of any key", () => {
    const seen = new Map<string, Set<string>>();
    for (const [path, option] of options) {
      const kinds = new Set<string>();
      const random = new Random(22);
      for (let i = 0; i < 2000; i++) {
        const value = anything(random, schemaAt(path));
        const told = { path, value, valid: isValid(schemaAt(path), value) };
        const read = option.read(value) !== undefined;
        kinds.add(`${told.valid} ${read}`);
        if (told.valid && !read && isLax.has(path)) continue;
        expect(told).toEqual({ path, value, valid: read });
        const whole = isValid(schema, nest(path.split("."), value));
        expect(whole).toBe(told.valid);
      }
      seen.set(path, kinds);
    }
    for (const [path, kinds] of seen) {
      const expected = ["false false", "true true", ...(isLax.has(path) ? ["true false"] : [])];
      expect([path, ...[...kinds].toSorted()]).toEqual([path, ...expected.toSorted()]);
    }
  });
});

test("config --schema prints it, and says where editors look for it", async () => {
  const call = async (...args: string[]) => {
    const child = Bun.spawn([process.execPath, join(root, "index.ts"), "config", ...args], {
      cwd: folder,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const out = await new Response(child.stdout).text();
    const err = await new Response(child.stderr).text();
    return { out, err, code: await child.exited };
  };
  expect(await call("--schema")).toEqual({ out: renderSchema(settings), err: "", code: 0 });
  const { out } = await call("--help");
  expect(out).toContain(`config --schema > ${SCHEMA_LINE.replace("#:schema ./", "")}\n`);
  expect(out.replaceAll("\n", " ")).toContain(SCHEMA_LINE);
});
