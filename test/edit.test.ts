import { describe, expect, test } from "bun:test";
import { parse } from "smol-toml";
import { foundAt, setKey, unsetKey } from "../lib/config/edit.ts";
import type { Option } from "../lib/config/option.ts";
import { renderToml, tomlValue } from "../lib/config/render.ts";
import { settings } from "../lib/config/table.ts";
import { Random } from "./random.ts";
import { options, valuesOf } from "./toml-values.ts";
import type { Entries } from "../lib/config/section.ts";

const optionAt = (path: string) => options.get(path) as Option<unknown>;

/** A text after a key was set, or with undefined taken out. */
function edit(text: string, path: string, value: unknown): string {
  if (value === undefined) return unsetKey(text, path, optionAt(path));
  return setKey(text, path, optionAt(path), value);
}

const THROTTLE = "hyper_parameters.backpressure_policy.throttle_threshold";
const TIMEOUT = "hyper_parameters.client_timeout_secs";

type Case = [name: string, before: string, path: string, value: unknown, after: string];

describe("a key that stands in the file: only its value changes", () => {
  test.each<Case>([
    ["on a line", "port = 1\n", "port", 2, "port = 2\n"],
    ["without an end of line", "port = 1", "port", 2, "port = 2"],
    ["however it is laid out", "\t port\t=   1\t# mine\n", "port", 2, "\t port\t=   2\t# mine\n"],
    ["right before a comment", "port = 1# mine\n", "port", 2, "port = 2# mine\n"],
    [
      "in quotes",
      "'port' = 1\n\"na\\u006de\" = 'x'",
      "name",
      "y",
      '\'port\' = 1\n"na\\u006de" = "y"',
    ],
    ["in its table", "port = 1\n[web]\nport = 2\n", "web.port", 3, "port = 1\n[web]\nport = 3\n"],
    ["below a header in quotes", '[ "web" ] # x\nport=2', "web.port", 3, '[ "web" ] # x\nport=3'],
    ["with dots", "web . 'port' = 1\n", "web.port", 2, "web . 'port' = 2\n"],
    [
      "with dots in a table",
      "[relay]\ntls.cert = 'a'",
      "relay.tls.cert",
      "b",
      '[relay]\ntls.cert = "b"',
    ],
    [
      "in an inline table",
      "web = { port=1,host = 'a' }",
      "web.port",
      2,
      "web = { port=2,host = 'a' }",
    ],
    [
      "in one inside another, with dots",
      `hyper_parameters = { backpressure_policy = {}, worker_threads = 1 }\n`,
      "hyper_parameters.worker_threads",
      2,
      `hyper_parameters = { backpressure_policy = {}, worker_threads = 2 }\n`,
    ],
    [
      "a list on many lines",
      "[access]\nallow = [ # who\n  '::1', # me\n]  # x\n",
      "access.allow",
      [],
      "[access]\nallow = []  # x\n",
    ],
    [
      "a text on many lines",
      'name = """\nport = 1\\"""" # x\nport = 1\n',
      "name",
      "a",
      'name = "a" # x\nport = 1\n',
    ],
    [
      "after a text that looks like it",
      "name = '''\nport = 1\n'''\nport = 1\n",
      "port",
      2,
      "name = '''\nport = 1\n'''\nport = 2\n",
    ],
    [
      "by its alias",
      "[hyper_parameters]\nclient_timeout = 1\n",
      TIMEOUT,
      false,
      "[hyper_parameters]\nclient_timeout = false\n",
    ],
    [
      "by both names: the one that counts",
      "[hyper_parameters]\nclient_timeout_secs = 1\nclient_timeout = 1\n",
      TIMEOUT,
      2,
      "[hyper_parameters]\nclient_timeout_secs = 1\nclient_timeout = 2\n",
    ],
    ["and by its default too", "# port = 8888\nport = 1\n", "port", 2, "# port = 8888\nport = 2\n"],
  ])("%s", (_, before, path, value, after) => expect(edit(before, path, value)).toBe(after));
});

