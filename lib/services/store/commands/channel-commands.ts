import { isSystem } from "../channels/catch-up.ts";
import type { StoreClient, Subscription } from "../client.ts";
import {
  type Path,
  pathOf,
  type Pattern,
  patternOf,
  SEPARATOR,
  SYSTEM,
  textOf,
  unfit,
} from "../keys/path.ts";
import { Refusal } from "../refusal.ts";
import { type Command, command, forbidden, type Parts, result, tooLarge } from "./command.ts";
import * as field from "./fields.ts";
import { listing, pageOf, PAGING } from "./paging.ts";

const ns = field.optional(field.text("Namespace that the name is in, as orders^eu."), "the root");
const channel = field.optional(
  field.text("A channel, as orders^eu; or orders^* for all below, * for all."),
);
const keys = field.optional(
  field.text(
    "Keys to watch: one, or with ^* at the end all below, or * for all but those below ^sys.",
  ),
);

const STAR = new Refusal("BAD_KEY", "a channel has no part that is *");

/** Actions on channels, and subscriptions to changes of keys. */
export const CHANNEL_COMMANDS = {
  SUBSCRIBE: command({
    about:
      "Sends what a channel carries from now on, or with keys what becomes of keys. With since, what came after that message or change comes first; with state, the values that keys have.",
    fields: {
      channel,
      keys,
      ns,
      since: field.optional(
        field.whole(
          0,
          Number.MAX_SAFE_INTEGER,
          "Number of the last message or change that was seen; not for a pattern of channels.",
        ),
      ),
      epoch: field.optional(
        field.text("The epoch that number came with; needed with the number of a change."),
      ),
      state: field.optional(
        field.flag(
          "Whether the values that keys have come first; with since, only where changes after it are lost. Not for a channel.",
        ),
        "false",
      ),
    },
    result:
      "`{subscribed}`; of one channel, or of keys, `{subscribed, seq, epoch}`, and with since `lost` too, null where it cannot be known; of a channel also `replayed`",
    errors: ["TOO_MANY"],
    right: "subscribe",
    run(request, client, parts) {
      const wanted = subscriptionOf(request);
      if (wanted instanceof Refusal) return wanted;
      const { kind, pattern, name } = wanted;
      const refusal = forbidden(client, kind === "keys" ? "read" : "subscribe", pattern.path);
      if (refusal) return refusal;
      const single = kind === "channel" && !pattern.below;
      const bad = kind === "keys" ? unfollowed(request, pattern) : unreplayed(request, single);
      if (bad) return bad;
      const tooMany = parts.subscribers.subscribe(client, wanted);
      if (tooMany) return tooMany;
      const subscribed = JSON.stringify(name);
      if (kind === "keys") return following(client, wanted, request, parts);
      if (!single) return result(`{"subscribed":${subscribed}}`);
      const { since, epoch } = request;
      const known = `"subscribed":${subscribed},"seq":${parts.channels.known(pattern.path).seq},"epoch":"${parts.channels.epoch}"`;
      if (since === undefined) return result(`{${known}}`);
      const { replayed, lost } = parts.subscribers.replay(client, pattern.path, since, epoch);
      return result(`{${known},"replayed":${replayed},"lost":${lost}}`);
    },
  }),

  UNSUBSCRIBE: command({
    about: "Ends a subscription, or all.",
    fields: { channel, keys, ns },
    result: "how many were ended",
    errors: [],
    right: null,
    run(request, client, parts) {
      if (request.channel === undefined && request.keys === undefined && request.ns === undefined) {
        return result(parts.subscribers.unsubscribeAll(client));
      }
      const named = subscriptionOf(request);
      if (named instanceof Refusal) return named;
      return result(parts.subscribers.unsubscribe(client, named) ? 1 : 0);
    },
  }),

  PUBLISH: command({
    about: "Sends a value to whoever subscribes to a channel.",
    fields: {
      channel: field.text("The channel."),
      value: field.json("What to send."),
      ns,
    },
    result: "how many subscribers it went to",
    errors: ["TOO_LARGE"],
    right: "publish",
    run(request, client, parts) {
      const path = pathOf(request.ns, request.channel);
      const bad = unfit(path) ?? (path.includes("*") ? STAR : null);
      if (bad) return bad;
      const refusal = forbidden(client, "publish", path);
      if (refusal) return refusal;
      const text = JSON.stringify(request.value);
      const large = tooLarge(text, parts);
      if (large) return large;
      const count = parts.channels.publish(path, text);
      client.work += count;
      return result(count);
    },
  }),

  CHANNELS: command({
    about: "Lists channels that have subscribers or keep messages, in order, a page at a time.",
    fields: {
      ns,
      ...PAGING,
    },
    result: "`{channels, cursor}`: of each `{channel, subscribers, seq}`",
    errors: [],
    right: "subscribe",
    run(request, client, parts) {
      const wanted = listing(client, "subscribe", request);
      if (wanted instanceof Refusal) return wanted;
      const known = (name: string) =>
        parts.channels.known([...wanted.namespace, ...name.split(SEPARATOR)]);
      const scan = parts.channels.scan.bind(parts.channels);
      const isListed = (path: Path) => parts.channels.isListed(path);
      const { names, cursor: next, visited } = pageOf(wanted, request, scan, isListed);
      client.work += visited;
      const channels = names.map((name) => ({ channel: name, ...known(name) }));
      return result(JSON.stringify({ channels, cursor: next }));
    },
  }),
} satisfies Readonly<Record<string, Command>>;

