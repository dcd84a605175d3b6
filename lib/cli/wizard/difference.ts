import { styleText } from "node:util";
import type { Option } from "../../config/option.ts";
import { optionPaths } from "../../config/paths.ts";
import { masked } from "../../config/render.ts";
import { settings } from "../../config/table.ts";
import { count } from "../../host/count.ts";

const STARS = "********";

/** A line that only one of two texts has. */
interface Change {
  readonly sign: "-" | "+";
  readonly line: string;
  /** The TOML table it is in, as `[web]`; "" before the first. */
  readonly table: string;
}

/** The changes that turn one text into the other, with as few lines as possible. */
function changes(before: string, after: string): Change[] {
  const [old, next] = [before, after].map((text) => located(text.replace(/\r\n/g, "\n")));
  return changed(old as Line[], next as Line[]);
}

/**
 * The changes that turn one file into another, for a person: each line under its
 * table. Empty lines are left out, added comments are only counted, secrets are masked.
 */
export function differenceLines(before: string, after: string): string[] {
  const told = changes(before, after).filter(({ line }) => line.trim() !== "");
  const shown = told.filter(({ sign, line }) => sign === "-" || !line.startsWith("#"));
  const lines: string[] = [];
  let last = "";
  for (const { sign, line, table } of shown) {
    if (table !== last && !line.trimStart().startsWith("[")) lines.push(styleText("dim", table));
    last = table;
    lines.push(styleText(sign === "-" ? "red" : "green", `${sign} ${withoutSecret(line)}`));
  }
  const comments = told.length - shown.length;
  if (comments > 0) lines.push(styleText("dim", `and ${count(comments, "line")} of comments more`));
  return lines;
}

/** The secret options, by the last words of their paths. */
const SECRETS = new Map(
  [...optionPaths(settings)]
    .filter(([, { secret }]) => secret)
    .map(([path, option]) => [path.slice(path.lastIndexOf(".") + 1), option]),
);
const PAIR = new RegExp(`\\b(${[...SECRETS.keys()].join("|")})("?\\s*=\\s*)(?!"")(\\S.*)`);

/** A line of a configuration with stars in place of a secret, or of the secret part of it. */
export function withoutSecret(line: string): string {
  return line.replace(PAIR, (_, key: string, equals: string, value: string) => {
    return `${key}${equals}${JSON.stringify(maskedText(key, value))}`;
  });
}

/** What may be shown of a value, as it is written. */
function maskedText(key: string, value: string): unknown {
  try {
    return masked(SECRETS.get(key) as Option<unknown>, JSON.parse(value.trim()));
  } catch {
    // Written in another way, or with a remark behind it.
    return STARS;
  }
}

interface Line {
  readonly line: string;
  readonly table: string;
}

function located(text: string): Line[] {
  let table = "";
  return text.split("\n").map((line) => {
    const head = /^\s*(\[[^[\]]+\])/.exec(line)?.[1];
    if (head !== undefined) table = head;
    return { line, table };
  });
}

function changed(old: readonly Line[], next: readonly Line[]): Change[] {
  let start = 0;
  const [n, m] = [old.length, next.length];
  const same = (i: number, j: number) => old[i]?.line === next[j]?.line;
  while (start < n && start < m && same(start, start)) start++;
  let end = 0;
  while (end < n - start && end < m - start && same(n - 1 - end, m - 1 - end)) end++;
  // lengths[i][j]: the longest common subsequence of the lines from i of the one and from j of the other.
  const [rows, columns] = [n - start - end, m - start - end];
  const lengths = Array.from({ length: rows + 1 }, () => new Uint32Array(columns + 1));
  const length = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      (lengths[i] as Uint32Array)[j] = same(start + i, start + j)
        ? length(i + 1, j + 1) + 1
        : Math.max(length(i + 1, j), length(i, j + 1));
    }
  }
  const found: Change[] = [];
  let [i, j] = [0, 0];
  while (i < rows || j < columns) {
    if (i < rows && j < columns && same(start + i, start + j)) {
      i++;
      j++;
    } else if (j >= columns || (i < rows && length(i + 1, j) >= length(i, j + 1))) {
      found.push({ sign: "-", ...(old[start + i++] as Line) });
    } else {
      found.push({ sign: "+", ...(next[start + j++] as Line) });
    }
  }
  return found;
}
