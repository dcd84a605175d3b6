import { describe, expect, test } from "bun:test";
import { Random } from "../lib/services/neuro/random.ts";
import { generate } from "../lib/services/neuro/schema/generate.ts";
import { remarksOn } from "../lib/services/neuro/schema/keywords.ts";
import { MOST_STEPS, patternOf } from "../lib/services/neuro/schema/pattern.ts";
import { type DataRules, rulesOf } from "../lib/services/neuro/schema/rules.ts";
import type { Diagnostic } from "../lib/services/neuro/diagnostics.ts";
import { computedMs } from "./kit.ts";

const action = (schema: object) => ({ name: "act", description: "Acts.", schema: schema as never });
const object = (properties: object, more: object = {}) =>
  action({ type: "object", properties, required: Object.keys(properties), ...more });
const one = (schema: unknown) => object({ x: schema });
const rules = (given: ReturnType<typeof action>) => rulesOf(given) as DataRules;
const problems = (given: ReturnType<typeof action>, data: unknown) => rules(given).problemsOf(data);
const unusable = (schema: unknown) => (rulesOf(one(schema)) as Diagnostic).name;
const made = async (given: ReturnType<typeof action>, seed = 1) => {
  const found = await generate(given, new Random(seed));
  return "code" in found ? found.name : found.data;
};

describe("remarks on a schema", () => {
  const told = (schema: object) =>
    remarksOn(action(schema)).map(({ code, text }) => `${code} ${text.split(" in the schema")[0]}`);

  test("name each keyword that Neuro does not support, with its path", () => {
    expect(told({ type: "object", properties: { a: { type: "string" } } })).toEqual([]);
    const properties = {
      title: { type: "string", title: "A title", description: "Of the song." },
      tags: { type: "array", uniqueItems: true, items: { $ref: "#/$defs/tag" } },
      not: { enum: [{ title: 1, $ref: 2 }], const: { anyOf: [] } },
    };
    const all = { $schema: "x", description: "x", $defs: { tag: { oneOf: [{ if: {} }] } } };
    expect(told({ ...all, type: "object", properties })).toEqual([
      "N402 $schema at /",
      "N402 description at /",
      "N402 $defs at /",
      "N402 oneOf at /$defs/tag",
      "N402 if at /$defs/tag/oneOf/0",
      "N402 title at /properties/title",
      "N403 description at /properties/title",
      "N403 uniqueItems at /properties/tags",
      "N402 $ref at /properties/tags/items",
    ]);
  });

  test("tell a root that is no object", () => {
    expect(remarksOn(action({ type: "string" }))[0]?.text).toContain('of type "string"');
    expect(remarksOn(action({ properties: {} }))[0]?.text).toContain("has no type at its root");
    const either = remarksOn(action({ type: ["object", "null"] }));
    expect(either.map(({ name }) => name)).toEqual(["schema_untyped"]);
  });

  test("tell of words that are no keywords, where they look like some", () => {
    const cures = (schema: object) =>
      remarksOn(action({ type: "object", ...schema }))
        .filter(({ name }) => name === "unknown_keyword")
        .map(({ text, cure }) => `${text.split(" in ")[0]}: ${cure}`);
    // As a kit writes it that has its own function for it.
    expect(cures({ cell: { enum: ["top left"] } })).toEqual([
      "cell at /: Put the properties of the data into properties.",
    ]);
    expect(cures({ properties: { a: { enums: [1], Type: "string" } } })).toEqual([
      "enums at /properties/a: Did you mean enum?",
      "Type at /properties/a: Did you mean type?",
    ]);
    const older = { id: "x", dependencies: { a: ["b"], c: { const: 1 } }, definitions: { d: {} } };
    expect(cures({ ...older, "x-widget": "slider", units: "cm" })).toEqual([]);
    const many = Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`typo${i}`, i]));
    const since = computedMs();
    expect(cures(many)).toEqual([]);
    expect(computedMs() - since).toBeLessThan(1000);
  });

  test("are few, however many there are", () => {
    const properties = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [i, { title: "" }]),
    );
    expect(told({ type: "object", properties }).length).toBe(20);
  });
});

