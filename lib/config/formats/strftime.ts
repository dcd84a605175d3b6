/** Time stamps in the manner of strftime, in local time, fast enough for one per relayed line. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

const pad = (value: number, width = 2): string => String(value).padStart(width, "0");
const day = (date: Date): string => DAYS[date.getDay()]!;
const month = (date: Date): string => MONTHS[date.getMonth()]!;

function dayOfYear(date: Date): number {
  const midnight = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return (midnight - Date.UTC(date.getFullYear(), 0, 1)) / 86_400_000 + 1;
}

/** The week of the year, counted from the first day that is the weekday `first` (0 is Sunday). */
function weekOfYear(date: Date, first: number): number {
  return Math.floor((dayOfYear(date) + 6 - ((date.getDay() - first + 7) % 7)) / 7);
}

/** The Thursday of a date's week, which begins on Monday: an ISO 8601 week belongs to the year of its Thursday. */
function thursday(date: Date): Date {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
}

function offset(date: Date): string {
  const minutes = Math.abs(date.getTimezoneOffset());
  const sign = date.getTimezoneOffset() > 0 ? "-" : "+";
  return sign + pad(Math.floor(minutes / 60)) + pad(minutes % 60);
}

function zone(date: Date): string {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZoneName: "short",
  }).formatToParts(date);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

type Piece = (date: Date) => string;

/** The text of each directive, which changes once a second at most. `%f`, `%3f` and `%6f` are not among them. */
const DIRECTIVES: Readonly<Record<string, Piece>> = {
  "%": () => "%",
  Y: (date) => pad(date.getFullYear(), 4),
  y: (date) => pad(date.getFullYear() % 100),
  m: (date) => pad(date.getMonth() + 1),
  d: (date) => pad(date.getDate()),
  e: (date) => String(date.getDate()).padStart(2),
  j: (date) => pad(dayOfYear(date), 3),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(date.getHours() % 12 || 12),
  M: (date) => pad(date.getMinutes()),
  S: (date) => pad(date.getSeconds()),
  p: (date) => (date.getHours() < 12 ? "AM" : "PM"),
  F: (date) => `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`,
  T: (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`,
  a: (date) => day(date).slice(0, 3),
  A: day,
  b: (date) => month(date).slice(0, 3),
  B: month,
  z: offset,
  Z: zone,
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  h: (date) => month(date).slice(0, 3),
  C: (date) => pad(Math.floor(date.getFullYear() / 100)),
  k: (date) => String(date.getHours()).padStart(2),
  l: (date) => String(date.getHours() % 12 || 12).padStart(2),
  P: (date) => (date.getHours() < 12 ? "am" : "pm"),
  u: (date) => String(date.getDay() || 7),
  w: (date) => String(date.getDay()),
  U: (date) => pad(weekOfYear(date, 0)),
  W: (date) => pad(weekOfYear(date, 1)),
  V: (date) => pad(weekOfYear(thursday(date), 4)),
  G: (date) => pad(thursday(date).getFullYear(), 4),
  g: (date) => pad(thursday(date).getFullYear() % 100),
  ...Object.fromEntries(
    Object.entries({
      c: "%a %b %e %H:%M:%S %Y",
      D: "%m/%d/%y",
      R: "%H:%M",
      r: "%I:%M:%S %p",
      x: "%m/%d/%y",
      X: "%H:%M:%S",
    }).map(([letter, format]) => [letter, compound(format)]),
  ),
};

/** A directive that stands for several others. */
function compound(format: string): Piece {
  return (date) =>
    format.replace(/%(.)/g, (_, letter: string) => (DIRECTIVES[letter] as Piece)(date));
}

const DIRECTIVE = /%(?:([36]?)f|(.?))/gsu;

/** The first error of a date format in words: an unknown directive; or null. */
export function checkDateFormat(format: string): string | null {
  for (const [text, , letter] of format.matchAll(DIRECTIVE)) {
    if (letter !== undefined && !Object.hasOwn(DIRECTIVES, letter))
      return `unknown directive ${text}`;
  }
  return null;
}

/**
 * Compiles a date format to a function of milliseconds since 1970. `%f` and
 * `%6f` are microseconds, `%3f` milliseconds. Unknown directives stay as written.
 */
export function compileDateFormat(format: string): (ms: number) => string {
  // The text between two fractions stays the same for a whole second.
  const stretches: Piece[][] = [[]];
  const zeros: string[] = [];
  let end = 0;
  for (const found of format.matchAll(DIRECTIVE)) {
    const [text, width, letter] = found;
    const before = format.slice(end, found.index);
    end = found.index + text.length;
    stretches.at(-1)!.push(() => before);
    if (letter === undefined) {
      zeros.push(width === "3" ? "" : "000");
      stretches.push([]);
    } else
      stretches.at(-1)!.push(Object.hasOwn(DIRECTIVES, letter) ? DIRECTIVES[letter]! : () => text);
  }
  stretches.at(-1)!.push(() => format.slice(end));

  let texts: string[] = [];
  let second = NaN;
  let last = NaN;
  let stamp = "";
  return (ms) => {
    if (ms === last) return stamp;
    last = ms;
    if (Math.floor(ms / 1000) !== second) {
      second = Math.floor(ms / 1000);
      const date = new Date(ms);
      texts = stretches.map((pieces) => pieces.map((piece) => piece(date)).join(""));
    }
    const fraction = pad(Math.floor(ms) - second * 1000, 3);
    stamp = texts[0]!;
    for (let at = 0; at < zeros.length; at++) stamp += fraction + zeros[at]! + texts[at + 1]!;
    return stamp;
  };
}
