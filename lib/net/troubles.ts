import { printable } from "../host/content.ts";
import { count } from "../host/count.ts";
import type { Problem } from "../host/service.ts";
import { CLIENT_COLUMNS, type Client } from "./client.ts";

/** Refused messages a second below which a client is no trouble. */
const FEW = 0.5;

/** Clients that are alike in their trouble, and the one that has most of it. */
class Troubled {
  most: Client | null = null;
  clients = 0;
  sum = 0;
  #value = 0;

  add(client: Client, value: number): void {
    this.clients++;
    this.sum += value;
    if (value <= this.#value) return;
    this.most = client;
    this.#value = value;
  }

  /** `10.0.0.7:4000 and 2 others`. */
  get who(): string {
    const others = this.clients - 1;
    const address = printable(this.most?.address ?? "");
    return others === 0 ? address : `${address} and ${count(others, "other")}`;
  }
}

/**
 * The trouble of a service's clients: whose messages are refused, and who does not take what it is sent.
 * @param now clock milliseconds
 * @param mostWaiting bytes that may wait for a client before it counts as slow
 */
export function clientTroubles(
  clients: Iterable<Client>,
  now: number,
  mostWaiting: number,
): readonly Problem[] {
  const [refused, slow] = [new Troubled(), new Troubled()];
  for (const client of clients) {
    const waiting = CLIENT_COLUMNS.outboxBytes(client, now);
    if (waiting > mostWaiting) slow.add(client, waiting);
    if (client.refused === 0) continue;
    const rate = CLIENT_COLUMNS.refusedPerSecond(client, now);
    if (rate >= FEW) refused.add(client, rate);
  }
  const problems: Problem[] = [];
  if (refused.most !== null) {
    const rate = refused.sum < 10 ? refused.sum.toFixed(1) : Math.round(refused.sum).toString();
    const text = `${rate} messages a second are refused from ${refused.who}.`;
    problems.push({ key: "refused", severity: "warning", text, client: refused.most.id });
  }
  if (slow.most !== null) {
    const doesNot = slow.clients === 1 ? "does not take what it is" : "do not take what they are";
    const waits = `${(slow.sum / 1e6).toFixed(1)} MB wait in memory`;
    const text = `${slow.who} ${doesNot} sent: ${waits}.`;
    problems.push({ key: "slow", severity: "warning", text, client: slow.most.id });
  }
  return problems;
}
