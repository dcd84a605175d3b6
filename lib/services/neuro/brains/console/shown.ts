/** What the console shows of games. */
import { beginning, printable } from "../../../../host/content.ts";
import type { Playing } from "../brain.ts";

/** Characters of the name of a game or an action, where there may be many. */
const MOST_NAME = 30;
/** Lines and characters of one text. */
const MOST_LINES = 100;
const MOST_TEXT = 10_000;

/** A text of a game on one line. */
export function cleaned(text: string, most = 500): string {
  return beginning(printable(text), most);
}

/** A name of a game's. */
export function nameOf(name: string): string {
  return shortened(printable(name), MOST_NAME) || '""';
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most).toWellFormed()}...` : text;
}

/** A text of a game, line by line. */
export function linesOf(text: string): readonly string[] {
  const lines = beginning(text, MOST_TEXT).trimEnd().split(/\r?\n/);
  const more = lines.length - MOST_LINES;
  const shown = lines.slice(0, MOST_LINES).map(printable);
  return more > 0 ? [...shown, `... and ${more} more lines`] : shown;
}

/** A few of many, and how many more there are. */
export function few(names: readonly string[], most = 12): string {
  const more = names.length - most;
  const shown = names.slice(0, most).map(nameOf).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** A game by its number and name. */
export function tagOf({ id, name }: Pick<Playing, "id" | "name">): string {
  return `[${id} ${nameOf(name)}]`;
}

/** How what is shown looks. */
export interface Look {
  paint(style: Style, text: string): string;
  /** Breaks a line where it has to be; what follows is indented. */
  fold(line: string, indent: string): readonly string[];
}

const STYLES = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, bold: 1, dim: 2 };
export type Style = keyof typeof STYLES;

/** As it is, a line each. */
export const PLAIN: Look = { paint: (_style, text) => text, fold: (line) => [line] };

/** For a terminal that is so wide at present. */
export function lookFor(columns: () => number, hasColours: boolean): Look {
  return {
    paint: hasColours ? (style, text) => `\x1b[${STYLES[style]}m${text}\x1b[0m` : PLAIN.paint,
    // In some terminals a full line is followed by an empty one.
    fold: (line, indent) => folded(line, indent, columns() - 1),
  };
}

const FOLDING = { trim: false, hard: true };
/** Narrower terminals break lines as they will. */
const NARROWEST = 20;

function folded(line: string, indent: string, columns: number): readonly string[] {
  if (columns < NARROWEST || Bun.stringWidth(line) <= columns) return [line];
  const [first = "", ...rest] = Bun.wrapAnsi(line, columns, FOLDING).split("\n");
  const room = Math.max(NARROWEST / 2, columns - Bun.stringWidth(indent));
  const more = Bun.wrapAnsi(rest.join("").trimStart(), room, FOLDING).split("\n");
  return [first.trimEnd(), ...more.map((one) => indent + one.trim())];
}

const COLOURS = ["cyan", "magenta", "green", "blue"] as const;

/** Lines of a game: the first after its number and name, the others after its number, indented. */
export function tagged(playing: Playing, lines: readonly string[], look: Look): string[] {
  const colour = COLOURS[playing.id % COLOURS.length] as Style;
  const indent = `${look.paint(colour, `[${playing.id}]`)}   `;
  const [first = "", ...more] = lines;
  return [
    ...look.fold(`${look.paint(colour, tagOf(playing))} ${first}`, indent),
    ...more.flatMap((line) => look.fold(indent + line, `${indent}  `)),
  ];
}

/** Lines of a game that follow others of it. */
export function indented(playing: Playing, lines: readonly string[], look: Look): string[] {
  return tagged(playing, ["", ...lines], look).slice(1);
}

/** Rows of two columns. */
export function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => Bun.stringWidth(left)));
  return rows.map(([left, right]) => {
    const space = " ".repeat(width - Bun.stringWidth(left));
    return `${left}${space}  ${right}`.trimEnd();
  });
}
