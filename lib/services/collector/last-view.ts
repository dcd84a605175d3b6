/**
 * The view of the buffer that was asked for last, since a buffer holds many
 * texts: by a view, four bytes are read and written at once, wherever they begin.
 */
export class LastView {
  #bytes: Buffer = Buffer.alloc(0);
  #view = viewOf(this.#bytes);

  of(bytes: Buffer): DataView {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#view = viewOf(bytes);
    }
    return this.#view;
  }
}

export function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}
