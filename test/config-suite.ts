import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load, problemText } from "../lib/config/load.ts";
import { optionPaths } from "../lib/config/paths.ts";
import { tomlValue } from "../lib/config/render.ts";
import { settings } from "../lib/config/table.ts";

export const root = join(import.meta.dir, "..");
export const folder = mkdtempSync(join(tmpdir(), "summoner-config-"));
process.on("exit", () => rmSync(folder, { recursive: true }));

/** Writes a configuration file and loads it. */
export function file(name: string, content: string, sets: readonly string[] = []) {
  const path = join(folder, name);
  writeFileSync(path, content);
  return load(settings, { file: path, sets });
}
export const toml = (content: string) => file("summoner.toml", content);
export const json = (values: unknown) => file("server.json", JSON.stringify(values));
export const set = (...sets: string[]) => load(settings, { object: {}, sets });

export type Reading = ReturnType<typeof toml>;
export const problems = ({ problems }: Reading) => problems.map(problemText);
export const warnings = ({ warnings }: Reading) => warnings.map(problemText);

/** One `key = value` line, or a table and one. */
export function line(path: string, value: unknown): string {
  const dot = path.lastIndexOf(".");
  const table = dot < 0 ? "" : `[${path.slice(0, dot)}]\n`;
  return `${table}${path.slice(dot + 1)} = ${tomlValue(value)}\n`;
}

/** The problem of one value by itself, apart from any that it contradicts. */
export function complaint(path: string, value: unknown): string | undefined {
  return problems(toml(line(path, value))).find((text) => text.includes(`${path}: found`));
}

export const options = [...optionPaths(settings)];
export const numbers = options.flatMap(([path, { allowed }]) => {
  const bounds = /^a whole number from (\d+) to (\d+)/.exec(allowed);
  return bounds ? [[path, Number(bounds[1]), Number(bounds[2])] as const] : [];
});
export const flags = options.filter(([, { allowed }]) => allowed === "true or false");
export const choices = options.filter(([, { words }]) => words !== undefined);
export const cidrs = options.filter(([, { allowed }]) => allowed.includes("CIDR"));
export const hosts = options.filter(([path]) => /^(?:\w+\.)?host$/.test(path));
export const texts = options.filter(
  ([, { allowed, words }]) => allowed.startsWith("text") && !words,
);
