/**
 * The connection below a client: a TCP socket, with or without TLS, a WebSocket
 * or a gRPC call. Bun's `Socket` fits as it is.
 */
export interface Wire {
  /**
   * True if each piece that is written is a message, which must not be joined
   * with others. Such a wire takes a piece whole, or refuses it with -1.
   */
  readonly whole?: boolean;
  /** The path that a WebSocket was asked for with. */
  readonly path?: string;
  /** Bytes that the wire has taken and not passed on yet; a TCP socket keeps none. */
  readonly waiting?: number;
  /** The descriptor of a TCP socket at this moment; -1 once it is closed. */
  readonly fd?: number;
  /**
   * Takes a range of bytes, or a whole text. @returns the number of bytes taken:
   * fewer than given if the wire is full, after which nothing is written until
   * it drains; -1 if it is closed
   */
  write(bytes: Uint8Array | string, offset?: number, length?: number): number;
  /** Stops reading: the client's bytes wait on its side. */
  pause(): void;
  resume(): void;
  /** Ends our side of the connection. Bytes that were taken still leave; the client's bytes are still read. */
  shutdown(): void;
  /** Closes the connection. Bytes that were taken still leave. */
  end(): void;
  /** Closes the connection at once. */
  terminate(): void;
}
