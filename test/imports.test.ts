import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { services } from "../index.ts";
import { type Token, tokensOf } from "./tokens.ts";

// The shape of lib/: what its files import, what they name and how long they are.

/** Findings of these tests that are not mended yet. It must shrink to nothing. */
const PENDING: readonly string[] = [];
const mended = (found: readonly string[]) => found.filter((one) => !PENDING.includes(one));

const root = join(import.meta.dir, "..");
const files = [
  "index.ts",
  ...[...new Bun.Glob("lib/**/*.{ts,js}").scanSync(root)].map((path) => path.replaceAll("\\", "/")),
].toSorted();
const texts = new Map(files.map((path) => [path, readFileSync(join(root, path), "utf8")]));
const tokens = new Map([...texts].map(([path, text]) => [path, tokensOf(text)]));
const names = Object.keys(services);

/** The program's own files that a file imports, types and workers included. */
function importsOf(path: string): string[] {
  const all = tokens.get(path) as Token[];
  const found = all.flatMap((token, i) => {
    if (token.kind !== "string" || !token.text.startsWith(".")) return [];
    const before = all[i - 1]?.text ?? "";
    const call = before === "(" ? (all[i - 2]?.text ?? "") : "";
    const imported =
      before === "from" || before === "import" || call === "import" || call === "require";
    // A worker begins with a file that nobody imports.
    return imported || call === "URL"
      ? [relative(root, join(root, dirname(path), token.text))]
      : [];
  });
  return [...new Set(found.filter((one) => texts.has(one)))];
}

const graph = new Map(files.map((path) => [path, importsOf(path)]));

/** Files that import each other, however far around. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const visit = (path: string): void => {
    order.set(path, order.size);
    low.set(path, order.get(path) as number);
    open.push(path);
    for (const next of graph.get(path) ?? []) {
      if (!order.has(next)) visit(next);
      if (open.includes(next)) {
        low.set(path, Math.min(low.get(path) as number, low.get(next) as number));
      }
    }
    if (low.get(path) !== order.get(path)) return;
    const circle = open.splice(open.indexOf(path));
    if (circle.length > 1 || graph.get(path)?.includes(path)) found.push(circle.toSorted());
  };
  for (const path of graph.keys()) if (!order.has(path)) visit(path);
  return found;
}

/** Rooms by what they may import: each itself and those after it. */
const FLOORS = [["index"], ["cli"], ["library"], ["services"], ["net"], ["host"], ["config"]];

/** `lib/net/lines.ts` is in `net`. */
const roomOf = (path: string) => (path === "index.ts" ? "index" : (path.split("/")[1] as string));
const floorOf = (path: string) => FLOORS.findIndex((rooms) => rooms.includes(roomOf(path)));
/** The service that a file belongs to, by its folder or as its section of the settings. */
const serviceOf = (path: string) =>
  /^lib\/services\/([^/]+)\//.exec(path)?.[1] ??
  /^lib\/config\/sections\/([^/.]+)[/.]/.exec(path)?.[1] ??
  "";

describe("imports", () => {
  test("are found", () => {
    expect(graph.get("index.ts")).toContain("lib/cli/main.ts");
    expect(graph.get("lib/config/place.ts")).toContain("lib/config/table.ts");
    expect(graph.get("lib/services/web/ticker/isolated.ts")).toContain(
      "lib/services/web/ticker/worker.ts",
    );
    expect(files.filter((path) => floorOf(path) < 0)).toEqual([]);
  });

  test("make no circle, those of types included", () => {
    expect(circles(graph)).toEqual([]);
    const round = { a: ["b", "d"], b: ["c"], c: ["a"], d: ["e"], e: [], f: ["a", "f"] };
    expect(circles(new Map(Object.entries(round)))).toEqual([["a", "b", "c"], ["f"]]);
  });

  test("between rooms go one way", () => {
    const wrong = [...graph].flatMap(([from, imported]) =>
      imported
        .filter((to) => floorOf(to) < floorOf(from) || isBeside(from, to))
        .map((to) => `${from} -> ${to}`),
    );
    expect(wrong).toEqual([]);
  });

  test("of one service are none of another's", () => {
    const wrong = [...graph].flatMap(([from, imported]) =>
      imported
        .filter((to) => names.includes(serviceOf(from)) && names.includes(serviceOf(to)))
        .filter((to) => serviceOf(from) !== serviceOf(to))
        .map((to) => `${from} -> ${to}`),
    );
    expect(wrong).toEqual([]);
  });
});

/** True if two files are in different rooms of one floor. */
function isBeside(from: string, to: string): boolean {
  return floorOf(from) === floorOf(to) && roomOf(from) !== roomOf(to);
}