describe("a key that is commented out with its default is uncommented", () => {
  test.each<Case>([
    ["at the top", "# A port.\n# port = 8888\n", "port", 1, "# A port.\nport = 1\n"],
    [
      "with its layout",
      "[web]\n  # port = 8889  # HTTP\n",
      "web.port",
      1,
      "[web]\n  port = 1  # HTTP\n",
    ],
    [
      "in its own table",
      "# port = 1\n[web]\n# port = 2\n[tls]\n",
      "web.port",
      3,
      "# port = 1\n[web]\nport = 3\n[tls]\n",
    ],
    [
      "by its alias",
      "[hyper_parameters]\n# client_timeout = 300\n",
      TIMEOUT,
      1,
      "[hyper_parameters]\nclient_timeout = 1\n",
    ],
    [
      "without a default",
      "[logger]\n# log_keys =\n",
      "logger.log_keys",
      ["a"],
      '[logger]\nlog_keys = ["a"]\n',
    ],
    [
      "without one, but with a comment",
      "[logger]\n# log_keys = # all\n",
      "logger.log_keys",
      ["a"],
      '[logger]\nlog_keys = ["a"] # all\n',
    ],
    ["the first one", "# port = 1\n# port = 2\n", "port", 3, "port = 3\n# port = 2\n"],
  ])("%s", (_, before, path, value, after) => expect(edit(before, path, value)).toBe(after));

  test.each<Case>([
    ["a sentence", "# port = 8888 is usual\n", "port", 1, "# port = 8888 is usual\nport = 1\n"],
    ["two comments", "# # port = 8888\n", "port", 1, "# # port = 8888\nport = 1\n"],
    ["no blank after the mark", "#port = 8888\n", "port", 1, "#port = 8888\nport = 1\n"],
    [
      "the end of a line",
      "name = 'a' # port = 1\n",
      "port",
      1,
      "name = 'a' # port = 1\nport = 1\n",
    ],
    [
      "another key",
      "# web.port = 1\n# ports = 1\n",
      "port",
      1,
      "# web.port = 1\n# ports = 1\nport = 1\n",
    ],
    [
      "part of a text",
      'name = """\n# port = 1\n"""\n',
      "port",
      1,
      'name = """\n# port = 1\n"""\nport = 1\n',
    ],
    [
      "part of a list",
      "[access]\ndeny = [\n# allow = []\n]\n",
      "access.allow",
      [],
      "[access]\ndeny = [\n# allow = []\n]\nallow = []\n",
    ],
  ])("but %s is no such line", (_, before, path, value, after) =>
    expect(edit(before, path, value)).toBe(after),
  );

  test("every line of the shipped file, there and back", () => {
    const text = renderToml(settings);
    for (const [path, option] of options) {
      const value = option.initial ?? (path.endsWith("_cert") ? true : "x");
      const done = edit(text, path, value);
      expect(foundAt(parse(done), path, option)).toEqual(value);
      const lines = text.split("\n");
      const changed = done.split("\n").filter((line, i) => line !== lines[i]);
      expect(changed.length).toBeLessThanOrEqual(1);
      expect(edit(done, path, undefined)).toBe(text);
    }
  });
});

