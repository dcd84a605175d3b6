import type { Config } from "../../../config/table.ts";
import type { Clock } from "../../../host/clock.ts";
import type { Panel } from "../../../host/service/panel.ts";
import type { Histogram } from "../../../host/stats.ts";
import { type Gate, MAX_SESSIONS } from "../gate.ts";
import type { Guard } from "../guard.ts";
import { FILES } from "../page/files.ts";
import type { Streams } from "../streams.ts";
import type { TickerStatus } from "../ticker/ticker.ts";
import type { RouteTold, StateTold } from "./told.ts";

/** The share of answers that is nearly all of them. */
const MOST = 0.99;
/** Characters of a ticker's last error. */
const MOST_ERROR = 500;

/** What the panel shows. */
export interface PanelParts {
  readonly clock: Pick<Clock, "now">;
  readonly gate: Gate;
  readonly guard: Guard;
  readonly streams: Streams;
  /** The seconds that answers took, by route. */
  readonly times: ReadonlyMap<string, Histogram>;
  /** The settings in force. */
  settings(): Config["web"];
  tickers(): readonly TickerStatus[];
}

/** The panel of the service: what is asked for and how fast it is answered, streams, sessions, tickers. */
export function webPanel(parts: PanelParts): Panel {
  return {
    title: "Web: routes and streams",
    files: FILES,
    views: {
      state: {
        about: "Routes, event streams, sessions, tickers.",
        parameters: {},
        read: () => stateTold(parts),
      },
    },
    acts: {},
    // It looks every two seconds as it is, and each look makes one more answer.
    changes: () => 0,
  };
}

function stateTold({
  clock,
  gate,
  guard,
  streams,
  times,
  settings,
  tickers,
}: PanelParts): StateTold {
  return {
    at: clock.now(),
    routes: [...times].map(routeTold).toSorted((a, b) => b.answers - a.answers),
    streams: streams.kinds(),
    most_streams: settings().max_streams,
    slow_streams: streams.slow,
    sessions: {
      has_token: gate.locked,
      open: gate.sessions,
      most: MAX_SESSIONS,
      refused: guard.refused,
    },
    tickers: tickers().map((one) => {
      return { ...one, lastError: one.lastError?.slice(0, MOST_ERROR) ?? null };
    }),
  };
}

function routeTold([name, times]: readonly [string, Histogram]): RouteTold {
  const answers = times.counts.reduce((sum, count) => sum + count, 0);
  return {
    name,
    answers,
    half: within(times, answers / 2),
    most: within(times, answers * MOST),
  };
}

/** The lowest bound of so many values; null when they are above all bounds. */
function within({ bounds, counts }: Histogram, values: number): number | null {
  let sum = 0;
  for (const [at, bound] of bounds.entries()) {
    sum += counts[at] as number;
    if (sum >= values) return bound;
  }
  return null;
}
