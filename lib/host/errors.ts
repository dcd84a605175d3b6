/** Why the program cannot start, in one line for the operator; exit code 1. */
export class StartError extends Error {}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