describe("data is checked", () => {
  const play = object(
    { card: { enum: ["Strike", "Bash"] }, target: { type: "integer", minimum: 0 } },
    { required: ["card"], additionalProperties: false },
  );

  test("and each problem told with its place", async () => {
    expect(await problems(play, { card: "Strike", target: 2 })).toEqual([]);
    expect(await problems(play, { card: "Strike" })).toEqual([]);
    expect(await problems(play, { card: "Block", target: -1 })).toEqual([
      '/card: found "Block"; wanted one of "Strike", "Bash"',
      "/target: found -1; wanted 0 or more",
    ]);
    expect(await problems(play, {})).toEqual(['/: "card" is missing']);
    for (const data of [null, 1, "x", [], undefined]) {
      expect(await problems(play, data)).toEqual(["the data is no object"]);
    }
  });

  test.each(["x", '"\\', '\\"', '"'])(
    "and a name of many %s costs no more for it",
    async (part) => {
      const name = part.repeat(60_000);
      const since = computedMs();
      expect(await problems(object({}, { required: [name] }), {})).toHaveLength(1);
      expect(computedMs() - since).toBeLessThan(700);
    },
  );

  test.each([
    [{ type: "integer" }, "3", 'found "3"; wanted a whole number'],
    [{ type: ["string", "null"] }, 1, "found 1; wanted a text in quotes or null"],
    [{ enum: [1] }, 2, "found 2; wanted 1"],
    [
      { enum: Array.from({ length: 12 }, (_, i) => i) },
      99,
      "found 99; wanted one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more",
    ],
    [{ const: { a: 1 } }, "x", 'found "x"; wanted {"a":1}'],
    [{ maximum: 5 }, 6, "found 6; wanted 5 or less"],
    [{ exclusiveMinimum: 5 }, 5, "found 5; wanted more than 5"],
    [{ exclusiveMaximum: 5 }, 5, "found 5; wanted less than 5"],
    [{ multipleOf: 2 }, 3, "found 3; wanted a multiple of 2"],
    [{ minLength: 1 }, "", 'found ""; wanted a text of at least 1 character'],
    [{ maxLength: 2 }, "abc", 'found "abc"; wanted a text of at most 2 characters'],
    [{ pattern: "^a" }, "b", 'found "b"; wanted a text that matches ^a'],
    [{ format: "date" }, "b", 'found "b"; wanted a text of the format date'],
    [{ minItems: 1 }, [], "found []; wanted a list of at least 1 item"],
    [{ maxItems: 1 }, [1, 2], "found [1,2]; wanted a list of at most 1 item"],
    [{ uniqueItems: true }, [1, 1], "found [1,1]; wanted a list without anything twice"],
    [{ minProperties: 1 }, {}, "found {}; wanted at least 1 key"],
    [{ maxProperties: 0 }, { a: 1 }, 'found {"a":1}; wanted at most 0 keys'],
    [{ not: { const: 1 } }, 1, "found 1; wanted something else"],
    [{ oneOf: [{ minimum: 1 }, { minimum: 2 }] }, 2, "found 2, which fits more than one of"],
    [{ dependentRequired: { a: ["b"] } }, { a: 1 }, '"a" is there, and "b" is missing'],
    [{ maxLength: 2 }, "x".repeat(99), /^found "x{59} \.\.\. and 41 more characters; wanted/],
  ])("%j with %j is told in plain words", async (schema, value, said) => {
    const [first = ""] = await problems(object({ "a/b ~é": schema }), { "a/b ~é": value });
    const { place, sentence } = /^(?<place>\S*): (?<sentence>.*)$/.exec(first)?.groups ?? {};
    expect(place).toBe("/a~1b%20~0%C3%A9");
    if (typeof said === "string") expect(sentence).toStartWith(said);
    else expect(sentence).toMatch(said);
  });

  test("an alternative that none fits, and a key that may not be there, are told so too", async () => {
    const either = object({ a: { anyOf: [{ const: 1 }, { const: 2 }] } });
    expect((await problems(either, { a: 3 }))[0]).toBe(
      "/a: found 3, which fits none of what it may be",
    );
    expect(await problems(object({}, { additionalProperties: false }), { x: 1 })).toEqual([
      "/x: found 1 where nothing may be",
    ]);
  });

  test.each([
    ["draft 4", { type: "integer", minimum: 1, exclusiveMinimum: true }, 2, 1],
    ["draft 7 items", { items: [{ type: "string" }], additionalItems: false }, ["a"], ["a", 1]],
    ["draft 2020 items", { prefixItems: [{ type: "string" }], items: false }, ["a"], ["a", 1]],
    ["draft 7 dependencies", { dependencies: { a: ["b"] } }, { a: 1, b: 1 }, { a: 1 }],
    ["dependentRequired", { dependentRequired: { a: ["b"] } }, { a: 1, b: 1 }, { a: 1 }],
    ["several types", { type: ["string", "null"] }, null, 1],
    ["const", { const: { a: [1] } }, { a: [1] }, { a: [2] }],
    ["anyOf", { anyOf: [{ const: 1 }, { const: 2 }] }, 2, 3],
    ["not", { not: { type: "string" } }, 1, "1"],
    ["if", JSON.parse('{ "if": { "type": "string" }, "then": { "minLength": 2 } }'), "ab", "a"],
    ["pattern", { pattern: "^[a-z]+$" }, "abc", "ABC"],
    ["format", { format: "date" }, "2026-08-01", "yesterday"],
    ["multipleOf", { multipleOf: 0.1 }, 0.3, 0.35],
  ])("by %s", async (_, schema, good, bad) => {
    expect(await problems(one(schema), { x: good })).toEqual([]);
    expect(await problems(one(schema), { x: bad })).not.toEqual([]);
  });

  test("with references to the same schema", async () => {
    const schema = {
      type: "object",
      properties: { a: { $ref: "#/$defs/a~1b" }, b: { $ref: "#/definitions/c", maxLength: 2 } },
      $defs: { "a/b": { type: "integer" } },
      definitions: { c: { type: "string" } },
    };
    expect(await problems(action(schema), { a: 1, b: "ab" })).toEqual([]);
    expect(await problems(action(schema), { a: "1", b: "abc" })).toHaveLength(2);
  });

  test("with keywords that are wrong, as far as they are right", async () => {
    const wrong = one({ type: "float", minimum: "1", required: true, properties: 3, enum: {} });
    expect(rules(wrong).resolved.diagnostics.map(({ name }) => name)).toEqual(
      Array(5).fill("schema_wrong"),
    );
    expect(await problems(wrong, { x: 1 })).toEqual([]);
    expect(await problems(wrong, {})).toHaveLength(1);
    const hostile = one(JSON.parse('{"properties":{"__proto__":{"type":"string"}}}'));
    expect(await problems(hostile, { x: JSON.parse('{"__proto__":1}') })).toHaveLength(1);
  });

  test("that a check would take too long is not taken", async () => {
    const pattern = one({ items: { pattern: "a*a*a*b" } });
    expect(await problems(pattern, { x: ["a".repeat(5000)] })).toEqual([
      "the data cannot be checked: a text in it is too long",
    ]);
    const unique = one({ uniqueItems: true });
    expect(await problems(unique, { x: Array.from({ length: 10_000 }, (_, i) => i) })).toEqual([
      "the data cannot be checked: a list in it is too long",
    ]);
    const long = "a".repeat(900_000);
    const fixed = one({ pattern: "a{9000}b" });
    expect(await problems(fixed, { x: long })).toEqual([
      "the data cannot be checked: a text in it is too long",
    ]);
    expect(await problems(fixed, { x: long.slice(0, 1000) })).toHaveLength(1);
    // Each alone would be soon done.
    const slow = { pattern: "^a*a*a*a*$" };
    const slowly = (count: number, part: object) =>
      action({ $defs: { slow }, properties: { x: { allOf: Array(count).fill(part) } } });
    for (const part of [slow, { $ref: "#/$defs/slow" }]) {
      expect(await problems(slowly(1000, part), { x: SLOW })).toEqual([
        "the data cannot be checked: a text in it is too long",
      ]);
      expect(await problems(slowly(1, part), { x: SLOW })).toHaveLength(1);
    }
    const keys = one({ type: "object", patternProperties: { "a{9000}b": {} } });
    expect(await problems(keys, { x: { [long.slice(0, 100_000)]: 1 } })).toEqual([
      "the data cannot be checked: a key in it is too long",
    ]);
    const dates = one({ items: { format: "date-time" } });
    const date = "2026-01-02T03:04:05Z";
    expect(await problems(dates, { x: Array(1000).fill(date) })).toEqual([]);
    expect(await problems(dates, { x: ["1".repeat(2001)] })).toHaveLength(1);
    // Texts are walked for their lengths, and lists of values stand in what is said of them.
    for (const part of [{ maxLength: 10 }, { enum: ["x".repeat(50_000)] }]) {
      const lengths = one({ allOf: Array(100).fill(part) });
      expect(await problems(lengths, { x: long })).toEqual([
        "the data cannot be checked: it is too large",
      ]);
    }
    const large = one({ items: { anyOf: Array(1000).fill({ type: "string" }) } });
    expect(await problems(large, { x: Array(1000).fill(1) })).toEqual([
      "the data cannot be checked: it is too large",
    ]);
  });
});

const NAMES = Array.from({ length: 9000 }, (_, i) => `k${i}`);

/** A text that a pattern goes over again and again. */
const SLOW = `${"a".repeat(35)}!`;

/** Each part refers twice to the next, so that all of it has 2 ** `levels` parts. */
function doubling(levels: number) {
  const $defs: Record<string, unknown> = { [`a${levels}`]: { type: "string" } };
  for (let i = 0; i < levels; i++) {
    const next = { $ref: `#/$defs/a${i + 1}` };
    $defs[`a${i}`] = { anyOf: [next, next] };
  }
  return { type: "object", $defs, properties: { x: { $ref: "#/$defs/a0" } }, required: ["x"] };
}

describe("a schema that", () => {
  test("refers to itself cannot be used", () => {
    const tree = {
      type: "object",
      properties: { next: { $ref: "#" } },
    };
    expect(rulesOf(action(tree))).toMatchObject({ name: "schema_recurses" });
    expect(rulesOf(action({ type: "object", $ref: "#" }))).toMatchObject({ code: "N404" });
    const pair = { $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } };
    expect(rulesOf(action({ ...pair, $ref: "#/$defs/a" }))).toMatchObject({ code: "N404" });
  });

  test("explodes cannot be used", () => {
    expect(rulesOf(action(doubling(10)))).not.toHaveProperty("code");
    for (const levels of [20, 60]) {
      expect(rulesOf(action(doubling(levels)))).toMatchObject({ name: "schema_explodes" });
    }
    const values = Array.from({ length: 30_000 }, (_, i) => i);
    expect(unusable({ enum: values })).toBe("schema_explodes");
  });

  test("refers to nothing cannot be used", () => {
    for (const $ref of [
      "#/$defs/none",
      "https://example.com/x",
      "x.json",
      "#anchor",
      3,
      "#/type",
    ]) {
      expect(unusable({ $ref })).toBe("schema_reference");
    }
  });

  test("has a pattern that may take for ever is checked without it", async () => {
    for (const pattern of [
      "^(a+)+$",
      "(a|a)*b",
      "^(?=a)",
      "(a)\\1",
      "[",
      "a*a*a*a*a*",
      "^(?:a*)*()$",
      "^(?:a+|b){0}(?:a|a)*$",
      "(((a{99}){99}){99}){99}",
    ]) {
      const given = one({ type: "string", pattern });
      expect([pattern, rules(given).resolved.diagnostics[0]?.name]).toEqual([
        pattern,
        "schema_pattern",
      ]);
      expect(await problems(given, { x: "a".repeat(100_000) })).toEqual([]);
      expect(await problems(given, { x: 1 })).toHaveLength(1);
    }
  });
});

