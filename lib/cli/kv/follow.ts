import { printable } from "../../host/content.ts";
import { systemClock } from "../../host/clock.ts";
import { StartError } from "../../host/errors.ts";
import { onSignals } from "../../host/lifecycle.ts";
import { type Call, numberOf } from "./actions.ts";
import { Closed, type Line, Refused, type StoreConnection } from "./connection.ts";
import { jsonShown, print, toTerminal } from "./output.ts";
import { say } from "../say.ts";
import { count as counted } from "../../host/count.ts";
import { number, object, optional, orNull, text } from "../shape.ts";

interface Subscribed {
  readonly subscribed: string;
  /** The messages that are not kept any more; null if the store cannot tell. */
  readonly lost?: number | null | undefined;
  /** The number of the last message or change, where these are numbered, and the epoch of the numbers. */
  readonly seq?: number | undefined;
  readonly epoch?: string | undefined;
}

const subscribedShape = object<Subscribed>({
  subscribed: text,
  lost: optional(orNull(number)),
  seq: optional(number),
  epoch: optional(text),
});

/** Prints the events of a subscription until Ctrl-C, or as many as were asked for; it comes back when the connection breaks. */
export async function follow(
  to: { readonly keys: string | undefined } | { readonly channel: string | undefined },
  call: Omit<Call, "words">,
): Promise<number> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<number>();
  const ignoreSignals = onSignals({ stop: () => stop(0), cut: () => process.exit(1) });
  const over = { isOver: false };
  try {
    return await Promise.race([stopped, subscription(to, call, over)]);
  } finally {
    over.isOver = true;
    ignoreSignals();
  }
}

/** Events of one subscription, over one connection after the other. */
async function subscription(
  to: object,
  { connection: first, reopen, flags, at }: Omit<Call, "words">,
  over: { readonly isOver: boolean },
): Promise<number> {
  const shown = toTerminal && !flags.has("json") ? told : ({ text }: Line) => jsonShown(text);
  const most = numberOf(flags, "count") ?? Infinity;
  let connection = first;
  let seen: Seen = { since: numberOf(flags, "since") };
  let printed = 0;
  for (let isBack = false; ; isBack = true) {
    try {
      seen = await begun(to, connection, at, seen, isBack);
      while (printed < most) {
        const line = await connection.next();
        const { event, seq } = line.holds;
        // Those of a pattern of channels are of many channels.
        if (number(seq) && seen.since !== undefined) seen.since = seq;
        // It ends what was missed, and is none itself.
        if (event === "live") continue;
        if (!(await print(`${shown(line)}\n`))) return 0;
        printed++;
      }
      return 0;
    } catch (error) {
      if (!(error instanceof Closed)) throw error;
      // Its own end closes the connection too.
      if (over.isOver) return 0;
      connection.close();
      say.warn(`${error.message}; trying to come back`);
    }
    connection = await again(reopen);
  }
}

/** What a subscription has seen last, to come back with. */
interface Seen {
  since?: number | undefined;
  epoch?: string | undefined;
}

/** Begins a subscription, or goes on with it, and tells what is lost. @returns what has been seen of it so far */
async function begun(
  to: object,
  connection: StoreConnection,
  at: Call["at"],
  { since, epoch }: Seen,
  isBack: boolean,
): Promise<Seen> {
  const answer = await connection.ask({ action: "SUBSCRIBE", ...to, ...at, since, epoch });
  const told = connection.checked(answer, subscribedShape);
  const { subscribed, lost } = told;
  if (isBack) say.log(`listening again to ${printable(subscribed)} on ${connection.address}`);
  else if (toTerminal) {
    say.log(`listening to ${printable(subscribed)} on ${connection.address}; Ctrl-C ends it`);
  }
  const what = "keys" in to ? "change" : "message";
  if (lost === null || (isBack && since === undefined)) {
    const from = since === undefined ? "meanwhile" : `since ${since}`;
    say.warn(`the store cannot tell what it has sent ${from}`);
  } else if (lost) say.warn(`${counted(lost, what)} since ${since} are not kept any more`);
  const isKnown = since !== undefined && lost !== null;
  return { since: isKnown ? since : told.seq, epoch: told.epoch };
}

/** Milliseconds between two attempts to come back: at first, and at most. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/** Connects again, as often as it takes. @throws Refused when the store refuses this client */
async function again(reopen: () => Promise<StoreConnection>): Promise<StoreConnection> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const { promise, resolve } = Promise.withResolvers<void>();
    systemClock.after(pause, resolve);
    await promise;
    try {
      return await reopen();
    } catch (error) {
      if (!(error instanceof StartError) || error instanceof Refused) throw error;
    }
  }
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
