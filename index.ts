#!/usr/bin/env bun
import { main } from "./lib/cli/main.ts";
import type { Config } from "./lib/config/table.ts";
import type { Services } from "./lib/host/lifecycle.ts";
import { EmbeddedServer, type ServerOptions } from "./lib/server.ts";
import { Relay } from "./lib/services/relay/relay.ts";
import { store } from "./lib/services/store/store.ts";
import { web } from "./lib/services/web/web.ts";

export { type Preset, presets } from "./lib/config/presets.ts";
export { StartError } from "./lib/host/errors.ts";
export {
  HandlerError,
  ServerError,
  ServerShutdownError,
  ServerStartupError,
} from "./lib/services/web/errors.ts";
export type { RequestHandler } from "./lib/services/web/handler.ts";
export { createLog, Server, type WebServerOptions } from "./lib/services/web/server.ts";
export type { Shared } from "./lib/services/web/shared.ts";
export { Ticker, type TickerStatus, type Ticks } from "./lib/services/web/ticker.ts";
export { ConfigError, type Guest, type RunOptions, type ServerOptions } from "./lib/server.ts";

/** Every service, by the name of its section. */
export const services: Services<Config> = {
  relay: (config, host) => new Relay(config, host),
  web,
  store,
};

/** The server as a library: every service that its configuration enables, in the program that embeds it. */
export class SummonerServer extends EmbeddedServer {
  /** @param name the server's name in its log; the configuration's when not given */
  constructor(name?: string, options: ServerOptions = {}) {
    super(services, name, options);
  }
}

if (import.meta.main) process.exit(await main(Bun.argv.slice(2), services));
