import type { Declared } from "../../host/stats.ts";

/** Milliseconds of one step, and the steps that are kept. */
const STEP_MS = 10_000;
const STEPS = 360;
/** Milliseconds between two samples beyond which there is no rate. */
const GAP_MS = 5000;

type Values = Readonly<Record<string, number>>;

/** The least and the most of each number in ten seconds: of a gauge its value, of a counter its rate per second. */
interface Step {
  /** Its end, milliseconds since 1970. */
  readonly at: number;
  readonly least: Record<string, number>;
  readonly most: Record<string, number>;
}

/** The hour as it is told: for each number a value for each step, null where there is none. */
export interface HourTold {
  readonly at: readonly number[];
  readonly least: Readonly<Record<string, readonly (number | null)[]>>;
  readonly most: Readonly<Record<string, readonly (number | null)[]>>;
}

/** The last hour of the headline numbers, in steps of ten seconds. */
export class Hour {
  readonly #steps: Step[] = [];
  readonly #isCounter = new Map<string, boolean>();
  #before: { readonly at: number; readonly values: Values } | null = null;

  /** Notes how the numbers of a part are declared. */
  declare(part: string, declared: Declared): void {
    for (const [name, { kind, headline }] of Object.entries(declared)) {
      if (headline) this.#isCounter.set(`${part}.${name}`, kind === "counter");
    }
  }

  /** Adds a sample of the headline numbers. */
  add(at: number, values: Values): void {
    const before = this.#before;
    this.#before = { at, values };
    // When the wall clock was set back, older steps would lie in the future.
    while ((this.#steps.at(-1)?.at ?? 0) >= at + STEP_MS) this.#steps.pop();
    const end = Math.ceil(at / STEP_MS) * STEP_MS;
    let step = this.#steps.at(-1);
    if (step?.at !== end) {
      step = { at: end, least: {}, most: {} };
      this.#steps.push(step);
      if (this.#steps.length > STEPS) this.#steps.shift();
    }
    const ms = before === null ? 0 : at - before.at;
    for (const [key, value] of Object.entries(values)) {
      const shown = this.#isCounter.get(key)
        ? rateOf(value - (before?.values[key] ?? Infinity), ms)
        : value;
      if (shown === null) continue;
      step.least[key] = Math.min(step.least[key] ?? Infinity, shown);
      step.most[key] = Math.max(step.most[key] ?? -Infinity, shown);
    }
  }

  /** The steps that end after `since`, milliseconds since 1970. */
  told(since: number): HourTold {
    const steps = this.#steps.filter(({ at }) => at > since);
    const column = (of: "least" | "most", key: string) =>
      steps.map((step) => rounded(step[of][key]));
    const all = (of: "least" | "most") =>
      Object.fromEntries([...this.#isCounter.keys()].map((key) => [key, column(of, key)]));
    return { at: steps.map(({ at }) => at), least: all("least"), most: all("most") };
  }
}

/** A rate per second; null when the counter began anew or too much time has passed. */
function rateOf(more: number, ms: number): number | null {
  return more >= 0 && Number.isFinite(more) && ms > 0 && ms <= GAP_MS ? more / (ms / 1000) : null;
}

/** Four digits are more than a chart shows. */
function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toPrecision(4));
}
