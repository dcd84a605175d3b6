import type { Problem } from "../../host/service.ts";
import { type ClientTroubles, troubleProblems } from "../../net/clients/troubles.ts";

/** The state of a relay that may be a trouble. */
export interface Troubles {
  /** All senders wait for their readers. */
  readonly paused: boolean;
  readonly pinnedBytes: number;
  readonly clients: ClientTroubles;
  /** Addresses in quarantine. */
  readonly quarantined: number;
}

/** The problems of a relay. */
export function relayProblems(troubles: Troubles): readonly Problem[] {
  const problems: Problem[] = [];
  if (troubles.paused) {
    const waits = (troubles.pinnedBytes / 1e6).toFixed(1);
    const text = `All senders are paused until their readers have caught up: ${waits} MB wait in memory.`;
    const setting = "relay.total_outbox_bytes";
    problems.push({ key: "backlog", severity: "warning", text, setting });
  }
  problems.push(...troubleProblems(troubles.clients));
  if (troubles.quarantined > 0) {
    const { quarantined: barred } = troubles;
    const text = `${barred === 1 ? "1 address is" : `${barred} addresses are`} in quarantine.`;
    problems.push({ key: "quarantine", severity: "note", text });
  }
  return problems;
}
