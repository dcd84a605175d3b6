/** Bytes from one to another, both included. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** So many parts may be asked for at once; who asks for more gets the whole. */
const MAX_RANGES = 16;

/**
 * The parts that a `Range` header asks for of so many bytes, in its order.
 * @returns null where it is to be ignored: it cannot be read, or asks for more than there is; [] where nothing of it is there
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
  // Parts that overlap could ask for any number of bytes.
  return bytes > size ? null : ranges;
}
