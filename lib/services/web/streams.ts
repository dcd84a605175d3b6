import { type ClientColumns, clientPage } from "../../host/client-page.ts";
import { type ClientPage, type ClientQuery, type Host } from "../../host/service.ts";
import type { Compression } from "../../net/http/compression/compression.ts";
import { GzipStream, WINDOW } from "../../net/http/compression/gzip-stream.ts";
import type { HttpServer } from "../../net/http.ts";
import type { ConnzQuery } from "./connz.ts";

/** Bytes that may wait for one stream; it is closed when there would be more. */
const WAITING_MAX = 2 ** 20;
const NOTHING = Buffer.alloc(0);

interface Stream {
  readonly id: number;
  readonly ip: string;
  readonly address: string;
  readonly openedAt: number;
  readonly query: ConnzQuery | null;
  readonly compression: Compression;
  /** Null for a stream that is not compressed. */
  readonly gzip: GzipStream | null;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Gives up its place and has its connection cut soon, even if bytes still wait for it. */
  readonly cut: () => void;
  bytesOut: number;
  /** The end of the last event that was sent to it: streams with the same one share the next compressed piece. */
  lastEnd: Buffer;
  /** True once its greeting has been sent. */
  greeted: boolean;
}

const COLUMNS: ClientColumns<Stream> = {
  id: ({ id }) => id,
  address: ({ address }) => address,
  state: () => "open",
  ageSeconds: ({ openedAt }, now) => Math.floor((now - openedAt) / 1000),
  messagesIn: () => 0,
  messagesPerSecond: () => 0,
  refused: () => 0,
  refusedPerSecond: () => 0,
  bytesIn: () => 0,
  bytesOut: ({ bytesOut }) => bytesOut,
  outboxBytes: ({ controller }) => WAITING_MAX - (controller.desiredSize ?? WAITING_MAX),
};

/** The open event streams. One that is not read is closed and never makes the others wait. */
export class Streams {
  /** Streams closed because too many bytes waited for them. */
  slow = 0;
  readonly #host: Pick<Host<never>, "clock" | "log" | "nextId">;
  readonly #streams = new Map<number, Stream>();

  constructor(host: Pick<Host<never>, "clock" | "log" | "nextId">) {
    this.#host = host;
  }

  get size(): number {
    return this.#streams.size;
  }

  /**
   * Opens a stream.
   * @param query the clients that its events hold, or null for none
   * @param gzip true to compress it
   * @param first makes its greeting, from its id and address; called once it is among the clients
   */
  open(
    request: Request,
    http: HttpServer,
    query: ConnzQuery | null,
    gzip: boolean,
    first: (own: { readonly id: number; readonly address: string }) => Promise<string>,
  ): ReadableStream<Uint8Array> {
    const { ip, address } = http.originOf(request);
    const id = this.#host.nextId();
    const leave = http.enter(request);
    const forget = () => {
      leave();
      this.#streams.delete(id);
    };
    request.signal.addEventListener("abort", forget, { once: true });
    http.setIdleTimeout(request, 0);
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const stream: Stream = {
            id,
            ip,
            address,
            openedAt: this.#host.clock.now(),
            query,
            compression: http.compression,
            gzip: gzip ? new GzipStream() : null,
            controller,
            cut: () => {
              leave();
              http.setIdleTimeout(request, 1);
            },
            bytesOut: 0,
            lastEnd: NOTHING,
            greeted: false,
          };
          this.#streams.set(id, stream);
          void this.#greet(stream, first({ id, address }));
        },
        cancel: forget,
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_MAX }),
    );
  }

  /** Sends each stream the event that `of` makes for its query, once for all streams with the same query. */
  async send(of: (query: ConnzQuery | null) => Promise<string>): Promise<void> {
    const greeted = [...this.#streams.values()].filter((stream) => stream.greeted);
    const alike = Map.groupBy(greeted, ({ query }) => JSON.stringify(query));
    const send = async (streams: readonly Stream[]) => {
      const event = new StreamEvent(await of((streams[0] as Stream).query));
      for (const stream of streams) this.#write(stream, event);
    };
    await Promise.all([...alike.values()].map(send));
  }

  page(query: ClientQuery): ClientPage {
    return clientPage(this.#streams.values(), COLUMNS, query, this.#host.clock.now());
  }

  /** Ends a stream. @returns its address, or null when no stream has the id */
  close(id: number): string | null {
    const stream = this.#streams.get(id);
    if (!stream) return null;
    this.#streams.delete(id);
    if (stream.gzip) stream.controller.enqueue(stream.gzip.end());
    stream.controller.close();
    stream.cut();
    return stream.address;
  }

  /** Ends the streams from addresses that may no longer connect. */
  closeDenied(http: HttpServer): void {
    for (const { id, ip } of this.#streams.values()) if (http.denies(ip)) this.close(id);
  }

  closeAll(): void {
    for (const id of this.#streams.keys()) this.close(id);
  }

  async #greet(stream: Stream, first: Promise<string>): Promise<void> {
    try {
      this.#write(stream, new StreamEvent(await first));
      stream.greeted = true;
    } catch (error) {
      this.#host.log.bug(error, `greeting the event stream of ${stream.address}`);
      this.close(stream.id);
    }
  }

  #write(stream: Stream, event: StreamEvent): void {
    if (!this.#streams.has(stream.id)) return;
    const sent = event.for(stream);
    if ((stream.controller.desiredSize ?? 0) < sent.length) {
      this.slow++;
      this.close(stream.id);
      return;
    }
    stream.controller.enqueue(sent);
    stream.bytesOut += sent.length;
  }
}

/** One or more events as text, compressed once for all streams whose last events were the same. */
class StreamEvent {
  readonly #bytes: Buffer;
  readonly #end: Buffer;
  /** The bytes deflated, by the end of the event before them. */
  readonly #deflated = new Map<Buffer, Uint8Array>();

  constructor(text: string) {
    this.#bytes = Buffer.from(text);
    const isShort = this.#bytes.length <= WINDOW;
    this.#end = isShort ? this.#bytes : Buffer.from(this.#bytes.subarray(-WINDOW));
  }

  /** The bytes to send to a stream. */
  for(stream: Stream): Uint8Array {
    const { gzip, lastEnd, compression } = stream;
    if (gzip === null) return this.#bytes;
    let deflated = this.#deflated.get(lastEnd);
    if (deflated === undefined) {
      deflated = compression.piece(this.#bytes, lastEnd);
      this.#deflated.set(lastEnd, deflated);
    }
    stream.lastEnd = this.#end;
    return gzip.next(this.#bytes, deflated);
  }
}
