import { type Level, LEVEL_NUMBERS } from "./levels.ts";
import { type Conversion, convert, TEXT_KINDS } from "./printf.ts";

/** Log lines in the style of Python's logging: `%(asctime)s - %(message)s`, with flags, widths and precisions. */

/** The time of a line. */
export interface Stamp {
  /** Milliseconds since 1970. */
  readonly wall: number;
  readonly asctime: string;
}

/** Makes a line from its parts. */
export type LineFormat = (stamp: Stamp, level: Level, message: string) => string;

interface Parts {
  readonly stamp: Stamp;
  readonly level: Level;
  readonly message: string;
  readonly name: string;
}

/** A field that a format may name. */
interface Field {
  /** For a number, its kind: `float` has a fraction. */
  readonly number?: "whole" | "float";
  /** The difference to the reference servers, in words that follow the field. */
  readonly differs?: string;
  of(parts: Parts): string | number;
}

const CODE = "tells of the reference's own code";
const noText: Field = { differs: `${CODE}; here it is -`, of: () => "-" };
const none: Field = { of: () => "None" };

const FIELDS: Readonly<Record<string, Field>> = {
  asctime: { of: ({ stamp }) => stamp.asctime },
  name: { of: ({ name }) => name },
  levelname: { of: ({ level }) => level },
  message: { of: ({ message }) => message },
  msg: { of: ({ message }) => message },
  levelno: { number: "whole", of: ({ level }) => LEVEL_NUMBERS[level] },
  created: { number: "float", of: ({ stamp }) => stamp.wall / 1000 },
  msecs: { number: "float", of: ({ stamp }) => Math.floor(stamp.wall % 1000) },
  relativeCreated: { number: "float", of: ({ stamp }) => stamp.wall - performance.timeOrigin },
  process: { number: "whole", of: () => process.pid },
  processName: { of: () => "MainProcess" },
  thread: { number: "whole", differs: "is the number of the process here", of: () => process.pid },
  threadName: { of: () => "MainThread" },
  taskName: none,
  exc_info: none,
  exc_text: none,
  stack_info: none,
  args: { of: () => "()" },
  filename: noText,
  pathname: noText,
  module: noText,
  funcName: noText,
  lineno: { number: "whole", differs: `${CODE}; here it is 0`, of: () => 0 },
};

/** The fields that a complaint suggests: those with a meaning here. */
const TOLD = ["asctime", "name", "levelname", "message", "levelno", "created", "msecs", "process"];

const FIELD = /%(?:(%)|\((\w+)\)([#0 +-]*)(\d{0,3})(?:\.(\d{1,3}))?[hlL]?([diouxXeEfFgGcrsa]))?/g;

interface Found {
  readonly text: string;
  readonly index: number;
  /** Null for `%%`, undefined for a `%` that is not understood. */
  readonly name: string | null | undefined;
  readonly field: Field | undefined;
  readonly conversion: Conversion;
}

function* fieldsOf(format: string): Generator<Found> {
  for (const found of format.matchAll(FIELD)) {
    const [text, percent, name, flags = "", width = "", precision, kind = "s"] = found;
    yield {
      text,
      index: found.index,
      name: percent === undefined ? name : null,
      field: name !== undefined && Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined,
      conversion: {
        flags,
        width: Number(width),
        precision: precision === undefined ? undefined : Number(precision),
        kind,
      },
    };
  }
}

/** The first error of a line format, in words, or null. */
export function checkFormat(format: string): string | null {
  for (const { text, index, name, field, conversion } of fieldsOf(format)) {
    if (name === null) continue;
    if (name === undefined) {
      return `not understood from ${JSON.stringify(format.slice(index, index + 16))} on (a plain % is %%)`;
    }
    if (field === undefined) {
      return `unknown field ${text} (there are ${TOLD.map((known) => `%(${known})s`).join(", ")} and Python's others)`;
    }
    if (field.number === undefined && !TEXT_KINDS.includes(conversion.kind)) {
      return `${text} is for a number, and ${name} is a text: %(${name})s`;
    }
  }
  return null;
}

/** The differences of lines in this format to those of the reference servers, in words, or null. */
export function differsIn(format: string): string | null {
  const found = [...fieldsOf(format)].flatMap(({ text, field }) =>
    field?.differs === undefined ? [] : [`${text} ${field.differs}`],
  );
  return found.length === 0 ? null : [...new Set(found)].join("; ");
}

/** Compiles a line format; fields that `checkFormat` complains about stay as written. */
export function compileFormat(format: string, name: string): LineFormat {
  const parts: (string | ((values: Parts) => string))[] = [];
  let end = 0;
  for (const { text, index, name: of, field, conversion } of fieldsOf(format)) {
    parts.push(format.slice(end, index));
    end = index + text.length;
    if (of === null) parts.push("%");
    else if (field === undefined) parts.push(text);
    else parts.push((values) => convert(conversion, field.of(values), field.number === "float"));
  }
  parts.push(format.slice(end));
  return (stamp, level, message) => {
    const values = { stamp, name, level, message };
    let line = "";
    for (const part of parts) line += typeof part === "string" ? part : part(values);
    return line;
  };
}
