import { sectionPaths, valueAt } from "./paths.ts";
import type { Contradiction, Entries } from "./section.ts";

/** All contradictions of a configuration, with the full paths of their keys. Each single value must be allowed; for one that is not, its default. */
export function contradictions(entries: Entries, config: object): Contradiction[] {
  return [...sectionPaths(entries)].flatMap(([path, { rules }]) =>
    (rules.contradictions?.(valueAt(config, path), config) ?? []).map((found) => ({
      ...found,
      key: `${path}.${found.key}`,
      ...(found.by === undefined ? {} : { by: found.by.map((key) => `${path}.${key}`) }),
      ...(found.token === undefined ? {} : { token: `${path}.${found.token}` }),
    })),
  );
}
