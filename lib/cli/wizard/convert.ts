import { contradictions } from "../../config/contradictions.ts";
import { type Loaded, problemText } from "../../config/load.ts";
import { type Option, readAs } from "../../config/option.ts";
import { valueAt } from "../../config/paths.ts";
import { tomlValue } from "../../config/render.ts";
import { type Config, settings } from "../../config/table.ts";
import { givenBy, type Given } from "./draft.ts";
import { count } from "../../host/count.ts";
import type { Entries } from "../../config/section.ts";

/** A configuration of the reference server in this server's form. */
export interface Converted {
  readonly given: Given;
  /** The differences, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Converts a `server.json` that was loaded without problems.
 * @param values the values in it
 */
export function convert(
  name: string,
  values: Readonly<Record<string, unknown>>,
  loaded: Loaded<Config>,
): Converted {
  const given = new Map(givenBy(loaded));
  const kept: string[] = [];
  const notes = [...respelt(settings, values, "", "", loaded.config, kept)];
  const config = structuredClone(loaded.config) as { -readonly [K in keyof Config]: Config[K] };
  const settled = new Set<string>();
  for (;;) {
    const next = contradictions(settings, config).find(({ reference }) => reference === true);
    if (next === undefined) break;
    settled.add(`${next.key}: ${next.message}`);
    // The reference accepts a threshold that never acts, since another one is lower; switching it off changes nothing.
    const path = next.key.replace(/(\w+)_threshold$/, "enable_$1");
    const dot = path.lastIndexOf(".");
    Object.assign(valueAt(config, path.slice(0, dot)) as object, { [path.slice(dot + 1)]: false });
    given.set(path, false);
    const threshold = valueAt(config, next.key) as number;
    notes.push(`${path} = false: from ${threshold} on a stronger rule acts, so it never did`);
  }
  const unsettled = loaded.warnings.filter(({ message }) => !settled.has(message));
  notes.push(...unsettled.map(problemText));
  notes.push(...loaded.unsaid);
  for (const { path, reference } of loaded.unnamed) {
    notes.push(
      `${path} = ${tomlValue(reference)}: as in the reference, since ${name} does not name it`,
    );
  }
  notes.unshift(`${name}: ${count(kept.length, "setting")} kept`);
  return { given, notes };
}

/** The settings that read differently in TOML than in the reference's JSON. `kept` gets the paths of all that are taken over. */
function* respelt(
  entries: Entries,
  values: Readonly<Record<string, unknown>>,
  prefix: string,
  written: string,
  config: Config,
  kept: string[],
): Generator<string> {
  for (const [key, found] of Object.entries(values)) {
    const [name, entry] =
      Object.entries(entries).find(
        ([name, one]) => name === key || (one.kind === "option" && one.aliases?.includes(key)),
      ) ?? [];
    if (name === undefined || entry === undefined) continue;
    const [path, spelling] = [prefix + name, written + key];
    if (entry.kind === "section") {
      if (found === null) yield `${spelling}: null, so its defaults stand`;
      else {
        const inner = found as Record<string, unknown>;
        yield* respelt(entry.entries, inner, `${path}.`, `${spelling}.`, config, kept);
      }
      continue;
    }
    const value = readAs(entry as Option<unknown>, found, true);
    const shown = JSON.stringify(found);
    if (value === undefined || value === null) {
      const initial = entry.reference ?? entry.initial;
      const stands = initial === null ? "not given" : tomlValue(initial);
      yield `${spelling}: ${shown}, so the default stands: ${stands}`;
      continue;
    }
    kept.push(path);
    if (name !== key) yield `${spelling} is called ${name} here`;
    if (!Bun.deepEquals(value, found))
      yield `${spelling}: ${shown} is written as ${tomlValue(value)}`;
    const effective = valueAt(config, path);
    if (!Bun.deepEquals(effective, value)) {
      yield `${spelling}: ${shown} gives way to ${tomlValue(effective)}, which stands elsewhere`;
    }
  }
}
