import type { Option } from "../../config/option.ts";
import { askChoice, askText, BACK, type Back } from "./ask.ts";
import { answered, type Draft, OPTIONS, valueIn } from "./draft.ts";

interface Asking {
  /** An explanation in place of the table's. */
  readonly about?: string;
  /** The answer that an empty line means; if not given, the present value. */
  readonly initial?: string;
  /** The error of a value that the table allows, but that cannot be taken here; or null. */
  refuse?(value: unknown): string | null;
  /** The reason that a value would not work on this machine at present, or null; a person may insist on it. */
  doubt?(value: unknown): string | null;
}

/** Asks for the value of an option, with the table's explanation. */
export async function askOption(
  draft: Draft,
  path: string,
  title: string,
  { about, initial, refuse, doubt }: Asking = {},
): Promise<Draft | Back> {
  const option = OPTIONS.get(path) as Option<unknown>;
  const current = valueIn(draft, path);
  const words = about ?? option.about;
  let answer: unknown;
  if (option.words || typeof current === "boolean") {
    const values = option.words ?? [true, false];
    const choices = values.map((value) => ({ value, label: String(value) }));
    const asked = await askChoice<string | boolean>(
      title,
      words,
      choices,
      current as string | boolean,
    );
    if (asked === BACK) return BACK;
    answer = asked;
  } else {
    let told: unknown;
    const text = await askText(title, words, initial ?? typed(current), (found) => {
      const value = valueOf(option, found);
      if (value === undefined) return `found ${found}; allowed: ${option.allowed}`;
      const refused = refuse?.(value) ?? null;
      if (refused !== null) return refused;
      const doubted = value === told ? null : (doubt?.(value) ?? null);
      told = value;
      return doubted && `${doubted}; choose another, or press Enter again to keep it`;
    });
    if (text === BACK) return BACK;
    answer = valueOf(option, text);
  }
  return answered(draft, path, answer);
}

/** The value that a person means by a text, or undefined if that is not allowed. */
function valueOf(option: Option<unknown>, text: string): unknown {
  const found = /^-?\d+$/.test(text) ? Number(text) : text === "false" ? false : text;
  return (
    option.read(found) ?? option.read(text) ?? option.read(text.split(/[\s,]+/).filter(Boolean))
  );
}

/** A value as a person types it. */
function typed(value: unknown): string {
  if (value === null) return "";
  return Array.isArray(value) ? value.join(", ") : String(value);
}

/** The last word of a dotted path. */
export function lastKey(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}
