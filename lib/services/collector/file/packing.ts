import { createZstdCompress } from "node:zlib";

/** Compresses bytes by zstd on the thread pool, a piece at a time. */
export class Packing {
  readonly #stream = createZstdCompress();
  #packed: Buffer[] = [];

  constructor() {
    this.#stream.on("data", (bytes: Buffer) => this.#packed.push(bytes));
  }

  /** @returns what is ready so far, perhaps nothing */
  add(piece: Buffer): Promise<Buffer> {
    return this.#done((then) => this.#stream.write(piece, then));
  }

  /** @returns the rest */
  end(): Promise<Buffer> {
    return this.#done((then) => {
      this.#stream.on("end", () => then());
      this.#stream.end();
    });
  }

  close(): void {
    this.#stream.destroy();
  }

  async #done(call: (then: (error?: Error | null) => void) => void): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#stream.once("error", reject);
    call((error) => (error ? reject(error) : resolve()));
    try {
      await promise;
    } finally {
      this.#stream.off("error", reject);
    }
    return Buffer.concat(this.#packed.splice(0));
  }
}
