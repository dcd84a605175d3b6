import panelStyle from "./panel.css" with { type: "text" };
import panel from "./panel.js" with { type: "text" };

/** The modules and styles of the panel. */
export const FILES: Readonly<Record<string, string>> = {
  "panel.css": panelStyle,
  "panel.js": panel,
};
