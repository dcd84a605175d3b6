import { createConsola } from "consola/core";

/** One line for a person, on standard error; out of the way of what a command prints. */
export const say = createConsola({
  level: 3,
  throttle: 0,
  reporters: [
    {
      log: ({ type, args }) => {
        const mark = type === "error" ? "error: " : type === "warn" ? "warning: " : "";
        process.stderr.write(`${mark}${args.join(" ")}\n`);
      },
    },
  ],
});

/** Says nothing any more but warnings and errors. */
export function hush(): void {
  say.level = 1;
}
