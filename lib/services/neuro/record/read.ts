import { statSync } from "node:fs";
import { reasonOf } from "../../../config/reason.ts";
import { type FrameLine, type Head, RECORD_VERSION, type RecordEnd } from "./lines.ts";

/** A record, as far as it can be read. */
export interface Recorded {
  readonly head: Head;
  /** In the order in which they came and went. */
  readonly frames: readonly FrameLine[];
  /** How long the session took, as far as it is recorded; milliseconds. */
  readonly lastedMs: number;
  /** null when the last line is missing: its server did not live to write it, or there is damage. */
  readonly end: RecordEnd | null;
  /** The first line that cannot be read; nothing from there on is used. */
  readonly damage: { readonly line: number; readonly why: string } | null;
}

/** Longer files are none that was written here. */
const MOST_BYTES = 2 ** 29;
/** Times that are later are no times. */
const LONGEST_MS = 10 ** 11;

/** @throws Error with the reason when the file cannot be read, or is no record */
export async function readRecord(path: string): Promise<Recorded> {
  let text: string;
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new Error(stats.isDirectory() ? "it is a folder" : "it is no file");
    if (stats.size > MOST_BYTES) throw new Error(`it has more than ${MOST_BYTES} bytes`);
    text = await Bun.file(path).text();
  } catch (error) {
    throw new Error(reasonOf(error));
  }
  return recordIn(text);
}

/** @throws Error with the reason when the text is no record */
export function recordIn(text: string): Recorded {
  const lines = text.split("\n");
  // What follows the last newline is a line that was not written to its end.
  const broken = lines.pop() ?? "";
  const [first = broken, ...more] = lines;
  const head = headIn(first);
  const frames: FrameLine[] = [];
  let lastedMs = 0;
  const recorded = (end: RecordEnd | null, damage: Recorded["damage"]): Recorded => {
    return { head, frames, lastedMs, end, damage };
  };
  for (const [at, line] of more.entries()) {
    const found = objectIn(line);
    const ms = found?.["ms"];
    if (found === null || !isTime(ms, lastedMs)) {
      const why = found === null ? "it is no JSON object" : "its ms is no time after those before";
      return recorded(null, { line: at + 2, why });
    }
    const { kind, text: frame, why } = found;
    const isFrame = kind === "in" || kind === "out";
    if (isFrame && typeof frame !== "string") {
      return recorded(null, { line: at + 2, why: "it has no text" });
    }
    lastedMs = ms;
    if (kind === "end") return recorded(isEnd(why) ? why : "stopped", null);
    if (isFrame) frames.push({ kind, ms, text: frame as string });
  }
  const isBroken = broken !== "" && lines.length > 0;
  return recorded(null, isBroken ? { line: lines.length + 1, why: "it breaks off" } : null);
}

function headIn(line: string): Head {
  const { kind, version, program, at, game } = objectIn(line) ?? {};
  if (kind !== "record") throw new Error("its first line is not that of a record");
  if (version !== RECORD_VERSION) {
    throw new Error(`it is of version ${JSON.stringify(version)}, not ${RECORD_VERSION}`);
  }
  const text = (found: unknown) => (typeof found === "string" ? found : "");
  return { kind, version, program: text(program), at: text(at), game: text(game) };
}

function objectIn(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const found: unknown = JSON.parse(line);
    const isObject = typeof found === "object" && found !== null && !Array.isArray(found);
    return isObject ? (found as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isTime(found: unknown, after: number): found is number {
  return typeof found === "number" && found >= after && found <= LONGEST_MS;
}

function isEnd(found: unknown): found is RecordEnd {
  return found === "closed" || found === "full" || found === "stopped";
}
