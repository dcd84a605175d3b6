import type { Stats } from "node:fs";

/** A file, as it was when it was looked for. */
export interface Found {
  readonly path: string;
  readonly stats: Stats;
}

/** What tells a file from an older one of the same name. */
export function versionOf({ stats: { size, mtimeMs } }: Found): string {
  return `${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}`;
}
