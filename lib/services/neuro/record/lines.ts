/** What a record is made of: JSON lines, the first of them its head. */
import type { Moment } from "../watch/timeline.ts";

export const RECORD_VERSION = 1;

/** The first line. */
export interface Head {
  readonly kind: "record";
  readonly version: number;
  /** Name and version of the program that wrote it. */
  readonly program: string;
  /** When the connection came, as ISO 8601 has it. */
  readonly at: string;
  /** The name of its first game; "" where none had a name. */
  readonly game: string;
}

/** A frame, as it came from the game or was sent to it. */
export interface FrameLine {
  readonly kind: "in" | "out";
  /** Milliseconds since the connection came. */
  readonly ms: number;
  readonly text: string;
}

/** Why a record ends. */
export type RecordEnd = "closed" | "full" | "stopped";

/** Every further line. */
export type Line =
  | FrameLine
  | (Moment & { readonly ms: number; readonly game: string })
  | { readonly kind: "end"; readonly ms: number; readonly why: RecordEnd };
