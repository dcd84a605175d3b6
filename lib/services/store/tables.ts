import { largest } from "../../host/largest.ts";
import type { Table } from "../../host/service.ts";
import type { Channels } from "./channels/channels.ts";
import type { Keys } from "./keys/keys.ts";

const NAMESPACES = {
  name: "namespaces",
  about: "Namespaces at the top with the most keys below them.",
  columns: [{ name: "keys", unit: "keys" }],
};

const CHANNELS = {
  name: "channels",
  about:
    "Channels and patterns with the most subscribers; those of a pattern do not count for the channels it matches.",
  columns: [
    { name: "subscribers", unit: "clients" },
    { name: "messages", unit: "messages" },
  ],
};

/** What an operator sees of the keys and the channels besides their numbers. */
export function tablesOf(
  keys: Keys,
  channels: Pick<Channels<unknown>, "counts">,
): readonly Table[] {
  const namespaces = keys.counts().map(([name, count]) => ({ name: () => name, values: [count] }));
  return [
    { ...NAMESPACES, ...largest(namespaces) },
    { ...CHANNELS, ...largest(channels.counts()) },
  ];
}
