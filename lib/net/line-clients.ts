import { Client } from "./client.ts";
import type { Protocol } from "./protocol.ts";
import { type LineSink, LineSplitter } from "./lines.ts";

/** A client whose bytes are lines. */
export class LineClient extends Client {
  readonly splitter = new LineSplitter();
}

/** Serves the lines that clients send. */
export interface LineServing<C extends LineClient> extends LineSink<C> {
  /** Longest line, its newline not counted; a longer one that does not end in its own chunk is discarded. */
  readonly maxLineBytes: number;
}

/** What a service does with clients that send lines; it takes them by `takeLines` and `takeLastLine`. */
export interface LineProtocol<C extends LineClient> extends Protocol<C>, LineServing<C> {}

/** Gives the lines in what a client sent to who serves them. @returns how many bytes were taken */
export function takeLines<C extends LineClient>(
  serving: LineServing<C>,
  client: C,
  bytes: Buffer,
): number {
  return client.splitter.feed(client, bytes, serving.maxLineBytes, serving);
}

/** The client has ended its side: what stands after its last newline is a line too. */
export function takeLastLine<C extends LineClient>(service: LineProtocol<C>, client: C): void {
  client.splitter.end(client, service);
}
