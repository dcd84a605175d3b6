import { text, whole, wholeOrNever } from "../option.ts";
import { live, MS_MAX, name } from "./bounds.ts";

/** The settings of the program as a whole. */
export const program = {
  name: text("summoner", "Name of this server in its log, and of its log file.", name),
  drain_ms: whole(
    5000,
    [0, MS_MAX],
    "How long a stop may take to serve what has come and to send what clients are owed, in milliseconds.",
    live,
  ),
  keepalive_secs: wholeOrNever(
    60,
    32_767,
    "Seconds of silence after which the system asks a client's machine whether it is still there; one that has vanished is closed ten seconds later. It holds for those who connect from then on.",
    live,
  ),
};
