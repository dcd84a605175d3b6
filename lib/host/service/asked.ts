/** Reads what the page asks for: the parameters of views and the fields of acts. */
import { Refused } from "./panel.ts";

export type Given = Readonly<Record<string, unknown>>;

/** A whole number, which a query has as text. @throws Refused */
export function whole(given: Given, name: string, min: number, max: number, usual?: number) {
  const found = given[name];
  if (found === undefined && usual !== undefined) return usual;
  const value = typeof found === "string" && /^\d{1,15}$/.test(found) ? Number(found) : found;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw new Refused(400, `${name}: needs a whole number from ${min} to ${max}`);
}

/** A text that is not longer than `most`. @throws Refused */
export function text(given: Given, name: string, most: number, usual?: string): string {
  const found = given[name] ?? usual;
  if (typeof found === "string" && found.length <= most) return found;
  throw new Refused(400, `${name}: needs a text of at most ${most} characters`);
}

/** One of a few words. @throws Refused */
export function word<W extends string>(given: Given, name: string, words: readonly W[]): W {
  const found = words.find((one) => one === given[name]);
  if (found !== undefined) return found;
  throw new Refused(400, `${name}: allowed: ${words.join(", ")}`);
}
