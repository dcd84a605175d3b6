// Long because it is one table.
import { printable } from "../../host/content.ts";
import { messageOf } from "../../host/errors.ts";

/** An error is ignored or ends something; a warning fails in production or is not what was meant; an info is good to know. */
export type Severity = "error" | "warning" | "info";

interface Row {
  readonly code: string;
  readonly severity: Severity;
  /** What the game did, or what became of it; `{name}` stands for a value. */
  readonly text: string;
  /** What its developer does about it. */
  readonly cure: string;
}

/**
 * Everything that is told to the developer of a game. N1: frames and messages,
 * N2: actions and forces, N3: results, N4: schemas, N5: the brain, N6: connections,
 * N7: faults that are made on purpose.
 */
export const DIAGNOSTICS = {
  not_json: {
    code: "N101",
    severity: "error",
    text: "A frame is not JSON and was ignored: {why}.",
    cure: 'Send one JSON object in a text frame: {"command": ..., "game": ..., "data": ...}.',
  },
  too_deep: {
    code: "N102",
    severity: "error",
    text: "A message is nested deeper than {most} levels and was ignored.",
    cure: "Send flat data; what the brain should know goes into a text.",
  },
  not_object: {
    code: "N103",
    severity: "error",
    text: "A message is {found} instead of an object and was ignored.",
    cure: 'Send one JSON object in a text frame: {"command": ..., "game": ..., "data": ...}.',
  },
  no_command: {
    code: "N104",
    severity: "error",
    text: "A message was ignored: its command is {found}.",
    cure: "Give every message a command, as a text.",
  },
  no_game: {
    code: "N105",
    severity: "error",
    text: "{command} was ignored: its game is {found}.",
    cure: "Give every message the display name of your game as game.",
  },
  unknown_command: {
    code: "N106",
    severity: "warning",
    text: "There is no command {command}; it was ignored.",
    cure: "{hint}",
  },
  server_command: {
    code: "N107",
    severity: "warning",
    text: "{command} is what the server sends to a game; from a game it is ignored.",
    cure: "{hint}",
  },
  old_name: {
    code: "N108",
    severity: "warning",
    text: "{command} was taken as {name}.",
    cure: "Send {name}; the other name is not in the protocol.",
  },
  bad_value: {
    code: "N109",
    severity: "error",
    text: "{command} was ignored: {key} is {found}.",
    cure: "Send {key} as {wanted}.",
  },
  missing_key: {
    code: "N110",
    severity: "error",
    text: "{command} was ignored: it has no {key}.",
    cure: "Send {key}, {wanted}.",
  },
  byte_order_mark: {
    code: "N111",
    severity: "info",
    text: "A frame begins with a byte order mark.",
    cure: "Encode frames as UTF-8 without one.",
  },
  trailing_nul: {
    code: "N112",
    severity: "info",
    text: "A frame ends with a NUL character.",
    cure: "Send as many bytes as the text has, without the end of a C string.",
  },
  raw_control: {
    code: "N113",
    severity: "warning",
    text: "A text holds a raw control character, which JSON does not allow; it was taken as meant.",
    cure: "Escape it, as \\n or \\u0007: let a JSON library write your messages.",
  },
  several_documents: {
    code: "N114",
    severity: "warning",
    text: "A frame holds {count} JSON documents; they were taken one after the other.",
    cure: "Send one message a frame.",
  },
  binary_frame: {
    code: "N115",
    severity: "warning",
    text: "A message came in a binary frame.",
    cure: "Send text frames: Neuro does not take binary ones.",
  },
  empty_list: {
    code: "N116",
    severity: "info",
    text: "{key} of {command} is an empty list; it was taken as an empty object.",
    cure: "Send {}, or leave {key} out.",
  },
  unused_data: {
    code: "N117",
    severity: "info",
    text: "{command} takes no data; it came with {found}.",
    cure: "Leave data out.",
  },
  null_value: {
    code: "N118",
    severity: "info",
    text: "{key} is null in {command}; it was taken as not given.",
    cure: "Leave {key} out instead: Neuro may refuse a null.",
  },
  unknown_priority: {
    code: "N119",
    severity: "warning",
    text: "The priority of a force is {found}; it was taken as low.",
    cure: 'Send "low", "medium", "high" or "critical".',
  },
  no_startup: {
    code: "N120",
    severity: "warning",
    text: "{game} begins with {command} instead of startup.",
    cure: "Send startup first, after each connect: it clears what an earlier run has left.",
  },
  empty_game: {
    code: "N121",
    severity: "warning",
    text: "A game has the empty name.",
    cure: "Send the display name of your game as game.",
  },
  too_many_games: {
    code: "N122",
    severity: "error",
    text: "One connection carries more than {most} games; {game} is ignored.",
    cure: "Send the same name in every message: it must not change.",
  },
  startup_again: {
    code: "N123",
    severity: "info",
    text: "{game} said startup again; its actions, its force and its unanswered action are forgotten.",
    cure: "Send startup once for each start of the game, and register actions after it.",
  },
  game_twice: {
    code: "N124",
    severity: "warning",
    text: "Another connection has a game named {game} too; they are played apart.",
    cure: "If that is an earlier run of yours, close its connection; else give each its own name.",
  },
  not_utf8: {
    code: "N125",
    severity: "warning",
    text: "A frame is not valid UTF-8; what is wrong was replaced.",
    cure: "Encode frames as UTF-8.",
  },

  bad_name: {
    code: "N201",
    severity: "warning",
    text: "{action} is no good name of an action; it was taken.",
    cure: "Use lowercase letters, digits, underscores and dashes, as in join_friend_lobby.",
  },
  name_refused: {
    code: "N202",
    severity: "error",
    text: "actions/register was ignored: {action} is no good name of an action, and strict is set.",
    cure: "Use lowercase letters, digits, underscores and dashes, as in join_friend_lobby.",
  },
  no_description: {
    code: "N203",
    severity: "warning",
    text: "{action} has no description.",
    cure: "Say in a sentence what the action does: the brain reads that, and nothing else.",
  },
  registered_late: {
    code: "N204",
    severity: "error",
    text: "{action} was registered {ms} ms after the force that names it.",
    cure: "Register actions before the force that names them.",
  },
  registered_again: {
    code: "N205",
    severity: "info",
    text: "{action} was registered before, otherwise; the new one replaces it.",
    cure: "Unregister it first: servers before 2026-08 keep the first one.",
  },
  registration_kept: {
    code: "N206",
    severity: "warning",
    text: "{action} is registered already, otherwise; the first one stays, as before 2026-08.",
    cure: "Unregister it first.",
  },
  twice_in_batch: {
    code: "N207",
    severity: "warning",
    text: "actions/register names {action} twice; the last one holds.",
    cure: "Register each name once.",
  },
  name_shared: {
    code: "N208",
    severity: "warning",
    text: "{action} is registered by {other} too.",
    cure: "Give your actions a prefix of their own: all games of a character share one space of names.",
  },
  too_many_actions: {
    code: "N209",
    severity: "error",
    text: "actions/register was ignored: the game would have more than {most}.",
    cure: "Unregister actions that cannot be used at present.",
  },
  force_replaced: {
    code: "N210",
    severity: "warning",
    text: "A force came while the one before was {state}; it replaces it.",
    cure: "Wait for the result of a force before you send the next.",
  },
  force_narrowed: {
    code: "N211",
    severity: "warning",
    text: "The force names {names}, not registered; it goes on with the others.",
    cure: "Register actions before the force that names them, and name only those that can be used.",
  },
  force_ignored: {
    code: "N212",
    severity: "error",
    text: "The force was ignored: it names {names}, and none of that is registered.",
    cure: "Register actions before the force that names them.",
  },
  force_emptied: {
    code: "N213",
    severity: "warning",
    text: "The force ends: all of its actions were unregistered while it was {state}.",
    cure: "Unregister actions once their result has been sent.",
  },
  force_cut: {
    code: "N214",
    severity: "warning",
    text: "The {what} of a force has {count} characters, of which the first {most} were kept.",
    cure: "Keep state and query short, and tell the rest as context.",
  },

  retried: {
    code: "N301",
    severity: "info",
    text: "Force retry {retry} of {most}: the result of {action} said {message}.",
    cure: "Answer success true, with a message, for an action that shall not be tried again.",
  },
  retries_used: {
    code: "N302",
    severity: "error",
    text: "The force ends after {most} retries: the result of {action} said {message}.",
    cure: "Say in the message what would be right; answer success true where no try can succeed.",
  },
  retry_emptied: {
    code: "N303",
    severity: "warning",
    text: "{action} failed, and none of the force's actions is registered any more; the force ends.",
    cure: "Unregister actions after a successful result, not before.",
  },
  no_result: {
    code: "N311",
    severity: "error",
    text: "No result for {action} in {seconds} s; it counts as failed, and its force ends.",
    cure: "Send action/result right after you have checked the data. Does your game answer success too?",
  },
  late_result: {
    code: "N312",
    severity: "warning",
    text: "The result of {action} came after {seconds} s, too late; it was dropped.",
    cure: "Send action/result right after you have checked the data, before the action is carried out.",
  },
  second_result: {
    code: "N313",
    severity: "warning",
    text: "{action} was answered before; its second result was dropped.",
    cure: "Send one result for each action.",
  },
  unknown_result: {
    code: "N314",
    severity: "warning",
    text: "There is no action with the id {id}; its result was dropped.",
    cure: "Send back the id that came with the action.",
  },
  others_result: {
    code: "N315",
    severity: "warning",
    text: "The action with the id {id} was sent to {other}; the result was dropped.",
    cure: "Answer the actions of your own game, over the connection that they came by.",
  },
  moot_result: {
    code: "N316",
    severity: "info",
    text: "The result of {action} was dropped: the game has said startup since.",
    cure: "Forget unanswered actions when the game starts anew.",
  },
  failed_silently: {
    code: "N317",
    severity: "info",
    text: "The result of {action} says that it failed, and not why.",
    cure: "Say in the message what was wrong: the brain reads it before it tries again.",
  },

  schema_root: {
    code: "N401",
    severity: "error",
    text: "The schema of {action} is of type {found}, and data is always an object; the action cannot be chosen.",
    cure: 'Give the schema the type "object", and wrap the value in a property.',
  },
  unsupported_keyword: {
    code: "N402",
    severity: "warning",
    text: "{keyword} at {path} in the schema of {action} is not supported by Neuro.",
    cure: "Do without it, and check the data in your game.",
  },
  doubtful_keyword: {
    code: "N403",
    severity: "info",
    text: "{keyword} at {path} in the schema of {action} may be ignored by Neuro.",
    cure: "Check the data in your game.",
  },
  schema_recurses: {
    code: "N404",
    severity: "error",
    text: "The schema of {action} refers to itself at {path}; the action cannot be chosen.",
    cure: "Write the levels out that you need.",
  },
  schema_explodes: {
    code: "N405",
    severity: "error",
    text: "The schema of {action} has more than {most} parts with all references resolved; the action cannot be chosen.",
    cure: "Ask for less in one action.",
  },
  schema_reference: {
    code: "N406",
    severity: "error",
    text: "{reference} in the schema of {action} leads nowhere; the action cannot be chosen.",
    cure: "Refer to parts of the same schema, as #/$defs/card, or write them out.",
  },
  schema_wrong: {
    code: "N407",
    severity: "error",
    text: "{keyword} at {path} in the schema of {action} is {found}, and is not heeded.",
    cure: "Make it {wanted}; any validator of JSON Schema tells more.",
  },
  schema_unmet: {
    code: "N408",
    severity: "error",
    text: "No data was found that meets the schema of {action}: {why}.",
    cure: "Check that its parts do not contradict each other.",
  },
  schema_large: {
    code: "N409",
    severity: "error",
    text: "The schema of {action} asks for more than {most} of data; the action cannot be chosen.",
    cure: "Ask for less in one action.",
  },
  schema_pattern: {
    code: "N410",
    severity: "warning",
    text: "The pattern at {path} in the schema of {action} is not checked: {why}.",
    cure: "Use a simple pattern, and check the data in your game.",
  },
  schema_untyped: {
    code: "N411",
    severity: "warning",
    text: "The schema of {action} has {found} at its root; it was taken as that of an object.",
    cure: 'Give the schema the type "object".',
  },
  unknown_keyword: {
    code: "N412",
    severity: "warning",
    text: "{keyword} at {path} in the schema of {action} is no keyword of JSON Schema, and is not heeded.",
    cure: "{hint}",
  },

  brain_failed: {
    code: "N501",
    severity: "error",
    text: "The brain {brain} failed: {why}.",
    cure: "This lies with the brain, not with your game.",
  },
  brain_late: {
    code: "N502",
    severity: "error",
    text: "The brain {brain} chose nothing in {seconds} s; the force ends.",
    cure: "This lies with the brain, not with your game; see choice_timeout_secs.",
  },
  bad_choice: {
    code: "N503",
    severity: "warning",
    text: "The brain {brain} chose {action}, which was not sent: {why}.",
    cure: "This lies with the brain, not with your game; it is asked again.",
  },
  choices_used: {
    code: "N504",
    severity: "error",
    text: "The force ends: {count} choices of the brain {brain} in a row could not be sent.",
    cure: "This lies with the brain, not with your game.",
  },

  force_large: {
    code: "N505",
    severity: "warning",
    text: "The force is too large for the brain {brain}, which was sent {what}.",
    cure: "Keep the state of a force short, and name only actions that make sense at present.",
  },

  nobody_there: {
    code: "N506",
    severity: "error",
    text: "Nobody can choose: the input of the console has ended; the force ends.",
    cure: "Start the server in a terminal or keep its standard input open, or choose another brain.",
  },

  voice: {
    code: "N601",
    severity: "info",
    text: "The voice side channel was asked for; it was told that there is none.",
    cure: "Nothing: kits go on without it.",
  },
  reregister: {
    code: "N602",
    severity: "info",
    text: "A connection has said nothing for {seconds} s; it was asked for its actions.",
    cure: "Send startup and register your actions after each connect.",
  },

  fault_json: {
    code: "N701",
    severity: "info",
    text: "Fault on purpose (json): {action} is sent with data that is no JSON.",
    cure: "Answer it with success false, and say in the message what was wrong.",
  },
  fault_enum: {
    code: "N702",
    severity: "info",
    text: "Fault on purpose (enum): {action} is sent with {value} as {path}, which its schema does not list.",
    cure: "Answer it with success false, and say in the message what would be right.",
  },
  fault_type: {
    code: "N703",
    severity: "info",
    text: "Fault on purpose (type): {action} is sent with {value} as {path}, which is of the wrong type.",
    cure: "Answer it with success false, and say in the message what would be right.",
  },
  fault_missing: {
    code: "N704",
    severity: "info",
    text: "Fault on purpose (missing): {action} is sent without {path}, which its schema requires.",
    cure: "Answer it with success false, and say in the message what was missing.",
  },
  fault_double: {
    code: "N705",
    severity: "info",
    text: "Fault on purpose (double): {action} is sent while {other} is unanswered.",
    cure: "Answer both, each by its id.",
  },
  fault_unforced: {
    code: "N706",
    severity: "info",
    text: "Fault on purpose (unforced): {action} is sent although no force asked for it; the force's action comes after its result.",
    cure: "Answer it as any other action, and do not take it for the answer to the force.",
  },
  fault_slow: {
    code: "N707",
    severity: "info",
    text: "Fault on purpose (slow): a choice comes {seconds} s late.",
    cure: "Wait for it, without sending the force again.",
  },
  fault_drop: {
    code: "N708",
    severity: "info",
    text: "Fault on purpose (drop): the connection is cut instead of an action.",
    cure: "Connect again, send startup, register your actions, and send the force again.",
  },
  fault_duplicate: {
    code: "N709",
    severity: "info",
    text: "Fault on purpose (duplicate): {action} is sent twice with the same id.",
    cure: "Carry out each id once; a second result of it is dropped.",
  },
} as const satisfies Readonly<Record<string, Row>>;

