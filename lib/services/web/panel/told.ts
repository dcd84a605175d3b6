import type { TickerStatus } from "../ticker/ticker.ts";

/**
 * What the view of the panel answers with, as plain JSON. Durations are
 * milliseconds, but for the bounds of routes, which are seconds.
 */
export interface StateTold {
  readonly at: number;
  /** Those that were asked, the most answers first. */
  readonly routes: readonly RouteTold[];
  readonly streams: readonly StreamsTold[];
  readonly most_streams: number;
  /** Closed since they were not read. */
  readonly slow_streams: number;
  readonly sessions: SessionsTold;
  readonly tickers: readonly TickerStatus[];
}

export interface RouteTold {
  readonly name: string;
  readonly answers: number;
  /** The time within which half of the answers came, and nearly all; null above the last bound. */
  readonly half: number | null;
  readonly most: number | null;
}

/** Event streams of a kind. */
export interface StreamsTold {
  /** Told what differs, as the page is, or all of it each time. */
  readonly kind: "differences" | "whole";
  readonly open: number;
  readonly compressed: number;
  readonly addresses: number;
  readonly bytes_out: number;
  readonly waiting_bytes: number;
}

export interface SessionsTold {
  /** False without a token, where nobody signs in. */
  readonly has_token: boolean;
  readonly open: number;
  readonly most: number;
  /** Requests without the token that they needed. */
  readonly refused: number;
}
