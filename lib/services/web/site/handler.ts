import { compressed } from "../../../net/http/compression/responses.ts";
import type { HttpServer } from "../../../net/http.ts";
import { METHODS, type Method, MORE_METHODS, unanswered } from "../../../net/http/methods.ts";
import { HandlerError } from "./errors.ts";
import type { Shared } from "../ticker/shared.ts";

/**
 * Answers requests, with one function for each method of HTTP. Without `HEAD`,
 * `GET` answers it, and without `OPTIONS` the server does; any other missing
 * method is answered 405, or 501 when HTTP does not define it. Requests run
 * concurrently. `shared` is the state that the tickers get at their start.
 */
export type RequestHandler = {
  [M in Method]?: (request: Request, shared: Shared) => Response | Promise<Response>;
};

const ALL: readonly Method[] = [...METHODS, ...MORE_METHODS];

/** The fault that keeps a value from being a request handler, or null. */
export function handlerProblem(found: unknown): string | null {
  if (typeof found !== "object" || found === null) return "not an object with methods";
  const methods = ALL.filter((method) => (found as RequestHandler)[method] !== undefined);
  const wrong = methods.find((method) => typeof (found as RequestHandler)[method] !== "function");
  if (wrong) return `${wrong} is not a function`;
  return methods.length > 0 ? null : `none of the methods ${METHODS.join(", ")}`;
}

function answeredBy(handler: RequestHandler): Method[] {
  return ALL.filter((method) => handler[method] || (method === "HEAD" && handler.GET));
}

/**
 * Asks a handler for its answer, within the limits of clients, and compresses it as the request wants it.
 * @throws HandlerError when the handler throws, rejects or returns anything but a Response
 */
export function respond(
  handler: RequestHandler,
  request: Request,
  shared: Shared,
  http: HttpServer,
): Response | Promise<Response> {
  const refused = http.refuses(request);
  if (refused) return refused;
  const method = methodFor(handler, request.method as Method);
  if (method === null) return unanswered(request, answeredBy(handler));
  let answer: unknown;
  try {
    answer = handler[method]?.(request, shared);
  } catch (error) {
    throw failed(method, error);
  }
  const sent = (response: Response) => compressed(request, response, http.compression);
  if (answer instanceof Response) return sent(answer);
  if (answer instanceof Promise) return settled(method, answer).then(sent);
  throw notAResponse(method, answer);
}

function methodFor(handler: RequestHandler, method: Method): Method | null {
  if (ALL.includes(method) && handler[method]) return method;
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