describe("a key that is not in the file is inserted", () => {
  test.each<Case>([
    ["into nothing", "", "port", 1, "port = 1\n"],
    [
      "at the end of the top",
      "# Mine.\nname = 'a' # me\n\n[web]\n",
      "port",
      1,
      "# Mine.\nname = 'a' # me\nport = 1\n\n[web]\n",
    ],
    ["below comments alone", "# Mine.", "port", 1, "# Mine.\nport = 1\n"],
    ["above the first table", "[web]\n", "port", 1, "port = 1\n\n[web]\n"],
    [
      "and above what is said of it",
      "# Mine.\n\n# HTTP.\n# Here.\n[web]\n",
      "port",
      1,
      "# Mine.\n\nport = 1\n\n# HTTP.\n# Here.\n[web]\n",
    ],
    [
      "but below what the file begins with",
      "#:schema x\n[web]\n",
      "port",
      1,
      "#:schema x\nport = 1\n\n[web]\n",
    ],
    [
      "below the last key of its table",
      "[web]\n  host = 'a' # x\n\n# TLS.\n[tls]\n",
      "web.port",
      1,
      "[web]\n  host = 'a' # x\n  port = 1\n\n# TLS.\n[tls]\n",
    ],
    [
      "below a value on many lines",
      "[access]\ndeny = [\n]\n[web]\n",
      "access.allow",
      [],
      "[access]\ndeny = [\n]\nallow = []\n[web]\n",
    ],
    ["below an empty table's header", " [web] # HTTP", "web.port", 1, " [web] # HTTP\n port = 1"],
    [
      "into an inline table",
      "web = { host = 'a' }\n",
      "web.port",
      1,
      "web = { host = 'a', port = 1 }\n",
    ],
    [
      "into an empty one",
      "web = {}\ntls = { }\n",
      "web.port",
      1,
      "web = { port = 1 }\ntls = { }\n",
    ],
    [
      "into one with a comma at its end",
      "web = {\n  host = 'a', # x\n}\n",
      "web.port",
      1,
      "web = {\n  host = 'a', port = 1, # x\n}\n",
    ],
    [
      "into one with a comment alone",
      "web = { # x\n}\n",
      "web.port",
      1,
      "web = { port = 1 # x\n}\n",
    ],
    [
      "into an outer inline table",
      "relay = { enabled = true }",
      "relay.tls.cert",
      "a",
      'relay = { enabled = true, tls.cert = "a" }',
    ],
    [
      "into the innermost one",
      "relay = { tls = { key = 'a' } }",
      "relay.tls.cert",
      "b",
      `relay = { tls = { key = 'a', cert = "b" } }`,
    ],
    [
      "into one inside a table",
      "[relay]\ntls = { key = 'a' }\n",
      "relay.tls.cert",
      "b",
      `[relay]\ntls = { key = 'a', cert = "b" }\n`,
    ],
    [
      "beside dotted keys",
      "web.host = 'a' # x\nname = 'b'\n",
      "web.port",
      1,
      "web.host = 'a' # x\nweb.port = 1\nname = 'b'\n",
    ],
    [
      "beside those in a table",
      "[relay]\ntls.key = 'a'\n[web]\n",
      "relay.tls.cert",
      "b",
      `[relay]\ntls.key = 'a'\ntls.cert = "b"\n[web]\n`,
    ],
    [
      "beside deeper ones",
      "relay.tls.key = 'a'\n",
      "relay.stall_ms",
      1,
      "relay.tls.key = 'a'\nrelay.stall_ms = 1\n",
    ],
    ["with a new table", "port = 1\n", "web.port", 1, "port = 1\n\n[web]\nport = 1\n"],
    [
      "with a new table after an end without a newline",
      "port = 1",
      THROTTLE,
      9,
      "port = 1\n\n[hyper_parameters.backpressure_policy]\nthrottle_threshold = 9\n",
    ],
    [
      "with a new table above one that is there",
      "[relay.tls]\nkey = 'a'\n",
      "relay.stall_ms",
      1,
      "[relay.tls]\nkey = 'a'\n\n[relay]\nstall_ms = 1\n",
    ],
    [
      "with a new table next to dotted keys",
      "relay.tls.key = 'a'\n",
      "relay.access.allow",
      [],
      "relay.tls.key = 'a'\n\n[relay.access]\nallow = []\n",
    ],
    [
      "with the line endings of the file",
      "port = 1\r\n[web]\r\n",
      "web.port",
      1,
      "port = 1\r\n[web]\r\nport = 1\r\n",
    ],
    [
      "with those at its end too",
      "port = 1\r\nname = 'a'",
      "tls.ca",
      "b",
      `port = 1\r\nname = 'a'\r\n\r\n[tls]\r\nca = "b"\r\n`,
    ],
  ])("%s", (_, before, path, value, after) => expect(edit(before, path, value)).toBe(after));

  test("a text with what TOML does not take as it is", () => {
    const value = '"\\\u0000\u001b\u007f\n\r\u2028é😀';
    expect(parse(edit("", "name", value))).toEqual({ name: value });
  });
});

