/** A way to send fewer bytes, by its name in HTTP. */
export type Coding = "zstd" | "br" | "gzip";

/** The codings for answers that are compressed at each request, the quickest first. */
export const QUICKEST: readonly Coding[] = ["zstd", "br", "gzip"];
/** The codings for answers that are compressed once and kept, the smallest first. */
export const SMALLEST: readonly Coding[] = ["br", "zstd", "gzip"];

/** The coding that a request wants. */
export interface Wanted {
  /** Null for the answer as it is. */
  readonly coding: Coding | null;
  /** True if the request does not take the answer as it is (`identity;q=0`). */
  readonly insists: boolean;
}

const AS_IT_IS: Wanted = { coding: null, insists: false };
/** The most codings that are read of one header; no real client names more. */
const NAMES_MAX = 32;
/** The weight of an answer as it is, if the request does not name `identity`: it is taken, but liked least. */
const UNSAID = 0.0001;
const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** The offered coding that a request likes best, by its `Accept-Encoding` (RFC 9110, 12.5.3); of equals the first. */
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

/** True if a request takes a coding at all. One that says nothing takes any. */
export function takes({ headers }: Request, coding: Coding): boolean {
  const header = headers.get("accept-encoding");
  if (header === null) return true;
  const weights = weightsOf(header);
  return (weights.get(coding) ?? weights.get("*") ?? 0) > 0;
}

/** The weight of each coding, by its name. Elements that cannot be read are left out. */
function weightsOf(header: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const one of header.toLowerCase().split(",", NAMES_MAX)) {
    const end = one.indexOf(";");
    const name = (end < 0 ? one : one.slice(0, end)).trim();
    const weight = end < 0 ? 1 : Number(WEIGHT.exec(one.slice(end + 1).trim())?.[1] ?? NaN);
    // `x-gzip` is an old name of gzip (RFC 9110, 8.4.1.3).
    if (!Number.isNaN(weight)) weights.set(name === "x-gzip" ? "gzip" : name, weight);
  }
  return weights;
}
