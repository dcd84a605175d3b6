/** Why the program cannot start, in one line for the operator; exit code 1. */
export class StartError extends Error {}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const REASONS: Record<string, string> = {
  EACCES: "permission denied",
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "this machine does not have that address",
  EISDIR: "it is a folder",
  ENOENT: "no such file",
  ENOTDIR: "part of the path is not a folder",
  EPERM: "permission denied",
};

/** The reason of a failed system call in words. */
export function reasonOf(error: unknown): string {
  const { code } = error as { code?: string };
  return (code && REASONS[code]) || messageOf(error);
}
