/** Bytes of memory that a text takes: two a character as soon as one character does not fit into one byte. */
export function memoryOf(text: string): number {
  const bytes = Buffer.byteLength(text);
  return bytes === text.length ? bytes : Math.max(bytes, 2 * text.length);
}

/** A text to be kept: one that was cut from another would keep all of that in memory. */
export function ownText(text: string): string {
  return Buffer.from(text).toString();
}
