/** The methods that read a whole body. */
const READS = ["text", "json", "arrayBuffer", "bytes", "blob", "formData"] as const;
const OWN_BODY = Object.getOwnPropertyDescriptor(Request.prototype, "body")?.get as (
  this: Request,
) => ReadableStream<Uint8Array> | null;
/** Bun's message when a body is over the bound; it has answered 413 itself then. */
const TOO_LONG = "Request body exceeded maxRequestBodySize";
/** The methods that parse a body, and throw many kinds of errors if it is malformed. */
const PARSES: readonly string[] = ["json", "formData"];
/** The code of Bun's error for a body that is read twice: the handler's fault. */
const USED = "ERR_BODY_ALREADY_USED";

/** The fault of the client because of which a body could not be read. */
export type BodyFault =
  /** The client has gone, or its bytes are no HTTP. */
  | "broken"
  | "too long"
  /** It came whole, but cannot be read as the handler reads it, say as JSON. */
  | "malformed";

/** Watches the body of a request being read. */
export class HttpBody {
  #fault: BodyFault | null = null;
  #error: unknown = null;
  #waiting = 0;

  /** Watches every read of the request's body from now on. */
  constructor(request: Request) {
    for (const name of READS) {
      const read = Request.prototype[name] as (this: Request) => Promise<unknown>;
      const value = () => this.#watch(read.call(request), PARSES.includes(name));
      Object.defineProperty(request, name, { value, configurable: true });
    }
    let stream: ReadableStream<Uint8Array> | null | undefined;
    const get = () => (stream ??= this.#watched(OWN_BODY.call(request)));
    Object.defineProperty(request, "body", { get, configurable: true });
  }

  /** True while a read waits for bytes that the client has not sent yet. */
  get isAwaited(): boolean {
    return this.#waiting > 0;
  }

  /** The fault for which reading it failed, or null. */
  get fault(): BodyFault | null {
    return this.#fault;
  }

  /** The fault of the client that led to this error in answering its request, or null. */
  behind(error: unknown): BodyFault | null {
    // A body that came whole explains only the error that reading it threw.
    if (this.#fault === "malformed") return chain(error).includes(this.#error) ? "malformed" : null;
    // The handler may have read a clone of the request, which is not watched.
    return this.#fault ?? (faultOf(error) === "too long" ? "too long" : null);
  }

  #watch<T>(read: Promise<T>, parses = false): Promise<T> {
    this.#waiting++;
    const end = () => void this.#waiting--;
    read.then(end, (error: unknown) => {
      end();
      const isMalformed = parses && (error as { code?: unknown })?.code !== USED;
      this.#fault = faultOf(error) ?? (isMalformed ? "malformed" : this.#fault);
      this.#error = error;
    });
    return read;
  }

  #watched(stream: ReadableStream<Uint8Array> | null): ReadableStream<Uint8Array> | null {
    if (stream === null) return null;
    let chunks: AsyncIterator<Uint8Array> | null = null;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      chunks ??= stream[Symbol.asyncIterator]();
      const { done, value } = await this.#watch(chunks.next());
      if (done) controller.close();
      else controller.enqueue(value);
    };
    const cancel = async (reason: unknown) => {
      await (chunks?.return?.() ?? stream.cancel(reason));
    };
    return new ReadableStream<Uint8Array>({ pull, cancel }, { highWaterMark: 0 });
  }
}

/** True if the error comes from the request's own abort: its client has gone. */
export function isOfAbort(error: unknown, { signal }: Request): boolean {
  if (!signal.aborted) return false;
  return chain(error).some((one) => one === signal.reason || nameOf(one) === "AbortError");
}

function faultOf(error: unknown): BodyFault | null {
  const errors = chain(error);
  if (errors.some((one) => one instanceof Error && one.message === TOO_LONG)) return "too long";
  return errors.some((one) => nameOf(one) === "AbortError") ? "broken" : null;
}

function nameOf(error: unknown): unknown {
  return error instanceof Error ? error.name : null;
}

/** An error and its causes, ten at most. */
function chain(error: unknown): unknown[] {
  const errors: unknown[] = [];
  for (let one = error; one instanceof Error && errors.length < 10; one = one.cause) {
    errors.push(one);
  }
  return errors;
}
