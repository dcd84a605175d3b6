import { systemClock } from "./clock.ts";

/** Characters that may wait for a console that nobody reads (a stopped pager); beyond that lines are not shown. */
const CONSOLE_WAITING_MAX = 1024 * 1024;
const stdout = { watched: false, gone: false, waiting: 0, unseen: 0 };

/** Writes to standard output: never blocks, never grows without bound, and does without when it has been closed. */
export function writeStdout(text: string): void {
  if (!stdout.watched) {
    stdout.watched = true;
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOSPC") stdout.gone = true;
    });
  }
  if (stdout.gone) return;
  if (stdout.waiting > CONSOLE_WAITING_MAX) {
    stdout.unseen++;
    return;
  }
  const line =
    stdout.unseen > 0
      ? `... ${stdout.unseen} lines were not shown: nobody read them\n${text}`
      : text;
  stdout.unseen = 0;
  stdout.waiting += line.length;
  process.stdout.write(line, () => {
    stdout.waiting -= line.length;
  });
}

/** How long an exit waits for a console that does not read. */
const DELIVERY_MS = 1000;

/** Resolves once all that was printed has been delivered, or nobody takes it: an exit before that would drop it. */
export function stdoutDelivered(): Promise<void> {
  if (stdout.gone) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = systemClock.after(DELIVERY_MS, resolve);
  process.stdout.write("", () => {
    cancel();
    resolve();
  });
  return promise;
}
