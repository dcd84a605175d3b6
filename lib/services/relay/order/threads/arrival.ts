import type { Road, RoadEnd } from "../batch.ts";

/** The road of a program that shares its room with no other: the order is that of arrival. */
export class Arrival implements Road {
  readonly elsewhere = 0;
  #end!: RoadEnd;
  /** Batches that wait until their end takes deliveries again. */
  #waiting = 0;

  open(end: RoadEnd): void {
    this.#end = end;
    end.opened(true);
  }

  append(): void {
    this.#waiting++;
    this.rested();
  }

  bar(): void {}

  lift(): void {}

  rested(): void {
    while (this.#waiting > 0 && !this.#end.resting) {
      this.#waiting--;
      this.#end.own();
    }
  }
}
