import { type ClientColumns, clientPage } from "../../host/client-page.ts";
import { type ClientPage, type ClientQuery, type Host } from "../../host/service.ts";
import type { Compression } from "../../net/http/compression/compression.ts";
import { GzipStream, WINDOW } from "../../net/http/compression/gzip-stream.ts";
import type { HttpServer } from "../../net/http.ts";
import type { ConnzQuery } from "./connz.ts";

/** Bytes that may wait for one stream; a reader that leaves more is closed. */
const WAITING_MAX = 2 ** 20;
const NOTHING = Buffer.alloc(0);

interface Stream {
  readonly id: number;
  readonly ip: string;
  readonly address: string;
  readonly openedAt: number;
  readonly query: ConnzQuery | null;
  readonly compression: Compression;
  /** Null for one that is not compressed. */
  readonly gzip: GzipStream | null;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Has its connection cut soon, whatever still waits. */
  readonly cut: () => void;
  bytesOut: number;
  /** How what it was sent last ends: streams that were sent the same share what comes next. */
  lastEnd: Buffer;
  /** Whether it has had its greeting. */
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

/** The event streams that are open. One that is not read is closed, and never makes the others wait. */
export class Streams {
  /** Streams closed because they did not take what they were sent. */
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
   * @param query which clients it wants to be told of, or null for none
   * @param gzip whether it is compressed
   * @param first its greeting, asked for once it is among the clients
   */
  open(
    request: Request,
    http: HttpServer,
    query: ConnzQuery | null,
    gzip: boolean,
    first: () => Promise<string>,
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
          void this.#greet(stream, first());
        },
        cancel: forget,
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_MAX }),
    );
  }

  /** Sends each stream what `of` says for its query; streams with the same one share it. */
  async send(of: (query: ConnzQuery | null) => Promise<string>): Promise<void> {
    const greeted = [...this.#streams.values()].filter((stream) => stream.greeted);
    const alike = Map.groupBy(greeted, ({ query }) => JSON.stringify(query));
    const send = async (streams: readonly Stream[]) => {
      const told = new Told(await of((streams[0] as Stream).query));
      for (const stream of streams) this.#write(stream, told);
    };
    await Promise.all([...alike.values()].map(send));
  }

  page(query: ClientQuery): ClientPage {
    return clientPage(this.#streams.values(), COLUMNS, query, this.#host.clock.now());
  }

  /** Ends a stream. @returns its address, or null when there is none of that id */
  close(id: number): string | null {
    const stream = this.#streams.get(id);
    if (!stream) return null;
    this.#streams.delete(id);
    if (stream.gzip) stream.controller.enqueue(stream.gzip.end());
    stream.controller.close();
    stream.cut();
    return stream.address;
  }

  /** Ends the streams of those who may not come in any more. */
  closeDenied(http: HttpServer): void {
    for (const { id, ip } of this.#streams.values()) if (http.denies(ip)) this.close(id);
  }

  closeAll(): void {
    for (const id of this.#streams.keys()) this.close(id);
  }

  async #greet(stream: Stream, first: Promise<string>): Promise<void> {
    try {
      this.#write(stream, new Told(await first));
      stream.greeted = true;
    } catch (error) {
      this.#host.log.bug(error, `greeting the event stream of ${stream.address}`);
      this.close(stream.id);
    }
  }

  #write(stream: Stream, told: Told): void {
    if (!this.#streams.has(stream.id)) return;
    const sent = told.for(stream);
    if ((stream.controller.desiredSize ?? 0) < sent.length) {
      this.slow++;
      this.close(stream.id);
      return;
    }
    stream.controller.enqueue(sent);
    stream.bytesOut += sent.length;
  }
}

/** What streams are told, compressed once for all that were told the same before. */
class Told {
  readonly #bytes: Buffer;
  readonly #end: Buffer;
  /** The bytes deflated, by the end of what was sent before them. */
  readonly #deflated = new Map<Buffer, Uint8Array>();

  constructor(text: string) {
    this.#bytes = Buffer.from(text);
    const isShort = this.#bytes.length <= WINDOW;
    this.#end = isShort ? this.#bytes : Buffer.from(this.#bytes.subarray(-WINDOW));
  }

  /** What to send to a stream. */
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
