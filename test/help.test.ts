import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { allCommands } from "../lib/cli/commands.ts";
import { completionScript } from "../lib/cli/completion.ts";
import { withTopics } from "../lib/cli/help.ts";
import { linked, type Page, PAGES } from "../lib/cli/help/pages.ts";
import { typeset } from "../lib/cli/help/typeset.ts";
import { ended } from "./kit.ts";
import { pages } from "./pages.ts";

const program = join(import.meta.dir, "..", "index.ts");

/** Runs `help` to its end, its output in a pipe. */
function help(...args: string[]) {
  const cmd = [process.execPath, program, "help", ...args];
  return ended(Bun.spawn(cmd, { stdin: "ignore", stdout: "pipe", stderr: "pipe" }));
}

/** The output of `help` in a terminal of 60 columns. */
async function inTerminal(topic: string, env: Record<string, string> = {}): Promise<string> {
  let shown = "";
  const decoder = new TextDecoder();
  const { NO_COLOR: _, CI: __, ...inherited } = process.env;
  const child = Bun.spawn([process.execPath, program, "help", topic], {
    env: { ...inherited, TERM: "xterm-256color", ...env },
    terminal: {
      cols: 60,
      rows: 30,
      data: (_, bytes) => {
        shown += decoder.decode(bytes, { stream: true });
      },
    },
  });
  expect(await child.exited).toBe(0);
  child.terminal?.close();
  return shown.replaceAll("\r\n", "\n");
}

