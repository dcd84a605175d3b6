import { styleText } from "node:util";
import {
  confirm,
  isCancel,
  log,
  multiselect,
  note,
  password,
  S_BAR,
  select,
  text,
  updateSettings,
} from "@clack/prompts";

/** The answer that goes back a step. */
export const BACK = Symbol("back");
export type Back = typeof BACK;

/** A person has ended the questions. */
export class Cancelled extends Error {}

/** The key that goes back, in every question. */
const BACK_KEY = "<";

// Ctrl-D ends the input, which would leave a question open for ever.
updateSettings({ aliases: { [BACK_KEY]: "cancel", "\x04": "cancel" } });

/** A choice of a question. */
export interface Choice<T> {
  readonly value: T;
  readonly label: string;
  /** A text after the label while the choice is marked. */
  readonly hint?: string | undefined;
  /** A text below the label. */
  readonly more?: string;
}

/**
 * Asks a question. The end of the input, or a signal, cancels it.
 * @throws Cancelled
 */
async function asked<T>(
  question: (signal: AbortSignal) => Promise<T | symbol>,
): Promise<Exclude<T, symbol> | Back> {
  const { stdin } = process;
  const gone = new AbortController();
  const end = () => gone.abort();
  let last: string | undefined;
  const see = (key: string | undefined) => {
    last = key;
  };
  stdin.on("keypress", see);
  stdin.on("end", end);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  try {
    const answer = await question(gone.signal);
    if (!isCancel(answer)) return answer as Exclude<T, symbol>;
    if (last === BACK_KEY && !gone.signal.aborted) return BACK;
    throw new Cancelled();
  } finally {
    stdin.off("keypress", see);
    stdin.off("end", end);
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
  }
}

/** Columns that text may take beside the guide. */
function room(): number {
  return Math.max(20, (process.stdout.columns || 80) - 4);
}

function fitted(words: string): string {
  return Bun.wrapAnsi(words, room(), { hard: true });
}

/** A question and its explanation, as lines that fit. */
function lines(title: string, about: string): string[] {
  const below = about === "" ? [] : fitted(about).split("\n");
  return [...fitted(title).split("\n"), ...below.map((line) => styleText("dim", line))];
}

/** The same for prompts that draw the guide only at their first line. */
function guided(title: string, about: string): string {
  return lines(title, about).join(`\n${styleText("gray", S_BAR)}  `);
}

/** Asks for one of a few choices. */
export function askChoice<const T extends string | boolean>(
  title: string,
  about: string,
  choices: readonly Choice<T>[],
  initial: T,
): Promise<T | Back> {
  const message = lines(title, about).join("\n");
  // The prompt's own type of an option varies by the type of its value.
  const options = choices.map(plain) as { value: T; label: string }[] as never;
  return asked<T>((signal) =>
    select<T>({ message, options, initialValue: initial, signal, showInstructions: false }),
  ) as Promise<T | Back>;
}

/** Asks for any of a few choices. @param required at least one */
export function askSeveral(
  title: string,
  choices: readonly Choice<string>[],
  initial: readonly string[],
  required = true,
): Promise<readonly string[] | Back> {
  return asked<readonly string[]>((signal) =>
    multiselect<string>({
      message: title,
      options: choices.map(plain),
      initialValues: initial,
      required,
      signal,
    }),
  );
}

function plain<T>({ value, label: title, hint, more }: Choice<T>) {
  // The prompt counts the colours of its guide as columns.
  const width = room() - 12;
  const words = more === undefined ? title : `${title}\n${more}`;
  const label = Bun.wrapAnsi(words, width, { hard: true }).replaceAll("\n", "\n  ");
  return hint === undefined ? { value, label } : { value, label, hint };
}

export function askYes(title: string, initial = true): Promise<boolean | Back> {
  return asked((signal) => confirm({ message: title, initialValue: initial, signal }));
}

/**
 * Asks for a line of text.
 * @param initial the answer that an empty line means
 * @param trouble the fault of a text in words, or null
 */
export function askText(
  title: string,
  about: string,
  initial: string,
  trouble: (text: string) => string | null,
): Promise<string | Back> {
  return asked((signal) =>
    text({
      message: guided(title, about),
      placeholder: initial,
      defaultValue: initial,
      validate: (found) => complaint(trouble(found?.trim() || initial)),
      signal,
    }),
  ).then((answer) => (typeof answer === "string" ? answer.trim() || initial : answer));
}

/** Asks for a line of text that is not shown. */
export function askSecret(
  title: string,
  about: string,
  trouble: (text: string) => string | null,
): Promise<string | Back> {
  return asked((signal) =>
    password({
      message: guided(title, about),
      validate: (found) => complaint(trouble(found ?? "")),
      signal,
    }),
  );
}

function complaint(trouble: string | null): string | undefined {
  // The prompt indents only the first line.
  return trouble === null ? undefined : fitted(trouble).replaceAll("\n", "\n   ");
}

/** Says something between two questions. */
export const tell = {
  info: (words: string) => log.info(fitted(words)),
  warn: (words: string) => log.warn(fitted(words)),
  error: (words: string) => log.error(fitted(words)),
  done: (words: string) => log.success(fitted(words)),
  /** Lines that keep their breaks; a long one goes on below. */
  lines: (lines: readonly string[]) => log.message(lines.flatMap((one) => fitted(one).split("\n"))),
  box: (title: string, lines: readonly string[]) =>
    note(lines.join("\n"), title, { format: (line) => line }),
};
