import { join } from "node:path";
import type { Clock } from "../../../../host/clock.ts";
import { DamageError } from "./damage.ts";
import type { Manifest } from "../manifest.ts";
import { begin, rebase, type Slices } from "../rebase.ts";
import { settle } from "./settle.ts";
import type { Survey } from "./survey.ts";

/** Most damages that are kept for an operator to acknowledge, and that are told in the log. */
const KEPT = 100;
const TOLD = 10;

export interface Terms {
  clock: Pick<Clock, "wall">;
  /** Told news for the operator: the remains of a crash, a failed snapshot. */
  /** Called with what an operator should know; `isGood` for what is well again. */
  onNote: (message: string, isGood?: boolean) => void;
  /** Whether damage stops the start, which is the default, or what is whole is gone on with. */
  damage?: "refuse" | "salvage";
}

/**
 * Brings a folder that was read in order: begins a new one, cuts what a crash
 * has torn, writes one of an older format anew, or what is whole of a damaged one.
 * @param again all that was read, as slices of records
 * @returns the manifest in force
 * @throws DamageError when it is damaged and that is refused; StartError; the system's error
 */
export function inOrder(
  found: Survey,
  { clock, onNote, damage = "refuse" }: Terms,
  again: (salvaged: boolean) => Slices,
): Manifest {
  const { folder, damages, form, torn, journals } = found;
  if (damages.length > 0) {
    if (damage === "refuse") throw new DamageError(found);
    const at = new Date(clock.wall()).toISOString();
    const before = found.manifest?.salvaged?.damages ?? [];
    const all = [...before, ...damages.map(({ message }) => message)].slice(0, KEPT);
    const manifest = rebase(found, again(true), { at, damages: all });
    for (const { message } of damages.slice(0, TOLD)) onNote(message);
    return manifest;
  }
  if (form === "none") return begin(found);
  if (form === "current") return settle(found, onNote);
  if (torn !== null) {
    const path = join(folder, journals[torn.index]?.name as string);
    onNote(`${path}: the last ${torn.bytes} bytes are not a whole batch and were left out`);
  }
  const manifest = rebase(found, again(false), null);
  onNote(`${folder} was brought to a new format, which older versions of the program do not read`);
  return manifest;
}
