/** Characters that may wait for whoever reads standard output. */
const MOST_WAITING = 256 * 1024;

/** Standard output, which is given no faster than it is read. */
export class Output {
  /** Nobody reads it any more. */
  hasEnded = false;
  #waiting = 0;
  #room = Promise.withResolvers<void>();

  /** @param ended called once nobody reads it any more */
  constructor(ended: () => void) {
    process.stdout.on("error", () => {
      this.hasEnded = true;
      this.#room.resolve();
      ended();
    });
  }

  /** Writes a text. @returns a promise for when more may come, where it is not at once */
  write(text: string): void | Promise<void> {
    if (this.hasEnded) return;
    this.#waiting += text.length;
    process.stdout.write(text, () => {
      this.#waiting -= text.length;
      if (this.#waiting < MOST_WAITING / 2) this.#room.resolve();
    });
    if (this.#waiting < MOST_WAITING) return;
    this.#room = Promise.withResolvers();
    return this.#room.promise;
  }
}
