import { randomBytes, timingSafeEqual } from "node:crypto";
import { type ClientColumns, clientPage } from "../../host/service/client-page.ts";
import { type ClientPage, type ClientQuery, type Host } from "../../host/service.ts";
import type { Compression } from "../../net/http/compression/compression.ts";
import { GzipStream, WINDOW } from "../../net/http/compression/gzip-stream.ts";
import type { HttpServer } from "../../net/http.ts";
import { event } from "./answers.ts";
import { type Data, difference } from "./told/difference.ts";
import type { StreamsTold } from "./panel/told.ts";
import { newsOf, toldOf } from "./told/told.ts";
import type { Wanted } from "./told/wanted.ts";

/** Bytes that may wait for one stream; it is closed when there would be more. */
const WAITING_MAX = 2 ** 20;
const NOTHING = Buffer.alloc(0);

/** What a stream is told about itself. */
export interface Own {
  readonly id: number;
  readonly address: string;
  /** With it the owner may want other clients; for a stream that is told what differs. */
  readonly secret?: string;
}

/** The text that a stream begins with, and the state that comes after it. */
export interface Greeting {
  readonly text: string;
  readonly state: Data;
}

/** The way a stream is opened. */
export interface HowOpened {
  readonly wanted: Wanted;
  /** True to tell what differs, after the first state; false to tell all of it each time. */
  readonly differences: boolean;
  readonly gzip: boolean;
}

interface Stream {
  readonly id: number;
  readonly ip: string;
  readonly address: string;
  readonly openedAt: number;
  /** The clients that it tells of. */
  wanted: Wanted;
  /** What only its owner knows. */
  readonly secret: string;
  /** The state as it was told last, for a stream that is told what differs; null for one that is told all. */
  told: Data | null;
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
   * @param how the clients that its events hold, and whether to compress it
   * @param first makes its greeting and its first state; called once it is among the clients
   */
  open(
    request: Request,
    http: HttpServer,
    { wanted, differences, gzip }: HowOpened,
    first: (own: Own) => Promise<Greeting>,
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
            wanted,
            secret: differences ? randomBytes(16).toString("base64url") : "",
            told: differences ? {} : null,
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
          const { secret } = stream;
          void this.#greet(stream, first({ id, address, ...(secret === "" ? {} : { secret }) }));
        },
        cancel: forget,
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_MAX }),
    );
  }

  /** Sends every stream the same event. */
  sendAll(text: string): void {
    const one = new StreamEvent(text);
    for (const stream of this.#greeted()) this.#write(stream, one);
  }

  /**
   * Sends each stream the state that `of` makes for what it wants: made once for all that want the
   * same, and written down once for all that were told the same before.
   */
  async send(of: (wanted: Wanted) => Promise<Data>): Promise<void> {
    const alike = Map.groupBy(this.#greeted(), ({ wanted }) => wanted.key);
    let isFirst = true;
    for (const streams of alike.values()) {
      // Many clients take a while to sort: others have their turn in between.
      if (!isFirst) await new Promise(setImmediate);
      isFirst = false;
      const { wanted } = streams[0] as Stream;
      const state = await of(wanted);
      this.#sendState(streams, wanted, state);
    }
  }

  #sendState(streams: readonly Stream[], wanted: Wanted, state: Data): void {
    const whole = streams.filter(({ told }) => told === null);
    if (whole.length > 0) {
      const one = new StreamEvent(event("tick", state));
      for (const stream of whole) this.#write(stream, one);
    }
    const byTold = Map.groupBy(streams, ({ told }) => told);
    for (const [before, some] of byTold) {
      if (before === null) continue;
      // Whoever wants other clients by now has been told of those.
      const changed = some.some((stream) => stream.wanted.key !== wanted.key);
      const { clients, client } = before;
      const after = toldOf(changed ? { ...state, clients, client } : state, before);
      const one = new StreamEvent(event("difference", newsOf(before, after, state)));
      for (const stream of some) {
        stream.told = after;
        this.#write(stream, one);
      }
    }
  }

  /** True if there is a stream of that id that is told what differs, and this is its secret. */
  owns(id: number, secret: string): boolean {
    const own = Buffer.from(this.#streams.get(id)?.secret ?? "");
    const given = Buffer.from(secret);
    return own.length > 0 && own.length === given.length && timingSafeEqual(own, given);
  }

  /** Has a stream tell of other clients from now on, and at once of those: `clients` makes that part of the state. */
  async want(
    id: number,
    wanted: Wanted,
    clients: (wanted: Wanted) => Promise<Data>,
  ): Promise<void> {
    const stream = this.#streams.get(id);
    if (!stream) return;
    stream.wanted = wanted;
    const part = await clients(wanted);
    // It may be gone by now, or want something else.
    if (stream.wanted !== wanted || stream.told === null || !stream.greeted) return;
    const { clients: _, client: __, ...rest } = stream.told;
    const after = toldOf({ ...rest, ...part }, stream.told);
    const news = difference(stream.told, after) ?? {};
    stream.told = after;
    this.#write(stream, new StreamEvent(event("difference", news)));
  }

  #greeted(): Stream[] {
    return [...this.#streams.values()].filter((stream) => stream.greeted);
  }

  page(query: ClientQuery): ClientPage {
    return clientPage(this.#streams.values(), COLUMNS, query, this.#host.clock.now());
  }

  /** The streams by what they are told; kinds of which none is open are left out. */
  kinds(): readonly StreamsTold[] {
    const now = this.#host.clock.now();
    const kindOf = ({ told }: Stream) => (told === null ? "whole" : "differences");
    const sumOf = (all: readonly Stream[], of: (one: Stream) => number) =>
      all.reduce((sum, one) => sum + of(one), 0);
    return [...Map.groupBy(this.#streams.values(), kindOf)].map(([kind, all]) => ({
      kind,
      open: all.length,
      compressed: all.filter(({ gzip }) => gzip !== null).length,
      addresses: new Set(all.map(({ ip }) => ip)).size,
      bytes_out: sumOf(all, ({ bytesOut }) => bytesOut),
      waiting_bytes: sumOf(all, (one) => COLUMNS.outboxBytes(one, now)),
    }));
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

  async #greet(stream: Stream, first: Promise<Greeting>): Promise<void> {
    try {
      const { text, state } = await first;
      const isWhole = stream.told === null;
      if (!isWhole) stream.told = toldOf(state, null);
      this.#write(stream, new StreamEvent(text + event("tick", stream.told ?? state)));
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
