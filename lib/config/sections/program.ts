import { text, whole } from "../option.ts";
import { live, MS_MAX, nonEmpty } from "./bounds.ts";

/** What is of the program as a whole. */
export const program = {
  name: text("summoner", "Name of this server in its log, and of its log file.", nonEmpty),
  drain_ms: whole(
    5000,
    [0, MS_MAX],
    "How long a stop waits for bytes that clients have not taken yet, in milliseconds.",
    live,
  ),
};
