import type { Contradiction } from "../section.ts";

/** The settings that bound the bytes waiting for the clients of a line service. */
interface OutboxSettings {
  readonly max_line_bytes: number;
  readonly outbox_bytes: number;
  readonly total_outbox_bytes: number;
}

/** Bounds that no service could keep to. */
export function outboxContradictions(own: OutboxSettings): Contradiction[] {
  const found: Contradiction[] = [];
  if (own.outbox_bytes < 2 * own.max_line_bytes) {
    found.push({
      key: "outbox_bytes",
      message: `${own.outbox_bytes} cannot hold two lines of max_line_bytes (${own.max_line_bytes}); every slow moment would close a client`,
    });
  }
  if (own.total_outbox_bytes < own.outbox_bytes) {
    found.push({
      key: "total_outbox_bytes",
      message: `${own.total_outbox_bytes} is below outbox_bytes (${own.outbox_bytes}), which one client alone may need`,
    });
  }
  return found;
}
