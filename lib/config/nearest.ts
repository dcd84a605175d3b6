/** The number of single-character edits (insert, delete, replace, swap of neighbours) that turn one word into the other. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (before[j - 2] as number) + 1);
      }
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
}

/** The word that a person most likely meant; undefined if even the nearest differs in more than a third of its letters. */
export function nearest(found: string, words: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  for (const word of words) {
    // Each letter of the difference in length is an edit. A very long word is compared with none.
    if (Math.abs(word.length - found.length) > farthest(found, word)) continue;
    const distance = edits(found.toLowerCase(), word.toLowerCase());
    if (distance < least) [best, least] = [word, distance];
  }
  return best !== undefined && least <= farthest(found, best) ? best : undefined;
}

/** The most edits between a word and a misspelling of it. */
function farthest(a: string, b: string): number {
  return Math.max(a.length, b.length) / 3;
}
