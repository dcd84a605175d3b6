import { StartError } from "../../../host/errors.ts";

/** What an HTTP server of the library may fail with. */
export class ServerError extends Error {}

/** It could not start: a bad argument, a port in use, a ticker that does not come up. */
export class ServerStartupError extends ServerError {
  /** Words a StartError of the program's own parts for the library. */
  static from(error: unknown): unknown {
    return error instanceof StartError ? new ServerStartupError(error.message) : error;
  }
}

/** It stopped, but not gracefully: requests had to be cut, or the ticker did not end. */
export class ServerShutdownError extends ServerError {}

/** A request handler failed; `cause` is what it threw. */
export class HandlerError extends ServerError {}
