import { LEVELS, levelOfReference } from "../formats/levels.ts";
import { checkFormat, differsIn } from "../formats/line-format.ts";
import { choice, flag, listOrNull, text, whole } from "../option.ts";
import { section } from "../section.ts";
import { checkDateFormat } from "../formats/strftime.ts";
import { BYTES_MAX, live } from "./bounds.ts";

const lineFormat = {
  ...live,
  check: checkFormat,
  differs: differsIn,
  allowed:
    "text with %(asctime)s, %(name)s, %(levelname)s, %(message)s and Python's other fields; %% is a percent sign",
};

export const logger = section(
  "What is logged, and where.",
  {
    log_level: choice(
      "INFO",
      LEVELS,
      "Least severe level that is logged. Relayed lines are INFO.",
      { ...live, readReference: levelOfReference },
    ),
    enable_console_log: flag(
      true,
      "Log to standard output. Relayed lines are shown up to 20 a second there, then summed up.",
      live,
    ),
    console_log_format: text(
      "",
      "Format of a console line in the style of printf; ANSI colours are allowed, and left out where there is no terminal or NO_COLOR is set. Empty means the built-in one.",
      lineFormat,
    ),
    enable_file_log: flag(false, "Log to a rotating file.", live),
    enable_json_log: flag(
      false,
      'Write the file as JSON lines: {"timestamp","name","level","message"}.',
      live,
    ),
    log_file_path: text("./logs", "Folder of the log files.", live),
    log_format: text(
      "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
      "Format of a line in the file when it is not JSON.",
      lineFormat,
    ),
    max_file_size: whole(
      1_000_000,
      [1, BYTES_MAX],
      "Size at which the log file is rotated, in bytes.",
      { ...live, readReference: sizeOfReference },
    ),
    backup_count: whole(
      3,
      [0, 10_000],
      "How many rotated files are kept: NAME.log.1 is the newest.",
      { ...live, differs: keepsNone },
    ),
    date_format: text(
      "%Y-%m-%d %H:%M:%S.%3f",
      "Format of time stamps as in strftime; %f is microseconds, %3f milliseconds.",
      {
        ...live,
        check: checkDateFormat,
        allowed: "text with the directives of strftime",
      },
    ),
    log_keys: listOrNull(
      "Which fields of a relayed line are logged. Not given: the line whole. A list: only these keys, inside _payload and _type or at the top of a flat object. []: no content at all.",
      "a list of texts",
      live,
    ),
  },
  {
    folders: ({ enable_file_log }) =>
      enable_file_log ? [{ key: "log_file_path", holds: "logs" }] : [],
  },
);

/** In Python's logging a size of 0 or less means no rotation; here that is the largest size. */
function sizeOfReference(found: unknown): number | undefined {
  const isNumber = typeof found === "number" || (typeof found === "string" && found.trim() !== "");
  const size = isNumber ? Number(found) : NaN;
  if (!Number.isInteger(size) || size > BYTES_MAX) return undefined;
  return size <= 0 ? BYTES_MAX : size;
}

/** The difference for a count of 0: with it Python's logging does not rotate at all. */
function keepsNone(count: number, isReference: boolean): string | null {
  return count === 0 && isReference
    ? "0, so the log file begins anew at max_file_size; the reference's grows for ever, as with max_file_size 0"
    : null;
}
