import type { Socket, TLSOptions } from "bun";
import type { Clock } from "../../host/clock.ts";
import type { Wanted } from "./events.ts";

/** How a client reaches the store, and how much of it may wait, and how long. */
export interface LinkOptions {
  /** 127.0.0.1 when not given. */
  readonly host?: string;
  /** 8890 when not given. */
  readonly port?: number;
  readonly token?: string;
  readonly tls?: TLSOptions | boolean;
  /** Judges a certificate in place of the usual checks: the reason not to take the server, or null. */
  readonly doubt?: (socket: Socket, error: Error | null) => string | null;
  /** The text that a connection begins with, before any request. */
  readonly header?: (socket: Socket) => string;
  /** Ends with the reason where it cannot connect at first; without it, it waits for the store. */
  readonly mustBeThere?: boolean;
  /** Milliseconds that the store may take to let a client in. 10,000 when not given. */
  readonly patienceMs?: number;
  /** Milliseconds of silence after which the store is asked for a sign of life, and after as many more is given up. 10,000 when not given. */
  readonly silenceMs?: number;
  /** Milliseconds after which a request without an answer rejects. None when not given. */
  readonly deadlineMs?: number;
  /** Most requests that wait for an answer; one more is refused. 100,000 when not given. */
  readonly maxWaiting?: number;
  /** Longest line in bytes that it takes. 512 MiB when not given. */
  readonly lineBytes?: number;
  /** Called when a connection can be used, when it breaks or none can be had, and at an end that nobody has asked for. */
  readonly onConnection?: (event: ConnectionEvent) => void;
  /** The source of time; the system's clock when not given. */
  readonly clock?: Clock;
}

/** What becomes of a connection. `wanted` is that of the subscription whose connection it is. */
export type ConnectionEvent =
  | { readonly event: "connected"; readonly wanted?: Wanted }
  | { readonly event: "disconnected" | "ended"; readonly why: Error; readonly wanted?: Wanted };

/** The store has refused a request. */
export class StoreRefused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** There is no answer, since the connection broke or the client was closed. A change may have been made or not. */
export class StoreDisconnected extends Error {}

/** There was no answer in time. A change may have been made or not, unless it was not even sent. */
export class StoreLate extends Error {
  /** False if the store cannot have made the change. */
  readonly wasSent: boolean;

  constructor(ms: number, wasSent: boolean) {
    super(wasSent ? `no answer within ${ms} ms` : `no connection within ${ms} ms: it was not sent`);
    this.wasSent = wasSent;
  }
}

/** What answers is no store. */
export class NoStore extends Error {
  constructor() {
    super("this is no store");
  }
}

/** A line is longer than this client takes. */
export class LineTooLong extends Error {
  constructor(bytes: number) {
    super(`the store sends a line of more than ${bytes} bytes`);
  }
}

/** Tells what becomes of a connection. */
export function tellConnection({ onConnection }: LinkOptions, event: ConnectionEvent): void {
  try {
    onConnection?.(event);
  } catch (error) {
    // The fault of who listens: told as such, and the connection goes on.
    queueMicrotask(() => {
      throw error;
    });
  }
}
