import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "smol-toml";
import { foundAt, setKey, unsetKey } from "../lib/config/edit.ts";
import type { Option } from "../lib/config/option.ts";
import { optionPaths } from "../lib/config/paths.ts";
import { renderToml, tomlValue } from "../lib/config/render.ts";
import { settings } from "../lib/config/table.ts";
import { ended, boot, NOBODY } from "./kit.ts";
import { Random } from "./random.ts";
import type { Entries } from "../lib/config/section.ts";

const options = new Map<string, Option<unknown>>(optionPaths(settings));
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
      if (option.shipped === undefined) expect(edit(done, path, undefined)).toBe(text);
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

/** Where a key stands in a made-up file. */
interface Place {
  /** What may change when the key is set. */
  readonly value: readonly [from: number, to: number];
  /** What may change when the key is taken out. */
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

/** What a text says, by dotted path. */
function valuesOf(text: string): Record<string, unknown> {
  const values = parse(text);
  const found = [...options].map(
    ([path, option]) => [path, foundAt(values, path, option)] as const,
  );
  const given = found.filter(([, value]) => value !== undefined);
  // No key stands there twice, and no other.
  expect(leaves(values)).toBe(given.length);
  return Object.fromEntries(given);
}

function leaves(values: object): number {
  const count = (value: unknown) =>
    typeof value === "object" && !Array.isArray(value) ? leaves(value as object) : 1;
  return Object.values(values).reduce((sum, value) => sum + count(value), 0);
}

/** Checks that a text is another one still, but for a part. */
function expectKept(text: string, before: string, [from, to]: readonly [number, number]): void {
  expect(text).toStartWith(before.slice(0, from));
  expect(text.slice(from)).toEndWith(before.slice(to));
}

/** How much of the beginning two texts share. */
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

const program = join(import.meta.dir, "..", "index.ts");
const TOKEN = "0123456789abcdef";
const endings: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A folder with this summoner.toml, and commands that run in it. */
function folderWith(content: string | Uint8Array) {
  const folder = mkdtempSync(join(tmpdir(), "summoner-edit-"));
  endings.push(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "summoner.toml");
  writeFileSync(file, content);
  return {
    folder,
    file,
    text: () => readFileSync(file, "utf8"),
    async call(args: readonly string[], env: Record<string, string> = {}) {
      const { SUMMONER_TOKEN: _, ...rest } = process.env;
      const child = Bun.spawn([process.execPath, program, ...args], {
        cwd: folder,
        env: { ...rest, ...env },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      return ended(child);
    },
  };
}

const done = (out: string) => ({ out, err: "", code: 0 });
const refused = (err: string, code = 2) => ({ out: "", err, code });

// Modes, owners and links are not those of Windows.
const onPosix = test.skipIf(process.platform === "win32");

describe("set", () => {
  test("changes the file in place and says what it was and is", async () => {
    const { call, text } = folderWith("\uFEFF# Mine.\r\nport = 1 # p\r\n\r\n[logger]\r\n");
    expect(await call(["set", "port", "9000"])).toEqual(done("port: 1 -> 9000 takes a restart\n"));
    expect(await call(["set", "logger.log_level", "DEBUG"])).toEqual(
      done('logger.log_level: "INFO" -> "DEBUG"\n'),
    );
    expect(await call(["set", "logger.log_keys", '["a"]'])).toEqual(
      done('logger.log_keys: (not given) -> ["a"]\n'),
    );
    expect(await call(["set", "name", "--", "-x-"])).toEqual(
      done('name: "summoner" -> "-x-" takes a restart\n'),
    );
    expect(text()).toBe(
      '\uFEFF# Mine.\r\nport = 9000 # p\r\nname = "-x-"\r\n\r\n[logger]\r\nlog_level = "DEBUG"\r\nlog_keys = ["a"]\r\n',
    );
  });

  test("knows a key by its alias, and never writes both", async () => {
    const { call, text } = folderWith(
      "[hyper_parameters]\nclient_timeout = 1\nrate_limit_msgs_per_minute = 2\n",
    );
    expect((await call(["set", TIMEOUT, "false"])).out).toBe(`${TIMEOUT}: 1 -> false\n`);
    expect((await call(["set", "hyper_parameters.rate_limit", "3"])).out).toBe(
      "hyper_parameters.rate_limit_msgs_per_minute: 2 -> 3\n",
    );
    expect(text()).toBe(
      "[hyper_parameters]\nclient_timeout = false\nrate_limit_msgs_per_minute = 3\n",
    );
    const both = folderWith("[hyper_parameters]\nrate_limit = 1\nrate_limit_msgs_per_minute = 2\n");
    expect((await both.call(["get", "hyper_parameters.rate_limit"])).out).toBe("2\n");
    expect((await both.call(["set", "hyper_parameters.rate_limit", "3"])).out).toBe(
      "hyper_parameters.rate_limit_msgs_per_minute: 2 -> 3\n",
    );
  });

  test("leaves a value that is the same as it is written", async () => {
    const { call, file, text } = folderWith("[logger]\nmax_file_size = 1_000\n");
    utimesSync(file, 1, 1);
    expect(await call(["set", "logger.max_file_size", "1000"])).toEqual(
      done("logger.max_file_size: 1000, as it was\n"),
    );
    expect(await call(["set", "tls", "--default"])).toEqual(
      done("tls: nothing to change in summoner.toml\n"),
    );
    expect(text()).toBe("[logger]\nmax_file_size = 1_000\n");
    expect(statSync(file).mtimeMs).toBe(1000);
  });

  test("--quiet says nothing", async () => {
    const { call, text } = folderWith("");
    expect(await call(["set", "port", "1", "-q"])).toEqual(done(""));
    expect(text()).toBe("port = 1\n");
  });

  test("keys that need one another are set and taken out together", async () => {
    const { call, text } = folderWith("[tls]\n");
    expect(await call(["set", "tls.cert", "a"])).toEqual(
      refused("error: set: tls.cert: given without key; TLS needs both\n"),
    );
    expect((await call(["set", "tls", '{ cert = "a", key = "b" }'])).out).toBe(
      'tls.cert: "" -> "a"\ntls.key: "" -> "b"\n',
    );
    expect(text()).toBe('[tls]\ncert = "a"\nkey = "b"\n');
    expect((await call(["set", "tls", "--default"])).out).toBe(
      'tls.cert: "a" -> ""\ntls.key: "b" -> ""\n',
    );
    expect(text()).toBe('[tls]\n# cert = ""\n# key = ""\n');
  });

  test("--default takes a key out again", async () => {
    const { call, text } = folderWith('version = "rust"\nweb.port = 9 # mine\n');
    expect((await call(["set", "version", "--default"])).out).toBe(
      'version: "rust" -> "python" takes a restart\n',
    );
    expect((await call(["set", "web.port", "--default"])).out).toBe(
      "web.port: 9 -> 8889 takes a restart\n",
    );
    expect(text()).toBe('# version = "python"\n');
  });

  test("secrets are not shown", async () => {
    const { call, text } = folderWith('[tls]\npassphrase = "old"\n');
    expect((await call(["set", "tls.passphrase", "new"])).out).toBe(
      'tls.passphrase: "********" -> "********"\n',
    );
    expect((await call(["set", "tls.passphrase", "1"])).err).toBe(
      "error: set: tls.passphrase: found something else; allowed: text\n",
    );
    expect(text()).toBe('[tls]\npassphrase = "new"\n');
  });

  test("puts a wrong value right", async () => {
    const { call, text } = folderWith('port = "x"\n');
    expect((await call(["set", "port", "7"])).out).toBe('port: "x" -> 7 takes a restart\n');
    expect(text()).toBe("port = 7\n");
  });

  test.each([
    [["port", "x"], 'set: port: found "x" (text); allowed: a whole number from 0 to 65535'],
    [
      ["logger.log_level", "DEBG"],
      'set: logger.log_level: found "DEBG" (text); allowed: "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"; did you mean "DEBUG"?',
    ],
    [["prot", "1"], "set: prot: unknown key; did you mean port?"],
    [["prot", "--default"], "set: prot: unknown key; did you mean port?"],
    [["client_timeout", "1"], `set: client_timeout: unknown key; did you mean ${TIMEOUT}?`],
    [["logger", "1"], "set: logger: found 1 (a number); allowed: a table of settings"],
    [["tls", "{ kye = 1 }"], "set: tls.kye: unknown key; did you mean key?"],
    [
      [THROTTLE, "301"],
      `set: ${THROTTLE}: 301 is above flow_control_threshold (300), so throttle would never act; lower it or disable one of the two`,
    ],
    [["port"], "VALUE: missing"],
    [["port", "1", "--default"], "VALUE: not with --default"],
  ])("%j is refused, and nothing is written", async (args, problem) => {
    const { call, text } = folderWith("# port = 8888\n");
    expect(await call(["set", ...args])).toEqual(refused(`error: ${problem}\n`));
    expect(text()).toBe("# port = 8888\n");
  });

  test("all other problems of the file count, where they stand", async () => {
    const { call, text } = folderWith("port = 1\nprot = 2\n[relay]\nstall_ms = 0\n");
    expect(await call(["set", "port", "x"])).toEqual(
      refused(
        "error: summoner.toml:2:1: prot: unknown key; did you mean port?\n" +
          "error: summoner.toml:4:1: relay.stall_ms: found 0 (a number); allowed: a whole number from 1 to 1000000000\n" +
          'error: set: port: found "x" (text); allowed: a whole number from 0 to 65535\n',
      ),
    );
    expect((await call(["set", "port", "2"])).code).toBe(2);
    expect(text()).toStartWith("port = 1\n");
  });

  test("a file that cannot be edited is one problem", async () => {
    const { call, folder } = folderWith("port = \n");
    const { err, code } = await call(["set", "port", "1"]);
    expect(code).toBe(2);
    expect(err).toStartWith("error: summoner.toml:1:8: not valid TOML: ");
    mkdirSync(join(folder, "inner.toml"));
    writeFileSync(join(folder, "latin1.toml"), Buffer.from("# \xe9\n", "latin1"));
    for (const [file, why] of [
      ["nowhere.toml", "there is no such file; bun run index.ts init writes one"],
      ["inner.toml", "cannot be read: it is a folder"],
      ["latin1.toml", "cannot be read: it is not UTF-8"],
      ["server.json", "only TOML is edited; bun run index.ts init --from server.json converts it"],
    ] as const) {
      expect(await call(["set", "port", "1", "--config", file])).toEqual(
        refused(`error: ${file}: ${why}\n`),
      );
    }
  });

  onPosix("the file is replaced at once, through links, and keeps its mode", async () => {
    const { call, file, folder } = folderWith("port = 1\n");
    chmodSync(file, 0o640);
    // Nobody else may give a file away.
    if (process.getuid?.() === 0) chownSync(file, 1, 2);
    symlinkSync("summoner.toml", join(folder, "link.toml"));
    const { ino, uid, gid } = statSync(file);
    expect((await call(["set", "port", "2", "-c", "link.toml"])).code).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("port = 2\n");
    const now = statSync(file);
    expect([now.mode & 0o7777, now.uid, now.gid]).toEqual([0o640, uid, gid]);
    // Whoever had it open still reads the old one, whole.
    expect(now.ino).not.toBe(ino);
    expect(readdirSync(folder).toSorted()).toEqual(["link.toml", "summoner.toml"]);
    expect(lstatSync(join(folder, "link.toml")).isSymbolicLink()).toBeTrue();
  });

  onPosix("a file that cannot be written stays as it was", async () => {
    const { call, folder } = folderWith("");
    // There is no room for a longer name beside it.
    const name = `${"x".repeat(250)}.toml`;
    writeFileSync(join(folder, name), "port = 1\n");
    const { out, err, code } = await call(["set", "port", "2", "-c", name]);
    expect([out, code]).toEqual(["", 1]);
    expect(err).toStartWith(`error: cannot write ${name}: `);
    expect(readFileSync(join(folder, name), "utf8")).toBe("port = 1\n");
  });
});

describe("set --reload", () => {
  /** A server with a token, and a folder with its configuration. */
  async function served(reload = () => ({ ok: true, outcome: "reloaded, 1 setting changed" })) {
    const server = await boot(
      ["relay", "web"],
      {},
      { operator: { ...NOBODY, reload }, token: TOKEN },
    );
    endings.push(() => server.stop());
    const own = folderWith(
      `version = "rust"\n[web]\nenabled = true\nport = ${server.port("web")}\n`,
    );
    return { server, ...own };
  }
  const env = { SUMMONER_TOKEN: TOKEN };

  test("has the running server read the file that has been written", async () => {
    const read: string[] = [];
    const { call, text } = await served(() => {
      read.push(text());
      return { ok: true, outcome: "reloaded, 1 setting changed" };
    });
    expect(await call(["set", "drain_ms", "7", "--reload"], env)).toEqual(
      done("drain_ms: 5000 -> 7\nreloaded, 1 setting changed\n"),
    );
    expect(read).toEqual([text()]);
    expect(text()).toContain("drain_ms = 7\n");
  });

  test("finds it where the file has said so far", async () => {
    const { call, text } = await served();
    const { out, code } = await call(["set", "web.port", "1", "--reload"], env);
    expect(code).toBe(0);
    expect(out).toEndWith(" -> 1 takes a restart\nreloaded, 1 setting changed\n");
    expect(text()).toContain("port = 1\n");
  });

  test("1 with the reason of a server that refuses", async () => {
    const { call, server, text } = await served(() => ({ ok: false, outcome: "not today" }));
    const { out, err, code } = await call(["set", "drain_ms", "7", "--reload"], env);
    expect([out, code]).toEqual(["drain_ms: 5000 -> 7\n", 1]);
    expect(err).toBe(`error: 127.0.0.1:${server.port("web")} answers 409: not today\n`);
    expect(text()).toContain("drain_ms = 7\n");
    const wrong = { SUMMONER_TOKEN: "wrong-wrong-wrong" };
    expect((await call(["set", "drain_ms", "8", "--reload"], wrong)).err).toContain(
      "answers 401: This token is wrong.",
    );
  });

  test("1 when there is no server", async () => {
    const { call, server } = await served();
    await server.stop();
    const { err, code } = await call(["set", "drain_ms", "7", "--reload"], env);
    expect([err, code]).toEqual([
      `error: no server on 127.0.0.1:${server.port("web")}: nobody listens there\n`,
      1,
    ]);
  });

  test("1 with another way where the web service cannot be asked", async () => {
    const how =
      "so the server was not told; kill -HUP with its process id tells one that runs without a terminal\n";
    const { call } = await served();
    const { err, code } = await call(["set", "drain_ms", "7", "--reload"]);
    expect([err, code]).toEqual([`error: there is no token for the web service, ${how}`, 1]);
    const off = folderWith("");
    expect(await off.call(["set", "drain_ms", "7", "--reload"], env)).toEqual({
      out: "drain_ms: 5000 -> 7\n",
      err: `error: the web service is off, ${how}`,
      code: 1,
    });
  });
});

describe("get", () => {
  test("prints an effective value as TOML", async () => {
    const { call } = folderWith(
      'name = "a\\nb"\n[access]\nallow = ["::1"]\n[hyper_parameters]\nrate_limit = 7\n',
    );
    expect(await call(["get", "name"])).toEqual(done('"a\\nb"\n'));
    expect(await call(["get", "name", "--raw"])).toEqual(done("a\nb\n"));
    expect(await call(["get", "access.allow"])).toEqual(done('["::1"]\n'));
    expect(await call(["get", "hyper_parameters.rate_limit"])).toEqual(done("7\n"));
    expect(await call(["get", "drain_ms"])).toEqual(done("5000\n"));
    expect(await call(["get", "logger.log_keys"])).toEqual(done("\n"));
  });

  test("knows all sources", async () => {
    const { call, folder } = folderWith("port = 1\n");
    writeFileSync(join(folder, "other.toml"), "port = 2\n");
    expect((await call(["get", "port", "-c", "other.toml"])).out).toBe("2\n");
    expect((await call(["get", "port", "--port", "3"])).out).toBe("3\n");
    expect((await call(["get", "name", "--set", "name=x"])).out).toBe('"x"\n');
    expect((await call(["get", THROTTLE, "--preset", "strict"])).out).toBe("50\n");
  });

  test("prints a section as it would stand in the file", async () => {
    const { call } = folderWith("[logger]\nbackup_count = 9\n");
    const { out } = await call(["get", "logger"]);
    expect(out).toStartWith('log_level = "INFO"\nenable_console_log = true\n');
    expect(out).toContain("\nbackup_count = 9\n");
    expect(out).toEndWith("\n# log_keys =\n");
    const { out: hyper } = await call(["get", "hyper_parameters"]);
    expect(hyper).toContain("\nbackpressure_policy.throttle_threshold = 100\n");
    expect(Object.keys(valuesOf(`[hyper_parameters]\n${hyper}`))).toEqual(
      [...options.keys()].filter((path) => path.startsWith("hyper_parameters.")),
    );
  });

  test("shows secrets only when told to", async () => {
    const { call } = folderWith('[tls]\npassphrase = "sesame"\n');
    expect(await call(["get", "tls.passphrase"])).toEqual(done('"********"\n'));
    expect(await call(["get", "tls.passphrase", "--raw"])).toEqual(done("********\n"));
    expect((await call(["get", "tls"])).out).toContain('passphrase = "********"\n');
    expect(await call(["get", "tls.passphrase", "--show-secrets"])).toEqual(done('"sesame"\n'));
  });

  test.each([
    [["prot"], "get: prot: unknown key; did you mean port?"],
    [["log_level"], "get: log_level: unknown key; did you mean logger.log_level?"],
    [["logger", "--raw"], "--raw: not with a section, and logger is one"],
    [
      ["port", "--set", "port=x"],
      '--set: port: found "x" (text); allowed: a whole number from 0 to 65535',
    ],
  ])("%j is refused", async (args, problem) => {
    expect(await folderWith("").call(["get", ...args])).toEqual(refused(`error: ${problem}\n`));
  });
});
