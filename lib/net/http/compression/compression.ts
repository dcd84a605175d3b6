import type { Clock } from "../../../host/clock.ts";
import { type Coding, QUICKEST, wanted } from "./codings.ts";
import { type Bytes, compressAside, compressNow, QUICK } from "./compress.ts";
import { deflated } from "./gzip-stream.ts";

/** Bytes up to which compressing does not pay. */
const SMALL = 1000;
/** Bytes beyond which a text is sent as it is. */
const LARGE = 2 ** 20;
/** Bytes beyond which a text is compressed in another thread. */
const AT_ONCE_MAX = 2 ** 16;
/** Bytes that are compressed in a second at most, for all clients together: a tenth of a core or so. */
const BYTES_PER_SECOND = 2 ** 23;
/** Bytes that a text counts at least, since beginning costs something too. */
const LEAST = 2 ** 12;
/** The level for streams: where little is new in a piece, higher ones only cost more. */
const STREAM_LEVEL = 4;

/** A text by the codings in which it has been compressed. */
export type Codings = Map<Coding, Bytes | Promise<Bytes>>;

/** Compresses the answers of one server within bounds; beyond these, answers go as they are, whatever clients ask for. */
export class Compression {
  readonly #clock: Clock;
  #second = 0;
  #left = BYTES_PER_SECOND;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True if this many bytes may be compressed in this second; they are counted then. */
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
   * True if a text of this many bytes should be compressed; it is counted then.
   * @param insists true if the request does not take the text as it is
   */
  pays(bytes: number, insists: boolean): boolean {
    return bytes <= LARGE && bytes > (insists ? 0 : SMALL) && this.#may(bytes);
  }

  /** Compresses a text that `pays` and is sent once. */
  once(bytes: Bytes, coding: Coding): Bytes | Promise<Bytes> {
    return (bytes.length > AT_ONCE_MAX ? compressAside : compressNow)(bytes, coding, QUICK);
  }

  /** The next piece of a stream, deflated. @param before the last bytes that its readers were sent */
  piece(bytes: Uint8Array, before: Uint8Array, windowBits = 15): Uint8Array {
    return deflated(bytes, before, this.#may(bytes.length) ? STREAM_LEVEL : 0, windowBits);
  }

  /**
   * Answers with a text.
   * @param codings of this text, for one that other requests are answered with too
   */
  answer(
    request: Request,
    text: string,
    given: Readonly<Record<string, string>>,
    codings: Codings = new Map(),
  ): Response | Promise<Response> {
    const headers = { ...given, vary: VARY };
    const { coding, insists } = wanted(request, QUICKEST);
    if (coding === null) {
      return insists ? unacceptable(headers) : new Response(text, { headers });
    }
    if (isCrossSite(request)) return new Response(text, { headers });
    const answer = (body: Bytes) =>
      new Response(body, { headers: { ...headers, "content-encoding": coding } });
    let made = codings.get(coding);
    if (made === undefined) {
      const bytes = Buffer.from(text);
      if (!this.pays(bytes.length, insists)) return new Response(bytes, { headers });
      made = this.once(bytes, coding);
      codings.set(coding, made);
    }
    return made instanceof Promise ? made.then(answer) : answer(made);
  }
}

/** The `Vary` of every answer that depends on the codings that a request takes, for caches. */
export const VARY = "Accept-Encoding";

/** Answers a request that takes none of the codings there are. */
export function unacceptable(headers: Readonly<Record<string, string>>): Response {
  const text = "This can be had as it is, or by gzip, br or zstd.\n";
  const plain = { ...headers, "content-type": "text/plain; charset=utf-8" };
  return new Response(text, { status: 406, headers: plain });
}

/**
 * True if the page of another site made the browser ask. An attacker who can
 * choose a part of an answer, and sees its length under TLS, could guess the
 * rest of it if it were compressed (BREACH): such answers are not.
 */
export function isCrossSite({ headers }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  return site === "cross-site" || site === "same-site";
}
