import { messageOf } from "../../../host/errors.ts";

/**
 * The state that a ticker and a request handler share; the same in this
 * process and in a Worker. Values are copied (`structuredClone`) when they are
 * stored and when they are read: a later change to either copy stays outside.
 */
export interface Shared {
  /** The stored value, without waiting for an update that runs; undefined when there is none. */
  get<T>(key: string): Promise<T | undefined>;
  /**
   * Stores a value after all earlier updates of the key; undefined removes the key.
   * @throws TypeError naming the key when the value cannot be copied
   */
  set(key: string, value: unknown): Promise<void>;
  /**
   * Gives the present value to `change`, stores its result and returns that.
   * Updates of one key run one after the other, so none is lost. `change` must
   * not write the same key: it would wait for itself for ever.
   * When `change` throws, the value stays and this call rejects with that error.
   * @throws TypeError naming the key when the new value cannot be copied
   */
  update<T>(key: string, change: (value: T | undefined) => T | Promise<T>): Promise<T>;
}

/** A request of a Worker to the owner. The Worker chooses the `id`; the answer carries the same. */
export type SharedRequest =
  | { kind: "get" | "lock"; id: number; key: string }
  | { kind: "set"; id: number; key: string; value: unknown }
  /** Stores a value under the lock of that `id` and releases the lock. */
  | { kind: "commit"; id: number; value: unknown }
  /** Releases the lock of that `id`; there is no answer. */
  | { kind: "release"; id: number };

/** The owner's answer to `get`, `lock` (both with the value), `set` and `commit`. */
export interface SharedAnswer {
  kind: "answer";
  id: number;
  value: unknown;
}

/** The owner's side of one Worker. */
export interface Lent {
  take(request: SharedRequest): void;
  /** Releases the locks of a Worker that is gone; its unfinished updates are dropped. */
  end(): void;
}

function copied<T>(key: string, value: T): T {
  try {
    return structuredClone(value);
  } catch (error) {
    const why = messageOf(error);
    throw new TypeError(`the shared value ${JSON.stringify(key)} cannot be copied: ${why}`, {
      cause: error,
    });
  }
}

/** The shared state itself, on the main thread. */
export class OwnedShared implements Shared {
  readonly #values = new Map<string, unknown>();
  /** For each key with writes under way, a promise of the end of the last one in the queue. */
  readonly #tails = new Map<string, Promise<void>>();

  async get<T>(key: string): Promise<T | undefined> {
    return structuredClone(this.#values.get(key)) as T | undefined;
  }

  async set(key: string, value: unknown): Promise<void> {
    const copy = copied(key, value);
    await this.#alone(key, () => this.#store(key, copy));
  }

  async update<T>(key: string, change: (value: T | undefined) => T | Promise<T>): Promise<T> {
    return this.#alone(key, async () => {
      const next = copied(key, await change(await this.get<T>(key)));
      this.#store(key, next);
      return structuredClone(next);
    });
  }

  /** Begins to serve a Worker's `RemoteShared`. `send` must copy its argument, as postMessage does. */
  lend(send: (answer: SharedAnswer) => void): Lent {
    const locks = new Map<number, (commit: { value: unknown } | null) => void>();
    let ended = false;
    const answer = (id: number, value?: unknown) => {
      if (!ended) send({ kind: "answer", id, value });
    };
    const lock = async (id: number, key: string) => {
      if (ended) return;
      const { promise, resolve } = Promise.withResolvers<{ value: unknown } | null>();
      locks.set(id, resolve);
      answer(id, this.#values.get(key));
      const commit = await promise;
      if (commit === null) return;
      this.#store(key, commit.value);
      answer(id);
    };
    const unlock = (id: number, commit: { value: unknown } | null) => {
      locks.get(id)?.(commit);
      locks.delete(id);
    };
    return {
      take: (request) => {
        if (ended) return;
        const { id } = request;
        switch (request.kind) {
          case "get":
            answer(id, this.#values.get(request.key));
            break;
          case "set":
            void this.#alone(request.key, () => {
              this.#store(request.key, request.value);
              answer(id);
            });
            break;
          case "lock":
            void this.#alone(request.key, () => lock(id, request.key));
            break;
          case "commit":
            unlock(id, request);
            break;
          case "release":
            unlock(id, null);
            break;
        }
      },
      end: () => {
        ended = true;
        for (const id of locks.keys()) unlock(id, null);
      },
    };
  }

  #store(key: string, value: unknown): void {
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
  }

  /** Runs `work` after all earlier work on the key. */
  async #alone<R>(key: string, work: () => R | Promise<R>): Promise<R> {
    const before = this.#tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    if (before !== undefined) await before;
    try {
      return await work();
    } finally {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    }
  }
}

/** The shared state in a Worker: every call asks the main thread. */
export class RemoteShared implements Shared {
  readonly #send: (request: SharedRequest) => void;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  #lastId = 0;

  /** @param send posts a request to the main thread, which gives it to `Lent.take` */
  constructor(send: (request: SharedRequest) => void) {
    this.#send = send;
  }

  async get<T>(key: string): Promise<T | undefined> {
    return (await this.#ask({ kind: "get", id: ++this.#lastId, key })) as T | undefined;
  }

  async set(key: string, value: unknown): Promise<void> {
    await this.#ask({ kind: "set", id: ++this.#lastId, key, value: copied(key, value) });
  }

  async update<T>(key: string, change: (value: T | undefined) => T | Promise<T>): Promise<T> {
    const id = ++this.#lastId;
    const value = (await this.#ask({ kind: "lock", id, key })) as T | undefined;
    let next: T;
    try {
      next = copied(key, await change(value));
    } catch (error) {
      this.#send({ kind: "release", id });
      throw error;
    }
    await this.#ask({ kind: "commit", id, value: next });
    return next;
  }

  take({ id, value }: SharedAnswer): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(value);
  }

  #ask(request: SharedRequest): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#waiting.set(request.id, resolve);
    this.#send(request);
    return promise;
  }
}
