/** Reads the files of scenarios. */
import { basename, dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inputText } from "../../../../config/input.ts";
import { type Layer, parseLayer, type Problem, whereIn } from "../../../../config/layer.ts";
import { readTable } from "../../../../config/read.ts";
import { reasonOf } from "../../../../config/reason.ts";
import type { Values } from "../../../../config/section.ts";
import { type Clock, within } from "../../../../host/clock.ts";
import { messageOf } from "../../../../host/errors.ts";
import { moduleTrouble } from "../../../../host/system/module.ts";
import { FILE, type ReadStep, SCENARIO } from "./format.ts";
import type { Play } from "./scenario.ts";
import { readStep } from "./step.ts";

/** One scenario, ready to be played. Times are in milliseconds. */
export interface Plan {
  /** The path of its file as it was given. */
  readonly file: string;
  readonly name: string;
  readonly game: string | null;
  /** The command that starts the game, and the folder that it is run in. */
  readonly start: readonly string[] | null;
  readonly folder: string;
  readonly connectMs: number;
  readonly withinMs: number;
  readonly limitMs: number;
  readonly played: readonly ReadStep[] | Play;
}

/** The scenarios of a file; when there are problems, they must not be played. */
export interface FileReading {
  readonly plans: readonly Plan[];
  readonly problems: readonly Problem[];
}

const MODULE = /\.[cm]?[jt]s$/;
/** Milliseconds that a module may take to load. */
const LOAD_MS = 30_000;

/** Reads a file. Every problem is in the result, none is thrown. */
export async function readFile(path: string, clock: Pick<Clock, "after">): Promise<FileReading> {
  const layer = MODULE.test(path) ? await moduleLayer(path, clock) : tomlLayer(path);
  return "message" in layer ? { plans: [], problems: [layer] } : new FileReader(layer, path).read();
}

/** The problems of a file as far as they show without running it. */
export function visibleProblems(path: string): readonly Problem[] {
  if (MODULE.test(path)) return [moduleProblem(path) ?? []].flat();
  const layer = tomlLayer(path);
  return "message" in layer ? [layer] : new FileReader(layer, path).read().problems;
}

function tomlLayer(path: string): Layer | Problem {
  if (!path.toLowerCase().endsWith(".toml")) {
    return { where: path, message: "not a scenario: its name ends in .toml or .ts" };
  }
  try {
    const found = parseLayer(path, inputText(path).replace(/^\uFEFF/, ""));
    if (!("message" in found)) return { ...found, name: path };
    return { ...found, where: path + found.where.slice(basename(path).length) };
  } catch (error) {
    return { where: path, message: `cannot be read: ${reasonOf(error)}` };
  }
}

async function moduleLayer(path: string, clock: Pick<Clock, "after">): Promise<Layer | Problem> {
  const problem = moduleProblem(path);
  if (problem !== null) return problem;
  let found: Readonly<Record<string, unknown>> | null;
  try {
    const loading = import(pathToFileURL(resolve(path)).href) as Promise<Record<string, unknown>>;
    found = await within(clock, LOAD_MS, loading);
  } catch (error) {
    return { where: path, message: `cannot be loaded: ${messageOf(error)}` };
  }
  if (found === null) {
    return { where: path, message: `it is still not loaded after ${LOAD_MS / 1000} s` };
  }
  const { default: exported, ...named } = found;
  if (typeof exported === "function") return { name: path, values: { ...named, play: exported } };
  if (typeof exported === "object" && exported !== null) {
    return { name: path, values: exported as Record<string, unknown> };
  }
  return { where: path, message: "its default export is neither a scenario nor a function" };
}

function moduleProblem(path: string): Problem | null {
  const trouble = moduleTrouble(path);
  if (trouble === null) return null;
  const [, at = "", message = trouble] = /^(\d+:\d+): (.*)$/s.exec(trouble) ?? [];
  return { where: at === "" ? path : `${path}:${at}`, message };
}

type Read = Values<typeof SCENARIO>;

class FileReader {
  readonly #layer: Layer;
  readonly #path: string;
  readonly #problems: Problem[] = [];
  readonly #names = new Set<string>();

