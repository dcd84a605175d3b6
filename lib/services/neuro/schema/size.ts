/** Characters of a text that are worth a value. */
const CHARACTERS = 256;
/** Those of a key, which is written into the place of all that stands in it. */
const KEY_CHARACTERS = 64;

/** How many values a value is made of, a long text being worth several; it is nested as deep as a message may be. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return 1 + Math.floor(value.length / CHARACTERS);
  if (typeof value !== "object" || value === null) return 1;
  let size = 1;
  if (Array.isArray(value)) for (const one of value) size += sizeOf(one);
  else {
    for (const [key, one] of Object.entries(value)) {
      size += Math.floor(key.length / KEY_CHARACTERS) + sizeOf(one);
    }
  }
  return size;
}
