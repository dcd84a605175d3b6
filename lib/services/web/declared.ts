import type { StatDeclaration } from "../../host/service.ts";

const counter = (unit: string, about: string, headline = false): StatDeclaration => ({
  kind: "counter",
  unit,
  about,
  headline,
});
const gauge = (unit: string, about: string): StatDeclaration => ({ kind: "gauge", unit, about });

/** What each number of the web service's `stats()` is. */
export const DECLARED: Readonly<Record<string, StatDeclaration>> = {
  requests: counter("requests", "Requests that came in.", true),
  failures: counter("requests", "Requests that were answered 500.", true),
  timeouts: counter("requests", "Requests given up because they took too long."),
  denied: counter("requests", "Requests from addresses that may not connect."),
  unauthorised: counter("requests", "Requests without the token they needed."),
  in_flight: gauge("requests", "Requests that are being answered, event streams included."),
  streams: gauge("streams", "Event streams that are open."),
  slow_streams: counter("streams", "Event streams closed because they were not read."),
  ticks: counter("ticks", "Ticks of the site's tickers."),
  tick_errors: counter("ticks", "Ticks that failed."),
  ticker_restarts: counter("restarts", "Times that a ticker was started again."),
};
