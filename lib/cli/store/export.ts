import { systemClock } from "../../host/clock.ts";
import { count } from "../../host/count.ts";
import { messageOf } from "../../host/errors.ts";
import { writeWhole } from "../../host/files/whole-file.ts";
import type { Keys } from "../../services/store/keys/keys.ts";
import { SEPARATOR } from "../../services/store/keys/path.ts";
import { print } from "../kv/output.ts";
import { say } from "../terminal/say.ts";
import type { Subcommand } from "../subcommand.ts";
import { allKeys } from "./source.ts";

/** Keys that are written at a time. */
const PAGE = 1000;

/** Stands for standard output, and for standard input. */
export const STANDARD = "-";

export const exportKeys: Subcommand = {
  name: "export",
  about:
    "export FILE: write all keys as they are at one moment as lines of JSON, {key, value, version, expires_at}; - is standard output. It takes what backup takes, and replaces a file as that does.",
  takesFile: true,
  flags: [],
  examples: [["export - | jq .key", "Prints all keys."]],
  async run({ args, file }) {
    try {
      const keys = await allKeys(args);
      if (keys === null) return 2;
      if (file === STANDARD) {
        for (const lines of linesOf(keys)) if (!(await print(lines))) break;
        return 0;
      }
      await writeWhole(file, (whole) => {
        for (const lines of linesOf(keys)) whole.write(lines);
        return true;
      });
      process.stdout.write(`${file}: ${count(keys.size, "key")}\n`);
      return 0;
    } catch (error) {
      say.error(messageOf(error));
      return 1;
    }
  },
};

function* linesOf(keys: Keys): Generator<string> {
  let after: string | null = null;
  do {
    const page = keys.scan([], "", { after, limit: PAGE });
    yield page.names.map((name) => lineOf(keys, name)).join("");
    after = page.cursor;
  } while (after !== null);
}

function lineOf(keys: Keys, name: string): string {
  const found = keys.get(name.split(SEPARATOR));
  if (found === null) return "";
  const left = keys.left(found);
  // Milliseconds since 1970, which mean the same tomorrow.
  const end = left === null ? "" : `,"expires_at":${Math.round(systemClock.wall() + left)}`;
  return `{"key":${JSON.stringify(name)},"value":${found.text},"version":${found.version}${end}}\n`;
}
