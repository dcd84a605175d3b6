/**
 * A part of a service that is asked over HTTP: all paths that begin with its
 * name. Whoever serves HTTP finds it in `Running.http` and passes requests on,
 * after the limits of its own; who may ask what is the part's to tell.
 */
export interface HttpPart {
  /** The first part of its paths: with `kv` those are `/kv` and all below `/kv/`. */
  readonly name: string;
  /** The methods that it answers; others are refused before. */
  readonly methods: readonly HttpMethod[];
  /** Answers a request, one for HEAD as one for GET. It may read the body, which has a bound. */
  answer(asked: HttpAsked): Response | Promise<Response>;
}

export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "DELETE";

/** A request for a part. */
export interface HttpAsked {
  readonly request: Request;
  /** The path behind the part's name and the slash, with its escapes. */
  readonly path: string;
  /** The client's IP address, and what an operator reads of it. */
  readonly ip: string;
  readonly address: string;
  /** True for a request from this machine that names this machine, to a server that others cannot reach: no page of another site has sent it. */
  readonly isLocal: boolean;
  /**
   * Answers with server-sent events.
   * @param begin called at once; it may send already. What it returns is called when the stream has ended
   */
  events(begin: (stream: EventStream) => () => void): Response;
}

/** An open stream of server-sent events. It is closed when its client does not take what it is sent. */
export interface EventStream {
  /** Bytes that wait for its client. */
  readonly waiting: number;
  /** Sends whole events, each with the empty line behind it. */
  send(text: string): void;
  close(): void;
}
