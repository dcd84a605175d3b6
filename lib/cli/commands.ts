import { check } from "./check.ts";
import type { Command } from "./command.ts";
import { config } from "./config.ts";
import { run } from "./run.ts";
import { status } from "./status.ts";
import { top } from "./top.ts";

/** Every command, in the order of the help; the first needs no name. */
export const COMMANDS: readonly [Command, ...Command[]] = [run, check, config, status, top];