  constructor(layer: Layer, path: string) {
    this.#layer = layer;
    this.#path = path;
  }

  read(): FileReading {
    const { values, problems } = readTable(FILE, this.#layer);
    this.#problems.push(...problems);
    const { scenarios, ...whole } = values;
    const shared = { ...whole, name: null, steps: null, play: null };
    const plans: (Plan | null)[] = [];
    if (this.#has("scenarios")) {
      for (const key of ["steps", "play", "name"].filter((one) => this.#has(one))) {
        this.#at(this.#layer, key, "stands beside scenarios; put it into one of them");
      }
      for (const [at, one] of (scenarios ?? []).entries())
        plans.push(this.#scenario(one, at, shared));
    } else plans.push(this.#plan(this.#layer, whole, whole, basename(this.#path)));
    if (this.#problems.length > 0) return { plans: [], problems: this.#problems };
    return { plans: plans.filter((plan) => plan !== null), problems: [] };
  }

  #has(key: string): boolean {
    return Object.hasOwn(this.#layer.values, key);
  }

  /** The part of a layer that is the table of this number in a list. */
  #inner(layer: Layer, key: string, at: number, values: Layer["values"]): Layer {
    const positions = layer.positions?.at([key, String(at)]);
    return positions
      ? { name: layer.name, values, positions }
      : { name: `${layer.name}: ${key}[${at}]`, values };
  }

  #scenario(values: Layer["values"], at: number, whole: Read): Plan | null {
    const layer = this.#inner(this.#layer, "scenarios", at, values);
    const read = readTable(SCENARIO, layer);
    this.#problems.push(...read.problems);
    const given = Object.entries(read.values).filter(([, value]) => value !== null);
    const own = { ...whole, ...Object.fromEntries(given) } as Read;
    return this.#plan(layer, read.values, own, `scenario ${at + 1}`);
  }

  /** @param own what stands in its own table @param all the same with what the file says for all */
  #plan(layer: Layer, own: Read, all: Read, otherwise: string): Plan | null {
    const { steps, play } = own;
    const given = Object.keys(layer.values);
    const where = placeOf(layer);
    if (steps !== null && play !== null) this.#at(layer, "play", "stands beside steps; keep one");
    else if (!given.includes("steps") && !given.includes("play")) {
      this.#problems.push({ where, message: "steps: missing; they say what happens" });
    }
    const read = steps === null ? [] : this.#steps(layer, steps);
    const name = all.name ?? otherwise;
    if (this.#names.has(name)) {
      const key = own.name === null ? "steps" : "name";
      this.#at(layer, key, `another scenario of the file is called ${JSON.stringify(name)} too`);
    }
    this.#names.add(name);
    return {
      file: this.#path,
      name,
      game: all.game,
      start: all.start,
      folder: dirname(resolve(this.#path)),
      connectMs: all.connect_within ?? 60_000,
      withinMs: all.within ?? 10_000,
      limitMs: all.limit ?? 300_000,
      played: play ?? read,
    };
  }

  #steps(layer: Layer, steps: readonly Layer["values"][]): readonly ReadStep[] {
    const read: ReadStep[] = [];
    /** An action has been sent whose result has not been expected yet. */
    let isOpen = false;
    for (const [at, values] of steps.entries()) {
      const inner = this.#inner(layer, "steps", at, values);
      const found = readStep(inner, placeOf(inner));
      if (!("name" in found)) {
        this.#problems.push(...found);
        // It may have been an answer.
        isOpen = true;
        continue;
      }
      const { name, where } = found;
      read.push(found);
      if (name === "answer" || name === "send") isOpen = true;
      if (name !== "success" && name !== "failure") continue;
      if (!isOpen) {
        const message = `expect = "${name}" is for an action, and none is answered or sent before it`;
        this.#problems.push({ where, message });
      }
      isOpen = false;
    }
    return read;
  }

  #at(layer: Layer, key: string, message: string): void {
    this.#problems.push({ where: whereIn(layer, [key]), message: `${key}: ${message}` });
  }
}

/** The place of a whole table. */
function placeOf({ name, positions }: Layer): string {
  return positions?.own ? `${name}:${positions.own.line}:${positions.own.column}` : name;
}
