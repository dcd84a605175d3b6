import type { Clock } from "../../host/clock.ts";
import { type Coding, QUICKEST, wanted } from "./codings.ts";
import { type Bytes, compressAside, compressNow, QUICK } from "./compress.ts";
import { deflated } from "./gzip-stream.ts";

/** Up to so many bytes it does not pay. */
const SMALL = 1000;
/** More than this is sent as it is. */
const LARGE = 2 ** 20;
/** More than this is compressed in a thread of its own. */
const AT_ONCE_MAX = 2 ** 16;
/** So many bytes are compressed in a second, for all clients together: a tenth of a core or so. */
const BYTES_PER_SECOND = 2 ** 23;
/** A text counts as so many bytes at least: to begin costs something too. */
const LEAST = 2 ** 12;
/** Of a stream: as small as with higher levels where little is new, and the quickest of them. */
const STREAM_LEVEL = 4;

/** Compresses what one server sends, within bounds: whatever clients ask for, what is over them goes as it is. */
export class Compression {
  readonly #clock: Clock;
  #second = 0;
  #left = BYTES_PER_SECOND;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether so many bytes may be compressed now; they are counted then. */
  #may(bytes: number): boolean {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#left = BYTES_PER_SECOND;
    }
    const work = Math.max(bytes, LEAST);
    if (work > this.#left) return false;
    this.#left -= work;
    return true;
  }

  /**
   * Whether a text of so many bytes is to be compressed; it is counted then.
   * @param insists whether the request takes nothing as it is
   */
  pays(bytes: number, insists: boolean): boolean {
    return bytes <= LARGE && bytes > (insists ? 0 : SMALL) && this.#may(bytes);
  }

  /** Compresses what `pays` and is sent once. */
  once(bytes: Bytes, coding: Coding): Bytes | Promise<Bytes> {
    return (bytes.length > AT_ONCE_MAX ? compressAside : compressNow)(bytes, coding, QUICK);
  }

  /** The next piece of a stream, deflated, given what its readers were sent before. */
  piece(bytes: Uint8Array, before: Uint8Array, windowBits = 15): Uint8Array {
    return deflated(bytes, before, this.#may(bytes.length) ? STREAM_LEVEL : 0, windowBits);
  }

  /** Answers with a text that was made for this request. */
  answer(
    request: Request,
    text: string,
    given: Readonly<Record<string, string>>,
  ): Response | Promise<Response> {
    const headers = { ...given, vary: VARY };
    const { coding, insists } = wanted(request, QUICKEST);
    if (coding === null) {
      return insists ? unacceptable(headers) : new Response(text, { headers });
    }
    const bytes = Buffer.from(text);
    if (isCrossSite(request) || !this.pays(bytes.length, insists)) {
      return new Response(bytes, { headers });
    }
    const answer = (body: Bytes) =>
      new Response(body, { headers: { ...headers, "content-encoding": coding } });
    const made = this.once(bytes, coding);
    return made instanceof Promise ? made.then(answer) : answer(made);
  }
}

/** What caches must know of every answer that depends on the codings that a request takes. */
export const VARY = "Accept-Encoding";

/** Answers a request that takes nothing that there is. */
export function unacceptable(headers: Readonly<Record<string, string>>): Response {
  const text = "This can be had as it is, or by gzip, br or zstd.\n";
  const plain = { ...headers, "content-type": "text/plain; charset=utf-8" };
  return new Response(text, { status: 406, headers: plain });
}

/**
 * Whether the page of another site made a browser ask. Who can choose a part of
 * an answer, and see how long it is under TLS, could guess the rest of it
 * (BREACH): what is made for such a request is not compressed.
 */
export function isCrossSite({ headers }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  return site === "cross-site" || site === "same-site";
}
