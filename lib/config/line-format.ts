/** Log lines in the style of Python's logging: `%(asctime)s - %(message)s`, with widths. */

const FIELDS = ["asctime", "name", "levelname", "message"] as const;
const FIELD = /%(?:(%)|\((\w+)\)(-?)(\d{0,3})(?:\.(\d{1,3}))?s)?/g;

/** Why a line format will not do, in words, or null. */
export function checkFormat(format: string): string | null {
  for (const found of format.matchAll(FIELD)) {
    const [text, percent, field] = found;
    if (percent !== undefined) continue;
    if (field === undefined)
      return `not understood from ${JSON.stringify(format.slice(found.index, found.index + 16))} on (a plain % is %%)`;
    if (!FIELDS.some((known) => known === field)) {
      return `unknown field ${text} (there are ${FIELDS.map((known) => `%(${known})s`).join(", ")})`;
    }
  }
  return null;
}

/** Makes a line of its parts. */
export type LineFormat = (asctime: string, levelname: string, message: string) => string;

/** Compiles a line format; what `checkFormat` complains of stays as written. */
export function compileFormat(format: string, name: string): LineFormat {
  const parts: (string | ((values: Record<string, string>) => string))[] = [];
  let end = 0;
  for (const found of format.matchAll(FIELD)) {
    const [text, percent, field, left, width, most] = found;
    parts.push(format.slice(end, found.index));
    end = found.index + text.length;
    if (percent !== undefined) parts.push("%");
    else if (field === undefined || !FIELDS.some((known) => known === field)) parts.push(text);
    else {
      parts.push((values) => {
        const value = most === undefined ? values[field]! : values[field]!.slice(0, Number(most));
        return left === "-" ? value.padEnd(Number(width)) : value.padStart(Number(width));
      });
    }
  }
  parts.push(format.slice(end));
  return (asctime, levelname, message) => {
    const values = { asctime, name, levelname, message };
    let line = "";
    for (const part of parts) line += typeof part === "string" ? part : part(values);
    return line;
  };
}
