/** The messages to games, written. */
import type { Character } from "../protocol.ts";

/** A message in ASCII, since some clients drop whatever has another byte. */
function message(command: string, data?: Readonly<Record<string, unknown>>): string {
  return rawCommand(data === undefined ? { command } : { command, data });
}

/** A message of somebody else's making, in ASCII. */
export function rawCommand(message: object): string {
  const json = JSON.stringify(message);
  return /[\u007f-\uffff]/.test(json) ? inAscii(json) : json;
}

const DIGITS = Buffer.from("0123456789abcdef");
/** The first bytes of an escape, as `\u00e9`, and how many it has. */
const ESCAPE = [0x5c, 0x75] as const;
const ESCAPE_BYTES = 6;

/** JSON with escapes for all that is not ASCII, byte by byte: a call for each would take long for a long text. */
function inAscii(json: string): string {
  const bytes = Buffer.allocUnsafe(json.length * ESCAPE_BYTES);
  let end = 0;
  for (let at = 0; at < json.length; at++) {
    const unit = json.charCodeAt(at);
    if (unit < 0x7f) {
      bytes[end++] = unit;
      continue;
    }
    [bytes[end++], bytes[end++]] = ESCAPE;
    for (let shift = 12; shift >= 0; shift -= 4) {
      bytes[end++] = DIGITS[(unit >> shift) & 15] as number;
    }
  }
  return bytes.toString("latin1", 0, end);
}

/** Tells a game which character it is connected to; the answer to its startup. */
export function startupCommand(sessionId: string, { id, displayName }: Character): string {
  return message("startup", { session: { sessionId, characterId: id, displayName } });
}

/** @param data JSON text; left out for an action without data */
export function actionCommand(id: string, name: string, data?: string): string {
  return message("action", data === undefined ? { id, name } : { id, name, data });
}

/** @param cancelled why the response was cut short; only with the last segment of a response */
export function speechFinishedCommand(isFinal: boolean, cancelled?: string): string {
  const why = cancelled === undefined ? {} : { cancelled: true, reason: cancelled };
  return message("speech_finished", { isFinal, ...why });
}

export function reregisterAllCommand(): string {
  return message("actions/reregister_all");
}

/** @param wantsShutdown false takes an earlier request back */
export function shutdownGracefulCommand(wantsShutdown: boolean): string {
  return message("shutdown/graceful", { wants_shutdown: wantsShutdown });
}

export function shutdownImmediateCommand(): string {
  return message("shutdown/immediate");
}

/** The answer to the voice side channel. */
export function voiceUnavailableCommand(): string {
  return message("voice/unavailable", { reason: "not supported" });
}
