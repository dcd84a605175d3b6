/** Upper bounds for the numbers of all sections. */
export const BYTES_MAX = 2 ** 40;
export const SECONDS_MAX = 10 ** 8;
export const MS_MAX = 10 ** 9;
export const COUNT_MAX = 10 ** 9;
const NAME_MAX = 64;

/** A setting that SIGHUP applies. */
export const live = { live: true } as const;

/** A text that names something and stands in a file's name, which systems bound at 255 bytes. */
export const name = {
  check: (found: string) =>
    found.trim() === "" ? "empty" : found.length > NAME_MAX ? "too long" : null,
  allowed: `text of 1 to ${NAME_MAX} characters that is not blank`,
};

/** A text that must not be empty. */
export const nonEmpty = {
  check: (found: string) => (found.trim() === "" ? "empty" : null),
  allowed: "text that is not empty",
};
