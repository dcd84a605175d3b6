import type { Stats } from "node:fs";

/** A file, as it was when it was looked for. */
export interface Found {
  readonly path: string;
  readonly stats: Stats;
}

/** A file that was changed so short a time ago may change again without any sign of it. */
const YOUNG_MS = 1000;

/** @param wall milliseconds since 1970 */
export function isYoung({ stats }: Found, wall: number): boolean {
  return Math.abs(wall - stats.mtimeMs) < YOUNG_MS;
}

/** What tells a file from an older one of the same name. */
export function versionOf({ stats: { size, mtimeMs } }: Found): string {
  return `${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}`;
}