type Table = typeof DIAGNOSTICS;
/** The name of a diagnostic in the code. */
export type DiagnosticName = keyof Table;

type Names<T extends string> = T extends `${string}{${infer N}}${infer Rest}`
  ? N extends "" | `${string}${"{" | '"' | " "}${string}`
    ? Names<Rest>
    : N | Names<Rest>
  : never;
type Values<N extends DiagnosticName> = Readonly<
  Record<Names<Table[N]["text"]> | Names<Table[N]["cure"]>, string | number>
>;

/** One thing that a game's developer is told. */
export interface Diagnostic {
  readonly name: DiagnosticName;
  readonly code: string;
  readonly severity: Severity;
  /** Values of a client in it are shortened and printable. */
  readonly text: string;
  readonly cure: string;
}

export function diagnose<N extends DiagnosticName>(name: N, values: Values<N>): Diagnostic {
  const { code, severity, text, cure }: Row = DIAGNOSTICS[name];
  const fill = (sentence: string) =>
    sentence.replace(/\{(\w+)\}/g, (whole, key: string) => {
      const value = (values as Readonly<Record<string, string | number | undefined>>)[key];
      return value === undefined ? whole : String(value);
    });
  return { name, code, severity, text: fill(text), cure: fill(cure) };
}

/** True for what tells of a fault that was made on purpose. */
export function isFault({ name }: Diagnostic): boolean {
  return name.startsWith("fault_");
}

const LONGEST_SHOWN = 120;

/** A text of a client in a diagnostic: printable, and shortened. */
export function shown(text: string): string {
  const whole = text.length <= LONGEST_SHOWN;
  return printable(whole ? text : `${text.slice(0, LONGEST_SHOWN)}...`);
}

/** The same in quotes. */
export function quoted(text: string): string {
  return `"${shown(text)}"`;
}

/** Milliseconds as seconds with a digit, for a diagnostic. */
export function secondsOf(ms: number): number {
  return Math.round(ms / 100) / 10;
}

/** What somebody else's code has thrown, which may be anything, for a diagnostic. */
export function thrownText(error: unknown): string {
  try {
    return shown(messageOf(error));
  } catch {
    return "something that cannot be shown";
  }
}
