import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf } from "../../../host/errors.ts";
import type { Brain } from "./brain.ts";

/**
 * A brain of a user's own: a module that exports `chooseForceAction`, and `addContext` if it likes.
 * @throws Error when it does not load, or exports no brain
 */
export async function moduleBrain(path: string): Promise<Brain> {
  let found: Readonly<Record<string, unknown>>;
  try {
    found = (await import(pathToFileURL(resolve(path)).href)) as typeof found;
  } catch (error) {
    throw new Error(`cannot load ${path}: ${messageOf(error)}`);
  }
  const exported = (found["default"] ?? found) as Partial<Brain>;
  if (typeof exported.chooseForceAction !== "function") {
    throw new Error(`${path} exports no function chooseForceAction`);
  }
  if (exported.addContext !== undefined && typeof exported.addContext !== "function") {
    throw new Error(`${path}: addContext is no function`);
  }
  return Object.create(exported, { name: { value: path, enumerable: true } }) as Brain;
}
