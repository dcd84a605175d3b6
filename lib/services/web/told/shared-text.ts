import type { Clock } from "../../../host/clock.ts";
import type { HttpServer } from "../../../net/http.ts";
import type { Codings } from "../../../net/http/compression/compression.ts";

/** Milliseconds in which a text is made at most `MOST` times; who asks then gets the last of them. */
const SPAN_MS = 100;
const MOST = 10;

/** A text that each request gets made anew, but that a flood of them shares. */
export class SharedText {
  readonly #clock: Clock;
  readonly #make: () => string;
  #since = -Infinity;
  #made = 0;
  #text = "";
  #codings: Codings = new Map();

  constructor(clock: Clock, make: () => string) {
    this.#clock = clock;
    this.#make = make;
  }

  /** Answers with the text, compressed as the request wants it. */
  answer(
    request: Request,
    { compression }: HttpServer,
    headers: Readonly<Record<string, string>>,
  ): Response | Promise<Response> {
    const now = this.#clock.now();
    if (now - this.#since >= SPAN_MS) {
      this.#since = now;
      this.#made = 0;
    }
    if (this.#made < MOST) {
      this.#made++;
      this.#text = this.#make();
      this.#codings = new Map();
    }
    return compression.answer(request, this.#text, headers, this.#codings);
  }
}
