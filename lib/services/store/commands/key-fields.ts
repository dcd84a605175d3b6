import * as field from "./fields.ts";

/** Shared by the actions on keys. */

/** Longest life that can be asked for, in milliseconds: some 300 years. */
export const MAX_TTL = 10 ** 13;

export const ns = field.optional(
  field.text("Namespace that the key is in, as users^42."),
  "the root",
);
export const key = field.text("The key; ^ separates its parts.");
/** The refusals of a change that cannot be recorded. */
export const DISK = ["DISK_FULL", "DISK_FAILING"] as const;
