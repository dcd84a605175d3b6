/**
 * What a client is written to: a TCP socket, with or without TLS, or a
 * WebSocket. Bun's `Socket` is one as it is.
 */
export interface Wire {
  /**
   * Whether each piece that is written is a message of its own, which nothing
   * may be joined to. Such a wire takes all of one, or none of it and says -1.
   */
  readonly whole?: boolean;
  /** Bytes that it has taken and not passed on yet; a TCP socket keeps none. */
  readonly waiting?: number;
  /**
   * Takes a range of bytes, or a text whole, and says how many bytes: fewer
   * than given when it is full, after which nothing is written until it
   * drains; -1 when it is closed.
   */
  write(bytes: Uint8Array | string, offset?: number, length?: number): number;
  /** Stops reading: what the client sends waits on its side. */
  pause(): void;
  resume(): void;
  /** Ends our side of the connection. What was taken still leaves; what the client sends is still read. */
  shutdown(): void;
  /** Closes the connection. What was taken still leaves. */
  end(): void;
  /** Closes the connection at once. */
  terminate(): void;
}
