import { oneLine, printable } from "../../host/content.ts";

/** Whether what is printed is for a person. */
export const toTerminal = process.stdout.isTTY === true;

/** Prints, and waits until it has been taken. @returns false when nobody reads it any more */
export function print(text: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  process.stdout.write(text, (error) => resolve(!error));
  return promise;
}

/** A value: indented for a person, on one line for a program; with `asText` a text is itself. */
export function valueShown(value: unknown, asText = false): string {
  if (!asText || typeof value !== "string") {
    return toTerminal ? perLine(JSON.stringify(value, null, 2), oneLine) : JSON.stringify(value);
  }
  return toTerminal ? perLine(value, printable) : value;
}

/** One line of text, and JSON on one line, with nothing in them that would command a terminal. */
export const textShown = (text: string) => (toTerminal ? printable(text) : text);
export const jsonShown = (json: string) => (toTerminal ? oneLine(json) : json);

function perLine(text: string, shown: (line: string) => string): string {
  return text.split("\n").map(shown).join("\n");
}