/** Files that name a service although they are none of its own, and why. */
const NAMED: Readonly<Record<string, string>> = {
  "lib/cli/commands.ts": "some commands have the name of their service",
  "lib/cli/kv.ts": "the client of the store",
  "lib/cli/listen.ts": "a client of the relay",
  "lib/cli/collector.ts": "starts the collector alone",
  "lib/cli/logs/settings.ts": "the settings of the collector's log",
  "lib/cli/neuro.ts": "starts the Neuro service alone",
  "lib/cli/neuro/sources.ts": "the settings of the Neuro service",
  "lib/cli/send.ts": "a client of the relay",
  "lib/cli/store/folder.ts": "the files of the store",
  "lib/cli/client/probes.ts": "a client of each service",
  "lib/cli/client/remote.ts": "the client of the web service",
  "lib/config/sections/neuro/brains.ts": "a brain has the same name",
  "lib/config/table.ts": "composes the sections",
  "lib/library/neuro-server.ts": "the Neuro server of a program",
  "lib/services/neuro/brains/brains.ts": "a brain has the same name",
  "lib/services/neuro/brains/web.ts": "a brain has the same name",
};

/** The places of a file that name a service: as a text, as a property or as a key. */
function namingsIn(path: string): string[] {
  const all = tokens.get(path) as Token[];
  const found = all.flatMap(({ kind, text }, i) => {
    const before = all[i - 1]?.text ?? "";
    const after = all[i + 1]?.text ?? "";
    const name = names
      .filter((one) => one !== serviceOf(path))
      .find((one) => text === one || (kind === "string" && text.startsWith(`${one}.`)));
    if (name === undefined || kind === "template") return [];
    if (kind === "string") return /\s/.test(text) ? [] : [`"${text}"`];
    if (before === "." || before === "?.") return [`.${name}`];
    const isKey =
      (before === "{" || before === "," || before === ";" || before === "readonly") &&
      (after === ":" || after === "?" || ((after === "," || after === "}") && inBraces(all, i)));
    return isKey ? [`{ ${name} }`] : [];
  });
  return [...new Set(found)].map((what) => `${path}: ${what}`);
}

/** True if the innermost bracket around a token is a brace. */
function inBraces(all: readonly Token[], at: number): boolean {
  let depth = 0;
  for (let i = at - 1; i >= 0; i--) {
    const { kind, text } = all[i] as Token;
    if (kind !== "other") continue;
    if (text === ")" || text === "]" || text === "}") depth++;
    else if (text === "(" || text === "[" || text === "{") {
      if (depth === 0) return text === "{";
      depth--;
    }
  }
  return false;
}

describe("services", () => {
  test("are named nowhere but in index.ts, their section and their folder", () => {
    const wrong = files
      .filter((path) => path !== "index.ts" && !Object.hasOwn(NAMED, path))
      .flatMap(namingsIn);
    expect(mended(wrong)).toEqual([]);
  });

  test("are named where an exception is made for it", () => {
    for (const path of Object.keys(NAMED)) expect([path, namingsIn(path)]).not.toEqual([path, []]);
  });

  test("are found by name", () => {
    const name = names[0] as string;
    const found = (text: string) => {
      tokens.set("x.ts", tokensOf(text));
      return namingsIn("x.ts").length > 0;
    };
    for (const text of [
      `f("${name}")`,
      `f('${name}.port')`,
      `config.${name}.port`,
      `config?.${name}`,
      `const { ${name} } = config`,
      `const { a, ${name}: b } = config`,
      `({ ${name}: 1 })`,
      `interface A { readonly ${name}: 1 }`,
      `type A = "a" | "${name}"`,
      `\`\${f("${name}")}\``,
    ]) {
      expect([text, found(text)]).toEqual([text, true]);
    }
    for (const text of [
      `// config.${name}`,
      `/* "${name}" */`,
      `"the ${name} is off"`,
      `\`the ${name}\``,
      `/"${name}"/.test(x)`,
      `const ${name} = f(${name}, a)`,
    ]) {
      expect([text, found(text)]).toEqual([text, false]);
    }
    tokens.delete("x.ts");
  });
});

test("no file of lib/ has more than 400 lines without a reason at its top", () => {
  const all = [...new Bun.Glob("lib/**/*.{ts,js,css,html}").scanSync(root)];
  const long = all.filter((path) => {
    const lines = readFileSync(join(root, path), "utf8").trimEnd().split("\n");
    return lines.length > 400 && !/\bLong because /.test(lines.slice(0, 3).join("\n"));
  });
  expect(mended(long.map((path) => `${path}: more than 400 lines`))).toEqual([]);
});
