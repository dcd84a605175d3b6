import { reasonOf } from "../../config/reason.ts";
import { systemClock } from "../clock.ts";

/** Characters that may wait for a console that nobody reads (a stopped pager); beyond that lines are not shown. */
const CONSOLE_WAITING_MAX = 1024 * 1024;
const stdout = { watched: false, gone: false, waiting: 0, unseen: 0, failure: "" };

/** Handles errors of standard output, which otherwise end the process with a stack. */
export function watchStdout(): void {
  if (stdout.watched) return;
  stdout.watched = true;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that ends early (`| head`) is no failure, nor is a terminal that was closed.
    const hasGone = error.code === "EPIPE" || (error.code === "EIO" && process.stdout.isTTY);
    if (!hasGone) stdout.failure = reasonOf(error);
    if (error.code !== "ENOSPC") stdout.gone = true;
  });
}

/** Adds to each text what it takes for it to stand above a line that is being typed. */
let wrap: ((text: string) => string) | null = null;

/** From now on every text for standard output is passed through `through`, until that is null again. */
export function wrapStdout(through: ((text: string) => string) | null): void {
  wrap = through;
}

/** Writes to standard output: never blocks, never grows without bound, and drops the text once that is closed. */
export function writeStdout(text: string): void {
  watchStdout();
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
  const whole = wrap === null ? line : wrap(line);
  stdout.waiting += whole.length;
  process.stdout.write(whole, () => {
    stdout.waiting -= whole.length;
  });
}

/**
 * Ends standard output once all that was printed has been delivered: an exit
 * before that would drop it.
 * @param withinMs milliseconds to wait for a reader that does not read
 * @returns the reason why some of it could not be written, or ""
 */
export function endStdout(withinMs: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const cancel = systemClock.after(withinMs, () => resolve(stdout.failure));
  const done = () => {
    cancel();
    resolve(stdout.failure);
  };
  if (stdout.gone) done();
  else {
    process.stdout.on("error", done);
    process.stdout.end(done);
  }
  return promise;
}

/** Ends standard error in the same way. Errors are ignored, since there is nowhere to tell of them. */
export function endStderr(withinMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = systemClock.after(withinMs, resolve);
  process.stderr.on("error", () => resolve());
  process.stderr.end(() => resolve());
  return promise.finally(cancel);
}
