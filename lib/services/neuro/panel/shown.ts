/** Texts of games, as the page gets them: cut, and safe to show. */
import { beginning, printable } from "../../../host/content.ts";

/** A text on one line; of a longer one the beginning, and how much more there is. */
export function line(text: string, most = 200): string {
  return printable(beginning(text, most));
}

/** The same for a text that keeps its lines and tabs. */
export function lines(text: string, most: number): string {
  return beginning(text, most).replaceAll("\r\n", "\n").split("\n").map(printable).join("\n");
}
