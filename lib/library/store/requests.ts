import { StoreLate } from "./options.ts";

/** Gets the result of a request and the line it came in, or why there is none; before any line that follows is heard. */
export type Settle = (error: Error | null, result?: any, line?: string) => void;

/** A request on its way. */
export interface Asking {
  /** The request, and its newline. */
  readonly line: string;
  /** True if it may be sent again when nobody knows what became of it. */
  readonly isSafe: boolean;
  /** Milliseconds after which it is given up. */
  readonly deadlineMs?: number | undefined;
}

interface Waiting extends Asking {
  readonly askedAt: number;
  settle: Settle;
}

/** Settles what nobody waits for any more. */
export const NOBODY: Settle = () => {};

/** Requests that have not been sent, and those that wait for their answers, in order. */
export class Requests {
  #unsent: Waiting[] = [];
  #sent: Waiting[] = [];
  /** True while some may have deadlines. */
  #hasDeadlines = false;

  get size(): number {
    return this.#unsent.length + this.#sent.length;
  }

  get anyUnsent(): boolean {
    return this.#unsent.length > 0;
  }

  get anySent(): boolean {
    return this.#sent.length > 0;
  }

  add(asking: Asking, now: number, settle: Settle): void {
    this.#unsent.push({ ...asking, askedAt: now, settle });
    if (asking.deadlineMs !== undefined) this.#hasDeadlines = true;
  }

  /** Adds one that is sent already, and is not sent again. */
  addSent(settle: Settle): void {
    this.#sent.push({ line: "", isSafe: false, askedAt: 0, settle });
  }

  /** The lines of all that have not been sent, which now count as sent. */
  send(): string {
    const lines = this.#unsent.map(({ line }) => line).join("");
    for (const one of this.#unsent) this.#sent.push(one);
    this.#unsent = [];
    return lines;
  }

  /** The one whose answer comes next; undefined where nothing was asked. */
  answered(): Settle | undefined {
    return this.#sent.shift()?.settle;
  }

  /** The connection has ended: what is safe is sent again over the next. @returns the others */
  broken(): readonly Settle[] {
    const before = this.#sent;
    this.#sent = [];
    const isAskedAgain = ({ isSafe, settle }: Waiting) => isSafe && settle !== NOBODY;
    this.#unsent = [...before.filter(isAskedAgain), ...this.#unsent];
    return before.filter(({ isSafe }) => !isSafe).map(({ settle }) => settle);
  }

  /** Forgets all. @returns them */
  clear(): readonly Settle[] {
    const all = [...this.#sent, ...this.#unsent];
    this.#sent = [];
    this.#unsent = [];
    return all.map(({ settle }) => settle);
  }

  /** Gives up those whose time is over. */
  giveUpLate(now: number): void {
    if (!this.#hasDeadlines) return;
    const late: (() => void)[] = [];
    let anyLeft = false;
    const look = (one: Waiting, wasSent: boolean): boolean => {
      const { settle, deadlineMs, askedAt } = one;
      if (deadlineMs === undefined || settle === NOBODY) return false;
      if (now - askedAt < deadlineMs) {
        anyLeft = true;
        return false;
      }
      // Its answer may still come, and is nobody's then.
      one.settle = NOBODY;
      late.push(() => settle(new StoreLate(deadlineMs, wasSent)));
      return true;
    };
    for (const one of this.#sent) look(one, true);
    this.#unsent = this.#unsent.filter((one) => !look(one, false));
    this.#hasDeadlines = anyLeft;
    for (const tell of late) tell();
  }
}
