import type { ServerHttp2Stream } from "node:http2";
import { Unfinished } from "../clients/unfinished.ts";

/** Bytes before each message: a flag, and its length, big-endian. */
const PREFIX_BYTES = 5;
/** HTTP/2's error code for a peer that asks too much; gRPC's clients know it as RESOURCE_EXHAUSTED. */
const ENHANCE_YOUR_CALM = 11;

/** One call, and what of a message has come. */
class Call {
  readonly ip: string;
  readonly stream: ServerHttp2Stream;
  unfinishedBytes = 0;
  /** Bytes of the prefix that have come, its length so far, and the bytes of the message still to come. */
  #prefix = 0;
  #length = 0;

  constructor(ip: string, stream: ServerHttp2Stream) {
    this.ip = ip;
    this.stream = stream;
  }

  took(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#prefix < PREFIX_BYTES) {
        const byte = bytes[at++] as number;
        this.#length = this.#prefix === 0 ? 0 : this.#length * 256 + byte;
        this.#prefix++;
        if (this.#prefix < PREFIX_BYTES) continue;
      } else {
        const came = Math.min(this.#length - this.unfinishedBytes, bytes.length - at);
        this.unfinishedBytes += came;
        at += came;
      }
      if (this.unfinishedBytes < this.#length) continue;
      this.unfinishedBytes = this.#prefix = 0;
    }
  }
}

/** Bounds the memory of messages that have come in part, of all calls of a door: the library keeps whatever comes until a message is whole. */
export class PartialMessages {
  readonly #unfinished: Unfinished<Call>;

  /** @param longest bytes of the longest message */
  constructor(longest: number) {
    const close = (call: Call) => {
      this.#forget(call);
      call.stream.close(ENHANCE_YOUR_CALM);
    };
    this.#unfinished = new Unfinished(() => longest, { close });
  }

  /** Counts what comes of a call, until it ends. */
  watch(stream: ServerHttp2Stream, ip: string): void {
    const call = new Call(ip, stream);
    stream.on("data", (bytes: Buffer) => {
      if (stream.closed) return;
      call.took(bytes);
      this.#unfinished.took(call);
    });
    stream.once("close", () => this.#forget(call));
  }

  #forget(call: Call): void {
    call.unfinishedBytes = 0;
    this.#unfinished.count(call);
  }
}
