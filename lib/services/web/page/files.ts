import { panelFiles } from "../../../host/page/files.ts";
import panel from "./panel.js" with { type: "text" };
import panelStyle from "./panel.css" with { type: "text" };
import routes from "./routes.js" with { type: "text" };
import sessions from "./sessions.js" with { type: "text" };
import streams from "./streams.js" with { type: "text" };
import tickers from "./tickers.js" with { type: "text" };
import words from "./words.js" with { type: "text" };

const MODULES = {
  "panel.js": panel,
  "routes.js": routes,
  "sessions.js": sessions,
  "streams.js": streams,
  "tickers.js": tickers,
  "words.js": words,
};

/** The modules of the panel and its style, by the names under which the page loads them. */
export const FILES = panelFiles("web", MODULES, [panelStyle]);
