/** Upper bounds for the numbers of all sections. */
export const BYTES_MAX = 2 ** 40;
export const SECONDS_MAX = 10 ** 8;
export const MS_MAX = 10 ** 9;
export const COUNT_MAX = 10 ** 9;

/** A setting that SIGHUP applies. */
export const live = { live: true } as const;

/** A text that must not be empty. */
export const nonEmpty = {
  check: (found: string) => (found.trim() === "" ? "empty" : null),
  allowed: "text that is not empty",
};
