/** Takes a message on the state of a file. A disk that refuses is an ERROR, and so is its recovery. */
export type TellTrouble = (message: string, level: "ERROR" | "WARNING") => void;

/** Whether the lines of a file reach the disk; what changes is told once. */
export class FileTrouble {
  /** The reason why the disk takes no lines at present, in words, or null. Lines that are dropped because too many come are no such reason. */
  failing: string | null = null;
  readonly #path: string;
  readonly #counters: { readonly linesLost: number };
  readonly #tell: TellTrouble;
  /** True from the first line dropped for want of room until all that waits is written. */
  #dropping = false;
  #lostBefore = 0;

  constructor(path: string, counters: { readonly linesLost: number }, tell: TellTrouble) {
    this.#path = path;
    this.#counters = counters;
    this.#tell = tell;
  }

  /** A line is to be dropped, since too many wait. */
  dropped(): void {
    if (this.failing !== null || this.#dropping) return;
    this.#lostBefore = this.#counters.linesLost;
    this.#dropping = true;
    const why = "lines come faster than the disk takes them; the newest are dropped";
    this.#tell(`${this.#path}: ${why}`, "WARNING");
  }

  failed(reason: string): void {
    const isFirst = this.failing === null;
    this.failing = reason;
    if (!isFirst) return;
    if (!this.#dropping) this.#lostBefore = this.#counters.linesLost;
    this.#tell(`cannot write ${this.#path}: ${reason}; lines wait in memory`, "ERROR");
  }

  /** All that waited is written. */
  recovered(): void {
    if (this.failing === null && !this.#dropping) return;
    const level = this.failing === null ? "WARNING" : "ERROR";
    this.failing = null;
    this.#dropping = false;
    const lost = this.#counters.linesLost - this.#lostBefore;
    this.#tell(`writing ${this.#path} again; ${lost} lines were lost`, level);
  }
}
