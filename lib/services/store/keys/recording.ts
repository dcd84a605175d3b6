import type { ChangeLog } from "./change-log.ts";
import type { Recorder } from "./stored.ts";

/** Where changes go before they are made: to the disk, and to the log for subscribers that come back. */
export class Recording {
  /** Null while nothing is kept on disk. */
  recorder: Recorder | null = null;
  /** Gets what goes to the disk too, also where nothing is kept there. */
  follower: ((record: string) => void) | null = null;
  readonly #log: ChangeLog | null;

  /** @param log null where nobody asks for changes later */
  constructor(log: ChangeLog | null) {
    this.#log = log;
  }

  /** Records a change that watchers hear of. @returns false when that cannot be done */
  change(make: () => string, frees = false): boolean {
    if (this.#isIdle && this.#log?.keeps !== true) {
      this.#log?.add("", 0);
      return true;
    }
    const record = make();
    const bytes = Buffer.byteLength(record);
    if (this.recorder?.reserve(bytes, frees) === false) return false;
    this.#tell(record, bytes);
    this.#log?.add(record, bytes);
    return true;
  }

  /** As `change`, for one for which there is room. */
  append(record: string): void {
    const bytes = Buffer.byteLength(record);
    this.#tell(record, bytes);
    this.#log?.add(record, bytes);
  }

  /** Records on disk alone. @returns false when that cannot be done */
  keep(make: () => string, frees = false): boolean {
    if (this.#isIdle) return true;
    const record = make();
    const bytes = Buffer.byteLength(record);
    if (this.recorder?.reserve(bytes, frees) === false) return false;
    this.#tell(record, bytes);
    return true;
  }

  /** As `keep`, for a record for which there is room. */
  appendKept(make: () => string): void {
    if (this.#isIdle) return;
    const record = make();
    this.#tell(record, Buffer.byteLength(record));
  }

  /** Adds a change to the log alone. */
  log(make: () => string): void {
    if (this.#log === null) return;
    const record = this.#log.keeps ? make() : "";
    this.#log.add(record, Buffer.byteLength(record));
  }

  get #isIdle(): boolean {
    return this.recorder === null && this.follower === null;
  }

  #tell(record: string, bytes: number): void {
    this.recorder?.append(record, bytes);
    this.follower?.(record);
  }
}
