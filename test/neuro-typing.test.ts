import { describe, expect, test } from "bun:test";
import { Editor, LONGEST_LINE } from "../lib/services/neuro/brains/console/editor.ts";
import { LineReader, LONGEST_PIPED } from "../lib/services/neuro/brains/console/line-reader.ts";
import { turn } from "./kit.ts";

/** What a line is after these keys. */
const after = (...chunks: string[]) => {
  const editor = new Editor();
  for (const chunk of chunks) editor.take(chunk);
  return editor.text;
};
const LEFT = "\u001b[D";
const RIGHT = "\u001b[C";
const UP = "\u001b[A";
const DOWN = "\u001b[B";

describe("keys", () => {
  test.each([
    ["typed", ["a", "bc"], "abc"],
    ["backspace", ["abc\u007f\b"], "a"],
    ["backspace at the beginning", ["\u007fa"], "a"],
    ["left and right", [`ac${LEFT}b${RIGHT}d`], "abcd"],
    ["far left", [`b${LEFT.repeat(9)}a${RIGHT.repeat(9)}c`], "abc"],
    ["home and end", ["b\u001b[Ha\u001b[Fc"], "abc"],
    ["home and end of others", ["b\u001bOHa\u001bOFc\u001b[1~0\u001b[4~d"], "0abcd"],
    ["Ctrl-A and Ctrl-E", ["b\u0001a\u0005c"], "abc"],
    ["delete", [`abc${LEFT}${LEFT}\u001b[3~`], "ac"],
    ["Ctrl-D within a line", [`abc${LEFT}\u0004`], "ab"],
    ["Ctrl-U", [`abc${LEFT}\u0015`], "c"],
    ["Ctrl-K", [`abc${LEFT}${LEFT}\u000b`], "a"],
    ["Ctrl-W", ["one two  \u0017"], "one "],
    ["Ctrl-W twice", ["one two\u0017\u0017\u0017"], ""],
    ["with Ctrl", ["a\u001b[1;5Db"], "ba"],
    ["in pieces", ["ac\u001b", "[", "D", "b"], "abc"],
    ["characters beyond 16 bits", [`😀😀${LEFT}\u007f`], "😀"],
    ["unknown ones", ["a\u001b[99~\u001b[<0;1;2M\u001bx\u0000\u0007\u0010b"], "ab"],
    ["controls of 8 bits", ["a\u009b2Jb\u0085"], "a2Jb"],
    ["without an end", [`a\u001b[${"9".repeat(100_000)}`, "b"], "a"],
  ])("%s", (_, chunks, text) => {
    expect(after(...chunks)).toBe(text);
  });

  test("that end a line give it, several at once", () => {
    const editor = new Editor();
    expect(editor.take("one\rtwo\nthree\r\nfour")).toEqual([
      { kind: "line", text: "one" },
      { kind: "line", text: "two" },
      { kind: "line", text: "three" },
    ]);
    expect([editor.text, editor.cursor]).toEqual(["four", 4]);
  });

  test("that mean something else say so", () => {
    const kinds = (keys: string) => new Editor().take(keys).map(({ kind }) => kind);
    expect(kinds("\u0003\u0004\u001a\u000c")).toEqual(["interrupt", "end", "suspend", "clear"]);
  });
});

describe("lines before", () => {
  test("come back with up, and the one that is typed with down", () => {
    const editor = new Editor();
    editor.take("one\rtwo\r  \rtwo\rthr");
    const seen = [UP, UP, UP, UP, DOWN, DOWN, DOWN].map((key) => (editor.take(key), editor.text));
    expect(seen).toEqual(["two", "one", "one", "one", "two", "thr", "thr"]);
    editor.take(`${UP}!\r${UP}`);
    expect(editor.text).toBe("two!");
  });

  test("are a hundred", () => {
    const editor = new Editor();
    for (let i = 0; i < 150; i++) editor.take(`${i}\r`);
    editor.take(UP.repeat(200));
    expect(editor.text).toBe("50");
  });
});

test("a line is as long as it may be, and not longer", () => {
  const editor = new Editor();
  editor.take("x".repeat(LONGEST_LINE - 1));
  editor.take("yz");
  expect([editor.characters.length, editor.text.at(-1)]).toEqual([LONGEST_LINE, "y"]);
  expect(after("x".repeat(5_000_000)).length).toBe(LONGEST_LINE);
  editor.text = "z".repeat(LONGEST_LINE + 1);
  expect(editor.text.length).toBe(LONGEST_LINE);
});

test("Tab completes as far as all agree", () => {
  const editor = new Editor();
  const words = () => ["play_card ", "play_hand ", "end"];
  editor.take("p\t", words);
  expect(editor.text).toBe("play_");
  editor.take("h\t", words);
  expect(editor.text).toBe("play_hand ");
  editor.take("x\t", words);
  expect(editor.text).toBe("play_hand x");
  editor.take(`\u0015end${LEFT}\t`, () => ["end_turn"]);
  expect(editor.text).toBe("end");
});

describe("lines of a pipe", () => {
  /** Reads chunks to their end. @returns the lines; the trouble stands among them */
  async function lines(...chunks: (string | Uint8Array)[]): Promise<string[]> {
    const found: string[] = [];
    const ended = Promise.withResolvers<void>();
    const listener = {
      line: async (text: string) => void found.push(text),
      ended: () => ended.resolve(),
    };
    new LineReader(
      () => inputOf(chunks),
      listener,
      (text) => found.push(`trouble: ${text}`),
    );
    await ended.promise;
    return found;
  }

  function inputOf(chunks: readonly (string | Uint8Array)[]) {
    const bytes = chunks.map((one) => (typeof one === "string" ? Buffer.from(one) : one));
    const all = (async function* () {
      yield* bytes;
    })();
    return Object.assign(all, { pause: () => {} });
  }

  test("end with a newline, or with the input", async () => {
    expect(await lines("one\ntw", "o\r\n\nthree")).toEqual(["one", "two", "", "three"]);
    expect(await lines()).toEqual([]);
    expect(await lines(Buffer.from("é").subarray(0, 1), Buffer.from("é").subarray(1))).toEqual([
      "é",
    ]);
  });

  test("may be so long; a longer one is left out", async () => {
    const longest = "x".repeat(LONGEST_PIPED);
    const trouble = "trouble: A line of more than 1 MB was ignored.";
    expect(await lines(`${longest}\nb\n`)).toEqual([longest, "b"]);
    expect(await lines(`${longest}y\nb\n`)).toEqual([trouble, "b"]);
    const pieces = Array.from({ length: 50 }, () => "x".repeat(100_000));
    expect(await lines("a\n", ...pieces, "\nb\n")).toEqual(["a", trouble, "b"]);
    expect(await lines(...pieces)).toEqual([trouble]);
  });

  test("leave time for everything else", async () => {
    let count = 0;
    const listener = { line: async () => void count++, ended: () => {} };
    new LineReader(
      () => inputOf(["x\n".repeat(1000)]),
      listener,
      () => {},
    );
    await turn();
    expect(count).toBeLessThan(100);
    while (count < 1000) await turn();
  });

  test("come to an end where there is no input", async () => {
    const ended = Promise.withResolvers<void>();
    const none = () => {
      throw new Error("there is no standard input");
    };
    new LineReader(none, { line: async () => {}, ended: ended.resolve }, () => {});
    await ended.promise;
  });
});
