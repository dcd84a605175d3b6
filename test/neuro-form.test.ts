import { describe, expect, test } from "bun:test";
import { computedMs } from "./kit.ts";
import { Random } from "../lib/services/neuro/random.ts";
import { filled, isNumbered, read } from "../lib/services/neuro/schema/answers.ts";
import type { Field, ObjectField } from "../lib/services/neuro/schema/fields.ts";
import { formOf, MOST_FIELDS } from "../lib/services/neuro/schema/form.ts";
import { generate } from "../lib/services/neuro/schema/generate.ts";

const action = (schema: object | null) => ({
  name: "act",
  description: "Acts.",
  schema: schema as never,
});
const object = (properties: object, more: object = {}) =>
  action({ type: "object", properties, ...more });
const form = (schema: object | null) => formOf(action(schema)) as Field;
/** The field of one property that has to be there. */
const field = (schema: unknown) => {
  const found = formOf(object({ x: schema }, { required: ["x"] })) as ObjectField;
  return found.fields[0] as Field;
};
const value = (schema: unknown, answer: unknown) => {
  const { value, problems } = read(field(schema), answer);
  return problems.length > 0 ? problems.map(({ message }) => message).join() : value;
};

const PLAY = object(
  {
    card: { enum: ["Strike", "Bash"], title: "Card", description: "Which one is played." },
    target: { type: "integer", minimum: 0, maximum: 5, default: 0 },
    options: {
      type: "object",
      properties: { loud: { type: "boolean" }, note: { type: ["string", "null"], maxLength: 5 } },
      required: ["loud"],
    },
    tags: { type: "array", items: { enum: ["a", "b"] }, maxItems: 2 },
  },
  { required: ["card", "options"] },
);

