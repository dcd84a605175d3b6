import type { RoomBar } from "../order.ts";

/** A message of the hub to an engine; for the strings see `hot.ts`. */
export type ToRoad =
  | string
  | { readonly kind: "opened"; readonly isOpen: boolean }
  | { readonly kind: "bar"; readonly bar: RoomBar }
  | { readonly kind: "lift"; readonly key: string }
  | { readonly kind: "lost"; readonly lines: number }
  /** All engines have sent their last lines, and those have been delivered. */
  | { readonly kind: "settled" };

/** A message of an engine to the hub. */
export type FromRoad =
  | string
  | { readonly kind: "bar"; readonly bar: RoomBar }
  | { readonly kind: "lift"; readonly key: string }
  /** The engine has sent its last line, and that has been delivered. */
  | { readonly kind: "settled" };