describe("a key that is taken out", () => {
  test.each<Case>([
    [
      "becomes a comment with the default",
      "port = 1 # mine\n",
      "port",
      undefined,
      "# port = 8888 # mine\n",
    ],
    [
      "with its layout",
      "[web]\r\n\tport = 1\r\n",
      "web.port",
      undefined,
      "[web]\r\n\t# port = 8889\r\n",
    ],
    [
      "without a default",
      "[logger]\nlog_keys = []",
      "logger.log_keys",
      undefined,
      "[logger]\n# log_keys =",
    ],
    [
      "from many lines",
      "[access]\nallow = [\n '::1', # me\n]\n",
      "access.allow",
      undefined,
      "[access]\n# allow = []\n",
    ],
    [
      "by its alias",
      "[hyper_parameters]\nclient_timeout = 1\n",
      TIMEOUT,
      undefined,
      "[hyper_parameters]\n# client_timeout = 300\n",
    ],
    [
      "by both names",
      "[hyper_parameters]\nclient_timeout_secs = 1\nclient_timeout = 1\n",
      TIMEOUT,
      undefined,
      "[hyper_parameters]\n# client_timeout_secs = 300\n# client_timeout = 300\n",
    ],
    [
      "with dots: its line goes",
      "name = 'a'\n  web.port = 1 # x\r\n\nweb.host = 'b'\n",
      "web.port",
      undefined,
      "name = 'a'\n\nweb.host = 'b'\n",
    ],
    [
      "with dots, on the last line",
      "web.host = 'b'\nweb.port = 1",
      "web.port",
      undefined,
      "web.host = 'b'\n",
    ],
    [
      "first of an inline table",
      "web = { port = 1, host = 'a' }",
      "web.port",
      undefined,
      "web = { host = 'a' }",
    ],
    [
      "last of an inline table",
      "web = { host = 'a', port = 1 }",
      "web.port",
      undefined,
      "web = { host = 'a' }",
    ],
    ["alone in an inline table", "web = {port = 1}", "web.port", undefined, "web = {}"],
    [
      "before a comma at the end",
      "web = { host = 'a', port = 1, }",
      "web.port",
      undefined,
      "web = { host = 'a', }",
    ],
    [
      "among comments",
      "web = {\n  host = 'a', # h\n  port = 1 # p\n}",
      "web.port",
      undefined,
      "web = {\n  host = 'a' # h\n # p\n}",
    ],
    ["that is not there", "port = 1\n", "web.port", undefined, "port = 1\n"],
  ])("%s", (_, before, path, value, after) => expect(edit(before, path, value)).toBe(after));
});

/** The place of a key in a made-up file. */
interface Place {
  /** The part that may change when the key is set. */
  readonly value: readonly [from: number, to: number];
  /** The part that may change when the key is taken out. */
  readonly all: readonly [from: number, to: number];
}

/** A made-up file: some keys of the table, in all layouts that TOML has. */
class MadeUp {
  text = "";
  /** Keys that are set. */
  readonly places = new Map<string, Place>();
  /** Lines that show a default, commented out. */
  readonly shown = new Map<string, readonly [from: number, to: number]>();
  readonly #random: Random;
  readonly #eol: string;

