const NEWLINE = 10;
const RETURN = 13;

/**
 * The data of the events of an event stream, as its bytes come. Its work is
 * linear in them, however they are cut; whoever feeds it bounds how many there are.
 */
export class EventStream {
  readonly #decoder = new TextDecoder();
  /** What has come of the line that is not whole yet. */
  #pieces: Uint8Array[] = [];
  /** The lines of data of the event that is not whole yet. */
  #data: string[] = [];
  /** The last byte was a carriage return: a newline after it belongs to it. */
  #returned = false;

  /** @returns the data of every event that has become whole */
  push(bytes: Uint8Array): readonly string[] {
    const events: string[] = [];
    let from = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte !== NEWLINE && byte !== RETURN) {
        this.#returned = false;
        continue;
      }
      const isSecond = byte === NEWLINE && this.#returned;
      this.#returned = byte === RETURN;
      if (!isSecond) this.#line(bytes.subarray(from, at), events);
      from = at + 1;
    }
    if (from < bytes.length) this.#pieces.push(bytes.slice(from));
    return events;
  }

  /** The stream has ended. Endpoints leave out the empty line after the last event. */
  end(): readonly string[] {
    const events: string[] = [];
    this.#line(new Uint8Array(), events);
    this.#line(new Uint8Array(), events);
    return events;
  }

  #line(end: Uint8Array, events: string[]): void {
    const bytes = this.#pieces.length === 0 ? end : Buffer.concat([...this.#pieces, end]);
    this.#pieces = [];
    if (bytes.length === 0) {
      if (this.#data.length > 0) events.push(this.#data.join("\n"));
      this.#data = [];
      return;
    }
    const line = this.#decoder.decode(bytes);
    // Comments and other fields say nothing of the answer.
    if (line.startsWith("data:")) this.#data.push(line.slice(line[5] === " " ? 6 : 5));
  }
}
