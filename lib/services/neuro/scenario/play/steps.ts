import { ACTS } from "./acts.ts";
import type { Do } from "./do.ts";
import { EXPECTATIONS } from "./expectations.ts";
import type { ReadStep, StepName } from "../file/format.ts";
import type { Playthrough } from "./playthrough.ts";

const STEPS = { ...EXPECTATIONS, ...ACTS };

/** Does a step. @returns what a function is given that asked for it @throws Failed */
export function doStep(play: Playthrough, { name, values }: ReadStep): Promise<unknown> {
  return (STEPS[name] as Do<StepName>)(play, values as never);
}
