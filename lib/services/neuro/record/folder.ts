import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";

/** The name of a record: when its connection came, the connection's number, and its game. */
const RECORD = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z-\d+(?:-[^/]*)?\.jsonl$/;
/** Characters of a game's name in the name of a file; at most four bytes each. */
const LONGEST_GAME = 40;
const MOST_OF_ONE_NAME = 100;

/** The name of a record's file. Nothing in a game's name leads elsewhere, or is more than a letter or a digit. */
export function recordName(at: number, clientId: number, game: string): string {
  const time = new Date(at).toISOString().replaceAll(/[:.]/g, "-");
  const safe = [...game.normalize("NFC").replaceAll(/[^\p{L}\p{N}]+/gu, "_")]
    .slice(0, LONGEST_GAME)
    .join("");
  return `${time}-${clientId}${safe === "" ? "" : `-${safe}`}.jsonl`;
}

/**
 * Makes room for one more record: removes the oldest ones, but for those that are being written.
 * @param most records that the folder may hold with the new one
 * @returns the new one's path, or null when there is no room
 * @throws the system's error
 */
export function roomFor(
  folder: string,
  name: string,
  most: number,
  busy: ReadonlySet<string>,
): string | null {
  const names = recordsIn(folder);
  const old = names.filter((one) => !busy.has(join(folder, one)));
  const tooMany = Math.max(0, names.length + 1 - most);
  if (tooMany > old.length) return null;
  for (const one of old.slice(0, tooMany)) unlinkSync(join(folder, one));
  const taken = new Set(names);
  for (let copy = 1; copy <= MOST_OF_ONE_NAME; copy++) {
    const free = copy === 1 ? name : name.replace(/\.jsonl$/, `-${copy}.jsonl`);
    if (!taken.has(free)) return join(folder, free);
  }
  return null;
}

/** The records of a folder, the oldest first. */
function recordsIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => RECORD.test(name))
      .toSorted();
  } catch (error) {
    // It is made with the first record.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
