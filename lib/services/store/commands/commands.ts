import { CODES, Refusal } from "../refusal.ts";
import { CHANNEL_COMMANDS } from "./channel-commands.ts";
import { type Command, command, notFull, OK, Plan, result } from "./command.ts";
import * as field from "./fields.ts";
import { NOT_KEPT } from "./in-doubt.ts";
import { GROUP_COMMANDS } from "./group-commands.ts";
import { KEY_COMMANDS } from "./key-commands.ts";

/** The cost of INFO, in requests. */
const INFO_WORK = 1000;

/** The cost of a part of a backup, in requests: one in each turn. */
const BACKUP_WORK = 10_000;

const TABLE = {
  PING: command({
    about: "Answers.",
    fields: {},
    result: '"PONG"',
    errors: [],
    right: null,
    open: true,
    run: () => result('"PONG"'),
  }),

  ECHO: command({
    about: "Sends a value back.",
    fields: { value: field.json("What to send back.") },
    result: "the value",
    errors: [],
    right: null,
    run: ({ value }) => result(JSON.stringify(value)),
  }),

  ...KEY_COMMANDS,

  ...GROUP_COMMANDS,

  ...CHANNEL_COMMANDS,

  AUTH: command({
    about: "Shows a token, which tells what the client may do.",
    fields: { token: field.text("The token.") },
    result: '"OK"',
    errors: ["BAD_TOKEN", "TOO_MANY_TRIES"],
    right: null,
    open: true,
    run: ({ token }, client, parts) => parts.auth.authenticate(client, token) ?? OK,
  }),

  INFO: command({
    about: "Tells about the server.",
    fields: {},
    result: "an object",
    errors: [],
    right: null,
    run(_request, client, parts) {
      // Every client is looked at.
      client.work += INFO_WORK;
      return result(JSON.stringify(parts.stats.info()));
    },
  }),

  BACKUP: command({
    about:
      "Tells all keys at one moment, a part with each request: records that are applied in the order in which they come. The moment is that of the last part. Only with the token that may do everything.",
    fields: {
      more: field.optional(
        field.flag("Whether to go on with the one that the client has begun."),
        "false: begins one",
      ),
    },
    result: "`{records, done}`: some records of a journal; and whether they were the last ones",
    errors: ["TOO_MANY", "NO_BACKUP", "DISK_FAILING"],
    right: null,
    run({ more = false }, client, { backups, journal }) {
      const isInDoubt = journal?.doubts?.isEmpty === false;
      const refusal =
        notFull(client) ?? (isInDoubt ? NOT_KEPT : null) ?? (more ? null : backups.begin(client));
      if (refusal) return refusal;
      client.work += BACKUP_WORK;
      const part = backups.next(client);
      if (part instanceof Refusal) return part;
      return result(`{"records":[${part.records.join(",")}],"done":${part.done}}`);
    },
  }),

  ACKNOWLEDGE: command({
    about:
      "Tells the damage that the journal was salvaged from, and that somebody knows of it now; only with the token that may do everything.",
    fields: {},
    result: "`{at, damages}`, or null where there is none",
    errors: [],
    right: null,
    run(_request, client, { journal }) {
      const refusal = notFull(client);
      if (refusal) return refusal;
      const salvaged = journal?.salvaged ?? null;
      journal?.acknowledge();
      return result(JSON.stringify(salvaged));
    },
  }),
} satisfies Readonly<Record<string, Command>>;

/** The commands whose requests have types, by their actions. */
export type Table = typeof TABLE;

/** Every command, by its action. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  ...TABLE,

  HELP: command({
    about: "Tells about the actions.",
    fields: { command: field.optional(field.text("The one to tell about."), "all") },
    result: "an object, by action",
    errors: ["UNKNOWN_ACTION"],
    right: null,
    open: true,
    run(request) {
      if (request.command === undefined) return HELP;
      const one = Object.hasOwn(COMMANDS, request.command) ? COMMANDS[request.command] : undefined;
      if (one === undefined) return unknownAction(request.command);
      return result(JSON.stringify({ [request.command]: helpOf(one) }));
    },
  }),
};

/** The plan of every command, by its action. */
export const PLANS: ReadonlyMap<string, Plan> = new Map(
  Object.entries(COMMANDS).map(([action, row]) => [action, new Plan(row)]),
);

export function unknownAction(action: string): Refusal {
  const shown = action.length > 40 ? `${action.slice(0, 40)}...` : action;
  return new Refusal("UNKNOWN_ACTION", `${shown}; allowed: ${Object.keys(COMMANDS).join(", ")}`);
}

/** A command for a person or a program that asks for HELP. */
function helpOf({ about, fields, result: answer, errors, right }: Command) {
  const described = Object.entries(fields).map(([name, one]) => {
    const otherwise = one.optional ? { otherwise: one.otherwise ?? "" } : {};
    return [name, { about: one.about, allowed: one.allowed, needed: !one.optional, ...otherwise }];
  });
  const told = errors.map((code) => [code, CODES[code]]);
  return {
    about,
    fields: Object.fromEntries(described),
    result: answer,
    errors: Object.fromEntries(told),
    ...(right === null ? {} : { right }),
  };
}

const HELP = result(
  JSON.stringify(
    Object.fromEntries(Object.entries(COMMANDS).map(([action, row]) => [action, helpOf(row)])),
  ),
);
