/** An error in another thread, as it is told. */

/** The stack of whatever was thrown, as text that can be passed between threads. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)) : Bun.inspect(error);
}

/** An error with a stack of another thread. */
export function errorOf(stack: string): Error {
  const error = new Error(stack.split("\n", 1)[0] ?? "");
  error.stack = stack;
  return error;
}

/** The reason and the stack in the report of a Worker's uncaught error, which quotes some source first. */
export function uncaught(report: string): [reason: string, stack: string | null] {
  const lines = report.trimEnd().split("\n");
  const at = lines.findIndex((line) => /^\w*(error|message): /i.test(line));
  const said = lines.slice(Math.max(0, at));
  return [
    `uncaught ${at < 0 ? "error: " : ""}${said[0]}`,
    said.length > 1 ? said.map((line) => line.trim()).join("\n    ") : null,
  ];
}
