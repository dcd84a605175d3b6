import { panelFiles } from "../../../host/page/files.ts";
import actionsStyle from "./actions.css" with { type: "text" };
import actions from "./actions.js" with { type: "text" };
import barsStyle from "./bars.css" with { type: "text" };
import bars from "./bars.js" with { type: "text" };
import contextStyle from "./context.css" with { type: "text" };
import context from "./context.js" with { type: "text" };
import diagnosticsStyle from "./diagnostics.css" with { type: "text" };
import diagnostics from "./diagnostics.js" with { type: "text" };
import fields from "./fields.js" with { type: "text" };
import forceStyle from "./force.css" with { type: "text" };
import force from "./force.js" with { type: "text" };
import formStyle from "./form.css" with { type: "text" };
import form from "./form.js" with { type: "text" };
import frameStyle from "./frame.css" with { type: "text" };
import game from "./game.js" with { type: "text" };
import gamesStyle from "./games.css" with { type: "text" };
import games from "./games.js" with { type: "text" };
import markdown from "./markdown.js" with { type: "text" };
import panel from "./panel.js" with { type: "text" };
import results from "./results.js" with { type: "text" };
import rights from "./rights.js" with { type: "text" };
import words from "./words.js" with { type: "text" };

const MODULES = {
  "actions.js": actions,
  "bars.js": bars,
  "context.js": context,
  "diagnostics.js": diagnostics,
  "fields.js": fields,
  "force.js": force,
  "form.js": form,
  "game.js": game,
  "games.js": games,
  "markdown.js": markdown,
  "panel.js": panel,
  "results.js": results,
  "rights.js": rights,
  "words.js": words,
};

const STYLES = [
  frameStyle,
  gamesStyle,
  forceStyle,
  barsStyle,
  actionsStyle,
  formStyle,
  contextStyle,
  diagnosticsStyle,
];

/** The modules of the panel and its style, by the names under which the page loads them. */
export const FILES = panelFiles("neuro", MODULES, STYLES);
