import { isLoopback } from "../../../config/loopback.ts";
import type { Clock } from "../../../host/clock.ts";
import { NoRoom } from "./waiting.ts";

/** Milliseconds that a body may take before it has to give way to others. */
const UNHURRIED_MS = 2000;

/** The body of a request, from its first byte to the answer. */
interface Body {
  readonly ip: string;
  readonly since: number;
  /** Bytes of memory that it takes. */
  bytes: number;
  /** Gives it up while it is still coming; null once it is whole. */
  cut: ((reason: NoRoom) => void) | null;
}

/**
 * The memory that the bodies of all requests take. What was announced and has
 * not come counts nothing. Where there is no room for one, those that have been
 * coming for longest are given up: who sends slowly keeps nobody else out. What
 * is coming from an address may take a quarter, but on this machine, where one may be everybody.
 */
export class Bodies {
  readonly #clock: Pick<Clock, "now">;
  readonly #most: number;
  readonly #mostFrom: number;
  readonly #bodies = new Set<Body>();

  /**
   * @param most bytes of all
   * @param mostOne bytes of one, packed and unpacked
   */
  constructor(clock: Pick<Clock, "now">, most: number, mostOne: number) {
    this.#clock = clock;
    this.#most = Math.max(most, mostOne);
    this.#mostFrom = Math.max(this.#most / 4, mostOne);
  }

  /**
   * Reads a body and works on it. Rejects with what either rejects with, and with `NoRoom`.
   * @param read gets what it calls with the bytes that are added, before it has them; it throws `NoRoom`
   * @param work the same
   */
  async hold<T>(
    ip: string,
    read: (add: (bytes: number) => void) => Promise<Buffer>,
    work: (body: Buffer, add: (bytes: number) => void) => Promise<T>,
  ): Promise<T> {
    const { promise: cut, reject } = Promise.withResolvers<never>();
    const body: Body = { ip, since: this.#clock.now(), bytes: 0, cut: reject };
    const add = (bytes: number) => this.#add(body, bytes);
    this.#bodies.add(body);
    try {
      const whole = await Promise.race([read(add), cut]);
      body.cut = null;
      return await work(whole, add);
    } finally {
      this.#bodies.delete(body);
    }
  }

  #add(body: Body, bytes: number): void {
    // It was given up, and what still comes is thrown away.
    if (!this.#bodies.has(body)) throw new NoRoom(TOO_SLOW);
    if (bytes > 0 && body.cut !== null && !isLoopback(body.ip)) {
      const isOne = ({ ip, cut }: Body) => ip === body.ip && cut !== null;
      this.#makeRoom(body, this.#mostFrom - bytes, isOne);
    }
    if (bytes > 0) this.#makeRoom(body, this.#most - bytes, () => true);
    body.bytes += bytes;
  }

  /** Gives up others until these take `most` bytes at most. @throws NoRoom when that is not enough */
  #makeRoom(body: Body, most: number, isOne: (other: Body) => boolean): void {
    const all = [...this.#bodies].filter(isOne);
    let held = all.reduce((sum, { bytes }) => sum + bytes, 0);
    const by = this.#clock.now() - UNHURRIED_MS;
    for (const other of all) {
      if (held <= most) return;
      if (other === body || other.cut === null || other.since > by) continue;
      held -= other.bytes;
      this.#bodies.delete(other);
      other.cut(new NoRoom(TOO_SLOW));
    }
    if (held > most) throw new NoRoom("Too many requests are under way.");
  }
}

const TOO_SLOW = "The request came so slowly that it had to give way to others.";
