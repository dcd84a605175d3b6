import type { ServerHttp2Stream } from "node:http2";
import type { Metadata, ServerDuplexStream, ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { type Accepted, Client, CLOSE_REASONS, type CloseReason } from "../client.ts";
import type { Pinned } from "../outbox.ts";
import type { Wire } from "../wire.ts";

/** The status codes of gRPC that a call ends with here. */
export const Status = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  permissionDenied: 7,
  resourceExhausted: 8,
  aborted: 10,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type StatusCode = (typeof Status)[keyof typeof Status];

/** The status of a call whose client is closed, by the reason. */
export const STATUS_OF: Readonly<Record<CloseReason, StatusCode>> = {
  eof: Status.ok,
  reset: Status.cancelled,
  idle: Status.aborted,
  slow: Status.resourceExhausted,
  pressure: Status.resourceExhausted,
  quarantined: Status.resourceExhausted,
  unfinished: Status.resourceExhausted,
  limit: Status.resourceExhausted,
  denied: Status.permissionDenied,
  handshake: Status.permissionDenied,
  malformed: Status.invalidArgument,
  refused: Status.permissionDenied,
  kicked: Status.aborted,
  shutdown: Status.unavailable,
  bug: Status.internal,
};

/** A call that is answered by a status alone. */
export class CallError extends Error {
  readonly code: StatusCode;
  readonly details: string;
  /** The whole status for machines, a `google.rpc.Status`; null for none. */
  readonly status: Buffer | null;

  constructor(code: StatusCode, details: string, status: Buffer | null = null) {
    super(details);
    this.code = code;
    this.details = details;
    this.status = status;
  }
}

/** A streaming call, of which each message is bytes. */
export type StreamingCall = ServerDuplexStream<Buffer, Buffer>;

/** A call in which this many bytes wait takes no more until its connection has taken some. */
const FULL = 64 * 1024;
/** Bytes that gRPC puts before each message: a flag and the length. */
const PREFIX_BYTES = 5;
/** gRPC's status for a call whose own deadline has passed. */
const DEADLINE_EXCEEDED = 4;
/** HTTP/2's error code for a stream that is no longer wanted (RFC 9113, 7). */
const CANCEL = 8;

/** A streaming call as a client. A notice is the text of the status that it ends with. */
export class CallClient extends Client {
  /** The method that it calls: `/package.Service/Method`. */
  readonly path: string;
  readonly metadata: Metadata;
  notice = "";

  /** @param accepted by a gRPC server: its wire is a `CallWire` */
  constructor(accepted: Accepted, pinned: Pinned) {
    super(accepted, pinned);
    const wire = accepted.wire as CallWire;
    wire.client = this;
    this.path = wire.path;
    this.metadata = wire.metadata;
  }

  override tell(notice: string): void {
    this.notice = notice.trimEnd();
  }
}

/** A streaming call as a client's wire. */
export class CallWire implements Wire {
  readonly whole = true;
  waiting = 0;
  readonly path: string;
  client: CallClient | null = null;
  readonly #call: StreamingCall;
  readonly #drained: () => void;
  #isFull = false;
  #hasEnded = false;

  /** @param drained called when the call takes messages again, and when nothing waits any more */
  constructor(call: StreamingCall, path: string, drained: () => void) {
    this.path = path;
    this.#call = call;
    this.#drained = drained;
  }

  get metadata(): Metadata {
    return this.#call.metadata;
  }

  write(message: Uint8Array | string, offset = 0, length?: number): number {
    if (this.waiting >= FULL) this.#isFull = true;
    if (this.#isFull || this.#hasEnded || this.#call.destroyed) return -1;
    const bytes = typeof message === "string" ? Buffer.from(message) : message;
    const size = length ?? bytes.length - offset;
    this.waiting += PREFIX_BYTES + size;
    const part = Buffer.from(bytes.buffer, bytes.byteOffset + offset, size);
    this.#call.write(part, () => this.#passed(PREFIX_BYTES + size));
    return size;
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  shutdown(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const reason = this.client?.reason ?? "eof";
    const code = STATUS_OF[reason];
    if (code === Status.ok) this.#call.end();
    else endCall(this.#call, new CallError(code, this.client?.notice || CLOSE_REASONS[reason]));
  }

  end(): void {
    this.shutdown();
  }

  terminate(): void {
    this.#hasEnded = true;
    streamOf(this.#call).close(CANCEL);
  }

  #passed(size: number): void {
    this.waiting -= size;
    if (this.waiting > (this.#isFull ? FULL / 2 : 0)) return;
    this.#isFull = false;
    this.#drained();
  }
}

/** True when the client gave the call up. Bun emits `end` for such a call, too. */
export function isAborted(call: StreamingCall): boolean {
  return streamOf(call).aborted;
}

/** The reason for the end of a call whose client was not closed: it was given up, or its bytes were no message. */
export function endOf(call: StreamingCall): CloseReason {
  const { sentTrailers, sentHeaders } = streamOf(call);
  const status = (sentTrailers ?? sentHeaders)?.["grpc-status"];
  return status === undefined || Number(status) === DEADLINE_EXCEEDED ? "reset" : "malformed";
}

/** The stream below a call. It is private to the library, which has no other way to cut a call whose client takes nothing. */
function streamOf(call: StreamingCall): ServerHttp2Stream {
  return (call as unknown as { call: { stream: ServerHttp2Stream } }).call.stream;
}

/** The stream below a call whose first message has not come. */
export function ownStreamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  return (call as unknown as { stream: ServerHttp2Stream }).stream;
}

/** Ends a streaming call with a status, after all messages that were written to it. */
export function endCall(call: StreamingCall, status: CallError): void {
  call.emit("error", status);
}
