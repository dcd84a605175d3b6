import { createConsola } from "consola/core";
import { printable } from "../host/content.ts";

/** Says something to a person, on standard error; out of the way of what a command prints. */
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

/** Says nothing any more but warnings and errors. */
export function hush(): void {
  say.level = 1;
}
