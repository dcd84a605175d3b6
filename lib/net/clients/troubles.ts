import { printable } from "../../host/content.ts";
import { count } from "../../host/count.ts";
import type { Problem } from "../../host/service.ts";
import { CLIENT_COLUMNS, type Client } from "../client.ts";

/** Refused messages a second below which a client is no trouble. */
const FEW = 0.5;

/** Clients that are alike in their trouble. */
export interface Troubled {
  readonly clients: number;
  /** Of what there is too much, over all of them. */
  readonly sum: number;
  /** The client with most of it; null when there is none. */
  readonly most: { readonly id: number; readonly address: string; readonly value: number } | null;
}

/** The trouble of clients: whose messages are refused, in messages a second, and who does not take what it is sent, in bytes. */
export interface ClientTroubles {
  readonly refused: Troubled;
  readonly slow: Troubled;
}

class Gathered implements Troubled {
  clients = 0;
  sum = 0;
  most: Troubled["most"] = null;

  add({ id, address }: Client, value: number): void {
    this.clients++;
    this.sum += value;
    if (this.most === null || value > this.most.value) this.most = { id, address, value };
  }
}

/**
 * @param now clock milliseconds
 * @param mostWaiting bytes that may wait for a client before it counts as slow
 */
export function troublesOf(
  clients: Iterable<Client>,
  now: number,
  mostWaiting: number,
): ClientTroubles {
  const [refused, slow] = [new Gathered(), new Gathered()];
  for (const client of clients) {
    const waiting = CLIENT_COLUMNS.outboxBytes(client, now);
    if (waiting > mostWaiting) slow.add(client, waiting);
    if (client.refused === 0) continue;
    const rate = CLIENT_COLUMNS.refusedPerSecond(client, now);
    if (rate >= FEW) refused.add(client, rate);
  }
  return { refused, slow };
}

/** The trouble of the clients of several threads. */
export function mergedTroubles(all: readonly ClientTroubles[]): ClientTroubles {
  const merged = (parts: readonly Troubled[]): Troubled => ({
    clients: parts.reduce((sum, { clients }) => sum + clients, 0),
    sum: parts.reduce((sum, part) => sum + part.sum, 0),
    most: parts
      .map(({ most }) => most)
      .reduce((one, other) => ((other?.value ?? 0) > (one?.value ?? 0) ? other : one), null),
  });
  return {
    refused: merged(all.map(({ refused }) => refused)),
    slow: merged(all.map(({ slow }) => slow)),
  };
}

/** The trouble of a service's clients, as problems of the service. */
export function troubleProblems({ refused, slow }: ClientTroubles): readonly Problem[] {
  const problems: Problem[] = [];
  if (refused.most !== null) {
    const rate = refused.sum < 10 ? refused.sum.toFixed(1) : Math.round(refused.sum).toString();
    const text = `${rate} messages a second are refused from ${who(refused)}.`;
    problems.push({ key: "refused", severity: "warning", text, client: refused.most.id });
  }
  if (slow.most !== null) {
    const doesNot = slow.clients === 1 ? "does not take what it is" : "do not take what they are";
    const waits = `${(slow.sum / 1e6).toFixed(1)} MB wait in memory`;
    const text = `${who(slow)} ${doesNot} sent: ${waits}.`;
    problems.push({ key: "slow", severity: "warning", text, client: slow.most.id });
  }
  return problems;
}

/** The trouble of a service's clients now, as problems of the service. */
export function clientTroubles(...asked: Parameters<typeof troublesOf>): readonly Problem[] {
  return troubleProblems(troublesOf(...asked));
}

/** `10.0.0.7:4000 and 2 others`. */
function who({ most, clients }: Troubled): string {
  const others = clients - 1;
  const address = printable(most?.address ?? "");
  return others === 0 ? address : `${address} and ${count(others, "other")}`;
}
