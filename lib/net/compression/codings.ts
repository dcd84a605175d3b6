/** A way to send fewer bytes, by its name in HTTP. */
export type Coding = "zstd" | "br" | "gzip";

/** In the order in which they are taken where a request does not mind: the quickest first. */
export const QUICKEST: readonly Coding[] = ["zstd", "br", "gzip"];
/** The same for what is compressed once and kept: the smallest first. */
export const SMALLEST: readonly Coding[] = ["br", "zstd", "gzip"];

/** How a request wants an answer. */
export interface Wanted {
  /** Null for as it is. */
  readonly coding: Coding | null;
  /** Whether it takes nothing as it is (`identity;q=0`). */
  readonly insists: boolean;
}

const AS_IT_IS: Wanted = { coding: null, insists: false };
/** No client names more; what comes after them is not looked at. */
const NAMES_MAX = 32;
/** Less than anything that a request can say: what it does not name it takes, but likes least. */
const UNSAID = 0.0001;
const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** What a request wants of these codings, by its `Accept-Encoding`; where it likes several as much, the first. */
export function wanted({ headers }: Request, offered: readonly Coding[]): Wanted {
  const header = headers.get("accept-encoding");
  if (header === null) return AS_IT_IS;
  const weights = weightsOf(header);
  const rest = weights.get("*");
  const plain = weights.get("identity") ?? rest ?? UNSAID;
  let coding: Coding | null = null;
  let most = 0;
  for (const one of offered) {
    const weight = weights.get(one) ?? rest ?? 0;
    if (weight <= most) continue;
    coding = one;
    most = weight;
  }
  return { coding: most >= plain ? coding : null, insists: plain === 0 };
}

/** How much each coding is liked, by its name. What cannot be read is left out. */
function weightsOf(header: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const one of header.toLowerCase().split(",", NAMES_MAX)) {
    const end = one.indexOf(";");
    const name = (end < 0 ? one : one.slice(0, end)).trim();
    const weight = end < 0 ? 1 : Number(WEIGHT.exec(one.slice(end + 1).trim())?.[1] ?? NaN);
    // `x-gzip` is an old name of the same.
    if (!Number.isNaN(weight)) weights.set(name === "x-gzip" ? "gzip" : name, weight);
  }
  return weights;
}
