import { panelFiles } from "../../../host/page/files.ts";
import answers from "./answers.js" with { type: "text" };
import channels from "./channels.js" with { type: "text" };
import journal from "./journal.js" with { type: "text" };
import keys from "./keys.js" with { type: "text" };
import panel from "./panel.js" with { type: "text" };
import panelStyle from "./panel.css" with { type: "text" };
import value from "./value.js" with { type: "text" };
import words from "./words.js" with { type: "text" };

const MODULES = {
  "answers.js": answers,
  "channels.js": channels,
  "journal.js": journal,
  "keys.js": keys,
  "panel.js": panel,
  "value.js": value,
  "words.js": words,
};

/** The modules of the panel and its style, by the names under which the page loads them. */
export const FILES = panelFiles("store", MODULES, [panelStyle]);
