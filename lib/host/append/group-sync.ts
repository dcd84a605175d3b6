/** Those who are told how a sync went. */
export interface SyncTold {
  /** More is known to be on disk: `synced` has grown. */
  synced(): void;
  /** No sync begins any more until `cover`: the kernel may have dropped bytes that it could not write, and report success the next time. */
  failed(error: unknown): void;
}

/**
 * Syncs a file, one sync at a time: what is written during a sync is covered by
 * the next one, so that everything written meanwhile shares its cost. Progress
 * is counted in any unit that only grows, such as batches or records.
 */
export class GroupSync {
  /** Everything up to here is written. Only `startAgain` goes back. */
  written: number;
  /** Everything up to here is known to be on disk: never more than `written`. */
  synced: number;
  syncs = 0;
  /** A sync has failed, and nothing has covered that. */
  hasFailed = false;
  readonly #sync: () => Promise<void>;
  readonly #told: SyncTold;
  #running: Promise<void> | null = null;
  #isHeld = false;
  /** Each is called once, when a sync has ended or something has failed. */
  #waiting: (() => void)[] = [];

  /** @param sync resolves once what was written before is on disk @param from progress made before */
  constructor(sync: () => Promise<void>, told: SyncTold, from = 0) {
    this.#sync = sync;
    this.#told = told;
    this.written = this.synced = from;
  }

  /** Begins a sync if something was written that is not on disk, unless one is under way. */
  begin(): void {
    const { written } = this;
    if (written === this.synced || this.#running !== null) return;
    if (this.#isHeld || this.hasFailed) return;
    this.#running = this.#sync().then(
      () => {
        this.#running = null;
        this.syncs++;
        this.synced = written;
        this.begin();
        this.#told.synced();
        this.progressed();
      },
      (error) => {
        this.#running = null;
        this.fail(error);
      },
    );
  }

  /** Lets no sync begin until `release`; resolves when none is under way. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    await this.#running;
  }

  release(): void {
    this.#isHeld = false;
    this.begin();
  }

  /** Resolves when no sync is under way, and none follows. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** All that is written was synced by someone else, in one piece. */
  syncedAll(): void {
    this.syncs++;
    this.synced = this.written;
  }

  fail(error: unknown): void {
    this.hasFailed = true;
    this.#told.failed(error);
    this.progressed();
  }

  /** After a failure: what is not known to be on disk is written once more, and synced then. */
  startAgain(): void {
    this.hasFailed = false;
    this.written = this.synced;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** Whatever failed, everything up to here is on disk in another way. */
  cover(upTo: number): void {
    this.hasFailed = false;
    this.synced = upTo;
    this.begin();
    this.#told.synced();
  }

  /** Resolves when a sync has ended, or something has failed. */
  progress(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Wakes those who wait for progress. */
  progressed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
