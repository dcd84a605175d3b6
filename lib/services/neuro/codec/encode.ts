/** What a game is sent. */
import type { Character } from "../protocol.ts";

/** A message in ASCII, since some clients drop whatever has another byte. */
function message(command: string, data?: Readonly<Record<string, unknown>>): string {
  return rawCommand(data === undefined ? { command } : { command, data });
}

/** A message of somebody else's making, in ASCII. */
export function rawCommand(message: object): string {
  return JSON.stringify(message).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
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

/** What the voice side channel is told. */
export function voiceUnavailableCommand(): string {
  return message("voice/unavailable", { reason: "not supported" });
}