interface Resuming {
  readonly since?: number;
  readonly epoch?: string;
  readonly state?: boolean;
}

/** The refusal of a subscription to channels that cannot begin where it asks to, or null. */
function unreplayed({ since, epoch, state }: Resuming, isSingle: boolean): Refusal | null {
  if (state) return new Refusal("WRONG_TYPE", "state; allowed: only with keys");
  if (isSingle || (since === undefined && epoch === undefined)) return null;
  return new Refusal("WRONG_TYPE", "since; allowed: only with one channel, or with keys");
}

/** The refusal of a subscription to keys that cannot begin where it asks to, or null. */
function unfollowed({ since, epoch }: Resuming, pattern: Pattern): Refusal | null {
  if (since === undefined) return null;
  if (isSystem(pattern)) {
    return new Refusal(
      "WRONG_TYPE",
      `since; allowed: not below ^${SYSTEM}, whose changes are not kept`,
    );
  }
  if (epoch !== undefined) return null;
  // After a restart changes are counted anew: the number alone could hide a gap.
  return new Refusal("MISSING_FIELD", "epoch, which SUBSCRIBE has told with the number");
}

/** The answer to a client that watches keys now, and has it catch up if it asks for that. */
function following(
  client: StoreClient,
  wanted: Named,
  { since, epoch, state = false }: Resuming,
  { subscribers, channels }: Parts,
): string {
  const isCatchingUp = since !== undefined || state;
  const lost = isCatchingUp ? subscribers.catchUp(client, wanted, since, epoch, state) : null;
  const known = isSystem(wanted.pattern)
    ? ""
    : `,"seq":${subscribers.seq},"epoch":"${channels.epoch}"`;
  const told = since === undefined ? "" : `,"lost":${lost}`;
  return result(`{"subscribed":${JSON.stringify(wanted.name)}${known}${told}}`);
}

interface Named extends Subscription {
  readonly name: string;
}

function subscriptionOf(request: {
  channel?: string;
  keys?: string;
  ns?: string;
}): Named | Refusal {
  const { channel: one, keys: some, ns: namespace } = request;
  if ((one === undefined) === (some === undefined)) {
    return new Refusal("MISSING_FIELD", "just one of channel, keys");
  }
  const parts = pathOf(namespace, (one ?? some) as string);
  const pattern = patternOf(parts);
  if (pattern instanceof Refusal) return pattern;
  if (one !== undefined && pattern.path.includes("*")) return STAR;
  return { kind: one === undefined ? "keys" : "channel", pattern, name: textOf(parts) };
}
