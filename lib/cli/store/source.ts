import * as fs from "node:fs";
import { systemClock } from "../../host/clock.ts";
import { isLocked } from "../../host/lock.ts";
import { keysIn, QUIET } from "../../services/store/journal/read/salvage.ts";
import { Keys } from "../../services/store/keys/keys.ts";
import type { Arguments } from "../command.ts";
import { serverOf } from "../client/destination.ts";
import { StoreConnection } from "../kv/connection.ts";
import { flag, list, object } from "../client/shape.ts";
import { SERVICE, settingsOf } from "./folder.ts";

/** Times as long as an answer has taken that the next request waits, and the most milliseconds: a backup takes a fifth of the server at most. */
const REST = 4;
const REST_MS = 20;

const record = (found: unknown): found is readonly unknown[] => Array.isArray(found);
const partShape = object<{
  readonly records: readonly (readonly unknown[])[];
  readonly done: boolean;
}>({ records: list(record), done: flag });

/**
 * Reads all keys at one moment: of the server that a command line names, or of
 * its files where none runs. `take` gets some records with each call, each a line.
 * @returns where they are from, in words; null when there are problems, which have been told
 * @throws StartError
 */
export async function readAll(
  args: Arguments,
  take: (lines: string) => void,
): Promise<string | null> {
  const own = settingsOf(args);
  if (own === null) return null;
  const isElsewhere = args.flags.has("host") || args.flags.has("port");
  const { path: folder, durability } = own;
  const isKept = durability !== "none" && fs.existsSync(folder);
  if (!isElsewhere && isKept && !isLocked(fs, folder)) {
    const slices = keysIn(folder, systemClock).snapshot();
    for (let lines = slices(); lines !== null; lines = slices()) take(lines);
    return `the files in ${folder}, as no server uses them`;
  }
  const connection = await connect(args);
  if (connection === null) return null;
  try {
    for (let more = false; ; more = true) {
      const begun = systemClock.now();
      const answer = await connection.ask({ action: "BACKUP", more });
      const { records, done } = connection.checked(answer, partShape);
      const took = systemClock.now() - begun;
      take(records.map((one) => `${JSON.stringify(one)}\n`).join(""));
      if (done) return `the server at ${connection.address}`;
      await new Promise<void>((resolve) => {
        systemClock.after(Math.min(REST * took, REST_MS), resolve);
      });
    }
  } finally {
    connection.close();
  }
}

/** A connection to the server that a command line names; null when there are problems, which have been told. @throws StartError */
export async function connect(args: Arguments): Promise<StoreConnection | null> {
  const server = serverOf(args, SERVICE);
  if (server === null) return null;
  const { token_file, outbox_bytes } = server.config[SERVICE];
  return StoreConnection.open(server.to, token_file, systemClock, outbox_bytes);
}

/** The same as keys. @returns null when there are problems, which have been told @throws StartError */
export async function allKeys(args: Arguments): Promise<Keys | null> {
  const keys = new Keys(systemClock, QUIET, () => Infinity);
  const from = await readAll(args, (lines) => {
    keys.restore(Buffer.from(lines));
  });
  return from === null ? null : keys;
}
