import { lstatSync, realpathSync } from "node:fs";
import { basename, resolve } from "node:path";
import { inputText } from "./input.ts";
import { type Layer, parseLayer, type Problem, setLayer } from "./layer.ts";
import { nearest } from "./nearest.ts";
import { nested, optionPaths, sectionPaths, valueAt } from "./paths.ts";
import { reasonOf } from "./reason.ts";
import { type PresetName, presets } from "./presets.ts";
import { type Reading, read } from "./read.ts";
import type { Entries, Values } from "./section.ts";
import { tomlValue } from "./render.ts";
import { cut } from "./shown.ts";
import type { settings } from "./table.ts";

/** The file that is read if none is named. */
export const DEFAULT_FILE = "summoner.toml";

/** The origin of values that a file of the reference does not give. */
const REFERENCE = "the reference";

/** The most characters of a problem's line. */
const LINE_MOST = 1000;

/** The sources of settings, weakest first. */
export interface Sources {
  /** The settings that an embedding program passes to `run`. */
  readonly run?: Readonly<Record<string, unknown>>;
  /** A preset to start from. */
  readonly preset?: string | undefined;
  /** A file that must exist, or null for none; if not given, `summoner.toml` in the working folder if there is one. */
  readonly file?: string | null | undefined;
  /** A configuration as an object, in the form of the reference's `server.json`; no file is read then. */
  readonly object?: Readonly<Record<string, unknown>> | undefined;
  /** Each a `key.path=value`. */
  readonly sets?: readonly string[];
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  /** Further ones, which win over all before. */
  readonly more?: readonly Layer[];
}

export interface Loaded<C> extends Reading<C> {
  /** Remarks for the operator besides problems and warnings, one sentence each. */
  readonly unsaid: readonly string[];
  /** Keys that a file of the reference does not give, and whose defaults differ from those of a `summoner.toml`. */
  readonly unnamed: readonly Unnamed[];
  /** True if every source could be read, so no setting is missing. */
  readonly isWhole: boolean;
  /** The file that was read, `config` for an object, or null. */
  readonly file: string | null;
}

/** A key with its default values: in the reference, and in a `summoner.toml`. */
export interface Unnamed {
  /** False if it has no effect with the other settings as they are. */
  readonly acts: boolean;
  readonly path: string;
  readonly reference: unknown;
  readonly initial: unknown;
}

/** Reads all sources. Every problem is in the result, none is thrown. */
export function load<E extends typeof settings>(entries: E, sources: Sources): Loaded<Values<E>> {
  const layers: Layer[] = [];
  const problems: Problem[] = [];
  const take = (found: Layer | Problem) => {
    if ("message" in found) problems.push(found);
    else layers.push(found);
  };
  if (sources.run) take({ name: "run", values: sources.run });
  if (sources.preset !== undefined) take(presetLayer(sources.preset));
  let file: string | null = null;
  if (sources.object) {
    file = "config";
    take({ name: file, values: sources.object, reference: true });
  } else {
    file = sources.file === undefined ? defaultFile() : sources.file;
    if (file !== null) take(readLayer(file));
  }
  if (layers.some(({ reference }) => reference)) layers.unshift(referenceLayer(entries));
  for (const set of sources.sets ?? []) take(setLayer(set));
  if (sources.host !== undefined) {
    take({ name: "--host", values: { host: sources.host } });
  }
  if (sources.port !== undefined) {
    take({ name: "--port", values: { port: numberOr(sources.port) } });
  }
  for (const layer of sources.more ?? []) take(layer);
  const reading = read(entries, layers);
  const unnamed = [...optionPaths(entries)].flatMap(([path, { reference, initial, actsWith }]) => {
    if (reading.origins.get(path) !== REFERENCE) return [];
    const acts = actsWith === undefined || valueAt(reading.config, actsWith) !== false;
    return [{ path, reference, initial, acts }];
  });
  const { origins, refused } = reading;
  const given = { has: (path: string) => origins.has(path) || refused.has(path) };
  const unsaid = [...sectionPaths(entries)].flatMap(
    ([path, { rules }]) => rules.remarks?.(given, valueAt(reading.config, path)) ?? [],
  );
  return {
    ...reading,
    file,
    unsaid,
    unnamed,
    isWhole: problems.length === 0,
    problems: [...problems, ...reading.problems],
  };
}

/** A word of a command line as a number, if it is one. */
export function numberOr(word: string): number | string {
  return /^\d+$/.test(word) ? Number(word) : word;
}

function defaultFile(): string | null {
  return isThere(DEFAULT_FILE) ? DEFAULT_FILE : null;
}

/** The reference's own defaults, as the weakest layer. */
function referenceLayer(entries: Entries): Layer {
  const values = [...optionPaths(entries)].flatMap(([path, { reference }]) =>
    reference === undefined ? [] : [[path, reference] as const],
  );
  return { name: REFERENCE, values: nested(values) };
}

function presetLayer(name: string): Layer | Problem {
  if (Object.hasOwn(presets, name)) {
    return {
      name: `preset ${name}`,
      values: presets[name as PresetName].config,
    };
  }
  const names = Object.keys(presets);
  const meant = nearest(name, names);
  const hint = meant ? `; did you mean ${meant}?` : "";
  return {
    where: "--preset",
    message: `found ${cut(name)}; allowed: ${names.join(", ")}${hint}`,
  };
}

/** True if a path exists, even if it is a link to nothing. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function readLayer(path: string): Layer | Problem {
  try {
    // Some editors on Windows begin a file with a byte order mark.
    return parseLayer(path, inputText(path).replace(/^\uFEFF/, ""));
  } catch (error) {
    return {
      where: path,
      message: `cannot be read: ${reasonOf(error)}`,
    };
  }
}

/** The full path of a configuration's file, without links, by which it is known; null if there is none. */
export function sourceOf({ file }: Pick<Loaded<object>, "file">): string | null {
  if (file === null || !isThere(file)) return null;
  try {
    return realpathSync(file);
  } catch {
    return resolve(file);
  }
}

/** A problem as text for a person. */
export function problemText({ where, message }: Problem): string {
  const lines = `${where}: ${message}`.split("\n");
  return lines.map((line) => cut(line, LINE_MOST)).join("\n");
}

/** Everything about a configuration that its operator should know besides its problems, one sentence each. */
export function remarks(loaded: Loaded<object>): string[] {
  const { warnings, unsaid, file, unnamed } = loaded;
  const told = [...warnings.map(problemText), ...unsaid];
  const acting = unnamed.filter(({ acts }) => acts);
  if (acting.length === 0) return told;
  const values = acting.map(
    ({ path, reference, initial }) =>
      `${path} = ${tomlValue(reference)} (in a summoner.toml ${tomlValue(initial)})`,
  );
  const sentence = `what it does not name is as in the reference server: ${values.join(", ")}`;
  return [...told, `${basename(file as string)}: ${sentence}`];
}
