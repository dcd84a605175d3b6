import { TomlDate } from "smol-toml";

/** The most characters of a found value or key that are shown. */
const MOST = 60;
/** The most characters of a setting's value that are shown where it changes. */
export const SHOWN = 200;

/** A value that is not allowed, in a few words, however large it is. */
export function describe(found: unknown): string {
  if (typeof found === "string") {
    const whole = found.length <= MOST;
    return `${JSON.stringify(cut(found))} (text${whole ? "" : ` of ${found.length} characters`})`;
  }
  if (typeof found === "number") return `${found} (a number)`;
  if (typeof found === "boolean") return `${found}`;
  if (Array.isArray(found)) {
    const text = JSON.stringify(found);
    return `${cut(text)} (a list${text.length <= MOST ? "" : ` of ${found.length}`})`;
  }
  if (found instanceof TomlDate) return `${found.toISOString()} (a date)`;
  if (found === null) return "null";
  return typeof found === "object" ? "a table" : typeof found;
}

/** A path of keys in TOML. */
export function keyText(path: readonly string[]): string {
  return path.map((key) => (/^[\w-]+$/.test(key) ? cut(key) : JSON.stringify(cut(key)))).join(".");
}

/** A text of `most` characters at most: of a longer one the beginning. */
export function cut(text: string, most = MOST): string {
  return text.length <= most ? text : `${text.slice(0, most).toWellFormed()}…`;
}

/** The names of settings, five at most. */
export function shownPaths(paths: readonly string[]): string {
  const shown = paths.slice(0, 5).join(", ");
  return paths.length <= 5 ? shown : `${shown} and ${paths.length - 5} more`;
}
