import type { Compression } from "./compression.ts";
import { GzipStream } from "./gzip-stream.ts";

/** The window of a stream's compression: it looks back 8 kB, and holds these of each stream. */
const WINDOW_BITS = 13;
const WINDOW = 2 ** WINDOW_BITS;
/** The most bytes that are compressed in one turn of the event loop. */
const SLICE = 2 ** 16;

/** A body as gzip: each chunk is sent as soon as it comes, and can be read as soon as it arrives. */
export function flushed(
  body: ReadableStream<Uint8Array | string>,
  compression: Compression,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const gzip = new GzipStream();
  let before = Buffer.alloc(0);
  let left: Uint8Array = before;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (left.length > 0) await new Promise(setImmediate);
        while (left.length === 0) {
          const { done, value } = await reader.read();
          if (done) {
            controller.enqueue(gzip.end());
            controller.close();
            return;
          }
          left = typeof value === "string" ? Buffer.from(value) : value;
        }
        const bytes = left.subarray(0, SLICE);
        left = left.subarray(SLICE);
        controller.enqueue(gzip.next(bytes, compression.piece(bytes, before, WINDOW_BITS)));
        before = Buffer.from(Buffer.concat([before, bytes]).subarray(-WINDOW));
      },
      cancel: (why) => reader.cancel(why),
    },
    { highWaterMark: 0 },
  );
}
