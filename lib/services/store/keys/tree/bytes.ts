/** Copies a range; short ones by hand, since that is faster than a call. */
export function copy(from: Buffer, start: number, end: number, to: Buffer, at: number): void {
  if (end - start > 64) from.copy(to, at, start, end);
  else for (let i = start, o = at; i < end; i++, o++) to[o] = from[i] as number;
}
