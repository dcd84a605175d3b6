import { EventStream } from "./events.ts";
import { Gathering, type Said } from "./said.ts";

/** An answer that is none: no JSON and no event stream, or an error that came in place of it. */
export class Unreadable extends Error {
  /** It is not of a chat endpoint. */
  readonly isForeign: boolean;

  constructor(why: string, isForeign: boolean) {
    super(why);
    this.isForeign = isForeign;
  }
}

const SPACE = /^[\s\uFEFF]*/;
/** What an event stream begins with. */
const FIELD = /^(?:data|event|id|retry)?:/;
/** Bytes by which one can tell. */
const ENOUGH = 16;

/**
 * The bytes of an answer, which comes as an event stream, or whole as JSON.
 * Endpoints say one and send the other, so its beginning tells which it is.
 */
export class Answer {
  readonly #gathering = new Gathering();
  readonly #events = new EventStream();
  #chunks: Uint8Array[] = [];
  #isStream: boolean | null = null;

  get said(): Said {
    return this.#gathering.said;
  }

  get textLength(): number {
    return this.#gathering.textLength;
  }

  /** @returns true once nothing more is to come @throws Unreadable */
  push(chunk: Uint8Array): boolean {
    if (this.#isStream === true) return this.#take(this.#events.push(chunk));
    this.#chunks.push(chunk);
    this.#isStream ??= this.#kind(false);
    return this.#isStream === true && this.#take(this.#events.push(this.#taken()));
  }

  /** The answer has ended. @throws Unreadable */
  end(): Said {
    if (this.#isStream ?? this.#kind(true)) {
      this.#take([...this.#events.push(this.#taken()), ...this.#events.end()]);
    } else {
      this.#add(this.#taken().toString());
      this.#gathering.ended();
    }
    return this.said;
  }

  #taken(): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return bytes;
  }

  /** True for a stream, false for a document; null until enough has come. @throws Unreadable */
  #kind(hasEnded: boolean): boolean | null {
    const head = Buffer.concat(this.#chunks.slice(0, ENOUGH)).toString();
    const text = head.replace(SPACE, "").slice(0, ENOUGH);
    // White space says nothing.
    if (text === "") this.#chunks = [];
    if (FIELD.test(text)) return true;
    if (text.startsWith("{") || text.startsWith("[")) return false;
    if (hasEnded && text === "") throw new Unreadable("nothing", false);
    if (hasEnded || text.length === ENOUGH) throw new Unreadable("neither JSON nor events", true);
    return null;
  }

  #take(events: readonly string[]): boolean {
    for (const event of events) {
      if (event.trim() === "[DONE]") {
        this.#gathering.ended();
        return true;
      }
      this.#add(event);
    }
    return false;
  }

  #add(json: string): void {
    let part: unknown;
    try {
      part = JSON.parse(json);
    } catch {
      throw new Unreadable("a part of the answer is no JSON", false);
    }
    const error = this.#gathering.add(part);
    if (error !== null) throw new Unreadable(error, false);
  }
}
