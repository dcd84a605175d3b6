import { printable } from "../../host/content.ts";
import { onSignals } from "../../host/lifecycle.ts";
import { type Call, numberOf } from "./actions.ts";
import type { Line } from "./connection.ts";
import { jsonShown, print, toTerminal } from "./output.ts";
import { say } from "../say.ts";
import { count as counted } from "../../host/count.ts";
import { number, object, optional, orNull, text } from "../shape.ts";

interface Subscribed {
  readonly subscribed: string;
  /** The messages that are not kept any more; null if the store cannot tell. */
  readonly lost?: number | null | undefined;
}

const subscribedShape = object<Subscribed>({ subscribed: text, lost: optional(orNull(number)) });

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
  const { subscribed, lost } = connection.checked(answer, subscribedShape);
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

/** An event for a person; one that is none of a store's is shown as it came. */
function told({ text: line, holds }: Line): string {
  const { event, key, channel, seq, tree } = holds;
  const about = event === "message" ? channel : key;
  if (!text(about)) return printable(line);
  const value = JSON.stringify(holds["value"]);
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
