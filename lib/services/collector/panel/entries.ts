import { text, whole, word } from "../../../host/service/asked.ts";
import type { Clock } from "../../../host/clock.ts";
import { beginning } from "../../../host/content.ts";
import { Refused, type View } from "../../../host/service/panel.ts";
import { basename } from "node:path";
import { reasonOf } from "../../../config/reason.ts";
import { isFailure } from "../../../host/disk.ts";
import type { CameBy } from "../came-by.ts";
import type { Widths } from "../columns.ts";
import { DOOR_NAMES, DoorNumber } from "../doors/door.ts";
import { Finding } from "../find.ts";
import { LEVELS, Level, type LevelName } from "../levels.ts";
import { TextSearch } from "../search.ts";
import { LineReading, type Written } from "../written.ts";
import type { EntriesTold, EntryTold } from "./told.ts";

const LONGEST_TEXT = 200;
const MOST_ENTRIES = 200;
const USUAL_ENTRIES = 100;
/** Characters of all entries of an answer, after which no further one is added. */
const MOST_CHARACTERS = 500_000;
const LONGEST_MESSAGE = 4000;
/** Further fields of an entry, and the characters of one. */
const MOST_FIELDS = 40;
const LONGEST_MORE = 4000;
const LONGEST_FIELD = 200;
/** Searches that wait while another one is under way; further ones are refused. */
const MOST_WAITING = 7;

export interface EntriesParts {
  readonly path: string;
  readonly widths: Widths;
  readonly chained: boolean;
  readonly clock: Pick<Clock, "now">;
  readonly cameBy: CameBy;
  /** The number of the first entry that is not written. */
  written(): number;
}

/** Searches the collected log, backwards. */
export function entriesView({ path, widths, chained, clock, cameBy, written }: EntriesParts): View {
  const turns = new Turns();
  const reading = new LineReading(widths);
  return {
    about: "Entries of the collected log, the newest first.",
    parameters: {
      text: `a text that the line contains, the letters A to Z in any case, to ${LONGEST_TEXT} characters`,
      level: `this level and more severe ones: ${LEVELS.join(", ").toLowerCase()}`,
      door: `entries that came by this door, as far back as doors are known: ${DOOR_NAMES.join(", ")}`,
      from: "the number of the first entry that is wanted",
      before: "the number after the last one",
      limit: `how many, to ${MOST_ENTRIES}`,
    },
    read(query): Promise<EntriesTold> {
      const search = new TextSearch(text(query, "text", LONGEST_TEXT, ""), chained);
      const least =
        Level[word({ level: "notset", ...query }, "level", NAMES).toUpperCase() as LevelName];
      const name = word({ door: "", ...query }, "door", ["", ...DOOR_NAMES]);
      const door = name === "" ? null : DoorNumber[name];
      const wantedFrom = whole(query, "from", 0, MOST_NUMBER, 0);
      const before = Math.min(written(), whole(query, "before", 0, MOST_NUMBER, MOST_NUMBER));
      const limit = whole(query, "limit", 1, MOST_ENTRIES, USUAL_ENTRIES);
      return turns.take(async () => {
        const entries: EntryTold[] = [];
        const from = door === null ? wantedFrom : Math.max(wantedFrom, cameBy.from);
        let room = MOST_CHARACTERS;
        const finding = new Finding(path, clock, {
          from,
          before,
          limit,
          lines: (block) => search.linesIn(block),
          wants: (line, sequence) =>
            (door === null || cameBy.of(sequence) === door) &&
            (least === 0 || reading.level(line) >= least) &&
            search.isIn(line),
          take(line, sequence) {
            const told = entryTold(sequence, nameOf(cameBy.of(sequence)), reading.read(line));
            entries.push(told);
            room -= charactersOf(told);
            return room > 0;
          },
        });
        const { backTo, isWhole, leftOut } = await finding.run();
        const doorsFrom = cameBy.from;
        // Entries have come meanwhile, and of some older ones the door is not known any more.
        const isPast = door !== null && backTo < doorsFrom;
        return {
          entries,
          before,
          back_to: isPast ? doorsFrom : backTo,
          is_whole: isWhole || isPast,
          doors_from: doorsFrom,
          left_out: leftOut && basename(leftOut),
        };
      });
    },
  };
}

const NAMES = LEVELS.map((name) => name.toLowerCase());
const MOST_NUMBER = 1e15 - 1;

/** Has searches take turns: however many ask, one reads at a time. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Rejects with `Refused` when too many wait, or the log cannot be read. */
  async take<T>(search: () => Promise<T>): Promise<T> {
    if (this.#waiting > MOST_WAITING) {
      throw new Refused(409, "Too many search at once: ask again in a moment.");
    }
    this.#waiting++;
    const found = this.#last.then(search);
    this.#last = found.catch(() => {});
    try {
      return await found;
    } catch (error) {
      if (!isFailure(error)) throw error;
      throw new Refused(409, `The log cannot be read: ${reasonOf(error)}.`);
    } finally {
      this.#waiting--;
    }
  }
}

const nameOf = (door: number | null) => (door === null ? "" : (DOOR_NAMES[door] as string));

function entryTold(sequence: number, door: string, written: Written): EntryTold {
  const {
    timestamp,
    hostname,
    loggerName,
    level,
    filename,
    functionName,
    lineNumber,
    message,
    ...more
  } = written;
  const where = [filename, functionName, lineNumber].filter(
    (one) => one !== undefined && one !== "",
  );
  const field = (value = "") => beginning(String(value), LONGEST_FIELD);
  return {
    sequence,
    door,
    level: field(level),
    timestamp: field(timestamp),
    host: field(hostname),
    logger: field(loggerName),
    where: field(where.join(":")),
    message: beginning(String(message ?? ""), LONGEST_MESSAGE),
    more: Object.entries(more)
      .slice(0, MOST_FIELDS)
      .map(([name, value]) => {
        const text = typeof value === "string" ? value : JSON.stringify(value);
        return [beginning(name, LONGEST_FIELD), beginning(text, LONGEST_MORE)] as const;
      }),
  };
}

function charactersOf(entry: EntryTold): number {
  return JSON.stringify(entry).length;
}
