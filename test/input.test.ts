import { describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setKey, unsetKey } from "../lib/config/edit.ts";
import { load } from "../lib/config/load.ts";
import type { Option } from "../lib/config/option.ts";
import { settings } from "../lib/config/table.ts";
import { Roles } from "../lib/services/store/roles.ts";
import { file, folder, options, problems, warnings } from "./config-suite.ts";
import { ended } from "./kit.ts";

// Files of settings that are mistaken or hostile: what is wrong is told in a line, at once.

/** The most bytes that a file of settings may hold. */
const MOST = 2 ** 20;
// Linear work takes a second for these at most; any other takes minutes and fails by this.

/** A text of just less than the most bytes, of many pieces. */
function full(piece: (i: number) => string): string {
  const pieces: string[] = [];
  for (let i = 0, size = 0; ; i++) {
    const next = piece(i);
    size += next.length;
    if (size > MOST - 500) return pieces.join("");
    pieces.push(next);
  }
}

const x = (text: string, less = 0) => text.repeat(Math.floor((MOST - 500 - less) / text.length));

describe("nesting", () => {
  const deep = (open: string, inner: string, close: string, depth: number) =>
    open.repeat(depth) + inner + close.repeat(depth);

  test.each([
    ["objects", deep('{"a":', "1", "}", 4000)],
    ["objects, as many as a file holds", deep('{"a":', "1", "}", 150_000)],
    ["lists", `{"a":${deep("[", "", "]", 4000)}}`],
    ["lists that do not end", `{"a":${"[".repeat(1_000_000)}`],
  ])("of JSON is refused beyond a depth: %s", (_, text) => {
    const found = problems(file("deep.json", text));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^deep\.json:1:\d+: nested more than 32 deep$/);
  });

  test.each([
    ["lists", `a = ${deep("[", "", "]", 500_000)}`],
    ["inline tables", `a = ${deep("{a=", "1", "}", 200_000)}`],
    ["dots of a key", `a${".a".repeat(500_000)} = 1`],
    ["dots of a header", `[a${".a".repeat(500_000)}]`],
    ["dots of keys in inline tables", `a = { ${"a.".repeat(20)}a = { ${"a.".repeat(20)}a = 1 } }`],
  ])("of TOML is refused beyond a depth: %s", (_, text) => {
    const found = problems(file("deep.toml", `port = 1\n${text}\n`));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^deep\.toml:2:\d+: nested more than 32 deep$/);
  });

  test("that the reference may have is read", () => {
    const found = file("server.json", `{"port": 7, "mine": ${deep('{"a":[', "1", "]}", 15)}}`);
    expect([problems(found), found.config.port]).toEqual([[], 7]);
  });
});

describe("a file as large as it may be is read in moments", () => {
  test.each<[string, string, string]>([
    ["keys", "x.json", `{${full((i) => `"k${i}":1,`)}"z":1}`],
    [
      "a long key around many",
      "x.json",
      `{"${"k".repeat(MOST / 2)}":{${x('"k":1,', MOST / 2)}"z":1}}`,
    ],
    ["a long text", "x.json", `{"name":"${x("x")}"}`],
    ["escapes", "x.json", `{"name":"${x('\\"')}"}`],
    ["a key that no hint is near", "x.json", `{"${x("k")}":1}`],
    ["a list", "x.json", `{"log_keys":[${x('"a",')}"b"]}`],
    ["blanks", "x.json", `{"port":${x(" ")}1}`],
    ["keys", "x.toml", full((i) => `k${i}=1\n`)],
    ["keys in quotes", "x.toml", full((i) => `"k${i}"=1\n`)],
    ["keys with dots", "x.toml", full((i) => `k${i}.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p=1\n`)],
    ["tables", "x.toml", full((i) => `[t${i}]\n`)],
    ["a table many times", "x.toml", x("[[t]]\n")],
    ["a long key", "x.toml", `${x("k")}=1`],
    ["a long text", "x.toml", `name="${x("x")}"`],
    ["escapes", "x.toml", `name="${x('\\"')}"`],
    ["a text of many lines", "x.toml", `name="""${x("x\n")}"""`],
    ["a plain text of many lines", "x.toml", `name='''${x("''\n")}'''`],
    ["a comment", "x.toml", `#${x("#")}\nport=1`],
    ["comments", "x.toml", `${x("#\n")}port=1`],
    ["blanks", "x.toml", `${x(" ")}port=1`],
    ["lists in a list", "x.toml", `name=[${x("[],")}]`],
    ["percents", "x.toml", `logger.log_format="${x("%(")}"`],
    ["a long word", "x.toml", `logger.log_format="%(${x("x")})s"`],
    ["a syntax error at the end of a long line", "x.toml", `a=[${x("1,")}`],
  ])("%s in %s", (_, name, text) => {
    expect(text.length).toBeLessThan(MOST);
    const found = file(name, text);
    const told = [...problems(found), ...warnings(found)];
    expect(told.length).toBeLessThan(103);
    for (const one of told) expect(one.length).toBeLessThan(500);
  });

  const logLevel = options.find(([path]) => path === "logger.log_level")?.[1] as Option<unknown>;
  test.each<[string, string]>([
    ["blanks before a table", `port = 1\n${x(" ")}\n[logger]\n`],
    ["blanks behind a value", `port = 1${x(" ")}# c\n[logger]\n`],
    ["comments above a table", `port = 1\n${x("# a\n")}[logger]\n`],
    ["keys in comments", `[logger]\n${x('# log_level = "INFO" x\n')}`],
    ["blanks in an inline table", `logger = { backup_count = 1, ${x(" ")}log_level = "INFO" }\n`],
  ])("and changed in moments: %s", (_, text) => {
    const edited = setKey(text, "logger.log_level", logLevel, "DEBUG");
    expect(edited).toContain('log_level = "DEBUG"');
    unsetKey(edited, "logger.log_level", logLevel);
  });
});

