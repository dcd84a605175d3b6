import { printable } from "../../host/content.ts";
import { onSignals } from "../../host/lifecycle.ts";
import { type Call, numberOf } from "./actions.ts";
import type { Line } from "./connection.ts";
import { jsonShown, print, toTerminal } from "./output.ts";
import { say } from "../say.ts";
import { count as counted } from "../../host/count.ts";

/** Prints the events of a subscription until Ctrl-C, or as many as were asked for. */
export async function follow(
  to: { readonly keys: string | undefined } | { readonly channel: string | undefined },
  call: Omit<Call, "words">,
): Promise<number> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<number>();
  const ignoreSignals = onSignals({ stop: () => stop(0), cut: () => process.exit(1) });
  try {
    return await Promise.race([stopped, subscription(to, call)]);
  } finally {
    ignoreSignals();
  }
}

async function subscription(
  to: object,
  { connection, flags, at }: Omit<Call, "words">,
): Promise<number> {
  const since = numberOf(flags, "since");
  const answer = await connection.ask({ action: "SUBSCRIBE", ...to, ...at, since });
  const { subscribed, lost } = answer as { subscribed: string; lost?: number | null };
  if (toTerminal) {
    say.log(`listening to ${printable(subscribed)} on ${connection.address}; Ctrl-C ends it`);
  }
  if (lost === null) say.warn(`the store cannot tell what it has sent since ${since}`);
  else if (lost) say.warn(`${counted(lost, "message")} since ${since} are not kept any more`);
  const shown = toTerminal && !flags.has("json") ? told : ({ text }: Line) => jsonShown(text);
  const most = numberOf(flags, "count") ?? Infinity;
  for (let printed = 0; printed < most; printed++) {
    if (!(await print(`${shown(await connection.next())}\n`))) break;
  }
  return 0;
}

/** An event for a person. */
function told({ text, holds }: Line): string {
  const { event, key, channel, seq, tree } = holds;
  const value = JSON.stringify(holds["value"]);
  switch (event) {
    case "set":
      return printable(`set ${key} ${value}`);
    case "del":
    case "expired":
      return printable(`${event} ${key}${tree ? " and all below" : ""}`);
    case "message":
      return printable(`${channel} #${seq} ${value}`);
    default:
      return printable(text);
  }
}
