import { type Path, type Pattern, textOf } from "../keys/path.ts";

/** The lines that tell what becomes of keys. */

/** @param seq the number of the change; null where it has none */
export function setEvent(
  event: "set" | "state",
  path: Path,
  text: string,
  version: number,
  seq: number | null,
): string {
  const key = JSON.stringify(textOf(path));
  return `{"event":"${event}","key":${key},"version":${version}${numbered(seq)},"value":${text}}\n`;
}

/** @param seq as in `setEvent` @param tree true if all below went too */
export function goneEvent(
  event: "del" | "expired",
  path: Path,
  tree: boolean,
  seq: number | null,
): string {
  const key = JSON.stringify(textOf(path));
  return `{"event":"${event}","key":${key}${tree ? ',"tree":true' : ""}${numbered(seq)}}\n`;
}

/** From here on changes are sent as they happen; all up to this one have been sent. @param seq as in `setEvent` */
export function liveEvent(pattern: Pattern, seq: number | null): string {
  return `{"event":"live","keys":${nameOf(pattern)}${numbered(seq)}}\n`;
}

/** Changes were forgotten before they could be sent. @param lost null where nobody knows how many */
export function lostEvent(pattern: Pattern, lost: number | null): string {
  return `{"event":"lost","keys":${nameOf(pattern)},"lost":${lost}}\n`;
}

function nameOf({ path, below }: Pattern): string {
  return JSON.stringify(textOf(below ? [...path, "*"] : path));
}

function numbered(seq: number | null): string {
  return seq === null ? "" : `,"seq":${seq}`;
}
