// The tickers of the site: how they fare, how long their ticks take, and what went wrong last.

import { h, patch, visible } from "../../../host/page/dom.js";
import { count, counted, span } from "../../../host/page/numbers.js";
import { adverse, facts, head } from "../../../host/page/pieces.js";

const GLOSS = "Modules of your own that are called again and again.";

function now({ state, tickingMs: ticking, nextInMs: next }, late) {
  if (state === "dead") return adverse("dead");
  if (ticking !== null) return `${state}, in a tick for ${span(ticking + late)}`;
  return next === null ? state : `${state}, next tick in ${span(Math.max(0, next - late))}`;
}

function known(ticker, late) {
  const { mode, seconds, ticks, errors, restarts, lastTickMs: last, lastError } = ticker;
  return [
    ["Now", now(ticker, late)],
    ["Called", seconds === null ? mode : `${mode}, ${span(seconds * 1000)}`],
    ["Ticks", `${count(ticks)}${last === null ? "" : `; the last took ${span(last)}`}`],
    ["Failed", errors === 0 ? "none" : adverse(counted(errors, "tick"))],
    restarts > 0 && ["Started again", adverse(counted(restarts, "time"))],
    lastError !== null && ["Last error", h("code", {}, visible(lastError))],
  ].filter(Boolean);
}

/** Shows them; without one there is nothing to see. @param late milliseconds since they were told */
export function showTickers(node, { tickers }, late) {
  node.hidden = tickers.length === 0;
  patch(
    node,
    head("Ticker", null, GLOSS),
    tickers.map((one, at) => facts(known(one, late), at)),
  );
}
