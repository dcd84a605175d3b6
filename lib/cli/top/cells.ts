/** Text in columns of a terminal. Wide characters take two of them, and some none. */

/** Made when it is first needed: it takes two milliseconds, which every command would pay at its start. */
let graphemes: Intl.Segmenter | null = null;
// oxlint-disable-next-line no-control-regex -- these are the styles that this program sets.
const STYLES = /(\x1b\[\d*m)/;
const PLAIN = /^[ -~]*$/;

export function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : Bun.stringWidth(text);
}

/** As much of a text's beginning as these columns hold. */
function beginningOf(text: string, columns: number): string {
  if (PLAIN.test(text)) return text.slice(0, Math.max(0, columns));
  let width = 0;
  let kept = "";
  graphemes ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  for (const { segment } of graphemes.segment(text)) {
    width += Bun.stringWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return kept;
}

/** A text, cut where it is too long, and marked where it is cut. */
export function cutTo(text: string, columns: number): string {
  return widthOf(text) <= columns ? text : `${beginningOf(text, columns - 1)}…`;
}

/** A text, cut in its middle where it is too long: its end tells it from others. */
export function cutInside(text: string, columns: number): string {
  if (text.length <= columns || !PLAIN.test(text)) return cutTo(text, columns);
  const end = Math.min(10, Math.floor((columns - 1) / 2));
  return `${text.slice(0, Math.max(0, columns - 1 - end))}…${text.slice(text.length - end)}`;
}

/** A text that is no longer than these columns, as wide as they are. */
export function filled(text: string, columns: number, left: boolean): string {
  const room = " ".repeat(Math.max(0, columns - widthOf(text)));
  return left ? text + room : room + text;
}

/** A line cut at a terminal's width; styles take no width, and are kept to be ended. */
export function clipped(line: string, columns: number): string {
  let left = columns;
  let text = "";
  for (const part of line.split(STYLES)) {
    if (part.startsWith("\x1b")) {
      text += part;
      continue;
    }
    const kept = beginningOf(part, left);
    // After a cut nothing may follow, even what would fit.
    left = kept.length < part.length ? 0 : left - widthOf(kept);
    text += kept;
  }
  return text;
}

/** A text on at most so many lines, broken between words; the further lines are indented. The last is marked where there is more. */
export function wrapped(text: string, columns: number, most: number): string[] {
  const lines: string[] = [];
  const words = text.split(" ");
  while (words.length > 0 && lines.length < most) {
    const indent = lines.length === 0 ? "" : "  ";
    let line = indent + (words.shift() ?? "");
    while (words.length > 0 && widthOf(`${line} ${words[0]}`) <= columns)
      line += ` ${words.shift()}`;
    if (lines.length === most - 1 && words.length > 0) line = `${line} ${words.join(" ")}`;
    lines.push(cutTo(line, columns));
  }
  return lines;
}

/** As many whole items as fit on a line, those that are worth least left out first. */
export function itemsWithin(
  items: readonly { readonly text: string; readonly worth: number }[],
  columns: number,
  gap: string,
): string {
  const kept = [...items];
  const text = () => kept.map((item) => item.text).join(gap);
  while (kept.length > 1 && widthOf(text()) > columns) {
    const least = Math.min(...kept.map(({ worth }) => worth));
    kept.splice(
      kept.findLastIndex(({ worth }) => worth === least),
      1,
    );
  }
  return text();
}

/** Styles for a terminal that shows them. */
export interface Styles {
  bold(text: string): string;
  /** For what is wrong, by how bad it is. */
  adverse(text: string, isFailing: boolean): string;
}

const styled = (code: number) => (text: string) => `\x1b[${code}m${text}\x1b[0m`;
const [bold, red, yellow] = [styled(1), styled(31), styled(33)];

export const STYLED: Styles = {
  bold,
  adverse: (text, isFailing) => (isFailing ? red : yellow)(text),
};
export const UNSTYLED: Styles = { bold: (text) => text, adverse: (text) => text };
