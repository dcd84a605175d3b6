import { check } from "./check.ts";
import type { Command } from "./command.ts";
import { collectorCommand } from "./collector.ts";
import { completion } from "./completion.ts";
import { config } from "./config.ts";
import { help } from "./help.ts";
import { get } from "./get.ts";
import { init } from "./init.ts";
import { kv } from "./kv.ts";
import { listen } from "./listen.ts";
import { logs } from "./logs.ts";
import { neuroCommand } from "./neuro.ts";
import { run } from "./run.ts";
import { send } from "./send.ts";
import { service } from "./service.ts";
import { set } from "./set.ts";
import { storeCommand } from "./store.ts";
import { status } from "./status.ts";
import { top } from "./top.ts";

/** Every command, in the order of the help; the first needs no name. */
export const COMMANDS: readonly [Command, ...Command[]] = [
  run,
  init,
  check,
  config,
  get,
  set,
  status,
  top,
  send,
  listen,
  kv,
  storeCommand,
  neuroCommand,
  collectorCommand,
  logs,
  service,
  completion,
  help,
];
