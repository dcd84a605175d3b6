/** The levels of an entry, by their numbers on the wire. */
export const LEVELS = [
  "NOTSET",
  "DEBUG",
  "STREAM",
  "INFO",
  "LOGON",
  "LOGOUT",
  "TRADE",
  "SCHEDULE",
  "REPORT",
  "WARNING",
  "ERROR",
  "CRITICAL",
] as const;

export type LevelName = (typeof LEVELS)[number];

/** The number of a level. */
export const Level = Object.fromEntries(LEVELS.map((name, number) => [name, number])) as Readonly<
  Record<LevelName, number>
>;

/** The largest number that a level can have on the wire. */
export const MOST_LEVEL = 0xffff;

/** A level as it is written: `INFO`; one that is not known is `LEVEL<n>`. */
export function levelText(level: number): string {
  return LEVELS[level] ?? `LEVEL${level}`;
}

/** The levels of syslog's severities, 0 to 7. */
export const SEVERITIES: readonly number[] = [
  Level.CRITICAL,
  Level.CRITICAL,
  Level.CRITICAL,
  Level.ERROR,
  Level.WARNING,
  Level.REPORT,
  Level.INFO,
  Level.DEBUG,
];

/** Other programs' names for levels. */
const OTHER_NAMES: Readonly<Record<string, LevelName>> = {
  TRACE: "DEBUG",
  VERBOSE: "DEBUG",
  SILLY: "DEBUG",
  HTTP: "INFO",
  INFORMATION: "INFO",
  INFORMATIONAL: "INFO",
  LOG: "INFO",
  NOTICE: "REPORT",
  WARN: "WARNING",
  ERR: "ERROR",
  SEVERE: "ERROR",
  CRIT: "CRITICAL",
  FATAL: "CRITICAL",
  ALERT: "CRITICAL",
  EMERG: "CRITICAL",
  EMERGENCY: "CRITICAL",
  PANIC: "CRITICAL",
};

/** The level of a name in any case, ours or another program's, or of `LEVEL<n>`; null when it is none. */
export function levelOf(name: string): number | null {
  const upper = name.toUpperCase();
  const level = (Level as Readonly<Record<string, number>>)[OTHER_NAMES[upper] ?? upper];
  if (level !== undefined) return level;
  const number = /^LEVEL(\d{1,5})$/.exec(upper)?.[1];
  return number !== undefined && Number(number) <= MOST_LEVEL ? Number(number) : null;
}
