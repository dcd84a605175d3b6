import { HandlerError } from "./errors.ts";
import type { Shared } from "../ticker/shared.ts";

/** The methods a handler may answer, in the order of an `Allow` header. */
export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;
export type Method = (typeof METHODS)[number];

/**
 * Answers requests, a method for each of HTTP's. Without `HEAD`, `GET` answers
 * it; any other that is missing is answered 405. Requests run concurrently.
 * `shared` is what a ticker was given at its start.
 */
export type RequestHandler = {
  [M in Method]?: (request: Request, shared: Shared) => Response | Promise<Response>;
};

/** Why something is not a request handler, or null. */
export function handlerProblem(found: unknown): string | null {
  if (typeof found !== "object" || found === null) return "not an object with methods";
  const methods = METHODS.filter((method) => (found as RequestHandler)[method] !== undefined);
  const wrong = methods.find((method) => typeof (found as RequestHandler)[method] !== "function");
  if (wrong) return `${wrong} is not a function`;
  return methods.length > 0 ? null : `none of the methods ${METHODS.join(", ")}`;
}

/** The methods that a handler or a route answers, for an `Allow` header. */
export function allowed(handler: object): string {
  return METHODS.filter(
    (method) => method in handler || (method === "HEAD" && "GET" in handler),
  ).join(", ");
}

/**
 * Asks a handler for its answer.
 * @throws HandlerError when it throws, rejects or returns something else than a Response
 */
export function respond(
  handler: RequestHandler,
  request: Request,
  shared: Shared,
): Response | Promise<Response> {
  const method = methodFor(handler, request.method as Method);
  if (method === null) {
    return new Response("This method is not allowed here.\n", {
      status: 405,
      headers: { allow: allowed(handler) },
    });
  }
  let answer: unknown;
  try {
    answer = handler[method]?.(request, shared);
  } catch (error) {
    throw failed(method, error);
  }
  if (answer instanceof Response) return answer;
  if (answer instanceof Promise) return settled(method, answer);
  throw notAResponse(method, answer);
}

function methodFor(handler: RequestHandler, method: Method): Method | null {
  if (METHODS.includes(method) && handler[method]) return method;
  return method === "HEAD" && handler.GET ? "GET" : null;
}

async function settled(method: Method, promise: Promise<unknown>): Promise<Response> {
  let answer: unknown;
  try {
    answer = await promise;
  } catch (error) {
    throw failed(method, error);
  }
  if (answer instanceof Response) return answer;
  throw notAResponse(method, answer);
}

function failed(method: Method, cause: unknown): HandlerError {
  return new HandlerError(`the handler's ${method} failed`, { cause });
}

function notAResponse(method: Method, found: unknown): HandlerError {
  return failed(method, new TypeError(`it returned ${Bun.inspect(found)} and not a Response`));
}
