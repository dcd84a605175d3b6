/** The marks of one state of a resource, by which it is told from all others (RFC 9110, 8.8). */
export interface Validators {
  /** With its quotes, and `W/` before them if it is weak. */
  readonly etag: string;
  /** Milliseconds since 1970; null if that is not known. */
  readonly modifiedMs: number | null;
}

/**
 * Judges the conditions of a request (RFC 9110, 13.2.2).
 * @returns 304 if the client already has this state, 412 if it expects another one, null if its conditions are met
 */
export function unmet({ method, headers }: Request, now: Validators): 304 | 412 | null {
  const match = headers.get("if-match");
  const unmodified = headers.get("if-unmodified-since");
  if (match !== null) {
    if (!namesTag(match, now.etag, isSameStrongly)) return 412;
  } else if (unmodified !== null && isLater(now.modifiedMs, httpDate(unmodified))) return 412;
  const isRead = method === "GET" || method === "HEAD";
  const none = headers.get("if-none-match");
  if (none !== null) {
    if (!namesTag(none, now.etag, isSameWeakly)) return null;
    return isRead ? 304 : 412;
  }
  const modified = headers.get("if-modified-since");
  const since = isRead && modified !== null ? httpDate(modified) : null;
  return since !== null && now.modifiedMs !== null && !isLater(now.modifiedMs, since) ? 304 : null;
}

/** True if a part of this state fits the parts that the client has already, by its `If-Range` (RFC 9110, 13.1.5). */
export function isPartOfSame({ headers }: Request, { etag, modifiedMs }: Validators): boolean {
  const known = headers.get("if-range");
  if (known === null) return true;
  if (known.includes('"')) return isSameStrongly(known, etag);
  // If the tag is weak, the date does not prove that the bytes are the same either.
  const date = isWeak(etag) ? null : httpDate(known);
  return date !== null && modifiedMs !== null && date === inSeconds(modifiedMs);
}

/** A date in any of HTTP's three forms (RFC 9110, 5.6.7), as milliseconds since 1970; null for anything else. */
export function httpDate(text: string): number | null {
  const found = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups);
  if (!found) return null;
  const { day, month = "", year = "", time = "" } = found;
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number);
  const whole = year.length === 2 ? Number(year) + (Number(year) < 70 ? 2000 : 1900) : Number(year);
  const date = Date.UTC(whole, MONTHS.indexOf(month), Number(day), hours, minutes, seconds);
  // `Date.UTC` makes the 31st of February a day of March.
  const isReal = new Date(date).getUTCDate() === Number(day) && hours < 24 && minutes < 60;
  return isReal && seconds <= 60 ? date : null;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].join("|");
const LONG_DAYS = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day";
const MONTH = `(?<month>${MONTHS.join("|")})`;
const TIME = "(?<time>\\d\\d:\\d\\d:\\d\\d)";
const FORMS = [
  `(?:${DAYS}), (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} GMT`,
  `${LONG_DAYS}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT`,
  `(?:${DAYS}) ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})`,
].map((form) => new RegExp(`^${form}$`));

/** An entity tag and what separates it from the next. */
const TAG = /[\t ,]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[\t ]*(?=,|$)/y;

/** True if a list of tags has this one; `*` stands for any. From the first tag that cannot be read on, the list is ignored. */
function namesTag(list: string, etag: string, isSame: (a: string, b: string) => boolean): boolean {
  if (list.trim() === "*") return true;
  TAG.lastIndex = 0;
  for (let found = TAG.exec(list); found; found = TAG.exec(list)) {
    if (isSame(found[1] as string, etag)) {
      TAG.lastIndex = 0;
      return true;
    }
  }
  return false;
}

function isSameStrongly(a: string, b: string): boolean {
  return a === b && !isWeak(a);
}

function isSameWeakly(a: string, b: string): boolean {
  return bare(a) === bare(b);
}

function isWeak(etag: string): boolean {
  return etag.startsWith("W/");
}

function bare(etag: string): string {
  return isWeak(etag) ? etag.slice(2) : etag;
}

/** True if the change is later than the date; false if either is not known. */
function isLater(modifiedMs: number | null, date: number | null): boolean {
  return modifiedMs !== null && date !== null && inSeconds(modifiedMs) > date;
}

/** Cut to whole seconds, as HTTP's dates are. */
function inSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
