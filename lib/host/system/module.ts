import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { reasonOf } from "../../config/reason.ts";

const TYPESCRIPT = /\.[cm]?ts$/;
const JAVASCRIPT = /\.[cm]?js$/;

/**
 * The fault that keeps a module from being loaded, as far as it shows without
 * running it; null when there is none. It is not there, its syntax is wrong, a
 * file that it imports is missing, or it has none of the exports.
 */
export function moduleTrouble(path: string, wanted = ["default"]): string | null {
  const file = resolved(resolve(path), process.cwd());
  if (file === null) return "there is no such module";
  const loader = TYPESCRIPT.test(file) ? "ts" : JAVASCRIPT.test(file) ? "js" : null;
  if (loader === null) return null;
  try {
    const text = readFileSync(file, "utf8");
    // A file that is imported for its types alone may be missing.
    const code = new Bun.Transpiler({ loader, trimUnusedImports: true }).transformSync(text);
    const { exports, imports } = new Bun.Transpiler({ loader: "js" }).scan(code);
    const missing = imports.find(
      (one) =>
        one.kind === "import-statement" &&
        /^\.{0,2}\//.test(one.path) &&
        resolved(one.path, dirname(file)) === null,
    );
    if (missing) return `it imports ${missing.path}, which is not there`;
    const isCommon = /\b(?:module|exports)\b/.test(code);
    if (wanted.some((name) => exports.includes(name)) || isCommon) return null;
    return `it has no ${wanted.at(-1)} export`;
  } catch (error) {
    return syntaxError(error) ?? reasonOf(error);
  }
}

function resolved(path: string, from: string): string | null {
  try {
    return Bun.resolveSync(path, from);
  } catch {
    return null;
  }
}

function syntaxError(error: unknown): string | null {
  const found = error instanceof AggregateError ? error.errors[0] : error;
  if (!(found instanceof BuildMessage)) return null;
  const { line = 0, column = 0 } = found.position ?? {};
  return `${line}:${column}: ${found.message}`;
}
