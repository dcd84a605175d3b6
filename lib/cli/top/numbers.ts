import { bytes, measured, rough } from "../terminal/words.ts";
import type { Declarations, Sample, Stat, Stats, Tick } from "./told.ts";

const WORDS: Readonly<Record<string, string>> = { cpu: "CPU", utf8: "UTF-8" };

/** The name of a number for a person, as on the page: `memory_bytes` is "memory", for its figure shows the unit. */
export function labelOf(name: string, { unit, title }: Stat): string {
  if (title !== undefined) return title;
  const bare = unit === "bytes" || unit === "seconds" ? name.replace(`_${unit}`, "") : name;
  return bare.replace(/[a-z0-9]+/g, (word) => WORDS[word] ?? word).replaceAll("_", " ");
}

/** A rate a second; seconds of work a second are a share. */
function rateText(value: number, unit: string): string {
  if (unit === "seconds") return `${(value * 100).toFixed(1)}%`;
  return unit === "bytes" ? `${bytes(value)}/s` : `${rough(value)}/s`;
}

/** The numbers of a tick, for the rates of the next one. */
export function sampleOf({ at, process, services }: Tick): Sample {
  const values: Record<string, number> = {};
  const add = (part: string, stats: Stats) => {
    for (const [stat, value] of Object.entries(stats)) values[`${part}.${stat}`] = value;
  };
  add("process", process);
  for (const [name, { stats }] of Object.entries(services)) add(name, stats);
  return { at, values };
}

/** The rate of a counter a second since an earlier sample, or null when that is not known. */
export function rateOf(
  tick: Tick,
  before: Sample | null,
  part: string,
  stat: string,
): number | null {
  const stats = part === "process" ? tick.process : tick.services[part]?.stats;
  const [now, then] = [stats?.[stat], before?.values[`${part}.${stat}`]];
  const seconds = before === null ? 0 : (tick.at - before.at) / 1000;
  if (now === undefined || then === undefined || now < then || seconds <= 0) return null;
  return (now - then) / seconds;
}

/** A headline number, as it is shown. */
export interface Figure {
  readonly stat: string;
  /** Null for a counter whose rate is not known. */
  readonly value: number | null;
  readonly adverse: boolean;
  /** `lines in 7/s`. */
  readonly text: string;
}

/** The headline numbers of a part: counters as their rates. What is bad news is left out while there is none. */
export function figuresOf(
  part: string,
  declared: Declarations,
  tick: Tick,
  before: Sample | null,
): Figure[] {
  const stats = part === "process" ? tick.process : tick.services[part]?.stats;
  return Object.entries(declared[part] ?? {}).flatMap(([stat, one]) => {
    const now = stats?.[stat];
    if (one.headline !== true || now === undefined) return [];
    const isCounter = one.kind === "counter";
    const value = isCounter ? rateOf(tick, before, part, stat) : now;
    const adverse = one.adverse === true;
    if (adverse && (value ?? 0) === 0) return [];
    const shown =
      value === null ? "–" : isCounter ? rateText(value, one.unit) : measured(value, one.unit);
    return { stat, value, adverse, text: `${labelOf(stat, one)} ${shown}` };
  });
}

/** The time since something began in its largest unit: `45 s`, `59 min`, `23 h`. */
export function age(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
  ] as const) {
    if (whole >= size) return `${Math.floor(whole / size)} ${unit}`;
  }
  return `${whole} s`;
}

/** `16:40:02`. */
export function clockTime(at: number): string {
  return new Date(at).toLocaleTimeString("en-GB");
}
