#!/usr/bin/env bun
import { main } from "./lib/cli/main.ts";
import type { Config } from "./lib/config/table.ts";
import type { Services } from "./lib/host/lifecycle.ts";
import { Relay } from "./lib/services/relay/relay.ts";

export { type Preset, presets } from "./lib/config/presets.ts";
export { StartError } from "./lib/host/errors.ts";
export {
  ConfigError,
  type Guest,
  type RunOptions,
  type ServerOptions,
  SummonerServer,
} from "./lib/server.ts";

/** Every service, by the name of its section. */
const services: Services<Config> = {
  relay: (config, host) => new Relay(config, host),
};

if (import.meta.main) process.exit(await main(Bun.argv.slice(2), services));
