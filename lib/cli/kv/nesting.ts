import { endOfString } from "../../host/content.ts";

interface Nesting {
  /** Levels of lists and objects. */
  readonly depth: number;
  /** Characters that the text gains when each level is indented by two. */
  readonly indentation: number;
}

const [QUOTE, COMMA, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [
  0x22, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d,
];

/** The nesting of a JSON text. */
export function nestingOf(json: string): Nesting {
  let depth = 0;
  let deepest = 0;
  let indentation = 0;
  for (let at = 0; at < json.length; at++) {
    switch (json.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(json, at) - 1;
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth++;
        deepest = Math.max(deepest, depth);
        indentation += 2 * depth;
        break;
      case COMMA:
        indentation += 2 * depth;
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth--;
        indentation += 2 * depth;
    }
  }
  return { depth: deepest, indentation };
}
