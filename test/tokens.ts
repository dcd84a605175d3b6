/** A piece of a program's text; comments and blanks are none. */
export interface Token {
  /** `template` is the text of one between its substitutions, `other` a name, a number, a regular expression or a sign. */
  readonly kind: "string" | "template" | "other";
  readonly text: string;
}

/** Signs and words after which a slash begins a regular expression, not a division. */
const BEFORE_REGEX = /^(?:[=(,:[!&|?{};+\-*%~^<>]|=>|\.\.\.|return|typeof|case|in|of|await|yield)$/;
const PIECE =
  /(?<blank>\s+|\/\/[^\n]*|\/\*[^]*?\*\/)|(?<text>"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')|(?<name>[\w$#]+)|(?<sign>\?\.|=>|\.\.\.|[^])/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;

/** The pieces of a program, as far as it takes to tell texts and names from all else. */
export function tokensOf(source: string): Token[] {
  const found: Token[] = [];
  /** For each template that is open, how many braces are within its substitution. */
  const templates: number[] = [];
  let at = 0;
  const template = () => {
    let end = at;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) {
      end += source[end] === "\\" ? 2 : 1;
    }
    found.push({ kind: "template", text: source.slice(at, end) });
    if (source[end] === "`") at = end + 1;
    else {
      templates.push(0);
      at = end + 2;
    }
  };
  while (at < source.length) {
    const last = found.at(-1);
    const mayBeRegex =
      last === undefined || (last.kind === "other" && BEFORE_REGEX.test(last.text));
    REGEX.lastIndex = at;
    const comment = source.startsWith("//", at) || source.startsWith("/*", at);
    const regex = mayBeRegex && !comment ? REGEX.exec(source)?.[0] : undefined;
    if (regex !== undefined) {
      found.push({ kind: "other", text: regex });
      at += regex.length;
      continue;
    }
    PIECE.lastIndex = at;
    const { 0: piece, groups } = PIECE.exec(source) as RegExpExecArray;
    at += piece.length;
    if (groups?.["blank"] !== undefined) continue;
    if (groups?.["text"] !== undefined) {
      found.push({ kind: "string", text: piece.slice(1, -1) });
      continue;
    }
    const open = templates.length - 1;
    if (piece === "`") template();
    else if (piece === "}" && templates[open] === 0) {
      templates.pop();
      template();
    } else {
      if (open >= 0 && piece === "{") templates[open] = (templates[open] as number) + 1;
      if (open >= 0 && piece === "}") templates[open] = (templates[open] as number) - 1;
      found.push({ kind: "other", text: piece });
    }
  }
  return found;
}
