// A small part of Markdown, for the state that a game gives with a force: headings, lists, fenced
// code; bold, italics and code in a line. Everything else stays as it is written. One walk over the
// text, and so many elements at most, whatever a game sends.

import { h, visible } from "../../../host/page/dom.js";

/** Elements that are made of one text; what comes after is plain. */
const MOST_ELEMENTS = 2000;
const MOST_DEPTH = 4;

const HEADING = /^ {0,3}(#{1,6})[ \t]+(\S.*)$/;
const ITEM = /^( *)(?:[-*+]|(\d{1,9})[.)])[ \t]+(\S.*)$/;
const FENCE = /^ {0,3}```/;

/** Describes a text. */
export function markdown(text) {
  const budget = { left: MOST_ELEMENTS };
  const lines = visible(text).split("\n");
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at];
    if (budget.left <= 0) {
      blocks.push(h("p", {}, lines.slice(at).join("\n")));
      break;
    }
    budget.left--;
    const heading = HEADING.exec(line);
    if (line.trim() === "") at++;
    else if (heading) {
      const [, marks, title] = heading;
      // Below the page's own headings, whatever level the game has in mind.
      const level = Math.min(6, 3 + marks.length);
      blocks.push(
        h(
          "p",
          { role: "heading", "aria-level": level, class: `h${marks.length}` },
          inline(title, budget),
        ),
      );
      at++;
    } else if (FENCE.test(line)) {
      const end = endOf(lines, at + 1, (one) => FENCE.test(one));
      blocks.push(h("pre", {}, h("code", {}, lines.slice(at + 1, end).join("\n"))));
      at = end + 1;
    } else if (ITEM.test(line)) {
      const all = endOf(lines, at, (one) => !ITEM.test(one));
      const end = Math.min(all, at + budget.left + 1);
      blocks.push(...lists(lines.slice(at, end), budget));
      at = end;
    } else {
      const end = endOf(
        lines,
        at,
        (one) => one.trim() === "" || [HEADING, FENCE, ITEM].some((kind) => kind.test(one)),
      );
      blocks.push(h("p", {}, inline(lines.slice(at, end).join("\n"), budget)));
      at = end;
    }
  }
  return blocks;
}

/** The first line from `from` for which `ends` is true. */
function endOf(lines, from, ends) {
  let at = from;
  while (at < lines.length && !ends(lines[at])) at++;
  return at;
}

/** The lists of consecutive items, those further in below the item before them. */
function lists(lines, budget) {
  const top = [];
  /** The lists that are open, each with the indent of its items. */
  const open = [];
  for (const line of lines) {
    const [, spaces, number, text] = ITEM.exec(line);
    budget.left--;
    while (open.length > 0 && spaces.length < open.at(-1).indent) open.pop();
    let list = open.at(-1);
    const isDeeper = list && spaces.length > list.indent + 1 && open.length < MOST_DEPTH;
    const isOther = list && !isDeeper && list.isOrdered !== (number !== undefined);
    if (isOther) open.pop();
    if (!list || isDeeper || isOther) {
      const isOrdered = number !== undefined;
      const into = open.at(-1)?.items.at(-1)?.kids ?? top;
      const items = [];
      const start = isOrdered && number !== "1" ? { start: number } : {};
      into.push({ tag: isOrdered ? "ol" : "ul", attributes: start, kids: items });
      list = { indent: spaces.length, isOrdered, items };
      open.push(list);
    }
    list.items.push(h("li", {}, inline(text, budget)));
  }
  return top;
}

const TAGS = { "**": "strong", __: "strong", "*": "em", _: "em" };

/** The text of a line with its emphasis and code. */
function inline(text, budget) {
  const closing = codeEnds(text);
  const top = { mark: null, kids: [] };
  /** Emphasis that is open: each kind once at most, so that no search through it is long. */
  const open = [top];
  let plain = "";
  const flush = () => {
    if (plain !== "") open.at(-1).kids.push(plain);
    plain = "";
  };
  let at = 0;
  while (at < text.length) {
    const one = text[at];
    if (budget.left <= 0 || (one !== "`" && one !== "*" && one !== "_")) {
      plain += one;
      at++;
      continue;
    }
    const run = runAt(text, at);
    const mark = run.length <= 2 ? run : null;
    const end = one === "`" ? closing.get(at) : undefined;
    if (end !== undefined) {
      flush();
      budget.left--;
      const inside = text.slice(at + run.length, end);
      open.at(-1).kids.push(h("code", {}, inside));
      at = end + run.length;
      continue;
    }
    const before = text[at - 1];
    const after = text[at + run.length];
    const isWord = (found) => found !== undefined && /[\p{L}\p{N}]/u.test(found);
    const mayOpen = after !== undefined && after.trim() !== "" && !(one === "_" && isWord(before));
    const mayClose =
      before !== undefined && before.trim() !== "" && !(one === "_" && isWord(after));
    const from = open.findIndex((each) => each.mark === mark);
    if (one !== "`" && mark !== null && mayClose && from > 0) {
      flush();
      // What was opened inside and never closed is text after all.
      while (open.length > from + 1) reopen(open);
      const { kids } = open.pop();
      open.at(-1).kids.push(h(TAGS[mark], {}, kids));
    } else if (one !== "`" && mark !== null && mayOpen && from < 0) {
      flush();
      budget.left--;
      open.push({ mark, kids: [] });
    } else plain += run;
    at += run.length;
  }
  flush();
  while (open.length > 1) reopen(open);
  return top.kids;
}

/** Makes the innermost open emphasis plain. */
function reopen(open) {
  const { mark, kids } = open.pop();
  const into = open.at(-1).kids;
  into.push(mark);
  for (const kid of kids) into.push(kid);
}

function runAt(text, at) {
  let end = at;
  while (text[end] === text[at]) end++;
  return text.slice(at, end);
}

/** Where the code that begins at a run of backticks ends: at the next run of the same length. */
function codeEnds(text) {
  const runs = [];
  for (let at = text.indexOf("`"); at >= 0; at = text.indexOf("`", at)) {
    const { length } = runAt(text, at);
    runs.push([at, length]);
    at += length;
  }
  const ends = new Map();
  const next = new Map();
  for (const [at, length] of runs.reverse()) {
    if (next.has(length)) ends.set(at, next.get(length));
    next.set(length, at);
  }
  return ends;
}
