/** Bytes of memory that a text takes: two a character as soon as one character does not fit into one byte. */
export function memoryOf(text: string): number {
  const bytes = Buffer.byteLength(text);
  return bytes === text.length ? bytes : Math.max(bytes, 2 * text.length);
}
