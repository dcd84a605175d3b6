import type { Clock } from "../../host/clock.ts";
import { addressText, type ClientInfo } from "../../host/service.ts";
import type { ClientQuery } from "./clients.ts";
import type { Origin } from "./http.ts";

/** Bytes that may wait for one stream; a reader that leaves more is closed. */
const WAITING_MAX = 2 ** 20;

interface Stream {
  readonly id: number;
  readonly address: string;
  readonly bornAt: number;
  readonly query: ClientQuery | null;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  /** Has its connection cut soon, whatever still waits for it. */
  readonly cut: () => void;
  bytesOut: number;
}

/** The event streams that are open: each gets what all get, and none can make the others wait. */
export class Streams {
  /** Streams closed because they did not take what they were sent. */
  slow = 0;
  readonly #clock: Clock;
  readonly #streams = new Map<number, Stream>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#streams.size;
  }

  /**
   * Opens a stream.
   * @param query which clients it wants to be told of, or null for none
   * @param first what it is told at once
   * @param setIdleTimeout sets its connection's idle timeout in seconds, 0 for never
   */
  open(
    request: Request,
    { ip, port }: Origin,
    query: ClientQuery | null,
    first: () => string,
    setIdleTimeout: (seconds: number) => void,
  ): ReadableStream<Uint8Array> {
    const id = ++this.#lastId;
    const forget = () => this.#streams.delete(id);
    request.signal.addEventListener("abort", forget, { once: true });
    setIdleTimeout(0);
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          const stream: Stream = {
            id,
            address: addressText(ip, port),
            bornAt: this.#clock.now(),
            query,
            controller,
            cut: () => setIdleTimeout(1),
            bytesOut: 0,
          };
          this.#streams.set(id, stream);
          this.#write(stream, Buffer.from(first()));
        },
        cancel: () => void forget(),
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_MAX }),
    );
  }

  /** Sends each stream what `of` says for its query; streams with the same one share it. */
  send(of: (query: ClientQuery | null) => string): void {
    const made = new Map<string, Buffer>();
    for (const stream of this.#streams.values()) {
      const key = JSON.stringify(stream.query);
      const bytes = made.get(key) ?? Buffer.from(of(stream.query));
      made.set(key, bytes);
      this.#write(stream, bytes);
    }
  }

  *infos(): Generator<ClientInfo> {
    const now = this.#clock.now();
    for (const { id, address, bornAt, bytesOut, controller } of this.#streams.values()) {
      yield {
        id,
        address,
        state: "open",
        ageSeconds: Math.floor((now - bornAt) / 1000),
        linesIn: 0,
        bytesIn: 0,
        bytesOut,
        outboxBytes: WAITING_MAX - (controller.desiredSize ?? WAITING_MAX),
      };
    }
  }

  /** Ends a stream; false when there is none of that id. */
  close(id: number): boolean {
    const stream = this.#streams.get(id);
    if (!stream) return false;
    this.#streams.delete(id);
    stream.controller.close();
    stream.cut();
    return true;
  }

  closeAll(): void {
    for (const id of this.#streams.keys()) this.close(id);
  }

  #write(stream: Stream, bytes: Buffer): void {
    if ((stream.controller.desiredSize ?? 0) < bytes.length) {
      this.slow++;
      this.close(stream.id);
      return;
    }
    stream.controller.enqueue(bytes);
    stream.bytesOut += bytes.length;
  }
}
