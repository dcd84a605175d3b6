/** Reads lines of input that is no terminal. */

/** Bytes of a line; a longer one is dropped. */
export const LONGEST_PIPED = 2 ** 20;

/** Lines that are dealt with in one turn of the event loop. */
const LINES_A_TURN = 20;

/** What lines are read from. */
export type Input = AsyncIterable<Uint8Array> & { pause(): unknown; unref?(): unknown };

interface LineListener {
  /** A line; the next one comes when this one has been dealt with. */
  line(text: string): Promise<void>;
  ended(): void;
}

export class LineReader {
  readonly #input: () => Input;
  readonly #listener: LineListener;
  readonly #trouble: (text: string) => void;
  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end has not come. */
  #rest = "";
  /** The line is too long: it is dropped up to its end. */
  #isTooLong = false;
  #isClosed = false;

  /** @param input is asked for the input, and throws when there is none */
  constructor(input: () => Input, listener: LineListener, trouble: (text: string) => void) {
    this.#input = input;
    this.#listener = listener;
    this.#trouble = trouble;
    void this.#read();
  }

  close(): void {
    this.#isClosed = true;
    // A pipe that stays open would keep the process alive.
    try {
      const input = this.#input();
      input.pause();
      input.unref?.();
    } catch {}
  }

  async #read(): Promise<void> {
    try {
      // What is read waits for the lines before it: a pipe is not emptied faster than that.
      for await (const chunk of this.#input()) {
        await this.#take(this.#decoder.decode(chunk, { stream: true }));
        if (this.#isClosed) return;
      }
      if (this.#rest !== "") await this.#take("\n");
    } catch {
      // It cannot be read, which is the same as its end.
    }
    if (!this.#isClosed) this.#listener.ended();
  }

  async #take(text: string): Promise<void> {
    const lines = (this.#rest + text).split(/\r?\n/);
    this.#rest = lines.pop() as string;
    for (const [i, line] of lines.entries()) {
      if (this.#isClosed) return;
      // Games are served between the lines of a file.
      if (i % LINES_A_TURN === LINES_A_TURN - 1) await new Promise(setImmediate);
      if (this.#isTooLong) this.#isTooLong = false;
      else if (line.length > LONGEST_PIPED) this.#tellTooLong();
      else await this.#listener.line(line);
    }
    if (this.#rest.length <= LONGEST_PIPED) return;
    if (!this.#isTooLong) this.#tellTooLong();
    this.#isTooLong = true;
    this.#rest = "";
  }

  #tellTooLong(): void {
    this.#trouble(`A line of more than ${LONGEST_PIPED / 2 ** 20} MB was ignored.`);
  }
}