  constructor(random: Random) {
    this.#random = random;
    this.#eol = this.#one(["\n", "\r\n"]);
    const headers: string[] = [];
    this.#blank();
    this.#content(settings, "", "", headers);
    while (headers.length > 0) {
      const [path] = headers.splice(random.whole(0, headers.length - 1), 1) as [string];
      this.#line(`[${path.replaceAll(".", this.#one([".", " . "]))}]`);
      this.#content(entriesAt(path), path, path, headers);
    }
    if (this.#chance(3)) this.text = this.text.replace(/\r?\n$/, "");
  }

  /** The keys of a section, as they stand below the header of `table`. */
  #content(entries: Entries, path: string, table: string, headers: string[]): void {
    for (const [key, entry] of Object.entries(entries)) {
      const inner = path === "" ? key : `${path}.${key}`;
      if (entry.kind === "option") this.#option(inner, table);
      else {
        const layout = this.#one(["header", "header", "dotted", "inline", "none"]);
        if (layout === "header") headers.push(inner);
        if (layout === "dotted") this.#content(entry.entries, inner, table, headers);
        if (layout === "inline") {
          this.#line(() => {
            this.text += `${this.#keyOf(inner, table)} = `;
            this.#inlineTable(entry.entries, inner);
          });
        }
      }
    }
  }

  #option(path: string, table: string): void {
    const isDotted = path.slice(0, Math.max(0, path.lastIndexOf("."))) !== table;
    const { initial, aliases = [] } = optionAt(path);
    const name = this.#one([path.slice(path.lastIndexOf(".") + 1), ...aliases]);
    if (this.#chance(3)) {
      const line = this.text.length;
      this.#line(() => {
        const from = this.text.length;
        const key = this.#keyOf(path.slice(0, path.lastIndexOf(".") + 1) + name, table);
        this.text += key + this.#one([" = ", "=", "\t=  "]);
        const value = this.text.length;
        this.text += this.#valueOf(path);
        const to = this.text.length;
        this.places.set(path, { value: [value, to], all: [from, to] });
      });
      const place = this.places.get(path) as Place;
      if (isDotted) this.places.set(path, { ...place, all: [line, this.text.length] });
    } else if (!isDotted && this.#chance(2)) {
      const shown = initial === null ? "" : ` ${tomlValue(initial)}`;
      const from = this.text.length;
      this.#line(`# ${name} =${shown}`);
      this.shown.set(path, [from, this.text.length]);
    }
  }

  #inlineTable(entries: Entries, path: string): void {
    const gap = () => this.#one(["", " ", "  "]);
    this.text += "{";
    let last = this.text.length;
    this.text += gap();
    let open: string | null = null;
    const room = (to: number) => {
      const place = open === null ? undefined : this.places.get(open);
      if (place) this.places.set(open as string, { ...place, all: [place.all[0], to] });
    };
    for (const [key, entry] of Object.entries(entries)) {
      if (this.#chance(2)) continue;
      const inner = `${path}.${key}`;
      if (open !== null) this.text += `${gap()},${gap()}`;
      room(this.text.length);
      const name = entry.kind === "option" ? this.#one([key, ...(entry.aliases ?? [])]) : key;
      this.text += `${name}${this.#one([" = ", "="])}`;
      const value = this.text.length;
      open = inner;
      if (entry.kind === "section") this.#inlineTable(entry.entries, inner);
      else {
        this.text += this.#valueOf(inner);
        this.places.set(inner, {
          value: [value, this.text.length],
          all: [last, this.text.length],
        });
      }
      last = this.text.length;
    }
    if (open !== null && this.#chance(4)) this.text += ",";
    this.text += `${gap()}}`;
    room(this.text.length);
  }

  #keyOf(path: string, table: string): string {
    const words = path.slice(table === "" ? 0 : table.length + 1).split(".");
    return words.map((word) => this.#one([word, word, `"${word}"`, `'${word}'`])).join(".");
  }

  /** A line, perhaps with blanks before it, a comment after it, and others below. */
  #line(content: string | (() => void)): void {
    this.text += this.#one(["", "", "  ", "\t"]);
    if (typeof content === "string") this.text += content;
    else content();
    this.text += this.#one(["", "", " # port = 1", "\t#x = {", "  "]) + this.#eol;
    this.#blank();
  }

  #blank(): void {
    for (let more = this.#random.whole(0, 2); more > 0; more--) {
      this.text += this.#one(["", " ", "# [web]", "#port = 3", "# port = 1 or 2", "# é = [", "#"]);
      this.text += this.#eol;
    }
  }

  #valueOf(path: string): string {
    return valueFor(path, this.#random, this.#eol);
  }

  #chance(of: number): boolean {
    return this.#random.whole(1, of) === 1;
  }

  #one<T>(from: readonly T[]): T {
    return from[this.#random.whole(0, from.length - 1)] as T;
  }
}

