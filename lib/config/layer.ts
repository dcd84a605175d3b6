import { basename } from "node:path";
import { parse, TomlDate, TomlError } from "smol-toml";
import { JsonSyntaxError, jsonPositions } from "./positions/json.ts";
import { nest } from "./paths.ts";
import type { Positions } from "./positions/positions.ts";
import { MAX_DEPTH, type Position, TooDeep } from "./positions/scanner.ts";
import { cut, describe } from "./shown.ts";
import { tomlPositions } from "./positions/toml.ts";

/** The most columns of an excerpt's line. */
const EXCERPT_WIDTH = 160;

/** Something wrong with a configuration: its place, and what to do about it. */
export interface Problem {
  /** `summoner.toml:12:1`, the argument that it came from, as `--set`, or the key of a default. */
  readonly where: string;
  readonly message: string;
  /** The number of problems that it stands for, if that is more than one. */
  readonly count?: number;
}

/** A problem with the value of a key. @param where the place where it is given; undefined for a default */
export function keyProblem(key: string, message: string, where: string | undefined): Problem {
  return where === undefined
    ? { where: `${key} (not given)`, message }
    : { where, message: `${key}: ${message}` };
}

/** One source of settings. Later layers win over earlier ones. */
export interface Layer {
  /** Its name for a person: a file's name, `--set`, `--port`. */
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly positions?: Positions;
  /** True for the reference's own format, in which unknown keys are ignored (with a warning) and null means the default. */
  readonly reference?: boolean;
}

/** The place of a key of a layer: with line and column if they are known, else the layer's name. */
export function whereIn({ name, positions }: Layer, path: readonly string[]): string {
  const at = positions?.at(path)?.own;
  return at ? `${name}:${at.line}:${at.column}` : name;
}

/** The settings of a text in TOML or, if the path ends in `.json`, the reference's JSON; or the problem that it cannot be parsed. */
export function parseLayer(path: string, content: string): Layer | Problem {
  const name = basename(path);
  return path.toLowerCase().endsWith(".json") ? parseJson(name, content) : parseToml(name, content);
}

function parseToml(name: string, content: string): Layer | Problem {
  try {
    const values = parse(content, { maxDepth: MAX_DEPTH });
    return { name, values, positions: tomlPositions(content) };
  } catch (error) {
    if (error instanceof TooDeep) return problemAt(name, error.position, error.message);
    if (!(error instanceof TomlError)) throw error;
    const [reason = ""] = error.message.replace("Invalid TOML document: ", "").split("\n");
    if (reason.includes("excessively nested")) {
      return problemAt(name, error, new TooDeep(error).message);
    }
    return problemAt(name, error, `not valid TOML: ${reason}${excerpt(error)}`);
  }
}

function parseJson(name: string, content: string): Layer | Problem {
  try {
    const positions = jsonPositions(content);
    const values: unknown = JSON.parse(content);
    if (isTable(values)) return { name, values, positions, reference: true };
    return { where: name, message: `found ${describe(values)}; allowed: an object` };
  } catch (error) {
    if (error instanceof TooDeep) return problemAt(name, error.position, error.message);
    if (!(error instanceof JsonSyntaxError)) throw error;
    return problemAt(name, error.position, `not valid JSON: ${error.message}`);
  }
}

function problemAt(name: string, { line, column }: Position, message: string): Problem {
  return { where: `${name}:${line}:${column}`, message };
}

/** The lines around an error, after a newline; "" if they are too long to be read. */
function excerpt({ codeblock }: TomlError): string {
  const lines = codeblock.trimEnd().split("\n");
  return lines.some((line) => line.length > EXCERPT_WIDTH) ? "" : `\n${lines.join("\n")}`;
}

/** The layer of one `--set key.path=value`. The value is TOML; if it is none, as a bare word, it is a string. */
export function setLayer(argument: string): Layer | Problem {
  const split = argument.indexOf("=");
  if (split < 1) {
    return {
      where: "--set",
      message: `found ${cut(argument)}; allowed: key.path=value`,
    };
  }
  const path = argument.slice(0, split).trim().split(".");
  const word = argument.slice(split + 1).trim();
  let value: unknown = word;
  try {
    const parsed = parse(`value = ${word}`).value;
    if (!(parsed instanceof TomlDate)) value = parsed;
  } catch {}
  return { name: "--set", values: nest(path, value) };
}

/** True if a value is a table of settings. */
export function isTable(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof TomlDate)
  );
}
