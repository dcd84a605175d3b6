import type { Clock } from "../../../host/clock.ts";
import type { Disk } from "../../../host/disk.ts";
import type { LineForm } from "../columns.ts";

/** When an entry is kept, that is, acknowledged. */
export type Durability = "none" | "batch" | "always";

/** The settings of a writer that may change while it runs. */
export interface WriterSettings {
  /** Lines that are written together at first; the number follows the load. */
  readonly batchSize: number;
  /** Entries and bytes that may wait for the disk. */
  readonly mostEntries: number;
  readonly mostBytes: number;
  /** Quick attempts on a disk that refuses, and the milliseconds until the first; the delay doubles each time. */
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly maxFileBytes: number;
  readonly backups: number;
}

export interface WriterOptions {
  readonly disk: Disk;
  readonly clock: Pick<Clock, "now" | "after" | "every">;
  readonly form: LineForm;
  readonly durability: Durability;
  readonly settings: () => WriterSettings;
  /** Told, in a sentence, when the disk begins to refuse, when it takes lines again, and of files that were moved. */
  readonly tell: (message: string, level: "ERROR" | "WARNING" | "INFO") => void;
  /** Called before lines are written, to note down whose they are. @throws the system's error */
  readonly beforeWrite?: () => void;
  /**
   * Called when a file begins anew, and at the end: a later start may find no line in it to go on from.
   * @param next the number of the entry of its first line
   * @param ending the last bytes of the line before; none where they are not known
   */
  readonly begun?: (next: number, ending: Buffer) => void;
  /** Syncs what `beforeWrite` has noted down. */
  readonly syncNotes?: () => Promise<void>;
}

/** Counted since the start. */
export interface WriterCounts {
  bytes: number;
  writes: number;
}

/** Milliseconds between two attempts of a blocked writer at most. */
const SLOW_MS = 2000;

/** Milliseconds until the next attempt on a disk that refuses. @param attempts that were made */
export function retryDelay({ retries, retryDelayMs }: WriterSettings, attempts: number): number {
  if (attempts >= retries) return SLOW_MS;
  return Math.min(SLOW_MS, retryDelayMs * 2 ** attempts);
}
