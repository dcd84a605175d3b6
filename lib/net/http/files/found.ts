import type { Stats } from "node:fs";

/** A file that was found, with its state at that time. */
export interface Found {
  readonly path: string;
  readonly stats: Stats;
}

/** Within this many milliseconds of a change a file may change again without another time of change. */
const YOUNG_MS = 1000;

/** @param wall milliseconds since 1970 */
export function isYoung({ stats }: Found, wall: number): boolean {
  return Math.abs(wall - stats.mtimeMs) < YOUNG_MS;
}

/** A text that changes with the size or the time of change of a file. */
export function versionOf({ stats: { size, mtimeMs } }: Found): string {
  return `${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}`;
}
