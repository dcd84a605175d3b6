/** The levels of the log, with their numbers in Python's logging. */
export const LEVEL_NUMBERS = {
  DEBUG: 10,
  INFO: 20,
  WARNING: 30,
  ERROR: 40,
  CRITICAL: 50,
} as const;

export type Level = keyof typeof LEVEL_NUMBERS;

export const LEVELS = Object.keys(LEVEL_NUMBERS) as Level[];

/** Other names of levels in Python's logging. */
const OTHER_NAMES: Readonly<Record<string, Level>> = {
  WARN: "WARNING",
  FATAL: "CRITICAL",
  NOTSET: "DEBUG",
};

/** The level as a reference server reads it from its file: in any case, by Python's other names, or as a number. */
export function levelOfReference(found: unknown): Level | undefined {
  if (typeof found === "number") return LEVELS.find((level) => LEVEL_NUMBERS[level] >= found);
  if (typeof found !== "string") return undefined;
  const name = found.trim().toUpperCase();
  return OTHER_NAMES[name] ?? LEVELS.find((level) => level === name);
}
