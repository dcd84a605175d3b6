import { expect, test } from "bun:test";
import { join } from "node:path";

/** A description of an element, as the page's modules make them. */
interface Described {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly kids: readonly (Described | string)[];
}

// The module of the page itself, which needs no browser to describe what it would show.
const path = join(import.meta.dir, "../lib/services/neuro/page/markdown.js");
const { markdown } = (await import(path)) as { markdown(text: string): readonly Described[] };

/** What would be shown, as markup; texts as they are. */
function shown(kids: readonly (Described | string)[]): string {
  const one = (kid: Described | string) => {
    if (typeof kid === "string") return kid;
    const { tag, attributes } = kid;
    const level = attributes["aria-level"] === undefined ? "" : ` ${String(attributes["class"])}`;
    const start = attributes["start"] === undefined ? "" : ` start=${String(attributes["start"])}`;
    return `<${tag}${level}${start}>${shown(kid.kids)}</${tag}>`;
  };
  return kids.map(one).join("");
}

function count(kids: readonly (Described | string)[]): number {
  return kids.reduce((sum, kid) => sum + (typeof kid === "string" ? 0 : 1 + count(kid.kids)), 0);
}

test.each([
  ["plain\ntext", "<p>plain\ntext</p>"],
  ["one\n\ntwo", "<p>one</p><p>two</p>"],
  ["# Title\nbelow", "<p h1>Title</p><p>below</p>"],
  ["### Third", "<p h3>Third</p>"],
  ["#none", "<p>#none</p>"],
  [
    "**bold** and *thin* and `code`",
    "<p><strong>bold</strong> and <em>thin</em> and <code>code</code></p>",
  ],
  ["__bold__ and _thin_", "<p><strong>bold</strong> and <em>thin</em></p>"],
  ["**bold *and* thin**", "<p><strong>bold <em>and</em> thin</strong></p>"],
  ["**open", "<p>**open</p>"],
  ["*a **b* c**", "<p><em>a **b</em> c**</p>"],
  ["snake_case_name 2 * 3 * 4", "<p>snake_case_name 2 * 3 * 4</p>"],
  ["`a` ``b ` c`` `d", "<p><code>a</code> <code>b ` c</code> `d</p>"],
  ["`**not bold**`", "<p><code>**not bold**</code></p>"],
  ["- a\n- b", "<ul><li>a</li><li>b</li></ul>"],
  ["3. a\n4. b", "<ol start=3><li>a</li><li>b</li></ol>"],
  [
    "- a\n  - b\n    - c\n- d",
    "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>",
  ],
  ["1. a\n   - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"],
  ["- a\n1. b", "<ul><li>a</li></ul><ol><li>b</li></ol>"],
  ["```js\n**a**\n\n# b\n```\nc", "<pre><code>**a**\n\n# b</code></pre><p>c</p>"],
  ["```\nopen", "<pre><code>open</code></pre>"],
  ["<img src=x onerror=alert(1)>", "<p><img src=x onerror=alert(1)></p>"],
  ["[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>"],
  ["a\r\nb\u202ec\u0000", "<p>a\nb\\u202ec\\u0000</p>"],
])("%j", (text, wanted) => {
  expect(shown(markdown(text))).toBe(wanted);
});

test("whatever a game sends makes so many elements at most, and is gone through once", () => {
  const size = 300_000;
  for (const piece of [
    "*",
    "**a",
    "_a_ ",
    "`",
    "` `` ",
    "*a **b _c __d ",
    "# a\n",
    "- a\n",
    "  - a\n- b\n",
    "```\n",
    "**`*`**",
    "1. *\n\n",
    " ",
    "\n",
  ]) {
    const text = piece.repeat(Math.ceil(size / piece.length));
    expect([piece, count(markdown(text)) <= 4100]).toEqual([piece, true]);
  }
});
