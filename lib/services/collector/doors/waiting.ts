import type { Clock } from "../../../host/clock.ts";
import type { Intake } from "../intake.ts";

/** Milliseconds that a call waits for room before it is refused: less than the ten seconds after which clients give up by themselves. */
const ROOM_MS = 5000;
/** Seconds after which a call that was refused may come again. */
export const RETRY_SECONDS = 5;

/** Nothing was taken, since too much waits for the disk. */
export class NoRoom extends Error {}

/** Resolves when another entry may be taken. Rejects with `NoRoom` when that takes too long; `ms` may be Infinity. */
export async function room(intake: Intake, clock: Clock, ms = ROOM_MS): Promise<void> {
  if (!intake.isFull) return;
  const by = clock.now() + ms;
  const cancels: (() => void)[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  cancels.push(
    intake.watch(() => {
      if (!intake.isFull) resolve();
    }),
  );
  if (ms < Infinity) cancels.push(clock.after(ms, resolve));
  await promise;
  for (const cancel of cancels) cancel();
  // Others that waited may have taken all the room.
  if (!intake.isFull) return;
  if (clock.now() < by) return room(intake, clock, by - clock.now());
  const why = intake.blocked ?? "too much waits for the disk";
  throw new NoRoom(`The log cannot be written: ${why}.`);
}
