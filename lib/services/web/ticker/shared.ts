import { messageOf } from "../../../host/errors.ts";

/**
 * The state that a ticker and a request handler share; the same in this
 * process and in a Worker. Values are copied on the way in and on the way out
 * (`structuredClone`): changing one that was given or got changes nothing here.
 */
export interface Shared {
  /** What is stored now, whether or not an update is under way; undefined where there is nothing. */
  get<T>(key: string): Promise<T | undefined>;
  /**
   * Stores a value, after the updates of that key that came first; undefined forgets the key.
   * @throws TypeError naming the key when the value cannot be copied
   */
  set(key: string, value: unknown): Promise<void>;
  /**
   * Stores what `change` makes of the present value and returns it. Nothing else
   * writes the key meanwhile, so two updates never lose one; for that reason
   * `change` must not write the same key itself: it would wait for itself.
   * When `change` throws, the value stays and this call rejects with that error.
   * @throws TypeError naming the key when the new value cannot be copied
   */
  update<T>(key: string, change: (value: T | undefined) => T | Promise<T>): Promise<T>;
}

/** What a Worker asks of the owner. It chooses the `id`, which the answer carries. */
export type SharedRequest =
  | { kind: "get" | "lock"; id: number; key: string }
  | { kind: "set"; id: number; key: string; value: unknown }
  /** Stores a value under the lock of that `id` and gives the lock back. */
  | { kind: "commit"; id: number; value: unknown }
  /** Gives the lock of that `id` back; there is no answer. */
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
  /** The Worker is gone: its locks are given back, the updates it had under way are dropped. */
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

/** Shared state where it lives: on the main thread. */
export class OwnedShared implements Shared {
  readonly #values = new Map<string, unknown>();
  /** For each key that is being written, the end of the last writing that waits. */
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

  /** Begins to serve a Worker's `RemoteShared`. `send` copies what it is given, as postMessage does. */
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

  /** Does `work` when all earlier work on the key is done; at once where there is none. */
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

/** Shared state as a Worker has it: the main thread is asked for everything. */
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

  /** Takes an answer of the main thread. */
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
