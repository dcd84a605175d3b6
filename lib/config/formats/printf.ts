/** One conversion of a `printf` in the manner of Python: `%-8.3s` without its percent sign. */
export interface Conversion {
  /** Any of `#0 +-`. */
  readonly flags: string;
  readonly width: number;
  /** Digits or characters after the point; undefined when not given. */
  readonly precision: number | undefined;
  /** `s`, `d`, ... */
  readonly kind: string;
}

/** The prefixes of numbers in another base. */
const BASES: Readonly<Record<string, string>> = { o: "0o", x: "0x", X: "0X" };

/** The kinds that take a text. */
export const TEXT_KINDS = "sra";

/** A value as a conversion writes it. @param isFloat true for a float of Python, so that `%s` writes 1 as 1.0 */
export function convert(
  { flags, width, precision, kind }: Conversion,
  value: string | number,
  isFloat = false,
): string {
  if (typeof value === "string" || TEXT_KINDS.includes(kind) || kind === "c") {
    const text = kind === "c" ? String.fromCodePoint(Number(value)) : written(value, kind, isFloat);
    const cut = precision === undefined || kind === "c" ? text : cutAfter(text, precision);
    return flags.includes("-") ? cut.padEnd(width) : cut.padStart(width);
  }
  const plus = flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const base = flags.includes("#") ? (BASES[kind] ?? "") : "";
  const sign = (value < 0 ? "-" : plus) + base;
  const digits = digitsOf(Math.abs(value), kind, precision);
  if (flags.includes("-")) return (sign + digits).padEnd(width);
  if (flags.includes("0")) return sign + digits.padStart(width - sign.length, "0");
  return (sign + digits).padStart(width);
}

function written(value: string | number, kind: string, isFloat: boolean): string {
  if (typeof value === "number") {
    return isFloat && Number.isInteger(value) ? value.toFixed(1) : String(value);
  }
  if (kind === "s") return value;
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const escaped = value.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`);
  return quote + (kind === "a" ? ascii(escaped) : escaped) + quote;
}

/** The first characters of a text; no surrogate pair is cut in half. */
function cutAfter(text: string, characters: number): string {
  return text.length <= characters ? text : [...text].slice(0, characters).join("");
}

function ascii(text: string): string {
  return text.replace(/[^ -~]/gu, (character) => {
    const code = character.codePointAt(0) as number;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
  });
}

function digitsOf(value: number, kind: string, precision: number | undefined): string {
  switch (kind) {
    case "x":
      return whole(value, 16, precision);
    case "o":
      return whole(value, 8, precision);
    case "e":
      return exponential(value, precision ?? 6);
    case "f":
      return value.toFixed(Math.min(100, precision ?? 6));
    case "g":
      return general(value, (precision ?? 6) || 1);
    case "X":
    case "E":
    case "F":
    case "G":
      return digitsOf(value, kind.toLowerCase(), precision).toUpperCase();
    default:
      return whole(value, 10, precision);
  }
}

function whole(value: number, base: number, precision = 0): string {
  return Math.trunc(value).toString(base).padStart(precision, "0");
}

function exponential(value: number, precision: number): string {
  return value.toExponential(Math.min(100, precision)).replace(/e([+-])(\d)$/, "e$10$2");
}

/** `%g`: by the size of the power as `%e` or `%f`, without the zeros at its end. */
function general(value: number, precision: number): string {
  const power = Number(exponential(value, precision - 1).split("e")[1]);
  if (power < -4 || power >= precision) {
    return exponential(value, precision - 1).replace(/\.?0*e/, "e");
  }
  const text = value.toFixed(Math.min(100, precision - 1 - power));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}
