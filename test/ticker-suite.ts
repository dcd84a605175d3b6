import { turn } from "./kit.ts";

/** A log that keeps its lines, each with the level in front; a bug's with its stack. */
export function logged() {
  const lines: string[] = [];
  return {
    lines,
    info: (message: string) => void lines.push(`info ${message}`),
    warning: (message: string) => void lines.push(`warning ${message}`),
    error: (message: string) => void lines.push(`error ${message}`),
    bug: (error: unknown, context: string) =>
      void lines.push(`bug ${context}: ${error instanceof Error ? error.stack : String(error)}`),
  };
}

/** Lets all that is due in this process happen: a tick ends, the next is planned, and comes. */
export async function settle(): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await turn();
}
