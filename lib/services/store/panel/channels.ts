import { text, whole } from "../../../host/service/asked.ts";
import { Refused, type View } from "../../../host/service/panel.ts";
import type { Channels, Listed } from "../channels/channels.ts";
import type { StoreClient } from "../client.ts";
import { MAX_DEPTH, MAX_PART_BYTES, partsOf, patternOf } from "../keys/path.ts";
import { Refusal } from "../refusal.ts";
import type { ChannelsTold, SubscribersTold } from "./told.ts";

const LONGEST_NAME = MAX_DEPTH * (MAX_PART_BYTES + 1);
const MOST_ROWS = 100;
const USUAL_ROWS = 20;
/** Channels that are compared by their subscribers; with more of them the order is that of the names. */
const COMPARED = 1000;
const MOST_CLIENTS = 50;

/** Channels and patterns. */
export function channelsView(channels: Channels<StoreClient>, isPrivate: () => boolean): View {
  return {
    about: "Channels and patterns, with their subscribers.",
    parameters: {
      prefix: "what the names begin with",
      after: "where the page before ended, in the order of the names",
      offset: "how many to leave out, where the largest come first",
      limit: `how many, to ${MOST_ROWS}`,
    },
    isPrivate,
    read(query): ChannelsTold {
      const prefix = text(query, "prefix", LONGEST_NAME, "");
      const after = text(query, "after", LONGEST_NAME, "");
      const offset = whole(query, "offset", 0, 1e9, 0);
      const limit = whole(query, "limit", 1, MOST_ROWS, USUAL_ROWS);
      if (after === "") {
        const { rows, cursor } = channels.list(prefix, { after: null, limit: COMPARED });
        if (cursor === null) return largest(rows, offset, limit);
      }
      const { rows, cursor } = channels.list(prefix, { after: after || null, limit });
      return { rows, total: null, by_size: false, cursor };
    },
  };
}

/** Some rows of all there are, the largest first. */
function largest(all: readonly Listed[], offset: number, limit: number): ChannelsTold {
  const bySize = (a: Listed, b: Listed) => b.subscribers - a.subscribers || b.messages - a.messages;
  const rows = all.toSorted(bySize).slice(offset, offset + limit);
  return { rows, total: all.length, by_size: true, cursor: null };
}

/** Who subscribes to a channel. */
export function subscribersView(channels: Channels<StoreClient>, isPrivate: () => boolean): View {
  return {
    about: `Who subscribes to just this channel or pattern, the first ${MOST_CLIENTS} of them.`,
    parameters: { channel: "its name, as orders^eu or orders^*" },
    isPrivate,
    read(query): SubscribersTold {
      const channel = text(query, "channel", LONGEST_NAME);
      const pattern = patternOf(partsOf(channel));
      if (pattern instanceof Refusal) throw new Refused(400, "channel: it can be no channel's");
      const found = channels.subscribersOf(pattern);
      const clients = found
        .values()
        .take(MOST_CLIENTS)
        .map(({ id, address }) => ({ id, address }))
        .toArray();
      return { channel, total: found.size, clients };
    },
  };
}
