import { count as counted } from "../../host/count.ts";
import { printable } from "../../host/content.ts";
import { onSignals } from "../../host/lifecycle.ts";
import type { ConnectionEvent } from "../../library/store/options.ts";
import type { StoreEvent, Wanted } from "../../library/store/events.ts";
import type { Subscription } from "../../library/store/subscription.ts";
import { say } from "../terminal/say.ts";
import { number, text } from "../client/shape.ts";
import { type Call, numberOf } from "./actions.ts";
import { jsonShown, print, toTerminal } from "./output.ts";

/** Prints the events of a subscription until Ctrl-C, or as many as were asked for; it comes back when the connection breaks. */
export async function follow(
  to: Pick<Wanted, "keys" | "channel">,
  { connection, flags, at: { ns } }: Omit<Call, "words">,
): Promise<number> {
  const isTold = toTerminal && !flags.has("json");
  const most = numberOf(flags, "count") ?? Infinity;
  const since = numberOf(flags, "since");
  const { promise: over, resolve: end } = Promise.withResolvers<number>();
  let printed = 0;
  const hear = async (event: StoreEvent, line: string | null): Promise<void> => {
    // `live` ends what was missed, and is none itself.
    if (printed >= most || event.event === "live") return;
    if (line === null) {
      if (event.event === "lost") tellLost(event, "keys" in to ? "change" : "message");
      return;
    }
    const isTaken = await print(`${isTold ? told(line, event) : jsonShown(line)}\n`);
    if (!isTaken || ++printed >= most) end(0);
  };
  let state: "new" | "there" | "away" = "new";
  const onConnection = (told: ConnectionEvent) => {
    const where = () => `${printable(subscription.name)} on ${connection.address}`;
    if (told.event === "connected") {
      if (state === "away") say.log(`listening again to ${where()}`);
      else if (toTerminal) say.log(`listening to ${where()}; Ctrl-C ends it`);
      state = "there";
    } else if (told.event === "disconnected" && state === "there") {
      say.warn(`${connection.failureOf(told.why).message}; trying to come back`);
      state = "away";
    }
  };
  const wanted = { ...to, ...(ns !== undefined && { ns }), ...(since !== undefined && { since }) };
  const subscription: Subscription = connection.subscribe(wanted, hear, onConnection);
  const ignoreSignals = onSignals({ stop: () => end(0), cut: () => process.exit(1) });
  try {
    const why = await Promise.race([over, subscription.ended]);
    if (why instanceof Error) throw connection.failureOf(why);
    return 0;
  } finally {
    subscription.close();
    ignoreSignals();
  }
}

/** Tells of what will not come any more. */
function tellLost({ lost, since }: StoreEvent & { event: "lost" }, what: string): void {
  const from = since === undefined ? "meanwhile" : `since ${since}`;
  if (lost === null) say.warn(`the store cannot tell what it has sent ${from}`);
  else say.warn(`${counted(lost, what)} ${from} are not kept any more`);
}

/** An event for a person; one that is none of a store's is shown as it came. */
function told(line: string, holds: object): string {
  const { event, key, channel, seq, tree, value: given } = holds as Record<string, unknown>;
  const about = event === "message" ? channel : key;
  if (!text(about)) return printable(line);
  const value = JSON.stringify(given);
  switch (event) {
    case "set":
      return printable(`set ${about} ${value}`);
    case "del":
    case "expired":
      return printable(`${event} ${about}${tree ? " and all below" : ""}`);
    case "message":
      if (number(seq)) return printable(`${about} #${seq} ${value}`);
  }
  return printable(line);
}
