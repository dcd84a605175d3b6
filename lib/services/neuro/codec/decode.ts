/** The messages of games, read. */
import { nearest } from "../../../config/nearest.ts";
import { type Diagnostic, diagnose, quoted, shown } from "../diagnostics.ts";
import { documentsOf, type Tell } from "./json.ts";
import { type Action, type Command, LONGEST_NAME } from "../protocol.ts";
import { Data, type Fields, kindOf } from "./data.ts";

/** A frame, understood. */
export interface Decoded {
  readonly commands: readonly Command[];
  readonly diagnostics: readonly Diagnostic[];
}

/** More about one frame is not told. */
const MOST_DIAGNOSTICS = 100;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const UTF8_AS_MEANT = new TextDecoder("utf-8", { ignoreBOM: true });

/** Understands a frame. It never throws: what cannot be understood becomes a diagnostic. */
export function decode(frame: string | Uint8Array): Decoded {
  const commands: Command[] = [];
  const diagnostics: Diagnostic[] = [];
  const tell: Tell = (diagnostic) => {
    if (diagnostics.length < MOST_DIAGNOSTICS) diagnostics.push(diagnostic);
  };
  const text = typeof frame === "string" ? frame : textOf(frame, tell);
  for (const document of documentsOf(text, tell)) {
    const command = commandOf(document, tell);
    if (command !== null) commands.push(command);
  }
  return { commands, diagnostics };
}

function textOf(bytes: Uint8Array, tell: Tell): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    tell(diagnose("not_utf8", {}));
    return UTF8_AS_MEANT.decode(bytes);
  }
}

/** Names that are in use, and what they mean. */
const OLD_NAMES: Readonly<Record<string, string>> = {
  "action:result": "action/result",
  "game/startup": "startup",
};

/** What the server sends, with what a game sends instead. */
const SERVER_COMMANDS: Readonly<Record<string, string>> = {
  action: "To answer an action, send action/result.",
  speech_finished: "Leave it out.",
  "actions/reregister_all": "Send actions/register.",
  "shutdown/graceful": "Send shutdown/ready once the game may be closed.",
  "shutdown/immediate": "Send shutdown/ready once the game may be closed.",
};

/** The first parts of the protocol's own commands; what has another is a vendor's. */
const OWN_PREFIXES = new Set([
  "action",
  "actions",
  "context",
  "force",
  "game",
  "shutdown",
  "startup",
]);

/** Reads the data of a command; null when the command is to be ignored. */
type Read = (data: Data, game: string) => Command | null;

/** Every command of a game. */
const COMMANDS: Readonly<Record<string, Read>> = {
  startup: (data, game) => data.unused({ command: "startup", game }),
  context: (data, game) => {
    const message = data.text("message", "");
    const silent = data.flag("silent");
    if (message === undefined || silent === undefined) return null;
    return { command: "context", game, message, silent };
  },
  "actions/register": (data, game) => {
    const actions = data.actions();
    return actions && { command: "actions/register", game, actions };
  },
  "actions/unregister": (data, game) => {
    const names = data.names();
    return names && { command: "actions/unregister", game, names };
  },
  "actions/force": (data, game) => {
    const force = data.force();
    return force && { command: "actions/force", game, ...force };
  },
  "action/result": (data, game) => {
    const result = data.result();
    return result && { command: "action/result", game, ...result };
  },
  "shutdown/ready": (data, game) => data.unused({ command: "shutdown/ready", game }),
};

function commandOf(document: unknown, tell: Tell): Command | null {
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    tell(diagnose("not_object", { found: kindOf(document) }));
    return null;
  }
  const { command: given, game, data } = document as Fields;
  if (typeof given !== "string" || given === "") {
    tell(diagnose("no_command", { found: kindOf(given) }));
    return null;
  }
  if (typeof game !== "string" || game.length > LONGEST_NAME) {
    tell(diagnose("no_game", { command: shown(given), found: kindOf(game) }));
    return null;
  }
  if (game === "") tell(diagnose("empty_game", {}));
  const name = Object.hasOwn(OLD_NAMES, given) ? (OLD_NAMES[given] as string) : given;
  if (name !== given) tell(diagnose("old_name", { command: given, name }));
  const read = Object.hasOwn(COMMANDS, name) ? (COMMANDS[name] as Read) : null;
  if (read !== null) return read(new Data(name, data, tell), game);
  if (Object.hasOwn(SERVER_COMMANDS, name)) {
    tell(diagnose("server_command", { command: name, hint: SERVER_COMMANDS[name] as string }));
  } else if (!isOfVendor(name)) {
    const meant = nearest(name, Object.keys(COMMANDS));
    const hint = meant
      ? `Did you mean ${meant}?`
      : `Known are ${Object.keys(COMMANDS).join(", ")}. A command of your own takes a prefix, as in mygame/command.`;
    tell(diagnose("unknown_command", { command: quoted(name), hint }));
  }
  return { command: "other", game, name, data };
}

/** `vendor/command`, `vendor:command`. */
function isOfVendor(name: string): boolean {
  const end = name.search(/[/:]/);
  return end > 0 && end < name.length - 1 && !OWN_PREFIXES.has(name.slice(0, end).toLowerCase());
}

/**
 * The actions of a register command's data.
 * @throws TypeError with the first thing that is wrong
 */
export function deserializeActions(data: unknown): readonly Action[] {
  return thrown((tell) => new Data("actions/register", data, tell).actions());
}

/**
 * The names in the data of a command that has them.
 * @throws TypeError with the first thing that is wrong
 */
export function checkActionNames(data: unknown): readonly string[] {
  return thrown((tell) => new Data("actions/unregister", data, tell).names());
}

function thrown<T>(read: (tell: Tell) => T | null): T {
  let first = "";
  const found = read(({ severity, text }) => {
    if (severity === "error") first ||= text;
  });
  if (found === null) throw new TypeError(first);
  return found;
}

/** True if the protocol allows this name of an action. */
export function isGoodName(name: string): boolean {
  return /^[a-z0-9_-]+$/.test(name);
}
