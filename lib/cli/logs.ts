import { SOURCES } from "./command.ts";
import { send } from "./logs/send.ts";
import { tail } from "./logs/tail.ts";
import { verify } from "./logs/verify.ts";
import { commandOf } from "./subcommand.ts";

export const logs = commandOf({
  name: "logs",
  about: "Read, search and prove the log that the collector writes, or send to it.",
  subcommands: [tail, verify, send],
  flags: SOURCES.filter(({ name }) => name !== "host" && name !== "port"),
});