describe("what is found is told in one line", () => {
  test("however long a list is", () => {
    expect(problems(file("x.json", JSON.stringify(Array(40_000).fill("abc"))))).toEqual([
      `x.json: found [${'"abc",'.repeat(9)}"abc"… (a list of 40000); allowed: an object`,
    ]);
  });

  test("however long a text is", () => {
    expect(problems(file("x.toml", `port = "${"x".repeat(1000)}"`))).toEqual([
      `x.toml:1:1: port: found "${"x".repeat(60)}…" (text of 1000 characters); allowed: a whole number from 0 to 65535`,
    ]);
  });

  test("however long a key is, and whatever stands in it", () => {
    expect(problems(file("x.toml", `"${"é".repeat(1000)}" = 1`))).toEqual([
      `x.toml:1:1: "${"é".repeat(60)}…": unknown key`,
    ]);
    expect(problems(file("x.toml", '"a\\nerror: b" = 1'))).toEqual([
      'x.toml:1:1: "a\\nerror: b": unknown key',
    ]);
  });

  test("and a hundred problems are enough", () => {
    const found = problems(
      file(
        "x.toml",
        full((i) => `k${i}=1\n`),
      ),
    );
    expect(found).toHaveLength(101);
    expect(found.at(-1)).toMatch(/^x\.toml: and \d+ more$/);
  });
});

describe("a path that leads to no file of settings", () => {
  const at = (name: string) => join(folder, name);
  const complaintAt = (path: string) => problems(load(settings, { file: path })).join("\n");

  test.each<[string, (path: string) => void, string]>([
    ["a folder", (path) => void mkdirSync(path), "it is a folder"],
    [
      "a pipe",
      (path) => void Bun.spawnSync(["mkfifo", path]),
      "it is a pipe that nobody writes to",
    ],
    ["what has no end", (path) => symlinkSync("/dev/zero", path), "it holds more than 1 MiB"],
    [
      "a large file",
      (path) => writeFileSync(path, "#".repeat(MOST + 1)),
      "it holds more than 1 MiB",
    ],
    ["zeros", (path) => writeFileSync(path, Buffer.alloc(100)), "it is not text"],
    ["bytes", (path) => writeFileSync(path, Buffer.from([0x70, 0xff, 0xfe])), "it is not UTF-8"],
    ["a link to itself", (path) => symlinkSync(path, path), "too many symbolic links encountered"],
  ])("%s", (name, make, reason) => {
    const path = at(`${name.replaceAll(" ", "-")}.toml`);
    make(path);
    expect(complaintAt(path)).toBe(`${path}: cannot be read: ${reason}`);
    const { config } = load(settings, { object: {} });
    const roles = () => new Roles({ ...config.store, roles_file: path });
    expect(roles).toThrow(`cannot read ${path}: ${reason}`);
    const token = () => new Roles({ ...config.store, token_file: path });
    expect(token).toThrow(`cannot read ${path}: ${reason}`);
    rmSync(path, { recursive: true });
  });

  test("with a zero in its name, or too long", () => {
    expect(complaintAt("a\0b")).toContain("no path holds a zero byte");
    expect(complaintAt("x".repeat(300))).toContain("cannot be read: ");
  });

  test("but what is written to a pipe is read", async () => {
    const run = 'cat | "$0" "$1" config --config /dev/stdin | grep "^port"';
    const program = join(import.meta.dir, "..", "index.ts");
    const child = Bun.spawn(["sh", "-c", run, process.execPath, program], {
      cwd: folder,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    child.stdin.write("port = ");
    child.stdin.flush();
    child.stdin.write("4711\n");
    child.stdin.end();
    expect(await new Response(child.stdout).text()).toMatch(/^port = 4711 +# stdin:1:1\n$/);
  });

  test("is told by check, without a stack", async () => {
    const path = at("pipe.toml");
    Bun.spawnSync(["mkfifo", path]);
    const program = join(import.meta.dir, "..", "index.ts");
    for (const command of [["check"], ["set", "port", "1"]]) {
      const child = Bun.spawn([process.execPath, program, ...command, "--config", path], {
        cwd: folder,
        stdout: "pipe",
        stderr: "pipe",
      });
      const { err, code } = await ended(child);
      expect(code).toBe(2);
      expect(err).toStartWith(
        `error: ${path}: cannot be read: it is a pipe that nobody writes to\n`,
      );
    }
  });

  test("is no reason to take the defaults: a link that leads nowhere", async () => {
    const inner = at("dangling");
    mkdirSync(inner);
    symlinkSync(join(inner, "gone.toml"), join(inner, "summoner.toml"));
    const program = join(import.meta.dir, "..", "index.ts");
    const child = Bun.spawn([process.execPath, program, "check"], {
      cwd: inner,
      stdout: "pipe",
      stderr: "pipe",
    });
    const { err, code } = await ended(child);
    expect([code, err]).toEqual([
      2,
      "error: summoner.toml: cannot be read: there is no such file\nsummoner.toml: 1 problem\n",
    ]);
  });
});

test("nothing in a file is a command to the terminal", async () => {
  const path = join(folder, "colour.toml");
  writeFileSync(path, '"\u202e\u009b31m" = 1\nname = "\u009b31m\u2028"\nport = "\u009b1m"\n');
  const program = join(import.meta.dir, "..", "index.ts");
  const child = Bun.spawn([process.execPath, program, "check", "--config", path], {
    cwd: folder,
    stdout: "pipe",
    stderr: "pipe",
  });
  const { err } = await ended(child);
  expect(err).not.toMatch(/[\u009b\u202e\u2028]/);
});
