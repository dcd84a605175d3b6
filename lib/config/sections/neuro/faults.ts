import { decimal, list, whole } from "../../option.ts";
import { SECONDS_MAX } from "../bounds.ts";

/** The faults that can be made on purpose. */
export const FAULT_NAMES = [
  "json",
  "enum",
  "type",
  "missing",
  "double",
  "unforced",
  "slow",
  "drop",
  "duplicate",
] as const;

const ABOUT = `Faults that are made on purpose, so that you see how a game takes them. json: data that is no JSON. enum, type, missing: data with a value that its schema does not list, of another type, or left out. double: another action before the first is answered. unforced: an action that no force asked for, just before the force's own. slow: a choice that takes long. drop: the connection is cut. duplicate: an action twice, with one id.`;

const ALLOWED = `a list of these, each with a rate of its own where it has one, as ["enum", "slow=0.05"]: ${FAULT_NAMES.join(", ")}`;

/** The settings of the faults that are made on purpose. */
export const faults = {
  faults: list(ABOUT, ALLOWED, isFault),
  fault_rate: decimal(
    0.1,
    [0, 1],
    "How likely each of them is in each choice, where it has no rate of its own.",
  ),
  fault_seed: whole(
    1,
    [0, 2 ** 32 - 1],
    "Seed of the faults: the same faults in the same choices of a game.",
  ),
  fault_slow_secs: whole(10, [0, SECONDS_MAX], "Seconds by which a slow choice is late."),
};

function isFault(item: string): boolean {
  const [name, rate = "0"] = item.split("=");
  const isRate = /^\d(?:\.\d+)?$/.test(rate) && Number(rate) <= 1;
  return FAULT_NAMES.some((one) => one === name) && item.split("=").length <= 2 && isRate;
}
