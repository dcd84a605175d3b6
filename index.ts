#!/usr/bin/env bun
import { main } from "./lib/cli/main.ts";
import type { Config } from "./lib/config/table.ts";
import type { Services } from "./lib/host/service.ts";
import { late } from "./lib/host/service/late.ts";
import { EmbeddedServer, type EmbeddedOptions, type HandleClient } from "./lib/library/embedded.ts";
import type { GreetedClient } from "./lib/services/relay/greeted-client.ts";

export { type Preset, presets } from "./lib/config/presets.ts";
export { StartError } from "./lib/host/errors.ts";
export { ConfigError, type RunOptions } from "./lib/library/embedded.ts";
export { gameSockets, type GameSockets } from "./lib/library/game-sockets.ts";
export { NeuroServer, type NeuroServerOptions, type NeuroTls } from "./lib/library/neuro-server.ts";
export { StoreClient, type StoreAction, type StoreFields } from "./lib/library/store/client.ts";
export {
  type ConnectionEvent as StoreConnectionEvent,
  type LinkOptions as StoreClientOptions,
  StoreDisconnected,
  StoreLate,
  StoreRefused,
} from "./lib/library/store/options.ts";
export type { StoreEvent } from "./lib/library/store/events.ts";
export type { Subscription } from "./lib/library/store/subscription.ts";
export { createLog, Server, type WebServerOptions } from "./lib/library/web-server.ts";
export {
  ActionRefused,
  type Brain,
  type Choice,
  type ForceRequest,
  type Playing,
} from "./lib/services/neuro/brains/brain.ts";
export { ClientSession, type ClientOptions } from "./lib/services/neuro/session/client.ts";
export {
  checkActionNames,
  decode,
  type Decoded,
  deserializeActions,
} from "./lib/services/neuro/codec/decode.ts";
export {
  actionCommand,
  reregisterAllCommand,
  shutdownGracefulCommand,
  shutdownImmediateCommand,
  speechFinishedCommand,
  startupCommand,
} from "./lib/services/neuro/codec/encode.ts";
export type { Diagnostic } from "./lib/services/neuro/diagnostics.ts";
export type {
  Action,
  ActionOutcome,
  Command,
  ForceData,
  Priority,
  ResultData,
} from "./lib/services/neuro/protocol.ts";
export type {
  Scenario,
  ScenarioFile,
  ScenarioGame,
  Step as ScenarioStep,
} from "./lib/services/neuro/scenario/file/scenario.ts";
export { RecordingSession } from "./lib/services/neuro/session/recording.ts";
export type { SessionOptions, SessionSettings } from "./lib/services/neuro/settings.ts";
export type { GreetedClient } from "./lib/services/relay/greeted-client.ts";
export {
  HandlerError,
  ServerError,
  ServerShutdownError,
  ServerStartupError,
} from "./lib/services/web/site/errors.ts";
export type { RequestHandler } from "./lib/services/web/site/handler.ts";
export type { Shared } from "./lib/services/web/ticker/shared.ts";
export { Ticker, type TickerStatus, type Ticks } from "./lib/services/web/ticker/ticker.ts";

const relay = (handle: HandleClient<GreetedClient> | null) =>
  late<Config>(() => require("./lib/services/relay/service.ts").relay(handle));

/** Every service, by the name of its section. By `require`, since nobody waits for what a service declares. */
export const services: Services<Config> = {
  relay: relay(null),
  web: late(() => require("./lib/services/web/web.ts").web),
  store: late(() => require("./lib/services/store/store.ts").store),
  neuro: late(() => require("./lib/services/neuro/neuro.ts").neuro),
  collector: late(() => require("./lib/services/collector/collector.ts").collector),
};

export type ServerOptions = EmbeddedOptions<GreetedClient>;

/** The server as a library: every service that its configuration enables, in the program that embeds it. */
export class SummonerServer extends EmbeddedServer<GreetedClient> {
  /** @param name the server's name in its log; the configuration's when not given */
  constructor(name?: string, options: ServerOptions = {}) {
    super((handle) => ({ ...services, relay: relay(handle) }), name, options);
  }
}

if (import.meta.main) process.exit(await main(Bun.argv.slice(2), services));
