import { StartError } from "../../../host/errors.ts";

/** A failure of an HTTP server of the library. */
export class ServerError extends Error {}

/** The server could not start: a bad argument, a port in use, a ticker that does not start. */
export class ServerStartupError extends ServerError {
  /** Turns a StartError of the program into the library's error; any other stays the same. */
  static from(error: unknown): unknown {
    return error instanceof StartError ? new ServerStartupError(error.message) : error;
  }
}

/** The server stopped, but not gracefully: requests were cut, or the ticker did not end. */
export class ServerShutdownError extends ServerError {}

/** A request handler failed; `cause` is its error. */
export class HandlerError extends ServerError {}