describe("a form", () => {
  test("has a field for each property, with what is to be known of it, in plain JSON", () => {
    const found = formOf(PLAY) as Field;
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
    const own = { description: "", nullable: false, required: false };
    expect(found).toEqual({
      ...own,
      kind: "object",
      name: "act",
      title: "act",
      path: [],
      required: true,
      wants: "what its fields say, or an object as JSON",
      fields: [
        {
          kind: "choice",
          name: "card",
          title: "Card",
          path: ["card"],
          description: "Which one is played.",
          required: true,
          nullable: false,
          wants: "one of Strike, Bash",
          options: [
            { value: "Strike", text: "Strike", title: "" },
            { value: "Bash", text: "Bash", title: "" },
          ],
        },
        {
          ...own,
          kind: "whole",
          name: "target",
          title: "target",
          path: ["target"],
          min: 0,
          max: 5,
          default: 0,
          wants: "a whole number from 0 to 5",
        },
        {
          ...own,
          kind: "object",
          name: "options",
          title: "options",
          path: ["options"],
          required: true,
          wants: "what its fields say, or an object as JSON",
          fields: [
            {
              ...own,
              kind: "flag",
              name: "loud",
              title: "loud",
              path: ["options", "loud"],
              required: true,
              wants: "yes or no",
            },
            {
              ...own,
              kind: "text",
              name: "note",
              title: "note",
              path: ["options", "note"],
              nullable: true,
              maxLength: 5,
              wants: "a text of at most 5 characters, or null",
            },
          ],
        },
        {
          ...own,
          kind: "list",
          name: "tags",
          title: "tags",
          path: ["tags"],
          maxItems: 2,
          wants: "a list of at most 2 items, with commas between them; each one of a, b",
          item: {
            ...own,
            kind: "choice",
            name: "",
            title: "",
            path: ["tags"],
            required: true,
            wants: "one of a, b",
            options: [
              { value: "a", text: "a", title: "" },
              { value: "b", text: "b", title: "" },
            ],
          },
        },
      ],
    });
  });

  test.each([
    ["a text", { type: "string" }, "text"],
    ["a text of 1 to 20 characters", { minLength: 1, maxLength: 20 }, "text"],
    ["a text of 1 character", { type: "string", minLength: 1, maxLength: 1 }, "text"],
    ["a text of at least 2 characters", { type: "string", minLength: 2 }, "text"],
    ["a text that matches ^a", { pattern: "^a" }, "text"],
    ["a date, as 2026-08-01", { format: "date", type: "string" }, "text"],
    ["a whole number of at least 1", { type: "integer", minimum: 1 }, "whole"],
    ["a number of at most 1", { maximum: 1 }, "number"],
    ["a number above 0 and below 1", { exclusiveMinimum: 0, exclusiveMaximum: 1 }, "number"],
    ["a number above 0", { type: "number", minimum: 0, exclusiveMinimum: true }, "number"],
    ["a whole number, a multiple of 5", { type: "integer", multipleOf: 5 }, "whole"],
    ["a number", { type: ["integer", "number"] }, "number"],
    ["a number, or null", { type: ["integer", "number", "null"] }, "number"],
    ["yes or no", { type: "boolean" }, "flag"],
    ["1", { const: 1 }, "choice"],
    ["null", { type: "null" }, "choice"],
    ["nothing: there is no good value", { enum: [] }, "choice"],
    ['one of 1, "1", 1, null', { enum: ["1", 1, 1, null] }, null],
    ["one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more", { enum: [...Array(12).keys()] }, "choice"],
    ["one of a, b", { oneOf: [{ const: "a", title: "A" }, { enum: ["b"] }] }, "choice"],
    ["a text, or null", { anyOf: [{ type: "string" }, { type: "null" }] }, "text"],
    ["a text", { oneOf: [{ type: "string" }] }, "text"],
    ["a text of at most 3 characters", { allOf: [{ type: "string" }, { maxLength: 3 }] }, "text"],
    ["a list, as JSON", { type: "array" }, "list"],
    ["a list of at least 1 item, as JSON", { minItems: 1 }, "list"],
    ["a list, as JSON", { items: { type: "object" } }, "list"],
    ["a list of 2 items, with commas between them; each a number", LIST_OF_TWO(), "list"],
    ["a list, as JSON", { type: "array", prefixItems: [{}] }, "json"],
    ["what its fields say, or an object as JSON", { type: "object" }, "object"],
    ["what its fields say, or an object as JSON", { required: ["a"] }, "object"],
    ["an object, as JSON", { type: "object", minProperties: 1 }, "json"],
    ["an object, as JSON", { type: "object", additionalProperties: { type: "number" } }, "json"],
    ["an object, as JSON", { type: "object", patternProperties: { "^a": {} } }, "json"],
    ["a text in quotes or a number, as JSON", { type: ["string", "number"] }, "json"],
    ["a value as JSON", {}, "json"],
    ["a value as JSON", true, "json"],
    ["a value as JSON", false, "json"],
    ["a value as JSON", { anyOf: [{ type: "string" }, { type: "number" }] }, "json"],
  ] as const)("asks for %s", (wants, schema, kind) => {
    const found = field(schema);
    if (kind !== null) expect([found.wants, found.kind]).toEqual([wants, kind]);
    else expect(found).toMatchObject({ options: [{ text: "1" }, { text: "1" }, { text: "null" }] });
  });

  test("says in its own words what a reference says otherwise", () => {
    const found = formOf(
      object(
        { x: { $ref: "#/$defs/a", description: "Mine.", default: 2 } },
        { $defs: { a: { type: "integer", description: "Theirs.", title: "Size", default: 1 } } },
      ),
    );
    const own = { kind: "whole", description: "Mine.", title: "Size", default: 2 };
    expect(found).toMatchObject({ fields: [own] });
  });

  test("asks for JSON where it cannot be a form", () => {
    const either = { oneOf: [{ properties: { a: {} } }, { required: ["b"] }] };
    const tooMany = Object.fromEntries([...Array(MOST_FIELDS).keys()].map((i) => [`k${i}`, {}]));
    const { k0: _, ...many } = tooMany;
    const all = [...Array(5000).keys()].map((i) => ({ properties: { [`k${i}`]: {} } }));
    for (const schema of [
      { type: "object", ...either },
      { allOf: [{ type: "string" }] },
      JSON.parse('{"if":{"required":["a"]},"then":{"required":["b"]},"properties":{"a":{}}}'),
      { type: "object", dependentSchemas: { a: { properties: { b: {} } } }, required: ["a"] },
      { type: "object", properties: tooMany },
      { type: "object", allOf: all },
    ]) {
      expect(form(schema)).toMatchObject({ kind: "json", path: [] });
    }
    expect(form({ type: "object", properties: many })).toMatchObject({ kind: "object" });
    expect(form({ enum: [{ a: 1 }, { a: 2 }] })).toMatchObject({ kind: "choice" });
    const known = {
      properties: { a: {}, b: {} },
      anyOf: [{ required: ["a"] }, { required: ["b"] }],
    };
    expect(form(known)).toMatchObject({ kind: "object" });
  });

  test("is there only where there is data, and for an action that can be chosen", () => {
    expect(form(null)).toBe(null as never);
    expect(form({ type: "object", properties: { a: { $ref: "#" } } })).toMatchObject({
      name: "schema_recurses",
    });
  });

  test("asks for what is required though the schema does not say more", () => {
    const found = form({ required: ["x"], additionalProperties: { type: "boolean" } });
    expect(found).toMatchObject({ fields: [{ name: "x", kind: "flag", required: true }] });
    const unwanted = { properties: { a: false, b: {} }, required: ["b"] };
    expect(form(unwanted)).toMatchObject({ fields: [{ name: "b" }] });
  });
});