function entriesAt(path: string): Entries {
  return path
    .split(".")
    .reduce<Entries>((outer, key) => (outer[key] as { entries: Entries }).entries, settings);
}

/** A value of a key in one of the ways in which TOML writes it. */
function valueFor(path: string, random: Random, eol: string): string {
  const one = (from: readonly string[]) => from[random.whole(0, from.length - 1)] as string;
  const { schema, words } = optionAt(path);
  const first = schema.anyOf?.[0] ?? schema;
  const text = () =>
    one([
      '"a"',
      "''",
      "'# port = 1'",
      '"]},\\" # é😀\\\\"',
      `"""${eol}# port = 1${eol}port = 1 \\"""${eol}""""`,
      `'''${eol}[web]${eol}  # port = 1${eol}'x'''''`,
    ]);
  if (words) return `"${one(words)}"`;
  if (first.type === "integer") return one(["1", "0x1F", "+12_345", "999999"]);
  if (first.type === "boolean") return one(["true", "false"]);
  if (first.type === "string") return text();
  return one([
    "[]",
    `[ ${text()},${text()} ]`,
    `[${eol}  ${text()}, # port = 1${eol}# port = 1${eol}  ${text()},${eol}]`,
  ]);
}

/** Expects a text to differ from another in one part alone. */
function expectKept(text: string, before: string, [from, to]: readonly [number, number]): void {
  expect(text).toStartWith(before.slice(0, from));
  expect(text.slice(from)).toEndWith(before.slice(to));
}

/** The length of the beginning that two texts share. */
function sharedStart(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

describe("made-up files", () => {
  const paths = [...options.keys()];
  const seen = { set: 0, uncommented: 0, inserted: 0, takenOut: 0, left: 0 };

  /** A random change: a key, and its value or undefined. */
  function change(random: Random): [path: string, value: unknown] {
    const path = paths[random.whole(0, paths.length - 1)] as string;
    if (random.whole(0, 2) === 0) return [path, undefined];
    return [path, parse(`x = ${valueFor(path, random, "\n")}`)["x"]];
  }

  function changed(before: Record<string, unknown>, path: string, value: unknown) {
    const { [path]: _, ...others } = before;
    return value === undefined ? others : { ...others, [path]: value };
  }

  test("keep all else byte for byte", () => {
    const random = new Random(20);
    for (let i = 0; i < 400; i++) {
      const { text, places, shown } = new MadeUp(random);
      const before = valuesOf(text);
      expect(Object.keys(before).toSorted()).toEqual([...places.keys()].toSorted());
      for (let j = 0; j < 10; j++) {
        const [path, value] = change(random);
        const done = edit(text, path, value);
        expect(valuesOf(done)).toEqual(changed(before, path, value));
        expect(edit(done, path, value)).toBe(done);
        if (text.includes("\r\n")) expect(done.replaceAll("\r\n", "")).not.toContain("\n");
        const place = places.get(path);
        const comment = shown.get(path);
        if (value === undefined && !place) {
          seen.left++;
          expect(done).toBe(text);
        } else if (value === undefined) {
          seen.takenOut++;
          expectKept(done, text, (place as Place).all);
        } else if (place) {
          seen.set++;
          expectKept(done, text, place.value);
        } else if (comment) {
          seen.uncommented++;
          expectKept(done, text, comment);
        } else {
          seen.inserted++;
          const at = sharedStart(text, done);
          expectKept(done, text, [at, at]);
        }
      }
    }
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(100);
  });

  test("hold what was set, after many changes", () => {
    const random = new Random(21);
    for (let i = 0; i < 50; i++) {
      let { text } = new MadeUp(random);
      for (let j = 0; j < 30; j++) {
        const before = valuesOf(text);
        const [path, value] = change(random);
        text = edit(text, path, value);
        expect(valuesOf(text)).toEqual(changed(before, path, value));
      }
    }
  });
});
