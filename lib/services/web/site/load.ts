import { resolve } from "node:path";
import { messageOf, StartError } from "../../../host/errors.ts";
import { handlerProblem, type RequestHandler } from "./handler.ts";

/**
 * The request handler that a module exports as its default: an object, or a
 * class that is constructed without arguments.
 * @throws StartError naming the setting when there is none
 */
export async function loadHandler(path: string): Promise<RequestHandler> {
  const fault = (message: string) => new StartError([{ key: "web.handler", message }]);
  let found: unknown;
  try {
    const module = await import(Bun.pathToFileURL(resolve(path)).href);
    found = module.default;
    if (typeof found === "function") found = new (found as new () => unknown)();
  } catch (error) {
    throw fault(`${path} cannot be loaded: ${messageOf(error)}`);
  }
  const problem = handlerProblem(found);
  if (problem) throw fault(`${path}: its default export will not do: ${problem}`);
  return found as RequestHandler;
}