function LIST_OF_TWO() {
  return { items: { type: "number" }, minItems: 2, maxItems: 2 };
}

describe("an answer", () => {
  const card = { enum: ["Strike", "Bash", "bash"] };
  const titled = {
    oneOf: [
      { const: 1, title: "Low" },
      { const: 2, title: "High" },
    ],
  };

  test.each([
    [card, "Bash", "Bash"],
    [card, " Strike ", "Strike"],
    [card, "STRIKE", "Strike"],
    [card, '"Strike"', "Strike"],
    [card, "3", "bash"],
    [titled, "high", 2],
    [titled, "2", 2],
    [titled, 2, 2],
    [{ enum: [3, 1] }, "1", 1],
    [{ enum: ["1", 1] }, "1", "1"],
    [{ enum: [{ a: 1 }, null] }, { a: 1 }, { a: 1 }],
    [{ enum: [{ a: 1 }, null] }, "2", null],
    [{ type: "integer" }, " 3 ", 3],
    [{ type: "integer" }, "3.0", 3],
    [{ type: "integer" }, "-1e2", -100],
    [{ type: "number" }, ".5", 0.5],
    [{ type: "number" }, 0.5, 0.5],
    [{ type: "string" }, " as it is ", " as it is "],
    [{ type: "string" }, '""', ""],
    [{ type: "string" }, "null", "null"],
    [{ type: ["string", "null"] }, "null", null],
    [{ type: "string", maxLength: 1 }, "😀", "😀"],
    [{ type: "boolean" }, "Y", true],
    [{ type: "boolean" }, "off", false],
    [{ type: "boolean" }, false, false],
    [{ items: { type: "integer" } }, "1, 2,3", [1, 2, 3]],
    [{ items: { type: "integer" } }, "[1, 2]", [1, 2]],
    [{ items: { type: "integer" } }, ["1", 2], [1, 2]],
    [{ items: { type: "integer" } }, "[]", []],
    [{ items: { type: "string" } }, '["a, b"]', ["a, b"]],
    [{ items: { type: "string" } }, "a, b", ["a", "b"]],
    [{ items: {} }, '[{"a": 1}]', [{ a: 1 }]],
    [{ type: "object", properties: { a: {} } }, '{"a": 1}', { a: 1 }],
    [{ type: "object", properties: { a: { type: "integer" } } }, { a: "1" }, { a: 1 }],
    [{ type: "object", properties: { a: { default: 7 } } }, undefined, { a: 7 }],
    [{}, '"x"', "x"],
    [{}, { a: 1 }, { a: 1 }],
    [{ default: [1] }, undefined, [1]],
  ] as const)("to %j: %j means %j", (schema, answer, wanted) => {
    expect(value(schema, answer)).toEqual(wanted as never);
  });

  test.each([
    [card, "Smash", "found Smash; wanted one of Strike, Bash, bash"],
    [card, "4", "found 4; wanted one of Strike, Bash, bash"],
    [card, "0", "found 0; wanted one of Strike, Bash, bash"],
    [{ enum: ["Bash", "bash"] }, "BASH", "found BASH; wanted one of Bash, bash"],
    [{ enum: [3, 1] }, "2", "found 2; wanted one of 3, 1"],
    [{ type: "integer", minimum: 0 }, "-1", "found -1; wanted a whole number of at least 0"],
    [{ type: "integer" }, "1.5", "found 1.5; wanted a whole number"],
    [{ type: "integer" }, "12abc", "found 12abc; wanted a whole number"],
    [{ type: "number" }, "1,5", "found 1,5; wanted a number"],
    [{ type: "number" }, "1e999", "found 1e999; wanted a number"],
    [{ type: "number" }, "0x10", "found 0x10; wanted a number"],
    [{ type: "number" }, "NaN", "found NaN; wanted a number"],
    [{ type: "number", exclusiveMinimum: 0 }, "0", "found 0; wanted a number above 0"],
    [{ type: "number" }, true, "found true; wanted a number"],
    [{ type: "number" }, "  ", 'found " "; wanted a number'],
    [{ type: "number" }, "", "an answer is needed: a number"],
    [{ type: "number" }, undefined, "an answer is needed: a number"],
    [{ type: "string", minLength: 3 }, "ab", "found ab; wanted a text of at least 3 characters"],
    [{ type: "string", maxLength: 1 }, "ab", "found ab; wanted a text of at most 1 character"],
    [{ type: "string" }, 1, "found 1; wanted a text"],
    [{ type: "string" }, null, "found null; wanted a text"],
    [{ type: "boolean" }, "maybe", "found maybe; wanted yes or no"],
    [
      { items: { type: "integer" } },
      "1,,x",
      "an item is empty: a whole number,found x; wanted a whole number",
    ],
    [
      { items: {}, maxItems: 1 },
      "[1,2]",
      "found 2 of them; wanted a list of at most 1 item, as JSON",
    ],
    [{ items: {} }, '{"a":1}', 'found {"a":1}; wanted a list, as JSON'],
    [{}, "hello", "found hello, which is not JSON; texts stand in quotes; wanted a value as JSON"],
    [{}, "{", "found {, which is not JSON; wanted a value as JSON"],
    [{ type: "object" }, [1], "found [1]; wanted what its fields say, or an object as JSON"],
  ] as const)("to %j: %j is told why it is wrong", (schema, answer, message) => {
    expect(value(schema, answer)).toBe(message);
  });

  test("that is wrong is shown cut and without its control characters", () => {
    const found = value({ type: "number" }, `\u001b[2J${"x".repeat(100_000)}`) as string;
    expect(found).toStartWith("found \\x1b[2Jxxx");
    expect(found.length).toBeLessThan(200);
  });

  test.each(["1", "1.", ".1", "1e"])(
    "that is many %s and no number costs no more for it",
    (part) => {
      const since = computedMs();
      expect(value({ type: "number" }, `${part.repeat(50_000)}x`)).toStartWith("found ");
      expect(computedMs() - since).toBeLessThan(1000);
    },
  );

  test("is not needed for what may be left out, nor where there is a default", async () => {
    const all = { card: "1", options: { loud: "yes" } };
    expect(await filled(PLAY, all)).toEqual({
      data: { card: "Strike", target: 0, options: { loud: true } },
    });
    const cleared = { ...all, target: "", tags: "" };
    expect(await filled(PLAY, cleared)).toEqual({
      data: { card: "Strike", options: { loud: true } },
    });
  });

  test("is told by its place, all that are wrong together", async () => {
    const answers = { card: "x", target: "6", options: { note: "123456" }, tags: "a, c" };
    const found = await filled(PLAY, answers);
    if (!("problems" in found)) throw new Error("there are none");
    expect(found.problems.map(({ path }) => path.join("."))).toEqual([
      "card",
      "target",
      "options.loud",
      "options.note",
      "tags.1",
    ]);
  });

  test("that the form takes is checked by the schema's own rules too", async () => {
    const pattern = object({ a: { type: "string", pattern: "^x" } }, { minProperties: 1 });
    expect(await filled(pattern, { a: "xy" })).toEqual({ data: { a: "xy" } });
    expect(await filled(pattern, { a: "y" })).toEqual({
      problems: [{ path: ["a"], message: 'found "y"; wanted a text that matches ^x' }],
    });
    const empty = await filled(pattern, {});
    expect(empty).toMatchObject({ problems: [{ path: [] }] });
    const map = action({ type: "object", additionalProperties: { type: "number" } });
    expect(await filled(map, '{"b": "x"}')).toEqual({
      problems: [{ path: ["b"], message: 'found "x"; wanted a number' }],
    });
    const open = action({ type: "object", minProperties: 1 });
    expect(await filled(open, '{"b": 1}')).toEqual({ data: { b: 1 } });
    expect(await filled(open, "[]")).toEqual({
      problems: [{ path: [], message: "the data is no object" }],
    });
  });

  test("that breaks a rule is found under a key with any characters", async () => {
    const odd = object({ "a/b: é~%": { type: "integer", multipleOf: 2 } });
    expect(await filled(odd, { "a/b: é~%": "3" })).toMatchObject({
      problems: [{ path: ["a/b: é~%"] }],
    });
  });

  test("may be for keys of any name", async () => {
    const names = '{"__proto__": {"type": "integer"}, "constructor": {"type": "string"}}';
    const odd = object(JSON.parse(names) as object, { required: ["__proto__"] });
    expect(await filled(odd, JSON.parse('{"__proto__": "3"}'))).toEqual({
      data: JSON.parse('{"__proto__": 3}') as object,
    });
    expect(await filled(odd, {})).toMatchObject({ problems: [{ path: ["__proto__"] }] });
  });

  test("is none for an action without data, and none helps one that cannot be chosen", async () => {
    expect(await filled(action(null), { a: 1 })).toEqual({ data: undefined });
    const recursing = object({ a: { $ref: "#" } });
    expect(await filled(recursing, {})).toMatchObject({ problems: [{ path: [] }] });
  });
});

