import { lstatSync } from "node:fs";
import { inputText } from "./input.ts";
import { type Layer, parseLayer, type Problem, setLayer } from "./layer.ts";
import { nearest } from "./nearest.ts";
import { sectionPaths } from "./paths.ts";
import { reasonOf } from "./reason.ts";
import { type PresetName, presets } from "./presets.ts";
import { type Reading, read } from "./read.ts";
import type { Entries, Values } from "./section.ts";
import { cut } from "./shown.ts";
import type { settings } from "./table.ts";

/** The file that is read when none is named. */
export const DEFAULT_FILE = "summoner.toml";

/** Where settings come from, weakest first. */
export interface Sources {
  /** What the program that embeds the server gives `run`. */
  readonly run?: Readonly<Record<string, unknown>>;
  /** A preset to start from. */
  readonly preset?: string | undefined;
  /** A file that must exist; without it `summoner.toml` in the working folder, if there is one. */
  readonly file?: string | undefined;
  /** A configuration as an object, in the form of the reference's `server.json`; no file is read then. */
  readonly object?: Readonly<Record<string, unknown>> | undefined;
  /** `key.path=value` each. */
  readonly sets?: readonly string[];
  readonly host?: string | undefined;
  readonly port?: string | undefined;
}

export interface Loaded<C> extends Reading<C> {
  /** What the file leaves unsaid that its operator should know, one sentence each. */
  readonly unsaid: readonly string[];
  /** The file that was read, `config` for an object, or null. */
  readonly file: string | null;
}

/** Reads all sources; every problem is in the answer, none is thrown. */
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
    file = sources.file ?? (isThere(DEFAULT_FILE) ? DEFAULT_FILE : null);
    if (file !== null) take(readLayer(file));
  }
  for (const set of sources.sets ?? []) take(setLayer(set));
  if (sources.host !== undefined) {
    take({ name: "--host", values: { host: sources.host } });
  }
  if (sources.port !== undefined) {
    const port = /^\d+$/.test(sources.port) ? Number(sources.port) : sources.port;
    take({ name: "--port", values: { port } });
  }
  const reading = read(entries, layers, file !== null);
  const unsaid = file === null ? [] : unsaidIn(entries, file, reading.origins);
  return { ...reading, file, unsaid, problems: [...problems, ...reading.problems] };
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

/** Whether a name is there, be it a link that leads nowhere. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function readLayer(path: string): Layer | Problem {
  try {
    // Some editors of Windows begin a file with a mark.
    return parseLayer(path, inputText(path).replace(/^\uFEFF/, ""));
  } catch (error) {
    return {
      where: path,
      message: `cannot be read: ${reasonOf(error)}`,
    };
  }
}

/** Problems as lines for a person, one each. */
export function problemText({ where, message }: Problem): string {
  return `${where}: ${message}`;
}

function unsaidIn(entries: Entries, file: string, given: ReadonlyMap<string, unknown>): string[] {
  return [...sectionPaths(entries)].flatMap(([, { rules }]) => rules.remarks?.(file, given) ?? []);
}

/** What the operator of a configuration should know of it, one sentence each. */
export function remarks({ warnings, unsaid }: Loaded<unknown>): string[] {
  return [...warnings.map(problemText), ...unsaid];
}