describe("help", () => {
  test("has every page, by its title", () => {
    expect(PAGES.map(({ path, text }) => [path, text])).toEqual([...pages]);
    const topics = PAGES.map(({ topic }) => topic);
    expect(new Set(topics).size).toBe(topics.length);
    expect(topics).toEqual(expect.arrayContaining(["summoner", "settings", "command-line"]));
    for (const { topic, about } of PAGES) {
      expect(topic).toMatch(/^[a-z-]+$/);
      expect(about).toMatch(/^[A-Z].*\.$/);
      expect(about).not.toMatch(/\]\(|`/);
    }
  });

  test("alone lists them", async () => {
    const { out, err, code } = await help();
    expect([err, code]).toEqual(["", 0]);
    for (const { topic } of PAGES) expect(out).toContain(`\n  ${topic} `);
    expect(out).toEndWith("bun run index.ts help TOPIC prints one.\n");
  });

  test.each(PAGES.map((page) => [page.topic, page] as const))("prints %s", async (topic, page) => {
    const { out, err, code } = await help(topic);
    expect([err, code]).toEqual(["", 0]);
    expect(stripVTControlCharacters(out)).toBe(out);
    const words = out.replace(/^ {4}.*$/gm, "");
    expect(words).not.toMatch(/^<!--|\*\*|^\||\]\(|\.md/m);
    const prose = page.text.replace(/^```[^]*?^```$/gm, "");
    for (const [, heading = ""] of prose.matchAll(/^#+ (.*)$/gm)) {
      expect(out).toMatch(new RegExp(`(^|\n)${RegExp.escape(heading.replaceAll("`", ""))}\n`));
    }
    for (const line of out.split("\n")) {
      // Code and single words are not broken.
      if (line.length > 80) expect(line).toMatch(/^( {4}.*|\s*\S+)$/);
    }
  });

  test("of a command is that of --help", async () => {
    const cmd = [process.execPath, program, "set", "--help"];
    const { out } = await ended(Bun.spawn(cmd, { stdout: "pipe", stderr: "pipe" }));
    expect(await help("set")).toEqual({ out, err: "", code: 0 });
  });

  test("of what there is not names what there is, and the nearest", async () => {
    const { out, err, code } = await help("setings");
    expect([out, code]).toEqual(["", 2]);
    const all = PAGES.map(({ topic }) => topic).join(", ");
    expect(err).toBe(
      `error: setings: no such topic; there are ${all}, and the commands; did you mean settings?\n`,
    );
    for (const [word, meant] of [
      ["cli", "command-line"],
      ["tls", "settings"],
    ] as const) {
      expect((await help(word)).err).toEndWith(`did you mean ${meant}?\n`);
    }
    expect((await help("qqqqqqqq")).err).not.toContain("did you mean");
  });

  test.skipIf(process.platform === "win32")("has colours in a terminal, if wanted", async () => {
    const coloured = await inTerminal("web");
    expect(coloured).toContain("\x1b[1mWatching\x1b[22m\n");
    expect(coloured).toContain("\x1b[36m/healthz\x1b[39m");
    expect(coloured).not.toContain("`");
    const plain = await inTerminal("web", { NO_COLOR: "1" });
    expect(stripVTControlCharacters(plain)).toBe(plain);
    expect(plain).toContain("\nWatching\n");
    expect(plain).toContain("`/healthz`");
    for (const shown of [coloured, plain]) {
      const [, first = ""] = stripVTControlCharacters(shown).split("\n\n");
      expect(Math.max(...first.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(60);
      expect(first.split("\n").length).toBeGreaterThan(1);
    }
  });

  test("is completed", async () => {
    const script = completionScript("bash", await withTopics(await allCommands()));
    for (const { topic } of PAGES) expect(script).toMatch(new RegExp(`words .*\\b${topic} `));
  });
});

describe("a link", () => {
  const page = (path: string) => PAGES.find((one) => one.path === path) as Page;

  test("leads from page to page", () => {
    const cli = page("lib/cli/README.md");
    expect(linked(cli, "../config/README.md#presets")).toBe(page("lib/config/README.md"));
    expect(linked(cli, "#kv")).toBe(cli);
    expect(linked(page("README.md"), "lib/README.md")).toBe(page("lib/README.md"));
    expect(linked(cli, "https://bun.com")).toBeUndefined();
  });
});

describe("typesetting", () => {
  const set = (lines: string[], width = 40) =>
    typeset(lines.join("\n"), width, {
      heading: (text) => text.toUpperCase(),
      code: (text) => `‹${text}›`,
      link: (text, target) => `${text} (${target})`,
    }).split("\n");

  test("headings, paragraphs and lists", () => {
    const found = set([
      "# Title",
      "",
      "<!-- mark -->",
      "",
      "A paragraph with `code` and **weight** that is longer than a line.",
      "",
      "- One that is longer than a line of forty columns.",
      "- [Two `b`](x#y).",
    ]);
    expect(found).toEqual([
      "TITLE",
      "",
      "  A paragraph with ‹code› and weight",
      "  that is longer than a line.",
      "",
      "  - One that is longer than a line of",
      "    forty columns.",
      "  - Two ‹b› (x#y).",
      "",
    ]);
  });

  test("code is left as it is", () => {
    const code = "const a = `b`; // [x](y) **z** and more than forty columns";
    expect(set(["```ts", code, "", "# no heading", "```", "", "End."])).toEqual([
      `    ${code}`,
      "",
      "    # no heading",
      "",
      "  End.",
      "",
    ]);
  });

  test("a table has columns where they fit, and rows otherwise", () => {
    const rows = ["| Key | Meaning |", "| --- | --- |", "| `a` | b \\| c |", "| `long` |  |"];
    expect(set([...rows, ""])).toEqual(["  KEY     MEANING", "  ‹a›     b | c", "  ‹long›", ""]);
    const words = "words that do not fit into the rest of it at all";
    expect(set([...rows, `| x | ${words} |`, ""], 50)).toEqual([
      "  KEY     MEANING",
      "  ‹a›     b | c",
      "  ‹long›",
      "  x       words that do not fit into the rest of",
      "          it at all",
      "",
    ]);
    const wide = [
      "| A | B | C |",
      "|---|---|---|",
      `| a | ${words} | c |`,
      "| d |  | f |",
      "",
      ".",
    ];
    expect(set(wide, 40)).toEqual([
      "  a",
      "      B: words that do not fit into the",
      "      rest of it at all",
      "      C: c",
      "  d",
      "      C: f",
      "",
      "  .",
      "",
    ]);
  });
});
