/** Bytes from one to another, both included. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** The most parts of one request; one that asks for more gets the whole. */
const MAX_RANGES = 16;

/**
 * The parts that a `Range` header asks for (RFC 9110, 14.2), in its order.
 * @param size of the whole, in bytes
 * @returns null for a header to ignore: it cannot be read, or asks for more bytes than there are; [] if none of its parts exist
 */
export function rangesIn(header: string, size: number): ByteRange[] | null {
  const [, list] = /^bytes=(.*)$/i.exec(header) ?? [];
  if (list === undefined) return null;
  const specs = list.split(",").map((spec) => spec.trim());
  if (specs.length > MAX_RANGES) return null;
  const ranges: ByteRange[] = [];
  for (const spec of specs) {
    const [, first = "", last = ""] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
    if (first === "" && last === "") return null;
    if (first !== "" && last !== "" && Number(last) < Number(first)) return null;
    const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
    const to = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1);
    if (from <= to) ranges.push({ from, to });
  }
  const bytes = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  // Overlapping parts could ask for many times the whole.
  return bytes > size ? null : ranges;
}