test("options are numbered where no number is among them", () => {
  const of = (values: unknown[]) => isNumbered(field({ enum: values }) as never);
  expect([of(["a", "b1"]), of(["a", "1"]), of([1.5, true]), of([2])]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});

test("what is made by chance for a schema is taken as answers too, and comes out as it was", async () => {
  const schemas = [
    PLAY,
    object({
      a: { type: "array", items: { type: "object", properties: { b: { type: "number" } } } },
    }),
    object({ a: { anyOf: [{ type: "string" }, { type: "null" }] }, b: { enum: [1, true, [1]] } }),
    object({ a: {}, b: { type: ["string", "integer"] } }, { required: ["a", "b"] }),
    object({
      a: { type: "string", pattern: "^[a-c]{2,4}$" },
      c: { type: "number", multipleOf: 0.1 },
    }),
  ];
  for (const one of schemas) {
    for (let seed = 0; seed < 50; seed++) {
      const made = await generate(one, new Random(seed));
      if (!("data" in made)) throw new Error(made.text);
      // A text that is typed for any JSON has to be JSON.
      const answers = JSON.parse(JSON.stringify(made.data), (key, value: unknown) =>
        one === schemas[3] && key !== "" && typeof value === "string"
          ? JSON.stringify(value)
          : value,
      ) as object;
      const found = await filled(one, answers);
      const taken = "data" in found ? found.data : found;
      expect(taken).toEqual(one === PLAY ? { target: 0, ...made.data } : made.data);
    }
  }
});
