import { adverse, counter, type Declared, gauge, grouped, headline } from "../../host/stats.ts";
import { ANSWER_STATS } from "../../net/http/answers.ts";

/** The numbers in the web service's `stats()`. */
export const DECLARED: Declared = {
  requests: headline(counter("requests", "Requests that came in.")),
  failures: adverse(headline(counter("failures", "Requests that were answered 500."))),
  timeouts: counter("timeouts", "Requests given up because they took too long."),
  aborted: counter(
    "requests",
    "Requests whose client went away before they were read or answered.",
  ),
  denied: counter("requests", "Requests from addresses that may not connect."),
  limited: counter("requests", "Requests and connections turned away because there were too many."),
  unauthorised: counter("requests", "Requests without the token they needed."),
  ...grouped("answers", ANSWER_STATS),
  in_flight: gauge("requests", "Requests that are being answered, event streams included."),
  streams: gauge("streams", "Event streams that are open."),
  slow_streams: counter("streams", "Event streams closed because they were not read."),
  ticks: counter("ticks", "Ticks of the site's tickers."),
  tick_errors: counter("errors", "Ticks that failed."),
  ticker_restarts: counter("restarts", "Times that a ticker was started again."),
};
