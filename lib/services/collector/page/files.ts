import { panelFiles } from "../../../host/page/files.ts";
import doors from "./doors.js" with { type: "text" };
import logFiles from "./log-files.js" with { type: "text" };
import found from "./found.js" with { type: "text" };
import panelStyle from "./panel.css" with { type: "text" };
import panel from "./panel.js" with { type: "text" };
import rows from "./rows.js" with { type: "text" };
import rowsStyle from "./rows.css" with { type: "text" };
import search from "./search.js" with { type: "text" };
import state from "./state.js" with { type: "text" };
import words from "./words.js" with { type: "text" };

const MODULES = {
  "doors.js": doors,
  "found.js": found,
  "log-files.js": logFiles,
  "panel.js": panel,
  "rows.js": rows,
  "search.js": search,
  "state.js": state,
  "words.js": words,
};

/** The modules of the panel and its style, by the names under which the page loads them. */
export const FILES = panelFiles("collector", MODULES, [panelStyle, rowsStyle]);
