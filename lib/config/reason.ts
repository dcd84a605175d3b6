const REASONS: Record<string, string> = {
  EACCES: "permission denied",
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "this machine does not have that address",
  EAI_AGAIN: "names cannot be looked up at present",
  EEXIST: "its folder is a file",
  EISDIR: "it is a folder",
  ENOENT: "there is no such file",
  ENOSPC: "no space left on device",
  ENOTDIR: "part of the path is not a folder",
  ENOTFOUND: "nothing is known by that name",
  ENXIO: "it is no file",
  EPERM: "permission denied",
  ERR_INVALID_ARG_VALUE: "no path holds a zero byte",
};

/** The reason that a system call failed, in words. */
export function reasonOf(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const system = /^[A-Z0-9]+: (.*?)(, |$)/.exec(message)?.[1];
  return REASONS[code] ?? system ?? message;
}
