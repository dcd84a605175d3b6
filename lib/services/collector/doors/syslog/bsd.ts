import { Text, type WrittenEntry } from "../../entry.ts";

// RFC 3164 describes what programs did, and they have done much else since. What is not
// recognised is part of the message, so nothing is lost.

/** A part of a message. */
interface Range {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

const MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec";
/** `Oct 11 22:14:15`, perhaps with a year before or behind the time, parts of a second, and a zone; routers put `*` or `.` before it and a colon behind it. */
const DATED =
  /^[*.]?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d{2}:\d{2}:\d{2})(\.\d{1,9})?(?: (\d{4})(?![^ :]))?(?: ?(Z|UTC|GMT|[+-]\d{2}:?\d{2})(?![^ :]))?:?(?: |$)/;
/** As rsyslog and syslog-ng write it. */
const ISO = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[^ ]{0,20}) /;
/** `sshd[123]: `, of which the colon or the space may be missing, or `sshd: `. */
const TAG = /^([^ [\]:]{1,128})(?:\[([^ \]]{0,64})\](?:: ?| )|:(?: |$))/;
const HOST = /^([^ ]{1,255}) /;

/**
 * Reads a message behind its priority: a date, a host and a tag, each if it is there.
 * @param head its first bytes, each as a character
 * @returns true: whatever it is, it is understood
 */
export function readBsd(entry: WrittenEntry, head: string, whole: Range, wall: number): true {
  let at = 0;
  const take = (pattern: RegExp) => {
    const found = pattern.exec(head.slice(at));
    at += found?.[0].length ?? 0;
    return found;
  };
  const dated = take(DATED);
  const iso = dated ? null : take(ISO);
  if (dated) entry.put(Text.timestamp, timestampOf(dated, wall));
  if (iso) entry.put(Text.timestamp, iso[1] as string);
  let tag = take(TAG);
  // A host stands behind a date only, and what ends with a colon is no host.
  if (!tag && (dated || iso)) {
    const host = take(HOST);
    if (host) copy(entry, Text.hostname, host[1] as string);
    tag = take(TAG);
  }
  if (tag) {
    copy(entry, Text.loggerName, tag[1] as string);
    if (tag[2] !== undefined) copy(entry, Text.processId, tag[2]);
  }
  entry.copy(Text.message, whole.bytes, whole.start + at, whole.end);
  return true;
}

/** The date in the form of ISO 8601. Without a year it gets the one that brings it nearest to now; without a zone it gets none. */
function timestampOf(found: RegExpExecArray, wall: number): string {
  const [, name = "", day = "", before, time = "", fraction = "", behind, zone = ""] = found;
  const month = MONTHS.indexOf(name) / 3;
  if (!Number.isInteger(month) || month < 0) return found[0].trimEnd();
  const year = Number(before ?? behind ?? nearestYear(month, Number(day), wall));
  const date = [month + 1, day].map((part) => String(part).padStart(2, "0")).join("-");
  return `${year}-${date}T${time}${fraction}${zone === "UTC" || zone === "GMT" ? "Z" : zone}`;
}

function nearestYear(month: number, day: number, wall: number): number {
  const now = new Date(wall).getUTCFullYear();
  const distance = (year: number) => Math.abs(Date.UTC(year, month, day) - wall);
  return [now, now - 1, now + 1].reduce((a, b) => (distance(b) < distance(a) ? b : a));
}

/** Puts a text of bytes that were read as if each were a character. */
function copy(entry: WrittenEntry, place: number, text: string): void {
  entry.copy(place, Buffer.from(text, "latin1"));
}
