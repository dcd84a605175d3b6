import type { Config } from "../../../../../config/table.ts";
import { systemClock } from "../../../../../host/clock.ts";
import { serverAddress } from "./address.ts";
import { inTime, Link } from "./link.ts";
import { keysOf, SILENCE_MS } from "../script.ts";

/**
 * Looks at a room from outside, and leaves nothing there. @returns the names of its nodes
 * @throws StartError for files that the settings name @throws Error with the reason when its server cannot be used
 */
export async function lookAt(cluster: Config["cluster"]): Promise<readonly string[]> {
  const keys = keysOf(cluster.room);
  const link = await Link.open(serverAddress(cluster), keys, systemClock, () => {});
  try {
    const asked = Promise.all([link.ask("TIME"), link.ask("HGETALL", keys.nodes)]);
    return namesIn(...(await inTime(systemClock, asked)));
  } finally {
    link.close();
  }
}

/** The nodes that were heard of just now and have not left. */
function namesIn(time: unknown, nodes: unknown): string[] {
  const now = Number((time as readonly string[])[0]) * 1000;
  return Object.entries((nodes ?? {}) as Record<string, string>).flatMap(([name, record]) => {
    const [, at, told = ""] = /^(\d+) \S+ (.*)$/s.exec(record) ?? [];
    const isThere = Math.abs(now - Number(at)) < SILENCE_MS && !told.includes('"left":true');
    return isThere ? [name] : [];
  });
}
