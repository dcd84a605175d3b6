import { load, problemText } from "../../config/load.ts";
import { settings } from "../../config/table.ts";
import { systemClock } from "../../host/clock.ts";
import { printable } from "../../host/content.ts";
import { messageOf, StartError } from "../../host/errors.ts";
import { onSignals } from "../../host/lifecycle.ts";
import { type Recorded, readRecord } from "../../services/neuro/record/read.ts";
import type { Played } from "../../services/neuro/record/replay/player.ts";
import { reportLines } from "../../services/neuro/record/replay/report.ts";
import { type Replay, serveReplay } from "../../services/neuro/record/replay/serve.ts";
import type { Arguments } from "../command.ts";
import { say } from "../terminal/say.ts";
import { besideResults } from "./log.ts";
import { neuroSources } from "./sources.ts";
import type { Call, Subcommand } from "../subcommand.ts";

const PATIENCE_SECONDS = 10;
/** The longest that a number of seconds may be. */
const MOST_SECONDS = 86_400;

export const replay: Subcommand = {
  name: "replay",
  about:
    "replay FILE: play a record to the game that connects, and show what it says otherwise than then; exit code 0 when it says the same, else 1, and 2 when nothing was played.",
  takesFile: true,
  flags: [
    {
      name: "fast",
      about: "replay: send as soon as the game has caught up, not at the times of the record.",
    },
    {
      name: "patience",
      value: "SECONDS",
      about: `replay: seconds by which a message may come later than in the record; default ${PATIENCE_SECONDS}.`,
    },
    {
      name: "wait",
      value: "SECONDS",
      about: "replay: how long to wait for the game; by default for ever.",
    },
    {
      name: "ignore",
      value: "PATH",
      repeats: true,
      about: "replay: a part of messages that is not compared, as data.message; may be repeated.",
    },
  ],
  examples: [
    ["replay records/2026-01-02T03-04-05-678Z-1-Chess.jsonl", "Waits for the game, and plays it."],
    ["replay good.jsonl --fast --ignore data.state --wait 60", "The same in CI."],
  ],
  run: play,
};

async function play({ args, file }: Call): Promise<number> {
  const loaded = load(settings, neuroSources(args));
  const seconds = { patience: secondsIn(args, "patience"), wait: secondsIn(args, "wait") };
  const problems = [
    ...loaded.problems.map(problemText),
    ...Object.values(seconds).filter((one) => typeof one === "string"),
  ];
  for (const problem of problems) say.error(problem);
  const recorded = await read(file);
  if (problems.length > 0 || recorded === null) return 2;
  const { config } = loaded;
  const log = besideResults(config, args);
  let server: Replay;
  try {
    server = serveReplay(
      recorded,
      config,
      { clock: systemClock, log },
      {
        isFast: args.flags.has("fast"),
        patienceMs: ((seconds.patience as number | null) ?? PATIENCE_SECONDS) * 1000,
        ignored: args.flags.get("ignore") ?? [],
      },
    );
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    say.error(messageOf(error));
    return 2;
  }
  const played = await serve(server, seconds.wait as number | null);
  await server.stop();
  await log.close();
  if (played === null) return 2;
  for (const line of reportLines(played)) process.stdout.write(`${line}\n`);
  const { differences, renamed, hasLeft } = played;
  return differences.length > 0 || renamed !== null || hasLeft ? 1 : 0;
}

/** The number of seconds that a flag gives; null when it is not given, its problem when it is none. */
function secondsIn({ flags }: Arguments, name: string): number | string | null {
  const [given] = flags.get(name) ?? [];
  if (given === undefined) return null;
  const seconds = /^\d*\.?\d+$/.test(given) ? Number(given) : 0;
  if (seconds > 0 && seconds <= MOST_SECONDS) return seconds;
  return `--${name}: found ${given}; allowed: a number of seconds above 0, up to ${MOST_SECONDS}`;
}

/** Reads the record, as far as it goes. @returns null when there is nothing to play, which has been told */
async function read(file: string): Promise<Recorded | null> {
  try {
    const recorded = await readRecord(file);
    const { head, frames, end, damage } = recorded;
    const { line, why } = damage ?? {};
    if (damage) say.warn(`${file}:${line}: damaged, ${why}; what stands before it is played`);
    else if (end === "full") say.warn(`${file}: it was full before the session was over`);
    else if (end === null) say.warn(`${file}: it has no end; its server did not stop by itself`);
    if (frames.length === 0) {
      say.error(`${file}: nothing was said in it`);
      return null;
    }
    say.info(`${printable(head.game) || "A game without a name"}, ${printable(head.at)}`);
    return recorded;
  } catch (error) {
    say.error(`${file}: ${messageOf(error)}`);
    return null;
  }
}

/** Waits for the game, and for the end of the replay; null when none came. */
async function serve(server: Replay, waitSeconds: number | null): Promise<Played | null> {
  const ignoreSignals = onSignals({
    stop: () => server.interrupt(),
    cut: () => process.exit(1),
  });
  let stopWaiting = () => {};
  if (waitSeconds !== null) {
    stopWaiting = systemClock.after(waitSeconds * 1000, () => {
      say.error(`no game came in ${waitSeconds} s`);
      server.interrupt();
    });
  }
  say.info(`the game connects to ${server.url}`);
  void server.here.then(() => {
    stopWaiting();
    say.info("it is here");
  });
  try {
    return await server.played;
  } finally {
    stopWaiting();
    ignoreSignals();
  }
}
