import { Client } from "./client.ts";
import type { Protocol } from "./protocol.ts";
import { framed, type FrameSink, FrameSplitter } from "./frames.ts";

/** A client whose bytes are frames. */
export class FrameClient extends Client {
  readonly splitter = new FrameSplitter();

  override get unfinishedBytes(): number {
    return this.splitter.heldBytes;
  }

  override forget(): void {
    super.forget();
    this.splitter.clear();
  }

  /** Sends a range of bytes as a frame. */
  sendFrame(bytes: Uint8Array, start?: number, end?: number): void {
    this.send(framed(bytes, start, end));
  }

  /** Puts a frame behind the bytes that wait; the caller sends it. @returns false if nothing is sent to it any more */
  putFrame(bytes: Uint8Array): boolean {
    return this.put(framed(bytes));
  }

  /** A notice is a frame like any other; a service whose protocol has no notices passes "". */
  override tell(notice: string): void {
    if (notice !== "") this.sendFrame(Buffer.from(notice.trimEnd()));
  }

  override keepBegun(): void {
    this.outbox.keepPiece();
  }
}

/**
 * The protocol of a service whose clients send frames. It takes them by
 * `takeFrames`, and closes a client whose frame is too long.
 */
export interface FrameProtocol<C extends FrameClient> extends Protocol<C>, FrameSink<C> {
  /** The longest frame in bytes, not counting the length that stands before it. */
  readonly maxFrameBytes: number;
}

/** Gives a service the frames in a client's bytes. @returns the number of bytes that were taken */
export function takeFrames<C extends FrameClient>(
  service: FrameProtocol<C>,
  client: C,
  bytes: Buffer,
): number {
  return client.splitter.feed(client, bytes, service.maxFrameBytes, service);
}
