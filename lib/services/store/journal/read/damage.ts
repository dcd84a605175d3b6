import { StartError } from "../../../../host/errors.ts";
import type { Survey } from "./survey.ts";

/** Most damages that are told one by one. */
const TOLD = 10;

/** What is damaged in a folder, as sentences, the first of them. */
export function damagesOf({ damages }: Survey): string[] {
  const told = damages.slice(0, TOLD).map(({ message }) => message);
  const more = damages.length - told.length;
  return more > 0 ? [...told, `and ${more} more damages`] : told;
}

/** What is whole of a folder, in words. */
export function wholeOf({ batches, records }: Survey): string {
  return `${batches} whole batches with ${records} records`;
}

/** A folder is damaged as no crash leaves it. Nothing of it was changed. */
export class DamageError extends StartError {
  constructor(found: Survey) {
    const { folder } = found;
    super(
      [
        ...damagesOf(found),
        `${folder} is damaged, and nothing was changed; ${wholeOf(found)} could be kept`,
        `store check tells more; store salvage --out FOLDER writes what is whole to another folder; store.damage = "salvage" goes on with it here`,
      ].join("\n"),
    );
  }
}
