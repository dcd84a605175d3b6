import { count } from "../../host/count.ts";
import { messageOf } from "../../host/errors.ts";
import { hashKeyIn } from "../../services/collector/chain.ts";
import { verify as verifyLog } from "../../services/collector/verify.ts";
import { say } from "../terminal/say.ts";
import { logSettings } from "./settings.ts";
import type { Subcommand } from "../subcommand.ts";

const NOTED = /^(\d{1,16}):([0-9a-f]{16})$/;

export const verify: Subcommand = {
  name: "verify",
  about:
    "verify: look for gaps, doubles, lines out of order and torn ones; with hash_chain for what was changed or deleted too.",
  takesFile: false,
  flags: [
    {
      name: "head",
      value: "ENTRY:HASH",
      about: "verify: a number and hash that were noted down before, which the log must hold.",
    },
  ],
  examples: [
    [
      "verify",
      "Reads the log of ./summoner.toml with its rotated files; the exit code is 1 when something is wrong.",
    ],
    ["verify --head 41230:9f86d081884c7d65", "Finds a log that was cut or replaced, too."],
  ],
  async run({ args }) {
    const { own, problems } = logSettings(args);
    for (const problem of problems) say.error(problem);
    if (problems.length > 0) return 2;
    const { path, hash_chain: chained, hash_key_file } = own;
    const [head] = args.flags.get("head") ?? [];
    const noted = head === undefined ? null : NOTED.exec(head);
    if (head !== undefined && noted === null) {
      say.error(`--head: found ${head}; allowed: a number, a colon and a hash of 16 digits`);
      return 2;
    }
    try {
      const found = await verifyLog(path, {
        chained: chained || noted !== null,
        key: hashKeyIn(hash_key_file),
        ...(noted && { noted: { sequence: Number(noted[1]), hash: noted[2] as string } }),
      });
      if (found.files === 0) {
        say.error(`${path}: there is no such log`);
        return 1;
      }
      for (const { file, line, message } of found.faults) say.error(`${file}:${line}: ${message}`);
      const more = found.faultCount - found.faults.length;
      if (more > 0) say.error(`and ${more} more`);
      const range = found.first === null ? "" : `, entries ${found.first} to ${found.last}`;
      const end = found.head === null ? "" : `; head ${found.last}:${found.head}`;
      process.stdout.write(
        `${path}: ${count(found.lines, "line")} in ${count(found.files, "file")}${range}${end}: ${
          found.faultCount === 0 ? "no problems" : count(found.faultCount, "problem")
        }\n`,
      );
      if (found.unproved !== null) {
        process.stdout.write(
          `entry ${found.unproved} is the first that is left: it proves those after it, and nothing proves it\n`,
        );
      }
      return found.faultCount === 0 ? 0 : 1;
    } catch (error) {
      say.error(messageOf(error));
      return 1;
    }
  },
};
