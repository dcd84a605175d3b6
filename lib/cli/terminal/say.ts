import { createConsola } from "consola/core";
import { printable } from "../../host/content.ts";

/** Messages for a person. They go to standard error, so they never mix with a command's output. */
export const say = createConsola({
  level: 3,
  throttle: 0,
  reporters: [
    {
      log: ({ type, args }) => {
        const mark = type === "error" ? "error: " : type === "warn" ? "warning: " : "";
        const lines = args.join(" ").split("\n").map(printable);
        process.stderr.write(`${mark}${lines.join("\n")}\n`);
      },
    },
  ],
});

/** Lets only warnings and errors through from now on. */
export function hush(): void {
  say.level = 1;
}
