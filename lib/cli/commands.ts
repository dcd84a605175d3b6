import { readArguments } from "./args.ts";
import type { Arguments, Command } from "./command.ts";

/** Gives a command, with its code. */
type Load = () => Promise<Command>;

/** Every command by its name, in the order of the help; the first needs no name. */
const COMMANDS: Readonly<Record<string, Load>> & { readonly run: Load } = {
  run: async () => (await import("./run.ts")).run,
  init: async () => (await import("./init.ts")).init,
  check: async () => (await import("./check.ts")).check,
  config: async () => (await import("./config.ts")).config,
  get: async () => (await import("./get.ts")).get,
  set: async () => (await import("./set.ts")).set,
  status: async () => (await import("./status.ts")).status,
  top: async () => (await import("./top.ts")).top,
  send: async () => (await import("./send.ts")).send,
  listen: async () => (await import("./listen.ts")).listen,
  kv: async () => (await import("./kv.ts")).kv,
  store: async () => (await import("./store.ts")).storeCommand,
  neuro: async () => (await import("./neuro.ts")).neuroCommand,
  collector: async () => (await import("./collector.ts")).collectorCommand,
  logs: async () => (await import("./logs.ts")).logs,
  service: async () => (await import("./service.ts")).service,
  completion: async () => (await import("./completion.ts")).completion,
  help: async () => (await import("./help.ts")).help,
};

/** Every command, with the code of all. */
export async function allCommands(): Promise<readonly [Command, ...Command[]]> {
  const all = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  return all as [Command, ...Command[]];
}

/** Reads a command line, by the code of its command alone where there is nothing wrong with it. */
export async function understood(argv: readonly string[]): Promise<Arguments> {
  const name = argv.find((word) => Object.hasOwn(COMMANDS, word));
  const command = await (COMMANDS[name ?? ""] ?? COMMANDS.run)();
  const args = readArguments(argv, [command]);
  const isMeant = args.named === (name !== undefined);
  if (isMeant && args.problems.length === 0) return args;
  // The word may be the value of an option, and a hint may be about any other command.
  return readArguments(argv, await allCommands());
}
