import { panelFiles } from "../../../host/page/files.ts";
import backlog from "./backlog.js" with { type: "text" };
import most from "./most.js" with { type: "text" };
import panel from "./panel.js" with { type: "text" };
import panelStyle from "./panel.css" with { type: "text" };
import pressure from "./pressure.js" with { type: "text" };
import words from "./words.js" with { type: "text" };

const MODULES = {
  "backlog.js": backlog,
  "most.js": most,
  "panel.js": panel,
  "pressure.js": pressure,
  "words.js": words,
};

/** The modules of the panel and its style, by the names under which the page loads them. */
export const FILES = panelFiles("relay", MODULES, [panelStyle]);
