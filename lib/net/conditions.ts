/** What tells one state of a resource from all others. */
export interface Validators {
  /** With its quotes, and `W/` before them where it is weak. */
  readonly etag: string;
  /** Milliseconds since 1970; null where that is not known. */
  readonly modifiedMs: number | null;
}

/**
 * Judges what a request makes its condition (RFC 9110, 13.2.2).
 * @returns 304 where the client has what it asks for, 412 where the resource is not what it expects, else null
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

/** Whether a part that a request asks for fits what it has already, by its `If-Range`. */
export function isPartOfSame({ headers }: Request, { etag, modifiedMs }: Validators): boolean {
  const known = headers.get("if-range");
  if (known === null) return true;
  if (known.includes('"')) return isSameStrongly(known, etag);
  // A weak tag says that the date is no better.
  const date = isWeak(etag) ? null : httpDate(known);
  return date !== null && modifiedMs !== null && date === inSeconds(modifiedMs);
}

/** A date as HTTP writes it, in any of its three forms; null for anything else. */
export function httpDate(text: string): number | null {
  const found = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups);
  if (!found) return null;
  const { day, month = "", year = "", time = "" } = found;
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number);
  const whole = year.length === 2 ? Number(year) + (Number(year) < 70 ? 2000 : 1900) : Number(year);
  const date = Date.UTC(whole, MONTHS.indexOf(month), Number(day), hours, minutes, seconds);
  // The 31st of February is no day.
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

/** Whether a list of tags has this one; `*` stands for any. What cannot be read, and all after it, names none. */
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

/** Whether something was changed after a date; false where either is not known. */
function isLater(modifiedMs: number | null, date: number | null): boolean {
  return modifiedMs !== null && date !== null && inSeconds(modifiedMs) > date;
}

/** HTTP's dates have no more than whole seconds. */
function inSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}
