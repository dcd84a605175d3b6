import asking from "./asking.js" with { type: "text" };
import dom from "./dom.js" with { type: "text" };
import frame from "./frame.css" with { type: "text" };
import numbers from "./numbers.js" with { type: "text" };
import pieces from "./pieces.js" with { type: "text" };
import rates from "./rates.js" with { type: "text" };

/** The modules that panels have in common. */
const SHARED = {
  "asking.js": asking,
  "dom.js": dom,
  "numbers.js": numbers,
  "pieces.js": pieces,
  "rates.js": rates,
};
/** Where a panel's own modules find those, in the source. */
const FROM_SHARED = / from "(?:\.\.\/)+host\/page\//g;

/**
 * The files of a panel, by the names under which the page loads them: its own
 * modules, those that all panels have in common, and its style.
 * @param name the class of its element, below which the common part of the style holds
 * @param styles a later one overrides an earlier one
 */
export function panelFiles(
  name: string,
  modules: Readonly<Record<string, string>>,
  styles: readonly string[],
): Readonly<Record<string, string>> {
  const own = Object.entries(modules).map(([file, text]) => {
    // On the page they lie beside each other.
    return [file, text.replaceAll(FROM_SHARED, ' from "./')] as const;
  });
  const style = [frame.replaceAll("brought", name), ...styles].join("\n");
  return { "panel.css": style, ...SHARED, ...Object.fromEntries(own) };
}
