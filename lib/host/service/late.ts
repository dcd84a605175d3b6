import type { Service } from "../service.ts";

/**
 * A service whose code is loaded by the first thing that is asked of it: its start, or
 * what it declares before that. So a program has the code of those alone that it runs.
 * @param load gives the service, by `require`: a reload checks settings and applies them in one go
 */
export function late<C>(load: () => Service<C>): Service<C> {
  let loaded: Service<C> | undefined;
  const service = () => (loaded ??= load());
  const start: Service<C> = (config, host) => service()(config, host);
  return new Proxy(start, { get: (_, name) => Reflect.get(service(), name) });
}
