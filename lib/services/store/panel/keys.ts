import { text, whole } from "../../../host/service/asked.ts";
import { Refused, type View } from "../../../host/service/panel.ts";
import type { Keys } from "../keys/keys.ts";
import { MAX_DEPTH, MAX_PART_BYTES, partsOf, type Path, unfit } from "../keys/path.ts";
import { Refusal } from "../refusal.ts";
import type { KeyTold, LevelTold } from "./told.ts";

/** Characters of the longest path. */
const LONGEST_PATH = MAX_DEPTH * (MAX_PART_BYTES + 1);
const MOST_ROWS = 100;
const USUAL_ROWS = 25;
/** Bytes of a value that are shown. */
const MOST_SHOWN = 4000;

/** Reads a path from a query. @throws Refused */
export function pathIn(found: string): Path {
  const path = partsOf(found);
  if (path.length === 0) return path;
  const refusal = unfit(path);
  if (refusal instanceof Refusal) throw new Refused(400, "path: it can be no key's");
  return path;
}

/** The names right below a path. */
export function levelView(keys: Keys, isPrivate: () => boolean): View {
  return {
    about: "The names right below a path, each with all that is below it.",
    parameters: {
      path: "the path, as users^42; empty for the top",
      from: "the name to begin at, or the next one after it; the order is then that of the names",
      offset: "how many to leave out",
      limit: `how many, to ${MOST_ROWS}`,
    },
    isPrivate,
    read(query): LevelTold {
      const path = pathIn(text(query, "path", LONGEST_PATH, ""));
      const from = text(query, "from", LONGEST_PATH, "");
      const offset = whole(query, "offset", 0, 1e9, 0);
      const limit = whole(query, "limit", 1, MOST_ROWS, USUAL_ROWS);
      const { bySize, ...level } = keys.seen.browse(path, {
        from: from === "" ? null : from,
        offset,
        limit,
      });
      return { path, ...level, by_size: bySize };
    },
  };
}

/** A value, for operators alone: it may be a secret of those who have set it. */
export function keyView(keys: Keys): View {
  return {
    about: "A value, cut short, with its version and the time that it has left; null without one.",
    parameters: { path: "the key, as users^42^name" },
    isPrivate: () => true,
    read(query): KeyTold | null {
      const path = pathIn(text(query, "path", LONGEST_PATH));
      const found = keys.seen.peek(path, MOST_SHOWN);
      if (found === null) return null;
      const { text: shown, bytes, version } = found;
      const isCut = bytes > MOST_SHOWN;
      return { path, text: shown, bytes, is_cut: isCut, version, ttl_ms: keys.left(found) };
    },
  };
}