describe("a pattern", () => {
  const GOOD = [
    "^[a-z_]+$",
    "^\\d{4}-\\d{2}-\\d{2}$",
    "^(yes|no)$",
    "^[A-Z]{2,3}[^a-z]?$",
    "^\\w+@\\w+\\.(com|org)$",
    "^#[0-9a-fA-F]{6}$",
    "^[\\w.-]{1,20}$",
    "^\\u0041\\x42\\.\\/x*$",
    "x",
    "^(?:a|b(?<n>c))$",
    "",
  ];

  test("makes texts that it matches, from a seed", () => {
    for (const source of GOOD) {
      const pattern = patternOf(source);
      if (typeof pattern === "string") throw new Error(`${source}: ${pattern}`);
      for (let seed = 0; seed < 50; seed++) {
        const text = pattern.make(new Random(seed));
        expect([source, text, RegExp(source, "u").test(text)]).toEqual([source, text, true]);
        expect(pattern.make(new Random(seed))).toBe(text);
      }
    }
  });

  test("is checked in a time that is bounded", () => {
    for (const source of [...GOOD, "a*a*a*b", "^a*a*a*a*$", "^a{1,90}a{1,90}$", "a{9000}b"]) {
      const pattern = patternOf(source);
      if (typeof pattern === "string") throw new Error(`${source}: ${pattern}`);
      let length = 1_000_000;
      while (pattern.steps(length) > MOST_STEPS) length = Math.floor(length * 0.9);
      const text = `${"a".repeat(length - 1)}!`;
      const since = computedMs();
      RegExp(source, "u").test(text);
      expect(computedMs() - since).toBeLessThan(500);
    }
  });
});

