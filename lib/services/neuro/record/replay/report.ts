import { beginning, printable } from "../../../../host/content.ts";
import { quoted, secondsOf } from "../../diagnostics.ts";
import { type Difference, placesOf } from "./compare.ts";
import type { Played } from "./player.ts";
import { isObject, type Said } from "./said.ts";

/** Differences that are shown; of more, how many there are. */
const MOST_SHOWN = 50;
/** Places of one message. */
const MOST_PLACES = 8;
const LONGEST_VALUE = 200;

/** What is told of a replay, line by line. The texts of games are printable in it. */
export function reportLines({ differences, said, renamed, hasLeft }: Played): readonly string[] {
  const shown = differences.slice(0, MOST_SHOWN);
  const more = differences.length - shown.length;
  return [
    ...(renamed === null ? [] : [`The game calls itself ${quoted(renamed)} now.`]),
    ...shown.flatMap((one) => linesOf(one)),
    ...(more > 0 ? [`... and ${more} more differences`] : []),
    ...(hasLeft ? ["The game ended its connection before the record was over."] : []),
    summaryOf(differences.length, said),
  ];
}

function summaryOf(differences: number, said: number): string {
  const messages = `${said} ${said === 1 ? "message" : "messages"}`;
  if (differences === 0) return `${messages}, as then`;
  return `${messages} then, ${differences} ${differences === 1 ? "difference" : "differences"}`;
}

const TITLES: Readonly<Record<Difference["kind"], string>> = {
  missing: "was said then, and not now",
  extra: "is said now, and was not then",
  changed: "is said otherwise",
  moved: "is said in another order",
};

function linesOf({ kind, before, now }: Difference): readonly string[] {
  const said = (before ?? now) as Said;
  const title = `${nameOf(said)} ${TITLES[kind]}`;
  const times = [before && `then ${timeOf(before)}`, now && `now ${timeOf(now)}`].filter(Boolean);
  const head = `${title} (${times.join(", ")})`;
  if (kind !== "changed") return [head, `  ${valueText(contentOf(said))}`];
  const places = placesOf(before.document, now.document, MOST_PLACES);
  return [
    head,
    ...places.flatMap((place) => {
      const from = differsFrom(place.before, place.now);
      return [
        `  ${place.path === "" ? "message" : printable(place.path)}`,
        `    then ${valueText(place.before, from)}`,
        `    now  ${valueText(place.now, from)}`,
      ];
    }),
  ];
}

/** The character from which two long texts are shown, so that one sees where they differ. */
function differsFrom(before: unknown, now: unknown): number {
  if (typeof before !== "string" || typeof now !== "string") return 0;
  let same = 0;
  while (same < before.length && before[same] === now[same]) same++;
  return same < LONGEST_VALUE / 2 ? 0 : same - LONGEST_VALUE / 4;
}

function nameOf({ game, command, lane }: Said): string {
  const what = command === null ? "What cannot be read" : printable(beginning(command, 100));
  const id = lane.startsWith("result ") ? ` of ${quoted(lane.slice("result ".length))}` : "";
  return `${what}${id}${game === "" ? "" : ` of ${quoted(game)}`}`;
}

/** What a message says besides its command and game. */
function contentOf({ document }: Said): unknown {
  if (!isObject(document)) return document;
  const { command: _command, game: _game, ...rest } = document;
  return Object.keys(rest).length === 1 && "data" in rest ? rest["data"] : rest;
}

function timeOf({ ms }: Said): string {
  return `${secondsOf(ms).toFixed(1)} s`;
}

function valueText(value: unknown, from = 0): string {
  if (value === undefined) return "(nothing)";
  if (typeof value === "string" && from > 0) return `...${valueText(value.slice(from))}`;
  return printable(beginning(JSON.stringify(value), LONGEST_VALUE));
}
