import type { Values } from "./section.ts";
import { accessOf } from "./sections/access.ts";
import { cluster } from "./sections/cluster.ts";
import { collector } from "./sections/collector.ts";
import { logger } from "./sections/logger.ts";
import { net } from "./sections/net.ts";
import { neuro } from "./sections/neuro.ts";
import { program } from "./sections/program.ts";
import { hyperParameters, relay, topLevel } from "./sections/relay.ts";
import { store } from "./sections/store.ts";
import { tlsOf } from "./sections/tls.ts";
import { web } from "./sections/web.ts";

/** The section of each service. */
const services = { relay, web, store, neuro, collector };

/** Every setting, once, in the order of the commented file and the pages. */
export const settings = {
  ...topLevel,
  ...program,
  logger,
  net,
  hyper_parameters: hyperParameters,
  cluster,
  ...services,
  tls: tlsOf(services),
  access: accessOf(services),
};

/** The effective configuration. */
export type Config = Values<typeof settings>;
export type Level = Config["logger"]["log_level"];
export type AccessSettings = Config["access"];
export type TlsSettings = Config["tls"];
