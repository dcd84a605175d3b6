/**
 * The source of time. Logic asks `now()` and leaves its periodic work here; it
 * never asks the system and owns no timer, so a test can move time by hand.
 */
export interface Clock {
  /** Milliseconds that only ever grow; for ages, deadlines and windows. */
  now(): number;
  /** Milliseconds since 1970, for what a person reads. */
  wall(): number;
  /**
   * Calls `job` every `ms` milliseconds (at least 1), first one period from now.
   * Calls that were missed are not made up for. Returns a function that ends it.
   */
  every(ms: number, job: () => void): () => void;
  /** Calls `job` once, `ms` milliseconds from now. Returns a function that cancels it. */
  after(ms: number, job: () => void): () => void;
}

interface Job {
  due: number;
  /** Milliseconds between calls; 0 for a job that runs once. */
  period: number;
  run: () => void;
}

/** Jobs by due time, for both clocks. There are only tens of them, so each look scans them all. */
class Jobs {
  readonly #jobs = new Set<Job>();
  readonly #onEmpty: () => void;

  constructor(onEmpty: () => void = () => {}) {
    this.#onEmpty = onEmpty;
  }

  add(due: number, period: number, run: () => void): () => void {
    const job = { due, period, run };
    this.#jobs.add(job);
    return () => {
      if (this.#jobs.delete(job) && this.#jobs.size === 0) this.#onEmpty();
    };
  }

  /** The earliest due time, or Infinity. */
  next(): number {
    let due = Infinity;
    for (const job of this.#jobs) due = Math.min(due, job.due);
    return due;
  }

  /** Runs every job that is due at `now`, once. */
  run(now: number): void {
    for (const job of this.#jobs) {
      if (job.due > now) continue;
      if (job.period > 0) job.due = now + job.period;
      else this.#jobs.delete(job);
      job.run();
    }
    if (this.#jobs.size === 0) this.#onEmpty();
  }
}

/** Resolution of the system clock in milliseconds: 20 ms costs about 0.3% of a core. */
const TICK_MS = 20;
/** A tick that is this late, in milliseconds, means that the process was stopped or busy, and that bytes of clients may be unread. */
const PAUSE_MS = 250;
/** Punctual ticks in a row after which the event loop has read what came during a pause. */
const CALM_TICKS = 5;
/** Longest that jobs wait for those ticks, in milliseconds, however busy the loop is. */
const WAITED_MS = 2000;

/**
 * Real time. It holds the one `setInterval` of the whole program, which runs
 * while there are jobs. After a pause of the whole process, jobs wait until the
 * sockets have been read: a client that sent in time must not be closed as idle.
 */
class SystemClock implements Clock {
  #timer: Timer | undefined;
  #tickedAt = 0;
  /** The pause that jobs wait after: the time it was noticed, and the punctual ticks in a row since; null without one. */
  #pause: { readonly since: number; calm: number } | null = null;
  readonly #jobs = new Jobs(() => {
    clearInterval(this.#timer);
    this.#timer = undefined;
  });

  now(): number {
    return performance.now();
  }

  wall(): number {
    return Date.now();
  }

  every(ms: number, job: () => void): () => void {
    return this.#add(Math.max(1, ms), Math.max(1, ms), job);
  }

  after(ms: number, job: () => void): () => void {
    return this.#add(ms, 0, job);
  }

  #add(ms: number, period: number, job: () => void): () => void {
    if (this.#timer === undefined) {
      this.#tickedAt = this.now();
      this.#timer = setInterval(() => this.#tick(), TICK_MS);
    }
    return this.#jobs.add(this.now() + ms, period, job);
  }

  #tick(): void {
    const now = this.now();
    const late = now - this.#tickedAt;
    this.#tickedAt = now;
    if (late > PAUSE_MS) this.#pause ??= { since: now, calm: 0 };
    if (this.#pause !== null) {
      this.#pause.calm = late < 2 * TICK_MS ? this.#pause.calm + 1 : 0;
      if (this.#pause.calm < CALM_TICKS && now - this.#pause.since < WAITED_MS) return;
      this.#pause = null;
    }
    this.#jobs.run(now);
  }
}

/** The program's clock, shared by everything in this process. */
export const systemClock: Clock = new SystemClock();

/** Turns of the event loop between a leap and the jobs that are due. */
const LEAP_TURNS = 32;

/** The value of a promise, or null when it takes longer than `ms` milliseconds. */
export async function within<T>(
  clock: Pick<Clock, "after">,
  ms: number,
  promise: Promise<T>,
): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const cancel = clock.after(ms, () => late.resolve(null));
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    cancel();
  }
}

/** A clock that moves only when told to. */
export class HandClock implements Clock {
  #now = 0;
  readonly #jobs = new Jobs();
  readonly #epoch: number;

  /** @param epoch the first answer of `wall()`, in milliseconds since 1970 */
  constructor(epoch = Date.UTC(2026, 0, 2, 3, 4, 5, 678)) {
    this.#epoch = epoch;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#epoch + this.#now;
  }

  every(ms: number, job: () => void): () => void {
    return this.#jobs.add(this.#now + Math.max(1, ms), Math.max(1, ms), job);
  }

  after(ms: number, job: () => void): () => void {
    return this.#jobs.add(this.#now + ms, 0, job);
  }

  /** Moves time by `ms` milliseconds, stopping at every due job on the way, in order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let due = this.#jobs.next(); due <= end; due = this.#jobs.next()) {
      this.#now = Math.max(this.#now, due);
      this.#jobs.run(this.#now);
    }
    this.#now = end;
  }

  /**
   * Moves time by `ms` milliseconds at once, as when the machine slept: each due
   * job runs once, after the sockets have been read. Resolves after that.
   */
  async leap(ms: number): Promise<void> {
    this.#now += ms;
    for (let turn = 0; turn < LEAP_TURNS; turn++) await new Promise(setImmediate);
    this.#jobs.run(this.#now);
  }
}
