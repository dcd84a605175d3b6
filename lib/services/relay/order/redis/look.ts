import type { Config } from "../../../../config/table.ts";
import { systemClock, within } from "../../../../host/clock.ts";
import { serverAddress } from "./address.ts";
import { Link } from "./link.ts";
import { keysOf, SILENCE_MS } from "./script.ts";

/** Milliseconds that the server may take to answer what it is asked. */
const PATIENCE_MS = 3000;

/**
 * Looks at a room from outside, and leaves nothing there. @returns the names of its nodes
 * @throws StartError for files that the settings name @throws Error with the reason when its server cannot be used
 */
export async function lookAt(cluster: Config["cluster"]): Promise<readonly string[]> {
  const keys = keysOf(cluster.room);
  const link = await Link.open(serverAddress(cluster), keys, () => {});
  try {
    const asked = Promise.all([link.ask("TIME"), link.ask("HGETALL", keys.nodes)]);
    const found = await within(systemClock, PATIENCE_MS, asked);
    if (found === null) throw new Error("it does not answer");
    return namesIn(...found);
  } finally {
    link.close();
  }
}

/** The nodes that were heard of just now and have not left. */
function namesIn(time: unknown, nodes: unknown): string[] {
  const now = Number((time as readonly string[])[0]) * 1000;
  return Object.entries((nodes ?? {}) as Record<string, string>).flatMap(([name, record]) => {
    const [, at, told = ""] = /^(\d+) \S+ (.*)$/s.exec(record) ?? [];
    const isThere = now - Number(at) < SILENCE_MS && !told.includes('"left":true');
    return isThere ? [name] : [];
  });
}
