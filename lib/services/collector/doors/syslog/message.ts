import { ATTRIBUTES, Text, WrittenEntry } from "../../entry.ts";
import { SEVERITIES } from "../../levels.ts";
import { type Attributes, noAttributes } from "../attributes.ts";
import { isoOfArrival } from "../time.ts";
import { readBsd } from "./bsd.ts";
import { readElements } from "./elements.ts";

/** The facilities by their numbers, as syslog.h names them, and RFC 5424 those it lacks. */
const FACILITIES =
  "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock local0 local1 local2 local3 local4 local5 local6 local7".split(
    " ",
  );
const MOST_PRIORITY = 191;

/** Bytes of a header that are looked at. */
const HEAD = 2048;
const PRIORITY = /^<(\d{1,3})>/;
/** `VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID` of RFC 5424, up to its structured data. */
const HEADER =
  /^<\d{1,3}>[1-9]\d{0,2} ([^ ]{1,300}) ([^ ]{1,300}) ([^ ]{1,300}) ([^ ]{1,300}) ([^ ]{1,300})(?: |$)/;
const BYTE_ORDER_MARK = Buffer.from("\ufeff");

const [NEWLINE, RETURN, NUL] = [10, 13, 0];
const [DASH, SPACE, BRACKET] = [0x2d, 0x20, 0x5b];

/** Reads messages of syslog into an entry: those of RFC 5424, and what goes by RFC 3164. */
export class SyslogReader {
  readonly entry = new WrittenEntry();

  /**
   * @param sender the address that it came from, for a message that names no host
   * @param wall milliseconds since 1970, for one that names no time, or no year
   * @returns false when it was not understood: then it is the message, as it came, or what is left behind a header
   */
  read(bytes: Buffer, start: number, end: number, sender: string, wall: number): boolean {
    const { entry } = this;
    entry.clear();
    const isUnderstood = this.#read(bytes, start, end, wall);
    if (entry.length(Text.hostname) === 0) entry.put(Text.hostname, sender);
    if (entry.length(Text.timestamp) === 0) entry.put(Text.timestamp, isoOfArrival(wall));
    return isUnderstood;
  }

  #read(bytes: Buffer, start: number, end: number, wall: number): boolean {
    const { entry } = this;
    const head = bytes.toString("latin1", start, Math.min(end, start + HEAD));
    const [mark = "", digits] = PRIORITY.exec(head) ?? [];
    const priority = Number(digits ?? MOST_PRIORITY + 1);
    if (priority > MOST_PRIORITY) {
      entry.copy(Text.message, bytes, start, end);
      return false;
    }
    entry.level = SEVERITIES[priority & 7] as number;
    const attributes = noAttributes();
    const header = HEADER.exec(head);
    const isUnderstood = header
      ? this.#readHeaded(header, bytes, start, end, attributes)
      : readBsd(entry, head.slice(mark.length), { bytes, start: start + mark.length, end }, wall);
    attributes["facility"] = FACILITIES[priority >> 3] as string;
    entry.put(ATTRIBUTES, JSON.stringify(attributes));
    return isUnderstood;
  }

  #readHeaded(
    header: RegExpExecArray,
    bytes: Buffer,
    start: number,
    end: number,
    attributes: Attributes,
  ): boolean {
    const [whole, timestamp = "", hostname = "", app = "", process = "", id = ""] = header;
    this.#put(Text.timestamp, timestamp);
    this.#put(Text.hostname, hostname);
    this.#put(Text.loggerName, app);
    this.#put(Text.processId, process);
    let at = start + whole.length;
    let isUnderstood = true;
    if (at < end && bytes[at] === DASH && (at + 1 === end || bytes[at + 1] === SPACE)) at++;
    else if (at < end && bytes[at] === BRACKET) {
      const after = readElements(bytes, at, end, attributes);
      isUnderstood = after !== null;
      at = after ?? at;
    }
    // Set last, since any name may stand in the structured data.
    if (id !== "-") attributes["msgid"] = utf8(id);
    if (at < end && bytes[at] === SPACE) at++;
    const isMarked = bytes.subarray(at, Math.min(end, at + 3)).equals(BYTE_ORDER_MARK);
    this.entry.copy(Text.message, bytes, isMarked ? at + 3 : at, end);
    return isUnderstood;
  }

  /** `-` stands for nothing. */
  #put(place: number, text: string): void {
    if (text !== "-") this.entry.put(place, utf8(text));
  }
}

/** Where a message ends without what some programs put behind it: a newline, a return, NUL. */
export function trimmedEnd(bytes: Buffer, start: number, end: number): number {
  let to = end;
  while (to > start) {
    const byte = bytes[to - 1];
    if (byte !== NEWLINE && byte !== RETURN && byte !== NUL) break;
    to--;
  }
  return to;
}

/** Text of bytes that were read as if each were a character. */
function utf8(text: string): string {
  return Buffer.from(text, "latin1").toString("utf8");
}
