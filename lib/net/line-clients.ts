import { Client } from "./client.ts";
import type { Protocol } from "./protocol.ts";
import { type LineSink, LineSplitter } from "./lines.ts";

/** A client whose bytes are lines. */
export class LineClient extends Client {
  readonly splitter = new LineSplitter();

  override get unfinishedBytes(): number {
    return this.splitter.heldBytes;
  }

  override forget(): void {
    super.forget();
    this.splitter.clear();
  }
}

/** Serves the lines that clients send. */
export interface LineServing<C extends LineClient> extends LineSink<C> {
  /** The longest line in bytes, not counting its newline; a longer one that is not whole in one chunk is discarded. */
  readonly maxLineBytes: number;
}

/** The protocol of a service whose clients send lines; it takes them by `takeLines` and `takeLastLine`. */
export interface LineProtocol<C extends LineClient> extends Protocol<C>, LineServing<C> {
  readonly maxLineBytes: number;
}

/** Gives `serving` the lines in a client's bytes. @returns the number of bytes that were taken */
export function takeLines<C extends LineClient>(
  serving: LineServing<C>,
  client: C,
  bytes: Buffer,
): number {
  return client.splitter.feed(client, bytes, serving.maxLineBytes, serving);
}

/** The client has ended its side: the bytes after its last newline are a line too. */
export function takeLastLine<C extends LineClient>(service: LineProtocol<C>, client: C): void {
  client.splitter.end(client, service);
}
