import { dirname } from "node:path";
import type { LogWriter } from "../file/writer.ts";
import type { BlockedTold } from "./told.ts";

/** What to do about an error of the system, by its code. */
function cureFor(code: string, path: string): string {
  const folder = dirname(path);
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return `Make room on the disk of ${folder}.`;
    case "EACCES":
    case "EPERM":
      return `Let the server write ${path} and its folder.`;
    case "EROFS":
      return `The disk of ${folder} cannot be written: see why, and mount it anew.`;
    case "ENOENT":
    case "ENOTDIR":
      return `Make the folder ${folder} again.`;
    case "EMFILE":
    case "ENFILE":
      return "Let the server open more files.";
    default:
      return `See what is wrong with the disk of ${folder}; the system's own log may tell more.`;
  }
}

/** Why nothing is written at present, since when, and what to do; null while all is well. */
export function blockedTold(writer: LogWriter): BlockedTold | null {
  const { blocked, blocking, path } = writer;
  const { trouble } = blocking;
  if (blocked === null) return null;
  const last = writer.next - writer.pending - 1;
  return {
    reason: blocked,
    ms: Math.round(blocking.sinceMs ?? 0),
    attempts: trouble.attempts,
    cure: cureFor(trouble.code, path),
    last: last < 0 ? null : last,
  };
}
