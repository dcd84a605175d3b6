import { existsSync } from "node:fs";
import { systemClock } from "../../host/clock.ts";
import { printable } from "../../host/content.ts";
import { messageOf } from "../../host/errors.ts";
import { onSignals } from "../../host/lifecycle.ts";
import { Follower } from "../../services/collector/file/read/follow.ts";
import { newestFrom } from "../../services/collector/file/read/newest.ts";
import { filesOf, sequenceOf } from "../../services/collector/file/read/reading.ts";
import { levelOf, LEVELS } from "../../services/collector/levels.ts";
import { Matcher } from "../../services/collector/search.ts";
import { say } from "../terminal/say.ts";
import { Output } from "./output.ts";
import { LEVEL_FLAG, LEVEL_NAMES, logSettings } from "./settings.ts";
import type { Subcommand } from "../subcommand.ts";

/** Milliseconds between two looks at a log that is followed. */
const LOOK_MS = 200;
/** Lines that are printed when it is not said from where. */
const USUAL_LINES = 10;

export const tail: Subcommand = {
  name: "tail",
  about:
    "tail (or nothing): print the last lines, over all rotated files; with -f those that follow too.",
  takesFile: false,
  flags: [
    {
      name: "follow",
      short: "f",
      about: "tail: go on with the lines that are written, across rotations, until Ctrl-C.",
    },
    {
      name: "lines",
      short: "n",
      value: "N",
      about: `tail: how many lines before; default ${USUAL_LINES}.`,
    },
    { name: "from", value: "ENTRY", about: "tail: from the entry of this number on, instead." },
    LEVEL_FLAG,
    { name: "grep", value: "TEXT", about: "tail: only lines that contain this." },
  ],
  examples: [
    ["tail -f --level warning", "Shows warnings and errors as they come."],
    ["tail --from 0 --grep timeout", "Searches everything that is there."],
  ],
  async run({ args }) {
    const { flags } = args;
    const { own, problems } = logSettings(args);
    const level = levelOf(flags.get("level")?.[0] ?? LEVELS[0]);
    if (level === null)
      problems.push(`--level: found ${flags.get("level")?.[0]}; allowed: ${LEVEL_NAMES}`);
    const lines = whole(flags.get("lines")?.[0], "--lines", problems) ?? USUAL_LINES;
    const from = whole(flags.get("from")?.[0], "--from", problems);
    for (const problem of problems) say.error(problem);
    if (problems.length > 0) return 2;
    const { path, widths, hash_chain: chained } = own;
    if (filesOf(path).length === 0 && !flags.has("follow")) {
      say.error(`${path}: there is no such log`);
      return 1;
    }
    const matcher = new Matcher(
      { level: level as number, text: flags.get("grep")?.[0] ?? "", chained },
      widths,
    );
    const ended = Promise.withResolvers<void>();
    const output = new Output(ended.resolve);
    let follower: Follower | null = null;
    try {
      const begin = from ?? (await newestFrom(path, lines, (line) => matcher.matches(line)));
      const gaps = new Gaps();
      follower = new Follower(path, begin, (line) => {
        gaps.follow(line);
        if (matcher.matches(line)) return output.write(`${printable(line.toString())}\n`);
      });
      if (flags.has("follow")) await follow(follower, path, ended);
      else await Promise.race([follower.look(), ended.promise]);
      return 0;
    } catch (error) {
      say.error(messageOf(error));
      return 1;
    } finally {
      follower?.close();
    }
  },
};

/** Tells of entries that nobody can read any more: their file was removed, or moved away. */
class Gaps {
  #last: number | null = null;

  follow(line: Buffer): void {
    const sequence = sequenceOf(line) as number;
    const [from, to] = [(this.#last ?? sequence) + 1, sequence - 1];
    if (from < to) say.warn(`entries ${from} to ${to} are gone: their file is not there`);
    else if (from === to) say.warn(`entry ${from} is gone: its file is not there`);
    this.#last = sequence;
  }
}

/** Goes on until a signal, or until `ended`. */
async function follow(
  follower: Follower,
  path: string,
  { promise, resolve, reject }: PromiseWithResolvers<void>,
): Promise<void> {
  if (!existsSync(path)) say.log(`${path}: waiting for it`);
  const ignoreSignals = onSignals({ stop: () => resolve(), cut: () => process.exit(1) });
  const look = () => void follower.look().catch(reject);
  look();
  const stop = systemClock.every(LOOK_MS, look);
  try {
    await promise;
  } finally {
    stop();
    ignoreSignals();
  }
}

function whole(text: string | undefined, name: string, problems: string[]): number | null {
  if (text === undefined) return null;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  problems.push(`${name}: found ${text}; allowed: a whole number from 0`);
  return null;
}
