/** Makes data wrong that was right. */
import type { Random } from "../../random.ts";
import type { Keywords, Part } from "../../schema/part.ts";
import type { DataRules } from "../../schema/rules.ts";

/** Data that is wrong in one place. */
export interface Wrong {
  /** JSON text. */
  readonly data: string;
  /** Where, as `cards.0.suit`. */
  readonly path: string;
  /** What stands there now, as JSON; "" where nothing does. */
  readonly value: string;
}

type Path = readonly (string | number)[];

/** A place in the data, with a part of the schema that holds there. */
interface Place {
  readonly path: Path;
  readonly part: Keywords;
  /** undefined where the data has nothing. */
  readonly value: unknown;
}

/** A change of the data. */
interface Change {
  readonly path: Path;
  /** undefined takes the value away. */
  readonly value: unknown;
}

/** Places of one piece of data that are looked at. */
const MOST_PLACES = 5000;
/** Changes that are tried: of some the schema allows what comes of them. */
const MOST_TRIES = 10;

/** No JSON any more, as models write it: cut off, in a fence, or with a comma too many. */
export function noJson(data: string, random: Random): string {
  switch (random.whole(0, 2)) {
    case 0:
      return data.slice(0, random.whole(1, data.length - 1));
    case 1:
      return `\`\`\`json\n${data}\n\`\`\``;
    default:
      return `${data.slice(0, -1)},}`;
  }
}

/** What can be wrong in a place, by the name of the fault. */
const CHANGES = {
  enum: ({ path, part, value }: Place): readonly Change[] => {
    const listed = "const" in part ? [part.const] : part.enum;
    return listed === undefined ? [] : [{ path, value: unlisted(listed, value) }];
  },
  type: ({ path, part, value }: Place): readonly Change[] =>
    part.type === undefined || value === undefined || path.length === 0
      ? []
      : [{ path, value: ofOtherType(part.type, value) }],
  missing: ({ path, part, value }: Place): readonly Change[] =>
    (part.required ?? [])
      .filter((key) => isObject(value) && Object.hasOwn(value, key))
      .map((key) => ({ path: [...path, key], value: undefined })),
};

/** The faults that lie in the data, but for what is no JSON. */
export type WrongKind = keyof typeof CHANGES;

/** Makes data wrong; null where its schema has nothing of the kind. @param data JSON text that fits the schema */
export async function wrong(
  kind: WrongKind,
  rules: DataRules,
  data: string,
  random: Random,
): Promise<Wrong | null> {
  const changes = [...placesIn(rules.resolved.part, JSON.parse(data))].flatMap(CHANGES[kind]);
  for (let tries = 0; tries < MOST_TRIES && changes.length > 0; tries++) {
    const [change] = changes.splice(random.whole(0, changes.length - 1), 1) as [Change];
    const changed = changedAt(JSON.parse(data), change.path, change.value);
    if ((await rules.problemsOf(changed)).length === 0) continue;
    const value = change.value === undefined ? "" : JSON.stringify(change.value);
    return { data: JSON.stringify(changed), path: change.path.join("."), value };
  }
  return null;
}

/** The places of data, each with every part of its schema that may hold there. */
function* placesIn(part: Part, data: unknown): Generator<Place> {
  const open: { part: Part | undefined; value: unknown; path: Path }[] = [
    { part, value: data, path: [] },
  ];
  for (let looked = 0; looked < MOST_PLACES; looked++) {
    const next = open.shift();
    if (next === undefined) return;
    const { part: here, value, path } = next;
    if (typeof here !== "object") continue;
    yield { part: here, value, path };
    for (const one of [...(here.allOf ?? []), ...(here.anyOf ?? []), ...(here.oneOf ?? [])]) {
      open.push({ part: one, value, path });
    }
    if (Array.isArray(value)) {
      for (const [at, item] of value.entries()) {
        open.push({ part: here.prefixItems?.[at] ?? here.items, value: item, path: [...path, at] });
      }
    } else if (isObject(value)) {
      for (const [key, one] of Object.entries(here.properties ?? {})) {
        const inner = Object.hasOwn(value, key) ? value[key] : undefined;
        open.push({ part: one, value: inner, path: [...path, key] });
      }
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value that is near to a listed one, and not listed. */
function unlisted(listed: readonly unknown[], value: unknown): unknown {
  const near = listed.includes(value) ? value : listed[0];
  if (typeof near === "number") {
    return Math.max(...listed.filter((one) => typeof one === "number")) + 1;
  }
  if (typeof near !== "string") return "none of these";
  const tried = [near.toUpperCase(), near.toLowerCase(), `${near}s`, `${near}_${listed.length}`];
  return tried.find((one) => !listed.includes(one)) ?? "none of these";
}

function ofOtherType(types: readonly string[], value: unknown): unknown {
  if (!types.includes("string")) {
    return typeof value === "object" ? "none" : String(value);
  }
  if (!types.includes("number") && !types.includes("integer")) return 7;
  return types.includes("array") ? {} : [];
}

/** The data with another value in one place. */
function changedAt(data: unknown, path: Path, value: unknown): unknown {
  const [key, ...inner] = path;
  if (key === undefined) return value;
  const holder = data as Record<string | number, unknown>;
  if (inner.length > 0) changedAt(holder[key], inner, value);
  else if (value === undefined) delete holder[key];
  else holder[key] = value;
  return data;
}