describe("data is made", () => {
  const SCHEMAS: object[] = [
    { type: "object" },
    { type: "object", properties: { a: { type: "string" }, b: { type: "boolean" } } },
    {
      type: "object",
      required: ["card", "at"],
      properties: {
        card: { type: "string", enum: ["Strike", "Defend"] },
        target: { type: "integer", minimum: 0, maximum: 4 },
        at: {
          type: "object",
          required: ["kind", "tags"],
          properties: {
            kind: { const: "self" },
            tags: {
              type: "array",
              items: { type: "string", maxLength: 5 },
              minItems: 2,
              maxItems: 4,
            },
          },
        },
      },
      additionalProperties: false,
    },
    one({ type: "number", exclusiveMinimum: 1, exclusiveMaximum: 1.001 }).schema,
    one({ type: "integer", exclusiveMinimum: 1, exclusiveMaximum: 3 }).schema,
    one({ type: "number", multipleOf: 0.1, minimum: 0.25, maximum: 0.95 }).schema,
    one({ type: "integer", multipleOf: 7, minimum: -30, maximum: -10 }).schema,
    one({ maximum: -5 }).schema,
    one({ type: "string", minLength: 30, maxLength: 31 }).schema,
    one({ type: "string", maxLength: 0 }).schema,
    one({ type: ["null", "boolean"] }).schema,
    one({ type: "array", uniqueItems: true, minItems: 3, items: { enum: [1, 2, 3, 4] } }).schema,
    one({ type: "array", contains: { const: 7 }, items: { type: "integer" } }).schema,
    one({ items: [{ type: "string" }, { type: "integer" }], additionalItems: false, minItems: 2 })
      .schema,
    one({ anyOf: [{ type: "string" }, { type: "integer", minimum: 5 }] }).schema,
    one({ oneOf: [{ const: "a" }, { const: "b" }] }).schema,
    one({
      allOf: [
        { type: "number", minimum: 3 },
        { type: "integer", maximum: 4 },
      ],
    }).schema,
    one({ allOf: [{ enum: ["a", "b", "c"] }, { enum: ["c", "d"] }] }).schema,
    one({ type: "string", pattern: "^[A-Z]{2}-\\d+$" }).schema,
    one({ type: "integer", minimum: 1, maximum: 3, not: { const: 2 } }).schema,
    one({ type: "object", minProperties: 3, additionalProperties: { type: "integer" } }).schema,
    one({ type: "object", minProperties: 1, propertyNames: { pattern: "^k\\d$" } }).schema,
    one({ type: "object", patternProperties: { "^n": { type: "integer" } }, required: ["no"] })
      .schema,
    one({ properties: { a: {}, b: {} }, dependentRequired: { a: ["b"], b: ["a"] } }).schema,
    {
      type: "object",
      required: ["kind"],
      properties: { kind: { enum: ["a", "b"] }, size: { type: "integer" } },
      ...JSON.parse(
        '{ "if": { "properties": { "kind": { "const": "a" } } }, "then": { "required": ["size"] } }',
      ),
    },
    ...["date", "time", "date-time", "email", "hostname", "ipv4", "ipv6", "uri", "uuid", "odd"].map(
      (format) => one({ type: "string", format }).schema as object,
    ),
    doubling(8),
    {
      properties: { a: { properties: { b: { items: { properties: { c: { minLength: 1 } } } } } } },
    },
  ];

  test.each(SCHEMAS.map((schema) => [JSON.stringify(schema).slice(0, 120), schema] as const))(
    "for %s",
    async (_, schema) => {
      const seen = new Set<string>();
      for (let seed = 0; seed < 40; seed++) {
        const data = await made(action(schema), seed);
        expect(typeof data).toBe("object");
        expect(await problems(action(schema), data)).toEqual([]);
        expect(await made(action(schema), seed)).toEqual(data as never);
        seen.add(JSON.stringify(data));
      }
      if (
        /"(string|number)"/.test(JSON.stringify(schema)) &&
        !/maxLength":0/.test(JSON.stringify(schema))
      )
        expect(seen.size).toBeGreaterThan(1);
    },
  );

  test("but none for an action without a schema", async () => {
    expect(await generate({ name: "a", description: "", schema: null }, new Random(1))).toEqual({
      data: undefined,
    });
  });

  test.each([
    ["schema_unmet", { type: "integer", minimum: 3, maximum: 2 }],
    ["schema_unmet", { enum: [] }],
    ["schema_unmet", { type: "string", not: {} }],
    ["schema_unmet", { allOf: [{ type: "string" }, { type: "integer" }] }],
    ["schema_unmet", { type: "array", minItems: 2, maxItems: 1 }],
    ["schema_unmet", { type: "array", uniqueItems: true, minItems: 3, items: { enum: [1, 2] } }],
    ["schema_unmet", { type: "integer", exclusiveMinimum: 1, exclusiveMaximum: 2 }],
    ["schema_unmet", false],
    ["schema_large", { type: "string", minLength: 1e9 }],
    ["schema_large", { type: "array", minItems: 1e9 }],
    // What is put together grows with each part of it.
    ["schema_large", { required: NAMES, allOf: Array(5000).fill({ required: ["z"] }) }],
    [
      "schema_large",
      { type: "object", minProperties: 40_000, patternProperties: { "^a{9000}$": {} } },
    ],
    ["schema_large", { type: "object", minProperties: 1e9 }],
    [
      "schema_large",
      { items: { items: { items: {}, minItems: 200 }, minItems: 200 }, minItems: 200 },
    ],
    ["schema_large", { type: "string", const: "x".repeat(2 ** 20) }],
  ])("and none where that cannot be: %s", async (name, schema) => {
    const since = computedMs();
    const found = await made(one(schema));
    if (JSON.stringify(schema).includes("unique")) expect(String(found)).toStartWith("schema_");
    else expect(found).toBe(name as never);
    expect(computedMs() - since).toBeLessThan(1000);
  });

  test("a schema of another root can be met by nothing", async () => {
    expect(await made(action({ type: "string" }))).toBe("schema_root");
    expect(await made(action({ enum: [1, 2] }))).toBe("schema_unmet");
  });
});
