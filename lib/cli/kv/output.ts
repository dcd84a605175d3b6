import { oneLine, printable } from "../../host/content.ts";
import { nestingOf } from "./nesting.ts";

/** True if a person reads the output. */
export const toTerminal = process.stdout.isTTY === true;

/** Prints a text and waits until it has been taken. @returns false if nobody reads any more */
export function print(text: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  process.stdout.write(text, (error) => resolve(!error));
  return promise;
}

/** The most characters of indentation; a long value that is nested deep would have gigabytes. */
const INDENTATION = 16 * 2 ** 20;

/** A value as JSON: indented for a person if that is not too much, on one line for a program. With `asText` a text is printed as it is. */
export function valueShown(value: unknown, asText = false): string {
  if (!asText || typeof value !== "string") {
    const json = JSON.stringify(value);
    if (!toTerminal) return json;
    if (nestingOf(json).indentation > INDENTATION) return oneLine(json);
    return perLine(JSON.stringify(value, null, 2), oneLine);
  }
  return toTerminal ? perLine(value, printable) : value;
}

/** A line of text, and JSON on one line; in a terminal without anything that would command it. */
export const textShown = (text: string) => (toTerminal ? printable(text) : text);
export const jsonShown = (json: string) => (toTerminal ? oneLine(json) : json);

/** A key and its value, on one line. */
export const entryShown = (key: string, value: unknown) =>
  `${textShown(key)}\t${jsonShown(JSON.stringify(value))}\n`;

function perLine(text: string, shown: (line: string) => string): string {
  return text.split("\n").map(shown).join("\n");
}
